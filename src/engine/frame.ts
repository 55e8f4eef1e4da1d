/**
 * Events as bytes, for the way from one level to the next: threads exchange bytes, never objects.
 *
 * One frame holds the rows that one level sends to one lane of the next, out of one batch:
 *
 *     u32 rows | u32 bytes of head | head: JSON { sources, froms } | per row, 32 bytes:
 *       u32 ticket | u16 node | u16 slab | u32 start | u32 end | u32 text bytes | u32 original bytes | f64 time (NaN: none)
 *     then per row: text, original (nothing where it equals the text), u16 + key, u16 + partition, u16 + headers as JSON (0xffff: none)
 *
 * `ticket` orders the rows of a batch; `start` and `end` are the original record's place in its slab, so that positions survive the way.
 * Little-endian. A frame lives in memory only: it has no version.
 */
import { Event } from '../event/index.ts'
import type { JsonValue, Slab } from '../event/index.ts'

const ROW = 32
const NONE = 0xffff
const NO_BYTES = Buffer.alloc(0)

/** A row on its way: the event, and the node of the next level that takes it. */
export interface FrameRow {
  readonly event: Event
  readonly node: number
}

interface SlabHead {
  readonly source: string
  readonly from: JsonValue
  readonly meta?: JsonValue | undefined
}

/** A slab whose records have been moved; it knows the place that each had. */
export interface SourceSlab extends Slab {
  readonly from: JsonValue
  readonly meta?: JsonValue | undefined
  /** Place in the source's slab of the record that starts at `start` here. */
  origin?(start: number): number
}

/** Adds `by` to the `offset` of a position, if it has one. */
export function locateFrom(from: JsonValue, by: number): JsonValue {
  if (from === null || typeof from !== 'object' || Array.isArray(from)) return from
  const at = from as { readonly [key: string]: JsonValue } // Neither null nor an array: an object.
  return typeof at['offset'] === 'number' ? { ...at, offset: at['offset'] + by } : from
}

/** Writes rows into one buffer. `tickets[i]` is the ticket of row i. */
export function writeFrame(rows: readonly FrameRow[], tickets: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const slabs = new Map<Slab, number>()
  const heads: SlabHead[] = []
  for (const { event } of rows) {
    if (slabs.has(event.slab)) continue
    slabs.set(event.slab, heads.length)
    heads.push(headOf(event.slab))
  }
  const head = Buffer.from(JSON.stringify(heads))
  const fixed = 8 + head.length + rows.length * ROW
  let out = Buffer.allocUnsafeSlow(fixed + rows.length * 320 + 1024)
  out.writeUInt32LE(rows.length, 0)
  out.writeUInt32LE(head.length, 4)
  head.copy(out, 8)
  let at = fixed
  const extras: (string | undefined)[] = [undefined, undefined, undefined]
  for (let row = 0; row < rows.length; row++) {
    const { event, node } = rows[row] as FrameRow // The index is inside the array.
    const text = event.text
    const original = event.original
    extras[0] = event.key
    extras[1] = event.partition
    extras[2] = hasHeaders(event) ? JSON.stringify(event.headers) : undefined
    const most = text.length * 3 + original.length + 6 + 3 * ((extras[0]?.length ?? 0) + (extras[1]?.length ?? 0) + (extras[2]?.length ?? 0))
    if (at + most > out.length) out = grown(out, at, at + most)
    const textBytes = out.write(text, at)
    const same = textBytes === original.length && out.compare(original, 0, original.length, at, at + textBytes) === 0
    at += textBytes
    if (!same) out.set(original, at)
    if (!same) at += original.length
    for (const extra of extras) at = writeExtra(out, at, extra)
    const cell = 8 + head.length + row * ROW
    const start = originOf(event)
    out.writeUInt32LE(tickets[row] ?? 0, cell)
    out.writeUInt16LE(node, cell + 4)
    out.writeUInt16LE(slabs.get(event.slab) ?? 0, cell + 6)
    out.writeUInt32LE(start, cell + 8)
    out.writeUInt32LE(start + event.end - event.start, cell + 12)
    out.writeUInt32LE(textBytes, cell + 16)
    out.writeUInt32LE(same ? 0 : original.length, cell + 20)
    out.writeDoubleLE(event.time ?? Number.NaN, cell + 24)
  }
  return new Uint8Array(out.buffer, 0, at)
}

/** Reads a frame back, row by row. The events keep the frame's buffer alive. */
export class FrameReader {
  readonly #buffer: Buffer
  readonly #slabs: readonly MovedSlab[]
  readonly #count: number
  #row = 0
  /** Place of the next row's head, and of its bytes. */
  #cell: number
  #at: number

  constructor(bytes: Uint8Array) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const headBytes = buffer.readUInt32LE(4)
    const heads = JSON.parse(buffer.toString('utf8', 8, 8 + headBytes)) as SlabHead[] // Written by writeFrame.
    this.#buffer = buffer
    this.#slabs = heads.map(head => new MovedSlab(head, buffer))
    this.#count = buffer.readUInt32LE(0)
    this.#cell = 8 + headBytes
    this.#at = this.#cell + this.#count * ROW
  }

  /** Ticket of the next row; Infinity behind the last. */
  get ticket(): number {
    return this.#row < this.#count ? this.#buffer.readUInt32LE(this.#cell) : Infinity
  }

  /** The next row; undefined behind the last. */
  next(): FrameRow | undefined {
    if (this.#row >= this.#count) return undefined
    const buffer = this.#buffer
    const cell = this.#cell
    let at = this.#at
    const slab = this.#slabs[buffer.readUInt16LE(cell + 6)] as MovedSlab // Written by writeFrame.
    const textBytes = buffer.readUInt32LE(cell + 16)
    const originalBytes = buffer.readUInt32LE(cell + 20)
    const text = buffer.toString('utf8', at, at + textBytes)
    const originalAt = originalBytes === 0 ? at : at + textBytes
    const event = new Event(slab, originalAt, originalAt + (originalBytes === 0 ? originalLength(buffer, cell, textBytes) : originalBytes), text)
    slab.moved(originalAt, buffer.readUInt32LE(cell + 8))
    at += textBytes + originalBytes
    const time = buffer.readDoubleLE(cell + 24)
    if (!Number.isNaN(time)) event.time = time
    event.ticket = buffer.readUInt32LE(cell)
    const key = readExtra(buffer, at)
    event.key = key.text
    const partition = readExtra(buffer, key.end)
    event.partition = partition.text
    const headers = readExtra(buffer, partition.end)
    if (headers.text !== undefined) event.headers = JSON.parse(headers.text) as Record<string, string> // Written by writeFrame.
    this.#at = headers.end
    this.#cell = cell + ROW
    this.#row++
    return { event, node: buffer.readUInt16LE(cell + 4) }
  }
}

/** The next rows of several frames in the order of their tickets, `most` of them or what is left. */
export function nextRows(readers: readonly FrameReader[], most: number): FrameRow[] {
  const rows: FrameRow[] = []
  while (rows.length < most) {
    let [first] = readers
    for (const reader of readers) if (first !== undefined && reader.ticket < first.ticket) first = reader
    const row = first?.next()
    if (row === undefined) break
    rows.push(row)
  }
  return rows
}

/** Puts new tickets into a frame: the coordinating thread numbers the rows of all lanes of a level anew. */
export function renumberFrame(bytes: Uint8Array, ticketOf: (old: number) => number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = view.getUint32(0, true)
  const first = 8 + view.getUint32(4, true)
  for (let row = 0; row < count; row++) view.setUint32(first + row * ROW, ticketOf(view.getUint32(first + row * ROW, true)), true)
}

/** A row without original bytes equals its text, unless it had none at all (an event that a stage produced). */
function originalLength(buffer: Buffer, cell: number, textBytes: number): number {
  return buffer.readUInt32LE(cell + 12) === buffer.readUInt32LE(cell + 8) ? 0 : textBytes
}

function originOf(event: Event): number {
  const known = event.slab as SourceSlab // As in headOf.
  return known.origin?.(event.start) ?? event.start
}

function headOf(slab: Slab): SlabHead {
  const known = slab as SourceSlab // A slab of the engine carries `from`; a test's may not.
  return { source: slab.source, from: known.from ?? null, meta: known.meta }
}

class MovedSlab implements SourceSlab {
  readonly source: string
  readonly bytes: Uint8Array
  readonly from: JsonValue
  readonly meta: JsonValue | undefined
  readonly #to: number[] = []
  readonly #from: number[] = []

  constructor(head: SlabHead, bytes: Uint8Array) {
    this.source = head.source
    this.from = head.from
    this.meta = head.meta
    this.bytes = bytes
  }

  /** Notes where a record came from. Called in rising order of `to`. */
  moved(to: number, from: number): void {
    this.#to.push(to)
    this.#from.push(from)
  }

  origin(start: number): number {
    let low = 0
    let high = this.#to.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#to[middle] ?? 0) < start) low = middle + 1
      else high = middle
    }
    return this.#from[low] ?? 0
  }

  locate(start: number): JsonValue {
    return locateFrom(this.from, this.origin(start))
  }
}

function hasHeaders(event: Event): boolean {
  for (const name in event.headers) if (name !== '') return true
  return false
}

function grown(buffer: Buffer<ArrayBuffer>, used: number, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, needed))
  buffer.copy(larger, 0, 0, used)
  return larger
}

function writeExtra(out: Buffer, at: number, text: string | undefined): number {
  if (text === undefined) return out.writeUInt16LE(NONE, at)
  const bytes = text.length === 0 ? NO_BYTES : Buffer.from(text)
  if (bytes.length >= NONE) throw new RangeError(`a key, partition or headers of ${bytes.length} bytes: 65534 is the most`)
  out.writeUInt16LE(bytes.length, at)
  bytes.copy(out, at + 2)
  return at + 2 + bytes.length
}

function readExtra(buffer: Buffer, at: number): { text: string | undefined; end: number } {
  const length = buffer.readUInt16LE(at)
  if (length === NONE) return { text: undefined, end: at + 2 }
  return { text: buffer.toString('utf8', at + 2, at + 2 + length), end: at + 2 + length }
}
