/** Rate limit, then retry, then breaker: the one way to call what may be slow, busy or gone. */
import { Breaker } from './breaker.ts'
import type { BreakerConfig, BreakerState } from './breaker.ts'
import type { PolicyClock } from './clock.ts'
import { RateLimiter } from './rate-limit.ts'
import type { Cost, RateLimitConfig } from './rate-limit.ts'
import { Retry } from './retry.ts'
import type { RetryConfig } from './retry.ts'

export interface PolicyConfig {
  readonly retry: RetryConfig | undefined
  readonly breaker: BreakerConfig | undefined
  readonly rateLimit: RateLimitConfig | undefined
}

const ONCE: RetryConfig = { attempts: 1, backoff: 0, factor: 1, backoffMax: 0, deadline: 0, budget: 0 }

export class Policy {
  readonly #retry: Retry
  readonly #breaker: Breaker | undefined
  readonly #limit: RateLimiter | undefined

  /** `onBreaker` is told each state that the breaker takes. */
  constructor(config: PolicyConfig, clock: PolicyClock, onBreaker?: (state: BreakerState) => void) {
    this.#retry = new Retry(config.retry ?? ONCE, clock)
    this.#breaker = config.breaker === undefined ? undefined : new Breaker(config.breaker, clock, onBreaker)
    this.#limit = config.rateLimit === undefined ? undefined : new RateLimiter(config.rateLimit, clock)
  }

  get breaker(): BreakerState | undefined {
    return this.#breaker?.state
  }

  /** Milliseconds in which its rate limit held calls back; undefined where it has none. */
  get limitedMs(): number | undefined {
    return this.#limit?.heldMs
  }

  /** Calls `work` under the policy; every attempt pays the rate limit. Throws the last error, with `attempts` on it. */
  call<T>(cost: Cost, work: (attempt: number) => Promise<T>, signal?: AbortSignal): Promise<{ value: T; attempts: number }> {
    return this.#retry.run(async attempt => {
      await this.#limit?.take(cost, signal)
      return this.#breaker === undefined ? work(attempt) : this.#breaker.run(() => work(attempt), signal)
    }, signal)
  }
}
