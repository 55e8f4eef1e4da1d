/**
 * The one registry of errors.
 *
 * Every error that a user can meet has a permanent code here, with what it means and what to do about it.
 * The reference page `docs/reference/errors.md` is generated from this table, and `sluice explain CODE` prints it.
 * A code is never reused or renamed. Each room keeps its block of codes together.
 */
export interface ErrorEntry {
  /** What happened, in one sentence. */
  readonly what: string
  /** The usual causes. */
  readonly why: string
  /** What the reader can do about it. */
  readonly cure: string
  /** True where the same call may succeed later without a change. */
  readonly retry: boolean
}

const entry = (what: string, why: string, cure: string, retry = false): ErrorEntry => ({ what, why, cure, retry })

export const ERRORS = {
  // base
  INTERNAL: entry(
    'Sluice met a state that its own code rules out.',
    'A fault in Sluice, not in the pipeline.',
    'Report it with the message, the pipeline and the version.',
  ),
  ABORTED: entry('The work was cancelled.', 'A signal, a deadline or the caller ended it.', 'Start it again when it should run.', true),
  TIMED_OUT: entry('A call took longer than its deadline.', 'The other side is slow, overloaded or gone.', 'Check the other side; raise the deadline if it is merely slow.', true),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** Extra facts about one error: the cause, and where it happened. */
export interface ErrorDetails {
  readonly cause?: unknown
  /** Where it happened: a stage id, a file and line, a URL. */
  readonly place?: string
  /** Overrides the registry's `retry` where this case differs. */
  readonly retry?: boolean
}

/** The error that every room throws. `message` tells what happened here; `ERRORS[code]` tells what it means in general. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly retry: boolean
  readonly place: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SluiceError'
    this.code = code
    this.retry = details.retry ?? ERRORS[code].retry
    this.place = details.place
  }
}
