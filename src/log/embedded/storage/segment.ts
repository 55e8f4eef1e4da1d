/**
 * One segment of a partition: the file `<20 digits of its first offset>.log` with record batches one behind the other, and an index in memory that finds places in it.
 *
 * The index has an entry for about every 4 KiB: offset, place and the greatest time so far. It is a cache: of a segment that was not written by this process it is made
 * by walking over the headers when it is first asked, and what it says is checked against the batch found there.
 *
 * Damaged bytes stay where they are. They are noted as holes, which reading steps over.
 */
import { join } from 'node:path'
import type { Files, OpenFile } from '../../../platform/index.ts'
import { HEADER_BYTES, PREFIX_BYTES, baseOffsetOf, batchLengthAt, checkBatch, checkHeader, lastOffsetOf, magicOf, maxTimestampOf } from '../../batch/index.ts'

const INDEX_EVERY = 4096
const WALK_BYTES = 1 << 20
/** No batch is larger: a length beyond it is none. */
const BATCH_MAX = 256 << 20

export interface Place {
  readonly offset: bigint
  readonly at: number
  /** Greatest time of a batch before this place. */
  readonly time: number
}

/** Damaged bytes, and the offsets that are missing with them. */
export interface Hole {
  readonly at: number
  readonly next: number
  readonly from: bigint
  readonly to: bigint
}

export const segmentName = (base: bigint): string => `${String(base).padStart(20, '0')}.log`

/** The first offset of the segment that a file holds, undefined for another file. */
export function segmentBase(name: string): bigint | undefined {
  return /^\d{20}\.log$/.test(name) ? BigInt(name.slice(0, 20)) : undefined
}

export class Segment {
  readonly base: bigint
  readonly path: string
  /** Bytes of whole batches; what lies behind is being written or is a leftover. */
  length: number
  /** Greatest time in it; -1 while it is not known or empty. */
  maxTimestamp = -1
  /** Offset behind its last batch. */
  next: bigint
  readonly holes: Hole[] = []
  readonly #file: OpenFile
  #places: Place[] | undefined
  #indexed = 0

  private constructor(base: bigint, path: string, file: OpenFile, length: number, places: Place[] | undefined) {
    this.base = base
    this.next = base
    this.path = path
    this.#file = file
    this.length = length
    this.#places = places
  }

  static async open(folder: string, base: bigint, files: Files): Promise<Segment> {
    const path = join(folder, segmentName(base))
    const file = await files.open(path, true)
    return new Segment(base, path, file, await file.size(), undefined)
  }

  static async create(folder: string, base: bigint, files: Files): Promise<Segment> {
    const path = join(folder, segmentName(base))
    const file = await files.open(path, true)
    // A file of that name can only be the leftover of a beginning that failed.
    if ((await file.size()) > 0) await file.truncate(0)
    await files.syncFolder(folder)
    return new Segment(base, path, file, 0, [])
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#file.write(bytes, this.length)
  }

  /** Takes note of a batch that lies at the end now. */
  note(batch: Uint8Array, at: number, length: number): void {
    const offset = baseOffsetOf(batch, at)
    if (this.#places !== undefined && (this.#places.length === 0 || this.length - this.#indexed >= INDEX_EVERY)) {
      this.#places.push({ offset, at: this.length, time: this.maxTimestamp })
      this.#indexed = this.length
    }
    this.maxTimestamp = Math.max(this.maxTimestamp, maxTimestampOf(batch, at))
    this.next = lastOffsetOf(batch, at) + 1n
    this.length += length
  }

  sync(): Promise<void> {
    return this.#file.sync()
  }

  /** Cuts off what lies behind `length`. */
  async cut(): Promise<void> {
    await this.#file.truncate(this.length)
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  async bytesAt(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const got = await this.#file.read(bytes, done, length - done, at + done)
      if (got === 0) break
      done += got
    }
    return done === length ? bytes : bytes.subarray(0, done)
  }

  /** A place at or before the batch that holds the offset, with the offset that begins there. */
  async placeOf(offset: bigint): Promise<{ readonly at: number; readonly offset: bigint }> {
    return (await this.#last(place => place.offset <= offset)) ?? { at: 0, offset: this.base }
  }

  /** A place at or before the first batch with a time at or after `time`. */
  async placeAt(time: number): Promise<number> {
    return (await this.#last(place => place.time < time))?.at ?? 0
  }

  async #last(before: (place: Place) => boolean): Promise<Place | undefined> {
    const places = this.#places ?? (await this.#makeIndex())
    let low = 0
    let high = places.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (before(places[middle] as Place)) low = middle + 1 // The index is inside the array; so below.
      else high = middle
    }
    return places[low - 1]
  }

  async #makeIndex(): Promise<Place[]> {
    const places: Place[] = []
    let time = -1
    let indexed = 0
    let next = this.base
    for await (const { bytes, from, at } of this.walk(0)) {
      const offset = baseOffsetOf(bytes, from)
      // An offset out of the row is damage, or follows a gap: either way nothing is to be built on it.
      if (offset === next && (places.length === 0 || at - indexed >= INDEX_EVERY)) {
        places.push({ offset, at, time })
        indexed = at
      }
      next = lastOffsetOf(bytes, from) + 1n
      time = Math.max(time, maxTimestampOf(bytes, from))
    }
    this.maxTimestamp = Math.max(this.maxTimestamp, time)
    this.#indexed = indexed
    this.#places = places
    return places
  }

  /**
   * The batches from a place on, holes left out, by their headers alone: `bytes[from, from + length)` is one that lies at `at`. Ends early where something is no batch;
   * `stoppedAt` of the last answer tells nothing of it, so whoever must know looks at where it came to.
   */
  async *walk(start: number, end = this.length): AsyncGenerator<{ readonly bytes: Uint8Array; readonly from: number; readonly length: number; readonly at: number }> {
    for (let at = start; at < end;) {
      const hole = this.holes.find(one => one.at <= at && at < one.next)
      if (hole !== undefined) {
        at = hole.next
        continue
      }
      const bytes = await this.#chunk(at, end)
      if (bytes === undefined) return
      let from = 0
      for (;;) {
        if (this.holes.some(one => one.at === at)) break
        const check = checkHeader(bytes, from)
        if (!check.ok) break
        yield { bytes, from, length: check.length, at }
        from += check.length
        at += check.length
      }
      if (from === 0 && !this.holes.some(one => one.at === at)) return
    }
  }

  /** Bytes from a place on, at least one whole batch if there is one. */
  async #chunk(at: number, end: number): Promise<Uint8Array | undefined> {
    const bytes = await this.bytesAt(at, Math.min(WALK_BYTES, end - at))
    const length = batchLengthAt(bytes)
    if (length === undefined || bytes.length < HEADER_BYTES || length > end - at) return bytes.length < PREFIX_BYTES ? undefined : bytes
    return length <= bytes.length ? bytes : this.bytesAt(at, length)
  }

  /** The next place behind `at` where a whole, undamaged batch with an offset from `offset` on begins, and that batch's offset. */
  async nextWhole(at: number, end: number, offset: bigint): Promise<{ readonly at: number; readonly offset: bigint } | undefined> {
    for (let start = at; start < end; start += WALK_BYTES) {
      const bytes = await this.bytesAt(start, Math.min(WALK_BYTES + HEADER_BYTES, end - start))
      for (let from = 0; from < WALK_BYTES && from + HEADER_BYTES <= bytes.length; from++) {
        if (magicOf(bytes, from) !== 2 || baseOffsetOf(bytes, from) < offset) continue
        const length = batchLengthAt(bytes, from)
        if (length === undefined || length > BATCH_MAX || start + from + length > end) continue
        const batch = from + length <= bytes.length ? bytes.subarray(from, from + length) : await this.bytesAt(start + from, length)
        if (checkBatch(batch).ok) return { at: start + from, offset: baseOffsetOf(batch) }
      }
    }
    return undefined
  }
}
