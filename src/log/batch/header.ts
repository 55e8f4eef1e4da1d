/**
 * The 61 bytes before the records of a batch, read and changed in place. Numbers are big-endian. Format: docs/formats/record-batch.md.
 *
 *     0 baseOffset 8 | 8 length 4 | 12 leaderEpoch 4 | 16 magic 1 | 17 crc 4 | 21 attributes 2 | 23 lastOffsetDelta 4 | 27 baseTimestamp 8
 *     35 maxTimestamp 8 | 43 producerId 8 | 51 producerEpoch 2 | 53 baseSequence 4 | 57 count 4 | 61 records
 *
 * Every function takes the array and the place where the batch begins in it; none checks that the header lies within the array: `batchLengthAt` and
 * `checkBatch` do, and come first. Timestamps are plain numbers: exact up to 2^53 milliseconds.
 */
import { crc32c, crc32cCombine } from './crc32c.ts'

export const HEADER_BYTES = 61
/** Offset and length of a batch: what lies before the bytes that `length` counts. */
export const PREFIX_BYTES = 12
export const MAGIC = 2
/** Where the checksum stands, and where the bytes begin that it covers. */
const CRC_AT = 17
export const CHECKED_FROM = 21
/** Where the records' own bytes begin that signing leaves alone. */
const SIGNED_UNTIL = 57

export const CODEC_MASK = 0x07
export const LOG_APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20
export const DELETE_HORIZON = 0x40
export const KNOWN_ATTRIBUTES = 0x7f

/** Producer id and epoch of a batch that nobody signed; its sequence, too. */
export const NO_PRODUCER_ID = -1n
export const NO_PRODUCER_EPOCH = -1
export const NO_SEQUENCE = -1

export function readInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) >> 16) | (bytes[at + 1] ?? 0)
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
}

export function readInt64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(readInt32(bytes, at)) << 32n) | BigInt(readInt32(bytes, at + 4) >>> 0)
}

/** A number of 64 bits as JavaScript's: exact up to 2^53. */
export function readNumber64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * 0x1_0000_0000 + (readInt32(bytes, at + 4) >>> 0)
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24
  bytes[at + 1] = value >> 16
  bytes[at + 2] = value >> 8
  bytes[at + 3] = value
}

export function writeInt64(bytes: Uint8Array, at: number, value: bigint): void {
  writeInt32(bytes, at, Number(BigInt.asIntN(32, value >> 32n)))
  writeInt32(bytes, at + 4, Number(BigInt.asIntN(32, value)))
}

export function writeNumber64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / 0x1_0000_0000))
  writeInt32(bytes, at + 4, value >>> 0)
}

export const baseOffsetOf = (bytes: Uint8Array, at = 0): bigint => readInt64(bytes, at)
export const leaderEpochOf = (bytes: Uint8Array, at = 0): number => readInt32(bytes, at + 12)
export const magicOf = (bytes: Uint8Array, at = 0): number => bytes[at + 16] ?? 0
export const crcOf = (bytes: Uint8Array, at = 0): number => readInt32(bytes, at + CRC_AT) >>> 0
export const attributesOf = (bytes: Uint8Array, at = 0): number => readInt16(bytes, at + 21)
export const lastOffsetDeltaOf = (bytes: Uint8Array, at = 0): number => readInt32(bytes, at + 23)
/** Of the last record; of the last record that was there, where compaction took some away. */
export const lastOffsetOf = (bytes: Uint8Array, at = 0): bigint => baseOffsetOf(bytes, at) + BigInt(lastOffsetDeltaOf(bytes, at))
export const baseTimestampOf = (bytes: Uint8Array, at = 0): number => readNumber64(bytes, at + 27)
export const maxTimestampOf = (bytes: Uint8Array, at = 0): number => readNumber64(bytes, at + 35)
export const producerIdOf = (bytes: Uint8Array, at = 0): bigint => readInt64(bytes, at + 43)
export const producerEpochOf = (bytes: Uint8Array, at = 0): number => readInt16(bytes, at + 51)
export const baseSequenceOf = (bytes: Uint8Array, at = 0): number => readInt32(bytes, at + 53)
export const countOf = (bytes: Uint8Array, at = 0): number => readInt32(bytes, at + SIGNED_UNTIL)
/** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
export const codecOf = (bytes: Uint8Array, at = 0): number => attributesOf(bytes, at) & CODEC_MASK
export const isTransactional = (bytes: Uint8Array, at = 0): boolean => (attributesOf(bytes, at) & TRANSACTIONAL) !== 0
export const isControl = (bytes: Uint8Array, at = 0): boolean => (attributesOf(bytes, at) & CONTROL) !== 0
/** True where the log's own time counts for all records: the greatest timestamp of the header. */
export const hasLogAppendTime = (bytes: Uint8Array, at = 0): boolean => (attributesOf(bytes, at) & LOG_APPEND_TIME) !== 0
/** True where compaction put its horizon in place of the base timestamp. */
export const hasDeleteHorizon = (bytes: Uint8Array, at = 0): boolean => (attributesOf(bytes, at) & DELETE_HORIZON) !== 0

/** Bytes of the batch that begins here, with its header; undefined where too few are there to tell, or the length is impossible. */
export function batchLengthAt(bytes: Uint8Array, at = 0, end: number = bytes.length): number | undefined {
  if (at < 0 || end - at < PREFIX_BYTES) return undefined
  const length = readInt32(bytes, at + 8) + PREFIX_BYTES
  return length < HEADER_BYTES ? undefined : length
}

/** The sequence number behind so many records: numbers go round behind 2^31 - 1. */
export function sequenceAfter(sequence: number, records: number): number {
  return (sequence + records) % 0x8000_0000
}

/** Puts a new checksum into the header after a change of what it covers. `end` is the end of the batch. */
export function sealBatch(bytes: Uint8Array, at: number, end: number): void {
  writeInt32(bytes, at + CRC_AT, crc32c(bytes, at + CHECKED_FROM, end))
}

export interface Stamp {
  readonly baseOffset: bigint
  readonly leaderEpoch: number
}

/** What the log gives a batch when it takes it. The checksum does not cover it, so the cost is 12 bytes. */
export function stamp(bytes: Uint8Array, { baseOffset, leaderEpoch }: Stamp, at = 0): void {
  writeInt64(bytes, at, baseOffset)
  writeInt32(bytes, at + 12, leaderEpoch)
}

export interface Signature {
  readonly producerId: bigint
  readonly epoch: number
  /** Of the first record. */
  readonly sequence: number
  readonly transactional: boolean
}

/**
 * What a producer puts into a finished batch just before it is sent. The checksum covers it; that of the records is worked out from the one that is there,
 * so the cost does not grow with the batch. A batch that was damaged before stays damaged.
 */
export function sign(bytes: Uint8Array, { producerId, epoch, sequence, transactional }: Signature, at = 0): void {
  const before = crc32c(bytes, at + CHECKED_FROM, at + SIGNED_UNTIL)
  const attributes = attributesOf(bytes, at)
  writeInt16(bytes, at + 21, transactional ? attributes | TRANSACTIONAL : attributes & ~TRANSACTIONAL)
  writeInt64(bytes, at + 43, producerId)
  writeInt16(bytes, at + 51, epoch)
  writeInt32(bytes, at + 53, sequence)
  replaceHead(bytes, at, before)
}

/** Makes the log's own time count for all records. */
export function stampAppendTime(bytes: Uint8Array, timestamp: number, at = 0): void {
  const before = crc32c(bytes, at + CHECKED_FROM, at + SIGNED_UNTIL)
  writeInt16(bytes, at + 21, attributesOf(bytes, at) | LOG_APPEND_TIME)
  writeNumber64(bytes, at + 35, timestamp)
  replaceHead(bytes, at, before)
}

/**
 * The checksum after the bytes up to `SIGNED_UNTIL` changed. Checksums are linear: that of the whole changes by that of the changed part, moved over the
 * zeros that stand for what stayed.
 */
function replaceHead(bytes: Uint8Array, at: number, before: number): void {
  const rest = readInt32(bytes, at + 8) + PREFIX_BYTES - SIGNED_UNTIL
  const after = crc32c(bytes, at + CHECKED_FROM, at + SIGNED_UNTIL)
  writeInt32(bytes, at + CRC_AT, crcOf(bytes, at) ^ crc32cCombine(before ^ after, 0, rest))
}
