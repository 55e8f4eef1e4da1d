/**
 * Reads the records of one batch, or of several one behind the other, without an object per record: the cursor stands on a record, and its fields are
 * places in `bytes`.
 *
 *     const cursor = new RecordCursor()
 *     for (cursor.open(bytes); cursor.next(); ) use(cursor.bytes, cursor.valueStart, cursor.valueEnd)
 *
 * Whatever does not fit is LOG_CORRUPT with the place: lengths, counts, varints, offsets that do not grow, bytes left over. What is read is always inside of
 * the batch, and nothing is allocated but what a compressed batch unpacks to, whose limit the caller gives. `bytes` then is what was unpacked, until the next
 * batch.
 */
import type { RecordHeader } from '../log.ts'
import { checkBatch, checkHeader, corrupt } from './check.ts'
import { BYTES_MAX, decompress } from './compression.ts'
import {
  HEADER_BYTES, baseOffsetOf, baseTimestampOf, codecOf, countOf, hasLogAppendTime, isControl, lastOffsetDeltaOf, maxTimestampOf,
} from './header.ts'

export interface CursorOptions {
  /** False where the checksums were looked at before. Default true. */
  readonly check?: boolean | undefined
  /** Bytes that one compressed batch may unpack to; default 128 MiB. */
  readonly bytesMax?: number | undefined
}

const NOTHING = new Uint8Array(0)

export class RecordCursor {
  /** What the places below refer to. */
  bytes: Uint8Array = NOTHING
  /** -1 for a record without a key. */
  keyStart = -1
  keyEnd = -1
  /** -1 for a record without a value: a tombstone. */
  valueStart = -1
  valueEnd = -1
  timestamp = 0
  offsetDelta = -1
  headerCount = 0
  /** Where the first header begins. */
  headersStart = 0
  /** The whole record with its length before it. */
  recordStart = 0
  recordEnd = 0

  /** Of the batch that the record belongs to. */
  baseOffset = 0n
  control = false
  /** Where this batch begins and ends in the bytes that were opened: for the fields of its header. */
  batchStart = 0
  batchEnd = 0

  readonly #check: boolean
  readonly #bytesMax: number
  #input: Uint8Array = NOTHING
  #inputEnd = 0
  #at = 0
  #end = 0
  #left = 0
  #lastDelta = 0
  #baseTimestamp = 0
  #appendTime: number | undefined
  /** High half of the last number of 64 bits that was read; the low one is returned. */
  #high = 0

  constructor({ check = true, bytesMax = BYTES_MAX }: CursorOptions = {}) {
    this.#check = check
    this.#bytesMax = bytesMax
  }

  /** Stands before the first record of the batches in `bytes[from, to)`. */
  open(bytes: Uint8Array, from = 0, to: number = bytes.length): this {
    this.#input = bytes
    this.#inputEnd = to
    this.batchEnd = from
    this.#at = this.#end = 0
    this.#left = 0
    return this
  }

  get offset(): bigint {
    return this.baseOffset + BigInt(this.offsetDelta)
  }

  /** Steps to the next record, in this batch or a following one; false behind the last. */
  next(): boolean {
    while (this.#left === 0) if (!this.nextBatch()) return false
    this.#left--
    this.#readRecord()
    return true
  }

  /** Leaves out what remains of this batch and stands before the first record of the next one; false where there is none. */
  nextBatch(): boolean {
    const at = this.batchEnd
    if (at >= this.#inputEnd) {
      this.#left = 0
      return false
    }
    const input = this.#input
    const check = this.#check ? checkBatch(input, at, this.#inputEnd) : checkHeader(input, at, this.#inputEnd)
    if (!check.ok) throw corrupt(check.reason, at)
    this.batchStart = at
    this.batchEnd = at + check.length
    this.baseOffset = baseOffsetOf(input, at)
    this.control = isControl(input, at)
    this.#baseTimestamp = baseTimestampOf(input, at)
    this.#appendTime = hasLogAppendTime(input, at) ? maxTimestampOf(input, at) : undefined
    this.#lastDelta = lastOffsetDeltaOf(input, at)
    this.#left = countOf(input, at)
    this.offsetDelta = -1
    this.#placeRecords(at)
    if (this.#left === 0 && this.#at !== this.#end) this.#fail('bytes behind the last record')
    return true
  }

  /** The headers of this record; they are looked at only when asked for. */
  headers(): RecordHeader[] {
    return headersAt(this.bytes, this.headersStart, this.headerCount)
  }

  #next = 0

  #placeRecords(at: number): void {
    const codec = codecOf(this.#input, at)
    if (codec === 0) {
      this.bytes = this.#input
      this.#at = at + HEADER_BYTES
      this.#end = this.batchEnd
    } else {
      this.bytes = decompress(codec, this.#input.subarray(at + HEADER_BYTES, this.batchEnd), this.#bytesMax)
      this.#at = 0
      this.#end = this.bytes.length
    }
  }

  #readRecord(): void {
    const length = this.#varintAt(this.#at)
    const end = this.#next + length
    if (length < 0 || end > this.#end) this.#fail('a record reaches beyond its batch')
    // One byte of attributes, of which none is in use.
    const low = this.#varlongAt(this.#next + 1)
    const high = this.#high
    const delta = this.#varintAt(this.#next)
    if (delta <= this.offsetDelta || delta > this.#lastDelta) this.#fail('offsets that do not grow within the batch')
    this.offsetDelta = delta
    this.timestamp = this.#appendTime ?? this.#baseTimestamp + unfold(low, high)
    if (!Number.isSafeInteger(this.timestamp)) this.#fail('a timestamp beyond 2^53')
    this.#readKeyAndValue(end)
    this.headerCount = this.#varintAt(this.#next)
    this.headersStart = this.#next
    this.#skipHeaders(end)
    if (this.#next !== end) this.#fail('a record whose length is not that of its fields')
    this.recordStart = this.#at
    this.recordEnd = this.#at = end
    if (this.#left === 0 && end !== this.#end) this.#fail('bytes behind the last record')
  }

  #readKeyAndValue(end: number): void {
    const keyLength = this.#varintAt(this.#next)
    this.keyStart = keyLength < 0 ? -1 : this.#next
    this.keyEnd = keyLength < 0 ? -1 : this.#next + keyLength
    const valueLength = this.#varintAt(keyLength < 0 ? this.#next : this.keyEnd)
    this.valueStart = valueLength < 0 ? -1 : this.#next
    this.valueEnd = valueLength < 0 ? -1 : this.#next + valueLength
    if (keyLength < -1 || valueLength < -1) this.#fail('a negative length')
    if (this.keyEnd > end || this.valueEnd > end) this.#fail('a key or value that reaches beyond its record')
    if (valueLength > 0) this.#next = this.valueEnd
  }

  #skipHeaders(end: number): void {
    if (this.headerCount < 0) this.#fail('a negative number of headers')
    for (let left = this.headerCount; left > 0; left--) {
      const nameLength = this.#varintAt(this.#next)
      if (nameLength < 0) this.#fail('a header without a name')
      const valueLength = this.#varintAt(this.#next + nameLength)
      if (valueLength < -1) this.#fail('a negative length')
      if (valueLength > 0) this.#next += valueLength
      // Each header takes two bytes at least, so a false count ends here.
      if (this.#next > end) this.#fail('headers that reach beyond their record')
    }
  }

  /** The number of 32 bits at a place; `#next` is the place behind it. */
  #varintAt(at: number): number {
    const end = this.#end
    if (at >= end) return this.#fail('a record that ends too early')
    let byte = this.bytes[at++] ?? 0
    let folded = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (at >= end) return this.#fail('a record that ends too early')
      byte = this.bytes[at++] ?? 0
      if (shift === 28 && byte > 0x0f) return this.#fail('a number of more than 32 bits')
      folded |= (byte & 0x7f) << shift
    }
    this.#next = at
    return (folded >>> 1) ^ -(folded & 1)
  }

  /** The number of 64 bits at a place, still folded: its low half; `#high` is the other. */
  #varlongAt(at: number): number {
    const end = this.#end
    let low = 0
    let high = 0
    for (let shift = 0; ; shift += 7) {
      if (at >= end) return this.#fail('a record that ends too early')
      const byte = this.bytes[at++] ?? 0
      if (shift === 63 && byte > 1) return this.#fail('a number of more than 64 bits')
      if (shift < 28) low |= (byte & 0x7f) << shift
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28
        high = (byte & 0x7f) >> 4
      } else high |= (byte & 0x7f) << (shift - 32)
      if (byte < 0x80) break
    }
    this.#next = at
    this.#high = high
    return low
  }

  #fail(reason: string): never {
    const inside = this.bytes === this.#input ? '' : ' of what was unpacked'
    throw corrupt(`${reason} (the record at byte ${this.#at}${inside}, offset ${this.baseOffset} or later)`, this.batchStart)
  }
}

/** A folded number of 64 bits, given by its halves, as JavaScript's. */
function unfold(low: number, high: number): number {
  const sign = -(low & 1)
  const half = ((low >>> 1) | (high << 31)) ^ sign
  return ((high >>> 1) ^ sign) * 0x1_0000_0000 + (half >>> 0)
}

/** The headers of a record that a cursor has read: its `bytes`, `headersStart` and `headerCount`. Places were checked there. */
export function headersAt(bytes: Uint8Array, start: number, count: number): RecordHeader[] {
  const found: RecordHeader[] = []
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = start
  const length = (): number => {
    let byte = bytes[at++] ?? 0
    let folded = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = bytes[at++] ?? 0
      folded |= (byte & 0x7f) << shift
    }
    return (folded >>> 1) ^ -(folded & 1)
  }
  for (let left = count; left > 0; left--) {
    const nameLength = length()
    const name = text.toString('utf8', at, at + nameLength)
    at += nameLength
    const valueLength = length()
    found.push([name, valueLength < 0 ? null : bytes.subarray(at, at + valueLength)])
    at += Math.max(valueLength, 0)
  }
  return found
}
