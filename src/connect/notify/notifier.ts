/**
 * Tells of results, one after the other, in the order in which they were added, in the background of whoever adds them.
 *
 *     add -> waiting -> being told -> told
 *               ^           | fails: the pauses grow, and nothing overtakes it
 *               +-----------+
 *
 * What is not told yet (`untold`) belongs into the mark of the next checkpoint, so that the next run tells it after a crash. Nothing is ever given up: after `deadline` milliseconds of
 * failures, whoever waits or asks gets NOTIFY_FAILED, and what is there is tried on. Memory: whoever adds waits for `room` before it adds more.
 */
import { SluiceError, untilAborted } from '../../base/index.ts'
import type { ComponentContext } from '../../engine/index.ts'
import { noticeOf } from './notice.ts'
import type { Notice, Written } from './notice.ts'

/** Where notices go. */
export interface NoticeTarget {
  /** For messages to the operator. */
  readonly name: string
  open(): Promise<void>
  /** Resolves once the other side has it. */
  tell(notice: Notice, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface NotifierConfig {
  readonly deadline: number
  readonly pending: number
}

const PAUSE = 200
const PAUSE_MAX = 30_000
/** Milliseconds that a checkpoint waits for a target that answers slowly. */
const GRACE = 5000

export class Notifier {
  readonly #target: NoticeTarget
  readonly #bucket: string
  readonly #config: NotifierConfig
  readonly #context: ComponentContext
  readonly #stop = new AbortController()
  /** Fires when this is closed, and when the pipeline stops at once. */
  readonly #signal: AbortSignal
  #waiting: Written[] = []
  #telling: Promise<void> | undefined
  #failures = 0
  #failingSince = 0
  #why: unknown
  #changed = Promise.withResolvers<void>()

  constructor(target: NoticeTarget, bucket: string, config: NotifierConfig, context: ComponentContext) {
    this.#target = target
    this.#bucket = bucket
    this.#config = config
    this.#context = context
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal])
  }

  async open(): Promise<void> {
    await this.#target.open()
  }

  /** What the other side may not have yet, in order. */
  get untold(): readonly Written[] {
    return [...this.#waiting]
  }

  add(results: readonly Written[]): void {
    for (const { key, events, bytes, sha256, time, input } of results) this.#waiting.push({ key, events, bytes, sha256, time, input })
    this.#begin()
  }

  #begin(): void {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined
      // What was added when the last one had just been told.
      if (this.#waiting.length > 0 && !this.#signal.aborted) this.#begin()
    })
  }

  async #tellAll(): Promise<void> {
    // A turn later, so that `#telling` is set before it may end.
    await Promise.resolve()
    for (let next = this.#waiting[0]; next !== undefined && !this.#signal.aborted; next = this.#waiting[0]) {
      const begun = this.#context.now()
      try {
        await this.#target.tell(noticeOf(this.#bucket, next), this.#signal)
        this.#waiting.shift()
        this.#failures = 0
      } catch (error) {
        if (!this.#signal.aborted) await this.#failed(error, begun)
      }
      this.#wake()
    }
    this.#wake()
  }

  async #failed(why: unknown, begun: number): Promise<void> {
    if (this.#failures === 0) this.#failingSince = begun
    this.#failures++
    this.#why = why
    this.#context.warn(`${reasonOf(why)} ${this.#waiting.length} results are not told yet; it is tried again.`, 'notify')
    this.#wake()
    const most = Math.min(PAUSE_MAX, PAUSE * 2 ** Math.min(this.#failures, 10))
    const after = why instanceof Error && 'retryAfter' in why && typeof why.retryAfter === 'number' ? Math.min(why.retryAfter, this.#config.deadline) : 0
    await this.#context.sleep(Math.max(after, most / 2 + (most / 2) * this.#context.random()), this.#signal).catch(() => undefined)
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Waits until all is told, something fails, or it takes long: so that nothing is told twice after a stop as long as the other side is well. */
  async settle(): Promise<void> {
    if (this.#waiting.length === 0) return
    const over = new AbortController()
    const late = this.#late(over.signal)
    let isLate = false
    while (this.#waiting.length > 0 && this.#failures === 0 && !isLate && !this.#signal.aborted) isLate = await Promise.race([this.#changed.promise, late]) === 'late'
    over.abort()
  }

  /** Also ends with the pipeline. */
  async #late(over: AbortSignal): Promise<'late'> {
    await this.#context.sleep(GRACE, AbortSignal.any([this.#signal, over])).catch(() => undefined)
    return 'late'
  }

  /** Waits until more may be added. Throws NOTIFY_FAILED where that takes too long. */
  room(): Promise<void> {
    return this.#until(this.#config.pending)
  }

  /** Waits until all is told. Throws NOTIFY_FAILED where that takes too long. */
  told(): Promise<void> {
    return this.#until(0)
  }

  async #until(most: number): Promise<void> {
    for (;;) {
      this.#check()
      if (this.#waiting.length <= most) return
      if (this.#signal.aborted) throw new SluiceError('ABORTED', `${this.#waiting.length} results were not told: the pipeline was stopped.`, { retry: false })
      await untilAborted(this.#changed.promise, this.#signal)
    }
  }

  #check(): void {
    const { deadline } = this.#config
    if (this.#failures === 0 || this.#context.now() - this.#failingSince < deadline) return
    const kept = this.#context.keeps === true ? 'The next run tells them.' : 'Without a `state` nothing tells them again.'
    throw new SluiceError('NOTIFY_FAILED', `${this.#waiting.length} results could not be told to ${this.#target.name} for ${Math.round(deadline / 1000)} s. ${kept} ${reasonOf(this.#why)}`, { cause: this.#why, retry: false, stops: true })
  }

  /** `isDone`: nothing comes after this run that could tell the rest. */
  async close(isDone: boolean): Promise<void> {
    try {
      if (isDone) await this.told()
    } finally {
      this.#stop.abort()
      await this.#telling
      await this.#target.close()
    }
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
