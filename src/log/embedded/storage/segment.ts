/**
 * One segment of a partition: the file `<20 digits of its first offset>.log` with record batches one behind the other, and an index in memory that finds places in it.
 *
 * Its places (places.ts) are noted while it is written, else read from their file, else made by walking over the headers, when they are first asked for.
 *
 * Damaged bytes stay where they are. They are noted as holes, which reading steps over.
 */
import { join } from 'node:path'
import type { Files, OpenFile } from '../../../platform/index.ts'
import { HEADER_BYTES, PREFIX_BYTES, baseOffsetOf, batchLengthAt, checkBatch, checkHeader, lastOffsetOf, magicOf, maxTimestampOf } from '../../batch/index.ts'
import { Places } from './places.ts'
import type { Place } from './places.ts'

const WALK_BYTES = 1 << 20
/** No batch is larger: a length beyond it is none. */
const BATCH_MAX = 256 << 20

/** Damaged bytes, and the offsets that are missing with them. */
export interface Hole {
  readonly at: number
  readonly next: number
  readonly from: bigint
  readonly to: bigint
}

/** A batch, `bytes[from, from + length)`, that lies at `at` of the file. */
export interface WalkedBatch {
  readonly bytes: Uint8Array
  readonly from: number
  readonly length: number
  readonly at: number
}

export const segmentName = (base: bigint): string => `${String(base).padStart(20, '0')}.log`

/** The first offset of the segment that a file holds, undefined for another file. */
export function segmentBase(name: string): bigint | undefined {
  return /^\d{20}\.log$/.test(name) ? BigInt(name.slice(0, 20)) : undefined
}

/** The file with the places of a segment. */
export const placesPath = (path: string): string => path.replace(/log$/, 'places')

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
  readonly #files: Files
  readonly #file: OpenFile
  #places: Places | undefined
  #placing: Promise<Places> | undefined
  /** True while the file of places does not say what is known here. */
  #isNews = false
  /** True where damage was found whose times and offsets nobody knows. */
  #isDoubtful = false
  #isTimeKnown = false

  private constructor(base: bigint, path: string, files: Files, file: OpenFile, length: number) {
    this.base = base
    this.next = base
    this.path = path
    this.#files = files
    this.#file = file
    this.length = length
  }

  static async open(folder: string, base: bigint, files: Files): Promise<Segment> {
    const path = join(folder, segmentName(base))
    const file = await files.open(path, true)
    return new Segment(base, path, files, file, await file.size())
  }

  static async create(folder: string, base: bigint, files: Files): Promise<Segment> {
    const path = join(folder, segmentName(base))
    const file = await files.open(path, true)
    // A file of that name can only be the leftover of a beginning that failed.
    if ((await file.size()) > 0) await file.truncate(0)
    await files.syncFolder(folder)
    const segment = new Segment(base, path, files, file, 0)
    segment.begin()
    return segment
  }

  /** Forgets all about its batches: they are noted one by one from here on. */
  begin(): void {
    this.length = 0
    this.next = this.base
    this.maxTimestamp = -1
    this.#places = new Places()
    this.#isNews = true
    this.#isTimeKnown = true
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#file.write(bytes, this.length)
  }

  /** Takes note of a batch that lies at the end now. */
  note(batch: Uint8Array, at: number, length: number): void {
    this.#places?.note(baseOffsetOf(batch, at), this.length, this.maxTimestamp)
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
  async placeOf(offset: bigint): Promise<Place> {
    return (this.#places ?? (await this.#findPlaces())).beforeOffset(offset) ?? { at: 0, offset: this.base }
  }

  /** A place at or before the first batch with a time at or after `time`. */
  async placeAt(time: number): Promise<number> {
    return (this.#places ?? (await this.#findPlaces())).beforeTime(time)?.at ?? 0
  }

  /** Greatest time of its records, -1 where there is none; undefined where damage hides some of them. */
  async greatestTime(): Promise<number | undefined> {
    if (!this.#isTimeKnown) await this.#findPlaces()
    return this.#isDoubtful || this.holes.length > 0 ? undefined : this.maxTimestamp
  }

  /** Writes the places of a segment that is complete, where their file does not have them yet. It is a cache: one that can't be written is made anew another time. */
  async keepPlaces(): Promise<void> {
    if (!this.#isNews || this.#places === undefined || this.#isDoubtful || this.holes.length > 0) return
    this.#isNews = false
    const bytes = this.#places.encode(this)
    try {
      const file = await this.#files.open(placesPath(this.path), true)
      try {
        await file.truncate(0)
        await file.write(bytes, 0)
      } finally {
        await file.close()
      }
    } catch {
      // What an earlier time left may be about other bytes.
      await this.#files.remove(placesPath(this.path)).catch(() => undefined)
    }
  }

  /** Gives back their memory. */
  forgetPlaces(): void {
    if (!this.#isNews) this.#places = undefined
  }

  #findPlaces(): Promise<Places> {
    this.#placing ??= this.#readPlaces()
      .then(places => (this.#places = places ?? this.#places))
      .then(places => places ?? this.#makePlaces())
      .finally(() => (this.#placing = undefined))
    return this.#placing
  }

  async #readPlaces(): Promise<Places | undefined> {
    const content = await this.#files.readFile(placesPath(this.path)).catch(() => undefined)
    const found = content === undefined ? undefined : Places.decode(content, this.base, this.length)
    if (found === undefined || !(await this.#fits(found.places))) return undefined
    this.maxTimestamp = found.maxTimestamp
    this.#isTimeKnown = true
    return found.places
  }

  /** True if what the file says is found in the segment, at a few places. */
  async #fits(places: Places): Promise<boolean> {
    for (const index of new Set([0, places.count >> 1, places.count - 1])) {
      if (index >= places.count || index < 0) continue
      const { offset, at } = places.place(index)
      const head = await this.bytesAt(at, HEADER_BYTES)
      if (head.length < HEADER_BYTES || magicOf(head) !== 2 || baseOffsetOf(head) !== offset) return false
    }
    return true
  }

  async #makePlaces(): Promise<Places> {
    const places = new Places()
    let [time, next] = [-1, this.base]
    for await (const { bytes, from, at } of this.walkOver(0)) {
      const offset = baseOffsetOf(bytes, from)
      // An offset out of the row is damage, or follows a gap: either way nothing is to be built on it.
      if (offset === next) places.note(offset, at, time)
      next = lastOffsetOf(bytes, from) + 1n
      time = Math.max(time, maxTimestampOf(bytes, from))
    }
    this.maxTimestamp = Math.max(this.maxTimestamp, time)
    this.#isTimeKnown = true
    this.#isNews = true
    this.#places = places
    return places
  }

  /** The same as `walk`, over to the next whole batch where something is none. */
  async *walkOver(start: number): AsyncGenerator<WalkedBatch> {
    for (let [at, next] = [start, 0n]; at < this.length;) {
      for await (const batch of this.walk(at)) {
        yield batch
        at = batch.at + batch.length
        next = lastOffsetOf(batch.bytes, batch.from) + 1n
      }
      if (at >= this.length || this.holes.some(hole => hole.at <= at && hole.next >= this.length)) return
      this.#isDoubtful = true
      at = (await this.nextWhole(at + 1, this.length, next))?.at ?? this.length
    }
  }

  /**
   * The batches from a place on, holes left out, by their headers alone. Ends early where something is no batch: whoever must know looks at where it came to.
   */
  async *walk(start: number, end = this.length): AsyncGenerator<WalkedBatch> {
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
