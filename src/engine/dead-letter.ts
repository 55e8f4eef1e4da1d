/**
 * The record of an event that failed: what `dead_letters` receives. Format: docs/formats/dead-letter.md.
 */
import { isUtf8 } from 'node:buffer'
import { SluiceError, withoutPasswords } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'

export interface DeadLetter {
  readonly pipeline: string
  /** Id of the node that gave the event up. */
  readonly stage: string
  readonly code: string
  readonly reason: string
  readonly attempts: number
  /** ISO 8601, when it was given up. */
  readonly time: string
  readonly source: string
  /** Where the source read it. */
  readonly position: JsonValue
  /** What the source's codec needs to read the bytes again, where it needs more than them. */
  readonly meta?: JsonValue
  /** The bytes as the source delivered them: as text, or as base64 where they are not UTF-8. */
  readonly original?: string
  readonly original_base64?: string
}

/** What is known of a failed event before it becomes a record. */
export interface Failure {
  readonly stage: string
  readonly source: string
  readonly position: JsonValue
  readonly original: Uint8Array
  readonly error: unknown
  readonly attempts: number
  readonly meta?: JsonValue | undefined
}

/** The record as JSON. `now` is in milliseconds since 1970. */
export function deadLetter(pipeline: string, failure: Failure, now: number): DeadLetter {
  const bytes = Buffer.from(failure.original.buffer, failure.original.byteOffset, failure.original.byteLength)
  return {
    pipeline,
    stage: failure.stage,
    code: codeOf(failure.error),
    reason: reasonOf(failure.error),
    attempts: failure.attempts,
    time: new Date(now).toISOString(),
    source: failure.source,
    position: failure.position,
    ...(failure.meta === undefined ? {} : { meta: failure.meta }),
    ...(isUtf8(bytes) ? { original: bytes.toString('utf8') } : { original_base64: bytes.toString('base64') }),
  }
}

export function codeOf(error: unknown): string {
  return error instanceof SluiceError ? error.code : 'STAGE_FAILED'
}

export function reasonOf(error: unknown): string {
  return withoutPasswords(error instanceof Error ? error.message : String(error))
}
