/**
 * Tries again what failed: exponential backoff with full jitter, a deadline, and a budget that keeps retries from becoming the load.
 *
 * The wait before attempt n is random between 0 and min(backoffMax, backoff * factor ** (n - 2)); an error's own `retryAfter` (milliseconds) is a lower bound.
 * Only errors that say `retry: true` are tried again. Source of the jitter: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
import { SluiceError } from '../errors.ts'
import type { PolicyClock } from './clock.ts'

export interface RetryConfig {
  /** Attempts in all, the first included; 0 means without end. */
  readonly attempts: number
  /** Milliseconds: the longest first wait. */
  readonly backoff: number
  readonly factor: number
  /** Milliseconds: the longest wait of all. */
  readonly backoffMax: number
  /** Milliseconds from the first attempt on; 0 means without end. */
  readonly deadline: number
  /** Most retries as a share of the calls; 0 switches the budget off. */
  readonly budget: number
}

/** Does a piece of work, and hands on what it answers or throws. */
export type Watch = <T>(work: () => Promise<T>) => Promise<T>

/** Retries that a budget allows before any call has earned more. */
const BUDGET_START = 10

export class Retry {
  readonly #config: RetryConfig
  readonly #clock: PolicyClock
  readonly #watch: Watch
  #tokens = BUDGET_START

  /** `watch` does each attempt, and sees what becomes of it. */
  constructor(config: RetryConfig, clock: PolicyClock, watch: Watch = work => work()) {
    this.#config = config
    this.#watch = watch
    this.#clock = clock
  }

  /** Calls `work` until it succeeds. Throws the last error, with `attempts` on it, when it may not or need not be tried again. */
  async run<T>(work: (attempt: number) => Promise<T>, signal?: AbortSignal): Promise<{ value: T; attempts: number }> {
    const started = this.#clock.now()
    this.#earn()
    for (let attempt = 1; ; attempt++) {
      try {
        return { value: await this.#watch(() => work(attempt)), attempts: attempt }
      } catch (error) {
        if (signal?.aborted === true || !this.#mayRetry(error, attempt)) throw withAttempts(error, attempt)
        const wait = this.#wait(error, attempt)
        const { deadline } = this.#config
        if (deadline > 0 && this.#clock.now() + wait - started > deadline) throw withAttempts(error, attempt)
        await this.#clock.sleep(wait, signal)
      }
    }
  }

  #mayRetry(error: unknown, attempt: number): boolean {
    if (!(error instanceof SluiceError) || !error.retry) return false
    if (this.#config.attempts > 0 && attempt >= this.#config.attempts) return false
    return this.#spend()
  }

  #wait(error: unknown, attempt: number): number {
    const { backoff, backoffMax, factor } = this.#config
    const longest = Math.min(backoffMax, backoff * factor ** (attempt - 1))
    return Math.max(retryAfter(error), this.#clock.random() * longest)
  }

  #earn(): void {
    if (this.#config.budget > 0) this.#tokens = Math.min(BUDGET_START, this.#tokens + this.#config.budget)
  }

  #spend(): boolean {
    if (this.#config.budget <= 0) return true
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

function retryAfter(error: unknown): number {
  const after = error instanceof Error && 'retryAfter' in error ? error.retryAfter : 0
  return typeof after === 'number' && after > 0 ? after : 0
}

function withAttempts(error: unknown, attempts: number): unknown {
  return error instanceof Error ? Object.assign(error, { attempts }) : error
}
