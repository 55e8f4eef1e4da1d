/** Whether bytes are a whole, undamaged record batch: what a log asks before it takes or serves one. Nothing is decompressed or decoded. */
import { SluiceError } from '../../base/index.ts'
import { crc32c } from './crc32c.ts'
import {
  CHECKED_FROM, HEADER_BYTES, KNOWN_ATTRIBUTES, MAGIC, TRANSACTIONAL, attributesOf, baseOffsetOf, baseTimestampOf, batchLengthAt, codecOf, countOf, crcOf,
  lastOffsetDeltaOf, magicOf, maxTimestampOf, producerEpochOf, producerIdOf,
} from './header.ts'

export type BatchCheck =
  | { readonly ok: true; /** Bytes of the batch with its header. */ readonly length: number }
  | { readonly ok: false; readonly reason: string; /** True where the bytes end before the batch does: a torn tail, or more is to come. */ readonly torn: boolean }

const bad = (reason: string, torn = false): BatchCheck => ({ ok: false, reason, torn })

/** Checks the batch that begins at `at`: its length, version, checksum, and that the fields of its header agree. `end` is where the bytes end. */
export function checkBatch(bytes: Uint8Array, at = 0, end: number = bytes.length): BatchCheck {
  const header = checkHeader(bytes, at, end)
  if (!header.ok) return header
  const crc = crc32c(bytes, at + CHECKED_FROM, at + header.length)
  return crc === crcOf(bytes, at) ? header : bad(`the checksum is ${hex(crc)} and ${hex(crcOf(bytes, at))} was noted`)
}

/** The same without the checksum: for bytes that were checked before. */
export function checkHeader(bytes: Uint8Array, at = 0, end: number = bytes.length): BatchCheck {
  if (end - at < HEADER_BYTES) return bad(`${end - at} bytes are less than the ${HEADER_BYTES} of a header`, true)
  const length = batchLengthAt(bytes, at, end)
  if (length === undefined) return bad('the length is impossible')
  if (magicOf(bytes, at) !== MAGIC) return bad(`version ${magicOf(bytes, at)} instead of ${MAGIC}`)
  if (length > end - at) return bad(`${length} bytes are announced and ${end - at} are there`, true)
  const reason = disagreement(bytes, at, length)
  return reason === undefined ? { ok: true, length } : bad(reason)
}

/** What can't be true together: a mistake of the sender, where the checksum is right. */
function disagreement(bytes: Uint8Array, at: number, length: number): string | undefined {
  const attributes = attributesOf(bytes, at)
  const count = countOf(bytes, at)
  const last = lastOffsetDeltaOf(bytes, at)
  if ((attributes & ~KNOWN_ATTRIBUTES) !== 0) return `unknown attributes ${hex(attributes & 0xffff)}`
  if (codecOf(bytes, at) > 4) return `unknown compression ${codecOf(bytes, at)}`
  if (baseOffsetOf(bytes, at) < 0n) return `a negative offset`
  if (last < 0) return `a negative last offset`
  // Compaction may leave fewer records than offsets, never more, and may leave none.
  if (count < 0 || count > last + 1) return `${count} records for ${last + 1} offsets`
  if (codecOf(bytes, at) === 0 && count * RECORD_BYTES_MIN > length - HEADER_BYTES) return `${count} records do not fit into ${length - HEADER_BYTES} bytes`
  if (!Number.isSafeInteger(baseTimestampOf(bytes, at)) || !Number.isSafeInteger(maxTimestampOf(bytes, at))) return 'a timestamp beyond 2^53'
  const hasProducer = producerIdOf(bytes, at) >= 0n
  if (hasProducer && producerEpochOf(bytes, at) < 0) return 'a producer without an epoch'
  if ((attributes & TRANSACTIONAL) !== 0 && !hasProducer) return 'a transaction without a producer'
  return undefined
}

/** Length, attributes, two deltas, two lengths, number of headers: one byte each. */
export const RECORD_BYTES_MIN = 7

const hex = (value: number): string => `0x${value.toString(16)}`

/** The error for a batch that is damaged; `at` is the place in bytes. */
export function corrupt(reason: string, at: number): SluiceError {
  return new SluiceError('LOG_CORRUPT', `Record batch at byte ${at}: ${reason}.`, { place: `byte ${at}` })
}
