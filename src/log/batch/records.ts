/** Records as objects, for where comfort counts more than speed. The hot path takes the cursor. */
import type { RecordHeader } from '../log.ts'
import { RecordCursor } from './cursor.ts'
import type { CursorOptions } from './cursor.ts'

export interface BatchRecord {
  readonly offset: bigint
  /** Milliseconds since 1970. */
  readonly timestamp: number
  /** Key and value are views of the bytes read, not copies. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/** The records of the batches in `bytes`, one after the other. Control batches are left out. */
export function* records(bytes: Uint8Array, options: CursorOptions = {}): Generator<BatchRecord, void> {
  const cursor = new RecordCursor(options)
  for (cursor.open(bytes); cursor.next(); ) if (!cursor.control) yield recordAt(cursor)
}

/** The record that the cursor stands on. */
export function recordAt(cursor: RecordCursor): BatchRecord {
  const { bytes, keyStart, keyEnd, valueStart, valueEnd } = cursor
  return {
    offset: cursor.offset,
    timestamp: cursor.timestamp,
    key: keyStart < 0 ? null : bytes.subarray(keyStart, keyEnd),
    value: valueStart < 0 ? null : bytes.subarray(valueStart, valueEnd),
    headers: cursor.headers(),
  }
}
