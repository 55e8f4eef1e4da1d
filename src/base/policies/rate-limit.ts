/**
 * Holds calls back so that no more than so many events or bytes pass in a length of time (token bucket).
 *
 * The bucket holds what passes in one `per`; a call larger than the bucket passes once the bucket is full, and leaves it in debt.
 */
import type { PolicyClock } from './clock.ts'

export interface RateLimitConfig {
  readonly events: number | undefined
  readonly bytes: number | undefined
  /** Milliseconds that `events` and `bytes` are counted over. */
  readonly per: number
}
export interface Cost {
  readonly events: number
  readonly bytes: number
}

export class RateLimiter {
  readonly #buckets: readonly { readonly of: keyof Cost; readonly most: number; tokens: number }[]
  readonly #per: number
  readonly #clock: PolicyClock
  #filled: number
  /** Milliseconds that calls were held back, and since when one is. */
  #held = 0
  #since: number | undefined
  /** Calls pass in the order they came. */
  #tail: Promise<void> = Promise.resolve()

  constructor(config: RateLimitConfig, clock: PolicyClock) {
    this.#per = config.per
    this.#clock = clock
    this.#filled = clock.now()
    this.#buckets = (['events', 'bytes'] as const).flatMap(of => {
      const most = config[of]
      return most === undefined ? [] : [{ of, most, tokens: most }]
    })
  }

  /** Resolves when the cost may pass. */
  take(cost: Cost, signal?: AbortSignal): Promise<void> {
    const turn = this.#tail.then(() => this.#take(cost, signal))
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  /** Milliseconds in which calls were held back, up to now. */
  get heldMs(): number {
    return this.#held + (this.#since === undefined ? 0 : Math.max(0, this.#clock.now() - this.#since))
  }

  async #take(cost: Cost, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      this.#fill()
      const wait = Math.max(0, ...this.#buckets.map(bucket => this.#missing(bucket, cost)))
      if (wait === 0) break
      this.#since ??= this.#clock.now()
      try {
        await this.#clock.sleep(wait, signal)
      } finally {
        this.#held = this.heldMs
        this.#since = undefined
      }
    }
    for (const bucket of this.#buckets) bucket.tokens -= cost[bucket.of]
  }

  #missing(bucket: { readonly of: keyof Cost; readonly most: number; readonly tokens: number }, cost: Cost): number {
    const need = Math.min(cost[bucket.of], bucket.most) - bucket.tokens
    return need <= 0 ? 0 : Math.max(1, Math.ceil((need / bucket.most) * this.#per))
  }

  #fill(): void {
    const now = this.#clock.now()
    const share = Math.max(0, now - this.#filled) / this.#per
    for (const bucket of this.#buckets) bucket.tokens = Math.min(bucket.most, bucket.tokens + share * bucket.most)
    this.#filled = now
  }
}
