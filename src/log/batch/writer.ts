/**
 * Writes records into one batch: a growing array, no object per record, reusable.
 *
 *     const writer = new BatchWriter()
 *     writer.add(key, value, headers, Date.now())
 *     const batch = writer.finish()          // belongs to the caller; the writer begins anew
 *
 * The batch has the offset 0 and no producer: `stamp` and `sign` put both in later. The first record's timestamp is the base of the others'. A record that is
 * refused (LOG_BATCH_TOO_LARGE, LOG_RECORD) leaves no byte behind; those before it stay.
 */
import { SluiceError } from '../../base/index.ts'
import type { RecordHeader } from '../log.ts'
import { HEADER_BYTES, MAGIC, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, PREFIX_BYTES, sealBatch, writeInt16, writeInt32, writeInt64, writeNumber64 } from './header.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts'

export interface BatchWriterOptions {
  /** Bytes to begin with; the array doubles when they are used up. Default 16 KiB. */
  readonly bytes?: number | undefined
  /** Bytes of a batch at most, before compression; beyond them a record is LOG_BATCH_TOO_LARGE. Default 128 MiB. */
  readonly bytesMax?: number | undefined
  /** How many batches that came back are kept for the next ones. Default 16. */
  readonly spare?: number | undefined
}

/** Differences of two such times are exact. */
const TIMESTAMP_MAX = 2 ** 52
/** Of a batch without records. */
const NO_TIMESTAMP = -1
/** Bytes of a record at most besides its value: length, attributes, two deltas, two lengths, number of headers. */
const OVERHEAD_MAX = 5 + 1 + 10 + 5 + 1 + 5 + 1
/** The length -1 as it is written. */
const NULL = 1
/** Up to these lengths a loop copies faster than a call: by bytes, and by words where both sides have a view. */
const BYTES_LOOP_MAX = 24
const WORDS_LOOP_MAX = 128

export class BatchWriter {
  /** Records so far. */
  count = 0
  readonly #bytesMax: number
  #bytes: Uint8Array
  #view: DataView
  /** Of the array that slices came from last: making a view costs as much as copying a record. */
  #source: Uint8Array
  #sourceView: DataView
  #at = HEADER_BYTES
  #baseTimestamp = NO_TIMESTAMP
  #maxTimestamp = NO_TIMESTAMP
  readonly #spareMax: number
  readonly #spare: ArrayBuffer[] = []

  constructor({ bytes = 16 << 10, bytesMax = 128 << 20, spare = 16 }: BatchWriterOptions = {}) {
    this.#spareMax = spare
    this.#bytesMax = bytesMax
    this.#source = this.#bytes = Buffer.allocUnsafeSlow(Math.max(HEADER_BYTES, Math.min(bytes, bytesMax)))
    this.#sourceView = this.#view = viewOf(this.#bytes)
  }

  /** Bytes of the batch so far, with its header, before compression. */
  get bytes(): number {
    return this.#at
  }

  /** Appends a record. `null` is absent; a value of null is a tombstone. */
  add(key: Uint8Array | null, value: Uint8Array | null, headers: readonly RecordHeader[] | undefined, timestamp: number): void {
    const hasHeaders = headers !== undefined && headers.length > 0
    this.#begin(lengthSize(key) + lengthSize(value) + (hasHeaders ? sizeOfHeaders(headers) : 1), timestamp)
    this.#put(key)
    this.#put(value)
    this.#at = writeVarint(this.#bytes, this.#at, hasHeaders ? headers.length : 0)
    if (hasHeaders) this.#putHeaders(headers)
  }

  #putHeaders(headers: readonly RecordHeader[]): void {
    for (const [name, content] of headers) {
      this.#put(Buffer.from(name))
      this.#put(content)
    }
  }

  /** Appends a record without key and headers, whose value is `bytes[from, to)`. */
  addSlice(bytes: Uint8Array, from: number, to: number, timestamp: number): void {
    this.addKeyedSlice(bytes, -1, -1, from, to, timestamp)
  }

  /** The same with a key that lies in the same array; none where it begins below 0. */
  addKeyedSlice(bytes: Uint8Array, keyFrom: number, keyTo: number, from: number, to: number, timestamp: number): void {
    const hasKey = keyFrom >= 0
    const keyLength = keyTo - keyFrom
    const length = to - from
    if (from < 0 || length < 0 || to > bytes.length || (hasKey && (keyLength < 0 || keyTo > bytes.length))) throw outside()
    this.#begin((hasKey ? varintSize(keyLength) + keyLength : 1) + varintSize(length) + length + 1, timestamp)
    if (bytes !== this.#source) {
      this.#source = bytes
      this.#sourceView = viewOf(bytes)
    }
    if (hasKey) this.#putSlice(keyFrom, keyTo)
    else this.#bytes[this.#at++] = NULL
    this.#putSlice(from, to)
    this.#bytes[this.#at++] = 0
  }

  /**
   * Appends a record per line, without key and headers: line `row` ends before `ends[row]`, and begins behind the one before, the first at `from`. `gap`
   * bytes between them (a line feed) are left out.
   */
  addLines(bytes: Uint8Array, ends: ArrayLike<number>, rows: number, timestamp: number, from = 0, gap = 1): void {
    if (rows <= 0) return
    const most = this.#at + ((ends[rows - 1] ?? from) - from) + rows * OVERHEAD_MAX
    if (most <= this.#bytesMax) {
      if (most > this.#bytes.length) this.#grow(most)
      this.#putLines(bytes, ends, rows, timestamp, from, gap)
      return
    }
    for (let row = 0, start = from; row < rows; row++) {
      const end = ends[row] ?? 0
      this.addSlice(bytes, start, end - gap, timestamp)
      start = end
    }
  }

  /** The same where there is room for all: nothing but local variables in the loop. */
  #putLines(bytes: Uint8Array, ends: ArrayLike<number>, rows: number, timestamp: number, from: number, gap: number): void {
    const delta = this.#deltaOf(timestamp)
    const deltaSize = varlongSize(delta)
    const target = this.#bytes
    const view = this.#view
    const source = viewOf(bytes)
    let at = this.#at
    let count = this.count
    for (let row = 0, start = from; row < rows; row++, count++) {
      const next = ends[row] ?? 0
      const end = next - gap
      const length = end - start
      if (length < 0 || next > bytes.length) throw outside()
      at = writeVarint(target, at, 3 + deltaSize + varintSize(count) + varintSize(length) + length)
      target[at] = 0
      at = deltaSize === 1 ? writeVarint(target, at + 1, delta) : writeVarlong(target, at + 1, delta)
      at = writeVarint(target, at, count)
      target[at] = NULL
      at = writeVarint(target, at + 1, length)
      if (length > WORDS_LOOP_MAX) target.set(bytes.subarray(start, end), at)
      else copyWords(target, view, at, bytes, source, start, end)
      at += length
      target[at++] = 0
      start = next
    }
    this.#noteTime(timestamp)
    this.#at = at
    this.count = count
  }

  /** The finished batch, which belongs to the caller. The writer is empty then. */
  finish(): Uint8Array {
    const end = this.#at
    const batch = this.#room(end)
    this.#writeHeader(this.#bytes, end)
    batch.set(this.#bytes.subarray(0, end))
    this.reset()
    return batch
  }

  /** Takes back a batch that nobody reads any more: its bytes hold a later one. Made anew for each, they would be most of the garbage of a producer under load. */
  reuse({ buffer }: Uint8Array): void {
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0 && this.#spare.length < this.#spareMax) this.#spare.push(buffer)
  }

  /** As many bytes, of an array that came back and is not much larger, or of a new one with some room for the next. */
  #room(length: number): Uint8Array {
    for (let buffer = this.#spare.pop(); buffer !== undefined; buffer = this.#spare.pop()) {
      if (buffer.byteLength >= length && buffer.byteLength <= length * 4) return Buffer.from(buffer, 0, length)
    }
    return Buffer.allocUnsafeSlow(length + (length >> 4)).subarray(0, length)
  }

  /** Gives up what was added. */
  reset(): void {
    // What slices came from is not kept alive.
    this.#source = this.#bytes
    this.#sourceView = this.#view
    this.count = 0
    this.#at = HEADER_BYTES
    this.#baseTimestamp = this.#maxTimestamp = NO_TIMESTAMP
  }

  /** Writes what stands before the key, and makes room for the whole record. */
  #begin(rest: number, timestamp: number): void {
    const delta = this.#deltaOf(timestamp)
    const length = 1 + varlongSize(delta) + varintSize(this.count) + rest
    if (this.#at + length + 5 > this.#bytes.length) this.#grow(this.#at + length + varintSize(length))
    this.#noteTime(timestamp)
    const bytes = this.#bytes
    let at = writeVarint(bytes, this.#at, length)
    bytes[at++] = 0
    at = writeVarlong(bytes, at, delta)
    this.#at = writeVarint(bytes, at, this.count)
    this.count++
  }

  /** How far a record's time is from the first one's. */
  #deltaOf(timestamp: number): number {
    const isWhole = Number.isSafeInteger(timestamp) && timestamp >= -TIMESTAMP_MAX && timestamp <= TIMESTAMP_MAX
    if (!isWhole) throw new SluiceError('LOG_RECORD', `The timestamp ${timestamp} is no whole number of milliseconds within 2^52.`)
    return this.count === 0 ? 0 : timestamp - this.#baseTimestamp
  }

  #noteTime(timestamp: number): void {
    if (this.count === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp
    else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  /** Copies a part of the source with its length before it. */
  #putSlice(from: number, to: number): void {
    const target = this.#bytes
    const length = to - from
    const at = writeVarint(target, this.#at, length)
    if (length > WORDS_LOOP_MAX) target.set(this.#source.subarray(from, to), at)
    else copyWords(target, this.#view, at, this.#source, this.#sourceView, from, to)
    this.#at = at + length
  }

  #put(content: Uint8Array | null): void {
    if (content === null) {
      this.#bytes[this.#at++] = NULL
      return
    }
    const at = writeVarint(this.#bytes, this.#at, content.length)
    copy(this.#bytes, at, content, 0, content.length)
    this.#at = at + content.length
  }

  #grow(needed: number): void {
    if (needed > this.#bytesMax) {
      throw new SluiceError('LOG_BATCH_TOO_LARGE', `A batch of ${this.count} records would grow to ${needed} bytes with the next one; ${this.#bytesMax} are the most.`)
    }
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, this.#bytes.length * 2), this.#bytesMax))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
    this.#view = viewOf(larger)
  }

  #writeHeader(bytes: Uint8Array, end: number): void {
    writeInt64(bytes, 0, 0n)
    writeInt32(bytes, 8, end - PREFIX_BYTES)
    writeInt32(bytes, 12, -1)
    bytes[16] = MAGIC
    writeInt16(bytes, 21, 0)
    writeInt32(bytes, 23, Math.max(this.count - 1, 0))
    writeNumber64(bytes, 27, this.#baseTimestamp)
    writeNumber64(bytes, 35, this.#maxTimestamp)
    writeInt64(bytes, 43, NO_PRODUCER_ID)
    writeInt16(bytes, 51, NO_PRODUCER_EPOCH)
    writeInt32(bytes, 53, NO_SEQUENCE)
    writeInt32(bytes, 57, this.count)
    sealBatch(bytes, 0, end)
  }
}

const outside = (): SluiceError => new SluiceError('INTERNAL', 'A slice for a record batch lies outside of its array.')

/** Bytes of a key, a value or a part of a header with its length. */
function lengthSize(content: Uint8Array | null): number {
  return content === null ? 1 : varintSize(content.length) + content.length
}

function sizeOfHeaders(headers: readonly RecordHeader[]): number {
  let size = varintSize(headers.length)
  for (const [name, content] of headers) {
    const length = Buffer.byteLength(name)
    size += varintSize(length) + length + lengthSize(content)
  }
  return size
}

function copy(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): void {
  if (to - from <= BYTES_LOOP_MAX) for (let index = from; index < to; ) target[at++] = source[index++] ?? 0
  else target.set(source.subarray(from, to), at)
}

function copyWords(target: Uint8Array, targetView: DataView, at: number, source: Uint8Array, sourceView: DataView, from: number, to: number): void {
  // Big integers are never made here once the engine has compiled this; as floats, bytes that look like no number might change.
  for (const last = to - 8; from <= last; from += 8, at += 8) targetView.setBigUint64(at, sourceView.getBigUint64(from, true), true)
  if (from <= to - 4) {
    targetView.setInt32(at, sourceView.getInt32(from))
    from += 4
    at += 4
  }
  while (from < to) target[at++] = source[from++] ?? 0
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
