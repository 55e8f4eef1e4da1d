/**
 * Where batches lie in a segment: an entry for about every 4 KiB, with the offset that begins there, its place in the file and the greatest time of all that lies before it.
 *
 * Of a segment that is complete they are kept in a file beside it, `<20 digits>.places`. Format: docs/formats/log-segment.md.
 *
 *     magic 4 "SLPL" | version 4 | CRC-32C 4 of all behind it | entries 4 | first offset 8 | bytes of the segment 8 | greatest time 8 | per entry: offset 8, place 8, time 8
 *
 * The file is a cache. It is neither synced nor renamed into its place: one that is torn, or about another length of the segment, is made anew from the segment.
 */
import { crc32c } from '../../batch/index.ts'

const MAGIC = 'SLPL'
const VERSION = 1
const HEAD = 40
const ENTRY = 24
/** Bytes of the segment between two entries. */
const EVERY = 4096

export interface Place {
  readonly offset: bigint
  readonly at: number
}

/** What a file of places is about. */
export interface Subject {
  /** First offset of the segment. */
  readonly base: bigint
  /** Bytes of the segment. */
  readonly length: number
  /** Greatest time of its records; -1 where there is none. */
  readonly maxTimestamp: number
}

export class Places {
  #count = 0
  #offsets = new BigInt64Array(64)
  #ats = new Float64Array(64)
  #times = new Float64Array(64)

  get count(): number {
    return this.#count
  }

  /** The entry with this number. Throws RangeError where there is none. */
  place(index: number): Place {
    const offset = this.#offsets[index]
    const at = this.#ats[index]
    if (offset === undefined || at === undefined || index >= this.#count) throw new RangeError(`there is no place ${index}`)
    return { offset, at }
  }

  /** Takes note of a batch behind those noted before, unless it lies near the last entry. `time`: greatest of all records before it. */
  note(offset: bigint, at: number, time: number): void {
    if (this.#count > 0 && at - (this.#ats[this.#count - 1] ?? 0) < EVERY) return
    if (this.#count === this.#ats.length) this.#grow()
    this.#offsets[this.#count] = offset
    this.#ats[this.#count] = at
    this.#times[this.#count++] = time
  }

  #grow(): void {
    const [offsets, ats, times] = [this.#offsets, this.#ats, this.#times]
    this.#make(this.#count * 2)
    this.#offsets.set(offsets)
    this.#ats.set(ats)
    this.#times.set(times)
  }

  #make(room: number): void {
    this.#offsets = new BigInt64Array(room)
    this.#ats = new Float64Array(room)
    this.#times = new Float64Array(room)
  }

  /** The last place at or before an offset. */
  beforeOffset(offset: bigint): Place | undefined {
    return this.#last(index => (this.#offsets[index] ?? 0n) <= offset)
  }

  /** The last place that has only earlier times before it. */
  beforeTime(time: number): Place | undefined {
    return this.#last(index => (this.#times[index] ?? 0) < time)
  }

  #last(isBefore: (index: number) => boolean): Place | undefined {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(middle)) low = middle + 1
      else high = middle
    }
    return low === 0 ? undefined : this.place(low - 1)
  }

  encode({ base, length, maxTimestamp }: Subject): Uint8Array {
    const bytes = Buffer.alloc(HEAD + this.#count * ENTRY)
    bytes.write(MAGIC, 0, 'latin1')
    bytes.writeUInt32BE(VERSION, 4)
    bytes.writeUInt32BE(this.#count, 12)
    bytes.writeBigInt64BE(base, 16)
    bytes.writeBigInt64BE(BigInt(length), 24)
    bytes.writeBigInt64BE(BigInt(maxTimestamp), 32)
    for (let index = 0, to = HEAD; index < this.#count; index++, to += ENTRY) {
      bytes.writeBigInt64BE(this.#offsets[index] ?? 0n, to)
      bytes.writeBigInt64BE(BigInt(this.#ats[index] ?? 0), to + 8)
      bytes.writeBigInt64BE(BigInt(this.#times[index] ?? 0), to + 16)
    }
    bytes.writeUInt32BE(crc32c(bytes, 12, bytes.length), 8)
    return bytes
  }

  /** True for a file of places that is as it was written, and of this version. */
  static isWhole(content: Uint8Array): boolean {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.length)
    if (bytes.length < HEAD || bytes.toString('latin1', 0, 4) !== MAGIC || bytes.readUInt32BE(4) !== VERSION) return false
    return bytes.length === HEAD + bytes.readUInt32BE(12) * ENTRY && bytes.readUInt32BE(8) === crc32c(bytes, 12, bytes.length)
  }

  /** Undefined where the bytes are damaged, of another version, or about another segment. */
  static decode(content: Uint8Array, base: bigint, length: number): { readonly places: Places; readonly maxTimestamp: number } | undefined {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.length)
    if (!Places.isWhole(bytes) || bytes.readBigInt64BE(16) !== base || bytes.readBigInt64BE(24) !== BigInt(length)) return undefined
    const count = bytes.readUInt32BE(12)
    const places = new Places()
    places.#make(Math.max(count, 1))
    places.#count = count
    for (let index = 0, from = HEAD; index < count; index++, from += ENTRY) {
      places.#offsets[index] = bytes.readBigInt64BE(from)
      places.#ats[index] = Number(bytes.readBigInt64BE(from + 8))
      places.#times[index] = Number(bytes.readBigInt64BE(from + 16))
    }
    return { places, maxTimestamp: Number(bytes.readBigInt64BE(32)) }
  }
}
