/**
 * Kafka's record batch, version 2, byte for byte: what lies on disk, travels to a broker and is handed through pipelines. Format: docs/formats/record-batch.md.
 *
 * Writing: `BatchWriter`, then `stamp` and `sign` in place. Reading: `checkBatch`, then `RecordCursor` (no object per record) or `records`. Nothing here keeps
 * state between batches, and nothing reads or writes files.
 */
export { checkBatch, checkHeader } from './check.ts'
export type { BatchCheck } from './check.ts'
export { BYTES_MAX, CODECS, compressBatch, compressionOf, decompressBatches } from './compression.ts'
export { decodeControl, decodeControlBatch, encodeMarker } from './control.ts'
export type { Control, Marker } from './control.ts'
export { crc32c, crc32cCombine } from './crc32c.ts'
export { RecordCursor, headersAt } from './cursor.ts'
export type { CursorOptions } from './cursor.ts'
export { filterBatch } from './filter.ts'
export {
  HEADER_BYTES, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, PREFIX_BYTES, attributesOf, baseOffsetOf, baseSequenceOf, baseTimestampOf, batchLengthAt, codecOf, countOf,
  crcOf, hasDeleteHorizon, hasLogAppendTime, isControl, isTransactional, lastOffsetDeltaOf, lastOffsetOf, leaderEpochOf, magicOf, maxTimestampOf, producerEpochOf,
  producerIdOf, sealBatch, sequenceAfter, sign, stamp, stampAppendTime,
} from './header.ts'
export type { Signature, Stamp } from './header.ts'
export { recordAt, records } from './records.ts'
export type { BatchRecord } from './records.ts'
export { BatchWriter } from './writer.ts'
export type { BatchWriterOptions } from './writer.ts'
