/**
 * Decides when a batch that every sink has taken is durable, for pipelines without checkpoints.
 *
 * Where somebody waits for an answer (`acks`), the sinks are flushed as soon as the last flush is over: one flush then serves all batches that landed
 * meanwhile. Where nobody waits, one flush at the end is enough. With checkpoints, the cuts do this, and here is nothing to do.
 */
import type { Clock } from '../platform/index.ts'
import type { Flight } from './flight.ts'
import type { SinkRunner } from './sink-runner.ts'
import type { OpenSource } from './sources.ts'

export class Delivery {
  readonly #sources: readonly OpenSource[]
  readonly #sinks: ReadonlyMap<number, SinkRunner>
  readonly #active: boolean
  readonly #clock: Clock
  readonly #fail: (error: unknown) => void
  readonly #acks: boolean
  #landed: Flight[] = []
  #flushing: Promise<void> | undefined
  #stopped = false

  constructor(sources: readonly OpenSource[], sinks: ReadonlyMap<number, SinkRunner>, active: boolean, clock: Clock, fail: (error: unknown) => void) {
    this.#flushed = clock.monotonic()
    this.#sources = sources
    this.#sinks = sinks
    this.#active = active
    this.#clock = clock
    this.#fail = fail
    this.#acks = sources.some(source => source.acks)
  }

  /** A batch has been taken by every sink. */
  landed(flight: Flight): void {
    if (!this.#active || flight.source === undefined) return
    if (!this.#acks) {
      // Nobody waits: only the place in the order is kept until the flush at the end.
      this.#last.set(flight.source, Math.max(flight.seq, this.#last.get(flight.source) ?? -1))
      return
    }
    this.#landed.push(flight)
    this.#flushing ??= this.#flushAll()
  }

  /** When the last flush was. */
  #flushed: number
  /** Ends the wait for the next flush. */
  #hurry: (() => void) | undefined
  #isHurried = false
  readonly #last = new Map<number, number>()

  async #flushAll(): Promise<void> {
    try {
      while (this.#landed.length > 0 && !this.#stopped) {
        // A turn of the event loop lets batches that land together share a flush; a sink may want more to share it.
        await this.#clock.sleep(0)
        await this.#pause()
        const batch = this.#landed
        this.#landed = []
        await this.#flushSinks()
        for (const flight of batch) this.#durable(flight)
        for (const source of this.#sources) await source.release()
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#flushing = undefined
    }
  }

  #durable({ source: node, seq }: Flight): void {
    this.#sources.find(source => source.node === node)?.durable(seq)
  }

  /** Waits until a flush is due, or somebody needs it now. */
  async #pause(): Promise<void> {
    const every = Math.max(0, ...[...this.#sinks.values()].map(({ sink }) => sink.cutsEvery ?? 0))
    const left = this.#flushed + every - this.#clock.monotonic()
    if (every === 0 || left <= 0 || this.#isHurried || this.#stopped) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#hurry = resolve
    const cancel = this.#clock.timer(left, resolve)
    await promise
    cancel()
  }

  async #flushSinks(): Promise<void> {
    await Promise.all([...this.#sinks.values()].map(sink => sink.flush()))
    this.#flushed = this.#clock.monotonic()
  }

  /** Makes all durable that has landed. */
  async flush(): Promise<void> {
    if (!this.#active) return
    this.#isHurried = true
    this.#hurry?.()
    await this.#flushing
    // What landed while the last flush was under way has had none: nothing follows by itself once this is stopped.
    const batch = this.#landed
    this.#landed = []
    await this.#flushSinks()
    for (const flight of batch) this.#durable(flight)
    for (const source of this.#sources) {
      const last = this.#last.get(source.node)
      if (last !== undefined) source.durableUpTo(last)
      await source.release()
    }
  }

  stop(): void {
    this.#stopped = true
    this.#hurry?.()
  }
}
