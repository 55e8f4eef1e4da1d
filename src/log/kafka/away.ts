/**
 * Tells of brokers that do not take what waits for them: once that lasts for longer than a leader needs to move, and again when it is over.
 *
 * One for all lanes of a producer: it is over when the last lane of which was told goes on.
 */
import type { Clock } from '../../platform/index.ts'

/** Milliseconds after which it is told. */
const AWAY_AFTER = 1000

interface Waiting {
  error: unknown
  isTold: boolean
  readonly cancel: () => void
}

export class Away {
  readonly #clock: Clock
  readonly #tell: ((error: unknown) => void) | undefined
  readonly #waiting = new Map<object, Waiting>()

  /** `tell`: who is to know, if anybody. */
  constructor(clock: Clock, tell: ((error: unknown) => void) | undefined) {
    this.#clock = clock
    this.#tell = tell
  }

  /** An attempt of a lane was in vain. */
  failed(lane: object, error: unknown): void {
    if (this.#tell === undefined || this.#noted(lane, error)) return
    const cancel = this.#clock.timer(AWAY_AFTER, () => {
      waiting.isTold = true
      this.#tell?.(waiting.error)
    })
    const waiting: Waiting = { error, isTold: false, cancel }
    this.#waiting.set(lane, waiting)
  }

  /** Work for a lane that waits: why it fails last is what is told. */
  async watch<T>(lane: object, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#noted(lane, error)
      throw error
    }
  }

  /** What a lane had sent was taken. */
  worked(lane: object): void {
    if (this.gone(lane) && ![...this.#waiting.values()].some(({ isTold }) => isTold)) this.#tell?.(undefined)
  }

  /** A lane gives up what it had. Answers whether its trouble had been told. */
  gone(lane: object): boolean {
    const known = this.#waiting.get(lane)
    known?.cancel()
    this.#waiting.delete(lane)
    return known?.isTold === true
  }

  /** Whether the lane was known to wait. */
  #noted(lane: object, error: unknown): boolean {
    const known = this.#waiting.get(lane)
    if (known !== undefined) known.error = error
    return known !== undefined
  }
}
