/**
 * Stops calling what keeps failing, and tries carefully whether it is back.
 *
 *              `failures` in a row                 `cooldown` over
 *     closed ----------------------> open --------------------------> half-open
 *        ^                            ^                                |      |
 *        |                            |            one call fails      |      |
 *        |                            +--------------------------------+      |
 *        |                         `successes` calls in a row                 |
 *        +--------------------------------------------------------------------+
 *
 * While open, calls wait; nothing is refused. Half-open lets one call through at a time.
 */
import type { PolicyClock } from './clock.ts'

export interface BreakerConfig {
  /** Failures in a row that open it. */
  readonly failures: number
  /** Milliseconds that it stays open before one call may try. */
  readonly cooldown: number
  /** Calls that must succeed in a row to close it again. */
  readonly successes: number
}

export type BreakerState = 'closed' | 'open' | 'half-open'

export class Breaker {
  readonly #config: BreakerConfig
  readonly #clock: PolicyClock
  readonly #onState: (state: BreakerState) => void
  #state: BreakerState = 'closed'
  #failures = 0
  #successes = 0
  #openUntil = 0
  /** True while a call tries whether the other side is back. */
  #probing = false
  #waiting: (() => void)[] = []

  constructor(config: BreakerConfig, clock: PolicyClock, onState: (state: BreakerState) => void = () => undefined) {
    this.#config = config
    this.#onState = onState
    this.#clock = clock
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Calls `work` once it may be called, and learns from the outcome. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal)
    try {
      const value = await work()
      this.#succeeded()
      return value
    } catch (error) {
      this.#failed()
      throw error
    } finally {
      this.#probing = false
      this.#wake()
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    while (this.#state !== 'closed') {
      const wait = this.#openUntil - this.#clock.now()
      if (this.#state === 'open' && wait > 0) {
        await this.#clock.sleep(wait, signal)
        continue
      }
      this.#become('half-open')
      if (!this.#probing) {
        this.#probing = true
        return
      }
      await this.#turn(signal)
    }
  }

  #become(state: BreakerState): void {
    if (this.#state === state) return
    this.#state = state
    this.#onState(state)
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
      if (signal?.aborted === true) return aborted()
      signal?.addEventListener('abort', aborted, { once: true })
      this.#waiting.push(() => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      })
    })
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }

  #succeeded(): void {
    this.#failures = 0
    if (this.#state !== 'half-open') return
    this.#successes++
    if (this.#successes >= this.#config.successes) this.#become('closed')
  }

  #failed(): void {
    this.#failures++
    this.#successes = 0
    if (this.#state === 'closed' && this.#failures < this.#config.failures) return
    this.#become('open')
    this.#openUntil = this.#clock.now() + this.#config.cooldown
  }
}
