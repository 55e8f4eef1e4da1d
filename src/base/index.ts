/**
 * The ground: errors, units, policies. Pure; knows no clock, file or thread of its own.
 */
export { ERRORS, SluiceError } from './errors.ts'
export type { ErrorCode, ErrorDetails, ErrorEntry } from './errors.ts'
export { formatDuration, parseDuration } from './durations.ts'
export type { Duration } from './durations.ts'
export { untilAborted } from './signals.ts'
export { formatSize, parseSize } from './sizes.ts'
export { suggest } from './suggest.ts'
export { Policy } from './policies/policy.ts'
export type { PolicyConfig } from './policies/policy.ts'
export type { PolicyClock } from './policies/clock.ts'
export { Breaker } from './policies/breaker.ts'
export type { BreakerConfig, BreakerState } from './policies/breaker.ts'
export { Retry } from './policies/retry.ts'
export type { RetryConfig } from './policies/retry.ts'
export { RateLimiter } from './policies/rate-limit.ts'
export type { Cost, RateLimitConfig } from './policies/rate-limit.ts'
