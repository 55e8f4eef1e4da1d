/** A batch without some of its records: what compaction writes. Offsets, times and the producer's numbers stay, so that nothing else has to change. */
import { RecordCursor } from './cursor.ts'
import type { CursorOptions } from './cursor.ts'
import { CODEC_MASK, HEADER_BYTES, PREFIX_BYTES, attributesOf, countOf, hasLogAppendTime, sealBatch, writeInt16, writeInt32, writeNumber64 } from './header.ts'

/**
 * Keeps the records of one batch that `keep` says yes to; it looks at the cursor, which stands on each in turn. The very array where all are kept, else a new
 * batch, not packed; where none is kept it has no records, and still says up to which offset and sequence the producer came.
 */
export function filterBatch(batch: Uint8Array, keep: (cursor: RecordCursor) => boolean, options: CursorOptions = {}): Uint8Array {
  const cursor = new RecordCursor(options)
  // Places of the records that stay, in pairs: they are copied as they are.
  const places: number[] = []
  let size = HEADER_BYTES
  let maxTimestamp = -1
  for (cursor.open(batch); cursor.next(); ) {
    if (!keep(cursor)) continue
    places.push(cursor.recordStart, cursor.recordEnd)
    size += cursor.recordEnd - cursor.recordStart
    maxTimestamp = Math.max(maxTimestamp, cursor.timestamp)
  }
  const count = places.length / 2
  if (count === countOf(batch)) return batch
  const filtered = Buffer.allocUnsafeSlow(size)
  filtered.set(batch.subarray(0, HEADER_BYTES))
  for (let index = 0, at = HEADER_BYTES; index < places.length; index += 2) {
    const recordBytes = cursor.bytes.subarray(places[index], places[index + 1])
    filtered.set(recordBytes, at)
    at += recordBytes.length
  }
  writeInt32(filtered, 8, size - PREFIX_BYTES)
  writeInt16(filtered, 21, attributesOf(batch) & ~CODEC_MASK)
  if (!hasLogAppendTime(batch)) writeNumber64(filtered, 35, maxTimestamp)
  writeInt32(filtered, 57, count)
  sealBatch(filtered, 0, size)
  return filtered
}
