/**
 * Control batches: one record that ends a transaction in a partition. Its key says how, its value who says so.
 *
 *     key    version int16 = 0, type int16: 0 abort, 1 commit
 *     value  version int16 = 0, epoch of the coordinator int32
 *
 * Readers never see them; they take one offset each.
 */
import { corrupt } from './check.ts'
import { RecordCursor } from './cursor.ts'
import { CONTROL, readInt16, readInt32, sealBatch, sign, writeInt16, writeInt32 } from './header.ts'
import { BatchWriter } from './writer.ts'

export interface Marker {
  readonly commit: boolean
  readonly producerId: bigint
  readonly epoch: number
  /** Of the coordinator that wrote it; default 0. */
  readonly coordinatorEpoch?: number | undefined
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

const ABORT = 0
const COMMIT = 1

/** The batch that ends a transaction; its offset is still to be stamped. */
export function encodeMarker({ commit, producerId, epoch, coordinatorEpoch = 0, timestamp }: Marker): Uint8Array {
  const key = new Uint8Array(4)
  writeInt16(key, 2, commit ? COMMIT : ABORT)
  const value = new Uint8Array(6)
  writeInt32(value, 2, coordinatorEpoch)
  const writer = new BatchWriter({ bytes: 128 })
  writer.add(key, value, [], timestamp)
  const batch = writer.finish()
  writeInt16(batch, 21, CONTROL)
  sealBatch(batch, 0, batch.length)
  sign(batch, { producerId, epoch, sequence: -1, transactional: true })
  return batch
}

export interface ControlRecord {
  /** `other` for control records that have nothing to do with transactions, or are of a later time. */
  readonly type: 'commit' | 'abort' | 'other'
  readonly coordinatorEpoch: number
}

/** What the control batch at a place says. LOG_CORRUPT where it is none, or its record is not as above. */
export function decodeControl(bytes: Uint8Array, at = 0, end: number = bytes.length): ControlRecord {
  const cursor = new RecordCursor().open(bytes, at, end)
  if (!cursor.next() || !cursor.control) throw corrupt('no control record', at)
  const { bytes: from, keyStart, keyEnd, valueStart, valueEnd } = cursor
  if (keyEnd - keyStart < 4 || readInt16(from, keyStart) < 0) throw corrupt('a control record with an impossible key', at)
  const type = readInt16(from, keyStart + 2)
  if (type !== COMMIT && type !== ABORT) return { type: 'other', coordinatorEpoch: -1 }
  if (valueEnd - valueStart < 6 || readInt16(from, valueStart) < 0) throw corrupt('a control record with an impossible value', at)
  return { type: type === COMMIT ? 'commit' : 'abort', coordinatorEpoch: readInt32(from, valueStart + 2) }
}
