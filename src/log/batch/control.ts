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

export interface Control {
  readonly commit: boolean
  readonly coordinatorEpoch: number
}

/** What the control record says that the cursor stands on; undefined for one that ends no transaction. LOG_CORRUPT where it is impossible. */
export function decodeControl({ bytes, keyStart, keyEnd, valueStart, valueEnd, batchStart }: RecordCursor): Control | undefined {
  if (keyEnd - keyStart < 4 || readInt16(bytes, keyStart) < 0) throw corrupt('a control record with an impossible key', batchStart)
  const type = readInt16(bytes, keyStart + 2)
  if (type !== COMMIT && type !== ABORT) return undefined
  if (valueEnd - valueStart < 6 || readInt16(bytes, valueStart) < 0) throw corrupt('a control record with an impossible value', batchStart)
  return { commit: type === COMMIT, coordinatorEpoch: readInt32(bytes, valueStart + 2) }
}

/** The same for the batch at a place: LOG_CORRUPT where it is no control batch. */
export function decodeControlBatch(batch: Uint8Array, at = 0, end: number = batch.length): Control | undefined {
  const cursor = new RecordCursor().open(batch, at, end)
  if (!cursor.next() || !cursor.control) throw corrupt('no control record', at)
  return decodeControl(cursor)
}
