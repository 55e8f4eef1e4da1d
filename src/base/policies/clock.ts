/** What policies need of a clock; `platform/clock.ts` provides it. */
export interface PolicyClock {
  /** Milliseconds since 1970. */
  now(): number
  /** At least 0, below 1. */
  random(): number
  /** Resolves after `ms` milliseconds; rejects with ABORTED when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
