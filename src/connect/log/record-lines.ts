/**
 * Records of a log as lines for the columns: a value is copied as it is, and what else belongs to its record stays where it came, found by the record's number.
 *
 *     batches:  | head | rec 0: key value headers | rec 1: key value headers | ...          (unpacked where they are compressed)
 *     lines:    value 0 \n value 1 \n ...                                                   (a record that is no object on one line: `!`)
 *
 * Numbers in arrays, no object per record: events are made of those records only that leave the columns. Memory: some 40 bytes for each record of one piece, and what its
 * compressed batches unpack to.
 */
import type { DecodeOutput, RecordLines } from '../../engine/index.ts'
import type { Event, JsonValue, Slab } from '../../event/index.ts'
import { RecordCursor } from '../../log/index.ts'
import { TRACEPARENT } from '../../observe/index.ts'
import { RecordsSlab, decodeRecord, eventOf, headersOf } from './record-events.ts'
import type { RecordPlaces, RecordsMeta } from './record-events.ts'

const NEWLINE = 10
const BRACE = 123
const CLOSING_BRACE = 125
/** A line that is no JSON: its record takes the object path. */
const MARK = 33
const FIRST_ROWS = 4096
const NOTHING = Buffer.alloc(0)

type Headers = Readonly<Record<string, string>>
type Carry = (headers: Headers) => Headers

/** One batch: its records have numbers from `first` on. */
interface Batch {
  readonly first: number
  readonly bytes: Uint8Array
  readonly slab: RecordsSlab
}

/** Grows to the largest piece that came. */
class Places {
  keyStart = new Int32Array(FIRST_ROWS)
  keyEnd = new Int32Array(FIRST_ROWS)
  valueStart = new Int32Array(FIRST_ROWS)
  valueEnd = new Int32Array(FIRST_ROWS)
  recordEnd = new Int32Array(FIRST_ROWS)
  headersStart = new Int32Array(FIRST_ROWS)
  headerCount = new Int32Array(FIRST_ROWS)
  time = new Float64Array(FIRST_ROWS)
  offset = new Float64Array(FIRST_ROWS)

  put(row: number, cursor: RecordCursor, offset: number): void {
    if (row === this.time.length) this.#grow()
    this.keyStart[row] = cursor.keyStart
    this.keyEnd[row] = cursor.keyEnd
    this.valueStart[row] = cursor.valueStart
    this.valueEnd[row] = cursor.valueEnd
    this.recordEnd[row] = cursor.recordEnd
    this.headersStart[row] = cursor.headersStart
    this.headerCount[row] = cursor.headerCount
    this.time[row] = cursor.timestamp
    this.offset[row] = offset
  }

  #grow(): void {
    const wider = (from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(from.length * 2)
      to.set(from)
      return to
    }
    const longer = (from: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(from.length * 2)
      to.set(from)
      return to
    }
    for (const name of ['keyStart', 'keyEnd', 'valueStart', 'valueEnd', 'recordEnd', 'headersStart', 'headerCount'] as const) this[name] = wider(this[name])
    for (const name of ['time', 'offset'] as const) this[name] = longer(this[name])
  }
}

export class LogRecordLines implements RecordLines {
  readonly shared = ['topic', 'partition']
  // The log has checked the batches when it handed them out.
  readonly #cursor = new RecordCursor({ check: false })
  readonly #places = new Places()
  readonly #batches: Batch[] = []
  #source = ''
  #meta: RecordsMeta = { topic: '', partition: 0, from: 0 }
  #rows = 0
  #carry: Carry | undefined
  /** Headers that records leave with, where these are others than they came with: few, see TraceNotes. */
  readonly #carried = new Map<number, Headers>()
  /** True while the cursor stands on a record that is not yet a line. */
  #waits = false
  /** Where the cursor's batch begins, and its bytes as those calls want them that are done by the machine. */
  #batchStart = -1
  /** Offset that those of its records are counted from. */
  #base = 0
  #bytes: Buffer = NOTHING
  /** The next newline in them, from the last value that was looked at on. */
  #newline = -1

  open({ bytes, source }: Slab, from: number, to: number, meta: JsonValue | undefined, carry?: Carry): void {
    this.#cursor.open(bytes, from, to)
    this.#carry = carry
    this.#carried.clear()
    this.#source = source
    this.#meta = meta as unknown as RecordsMeta // Made by the source.
    this.#batches.length = 0
    this.#rows = 0
    this.#waits = false
    this.#batchStart = -1
  }

  fill(into: Uint8Array, most: number): number {
    let at = 0
    for (let rows = 0; rows < most && (this.#waits || this.#next()); rows++) {
      const { valueStart, valueEnd } = this.#cursor
      const isLine = this.#isLine(valueStart, valueEnd) && valueEnd - valueStart < into.length
      const length = isLine ? valueEnd - valueStart : 1
      this.#waits = at + length + 1 > into.length
      if (this.#waits) return at
      if (isLine) this.#bytes.copy(into, at, valueStart, valueEnd)
      else into[at] = MARK
      into[at + length] = NEWLINE
      at += length + 1
      if (this.#carry !== undefined && this.#cursor.headerCount > 0) this.#trace(this.#carry)
      this.#places.put(this.#rows++, this.#cursor, this.#base + this.#cursor.offsetDelta)
    }
    return at
  }

  /** Has the trace of the cursor's record noted, if it came with one. */
  #trace(carry: Carry): void {
    const { bytes, headersStart, headerCount, recordEnd } = this.#cursor
    if (!this.#bytes.subarray(headersStart, recordEnd).includes(TRACEPARENT)) return
    const headers = headersOf(bytes, headersStart, headerCount)
    const carried = carry(headers)
    if (carried !== headers) this.#carried.set(this.#rows, carried)
  }

  /** Steps to the next record that is wanted. */
  #next(): boolean {
    const cursor = this.#cursor
    while (cursor.next()) {
      if (cursor.control) continue
      if (cursor.batchStart !== this.#batchStart) this.#begin()
      if (this.#base + cursor.offsetDelta < this.#meta.from) continue
      return true
    }
    return false
  }

  #begin(): void {
    const { bytes, batchStart, baseOffset } = this.#cursor
    const { topic, partition } = this.#meta
    this.#base = Number(baseOffset)
    this.#batchStart = batchStart
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#newline = -1
    this.#batches.push({ first: this.#rows, bytes, slab: new RecordsSlab(this.#source, bytes, topic, partition, this.#base) })
  }

  /** True for an object on one line that ends with its brace: what the scan makes one row of, up to its last byte. */
  #isLine(start: number, end: number): boolean {
    const bytes = this.#bytes
    if (end - start < 2 || bytes[start] !== BRACE || bytes[end - 1] !== CLOSING_BRACE) return false
    if (this.#newline < start) {
      const found = bytes.indexOf(NEWLINE, start)
      this.#newline = found < 0 ? bytes.length : found
    }
    return this.#newline >= end
  }

  event(record: number, text: string | undefined, value?: JsonValue): Event {
    const { slab, bytes } = this.#batchOf(record)
    return this.#carrying(record, eventOf(slab, this.#placesOf(record, bytes), text, value))
  }

  decode(record: number, out: DecodeOutput): void {
    const { slab, bytes } = this.#batchOf(record)
    decodeRecord(slab, this.#placesOf(record, bytes), 'json', { event: event => out.event(this.#carrying(record, event)), reject: (...rejected) => out.reject(...rejected) })
  }

  #carrying(record: number, event: Event): Event {
    event.headers = this.#carried.get(record) ?? event.headers
    return event
  }

  /** The batch of a record. All its records up to this one are known to the slab then. */
  #batchOf(record: number): Batch {
    const batches = this.#batches
    let low = 0
    let high = batches.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((batches[middle]?.first ?? 0) <= record) low = middle
      else high = middle - 1
    }
    const batch = batches[low] as Batch // A record is of a batch that was begun.
    const { slab, first } = batch
    const { valueStart, recordEnd, offset } = this.#places
    for (let row = first + slab.known; row <= record; row++) slab.note((valueStart[row] ?? 0) < 0 ? (recordEnd[row] ?? 0) : (valueStart[row] ?? 0), offset[row] ?? 0)
    return batch
  }

  #placesOf(row: number, bytes: Uint8Array): RecordPlaces {
    const { keyStart, keyEnd, valueStart, valueEnd, recordEnd, headersStart, headerCount, time } = this.#places
    return {
      bytes,
      keyStart: keyStart[row] ?? -1, keyEnd: keyEnd[row] ?? -1,
      valueStart: valueStart[row] ?? -1, valueEnd: valueEnd[row] ?? -1, recordEnd: recordEnd[row] ?? 0,
      headersStart: headersStart[row] ?? 0, headerCount: headerCount[row] ?? 0,
      timestamp: time[row] ?? 0,
    }
  }
}
