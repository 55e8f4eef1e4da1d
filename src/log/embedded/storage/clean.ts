/**
 * Compaction: of each key only the newest record stays. Offsets do not change.
 *
 *     read keys of all closed segments (and of the last one, below what is stable) -> for each closed segment: write `.cleaned` -> fsync -> rename over it -> fsync folder
 *
 * A crash leaves either the old or the new file under the segment's name; a `.cleaned` beside it is written anew the next time. Records of aborted transactions go,
 * markers stay; tombstones go when they are older than they are to be kept. Batches without records stay: they say how far a producer came.
 *
 * Memory: one entry for each key, at most `KEYS_MAX`, and about `WRITE_BYTES`; records behind the one where the room ended are left as they are.
 */
import type { Files } from '../../../platform/index.ts'
import { RecordCursor, baseOffsetOf, checkBatch, filterBatch, lastOffsetOf, producerIdOf } from '../../batch/index.ts'
import type { AbortedTransaction } from './partition-port.ts'
import { Segment, placesPath } from './segment.ts'

const KEYS_MAX = 2_000_000
const WRITE_BYTES = 1 << 20

export interface Cleaning {
  readonly folder: string
  readonly files: Files
  readonly aborted: readonly AbortedTransaction[]
  /** Milliseconds since 1970: tombstones older than this go. */
  readonly forgetBefore: number
  /** The segment that is written to: its keys count, it is not changed. */
  readonly active: Segment
  readonly stable: bigint
}

/** Gives each of the closed segments that became shorter, with what takes its place. The old one stays open: reads may be under way in it. */
export async function* cleanSegments(closed: readonly Segment[], cleaning: Cleaning): AsyncGenerator<readonly [Segment, Segment]> {
  const newest = await newestOffsets([...closed, cleaning.active], cleaning)
  for (const segment of closed) {
    const isKept = keeper(newest, cleaning)
    if (await wouldShrink(segment, isKept)) {
      const cleaned = await rewrite(segment, isKept, cleaning)
      if (cleaned !== undefined) yield [segment, cleaned]
    }
  }
}

const isAborted = (cursor: RecordCursor, batch: Uint8Array, at: number, { aborted }: Cleaning): boolean =>
  aborted.some(({ producerId, first, last }) => producerId === producerIdOf(batch, at) && cursor.offset >= first && cursor.offset <= last)

const keyOf = ({ bytes, keyStart, keyEnd }: RecordCursor): string => Buffer.from(bytes.buffer, bytes.byteOffset + keyStart, keyEnd - keyStart).toString('latin1')

interface Newest {
  readonly offsets: ReadonlyMap<string, bigint>
  /** Records from here on were not looked at. */
  readonly until: bigint
}

async function newestOffsets(segments: readonly Segment[], cleaning: Cleaning): Promise<Newest> {
  const offsets = new Map<string, bigint>()
  const cursor = new RecordCursor({ check: false })
  for (const segment of segments) {
    for await (const { bytes, from, length } of segment.walk(0)) {
      if (!checkBatch(bytes, from).ok) continue
      if (lastOffsetOf(bytes, from) >= cleaning.stable) return { offsets, until: cleaning.stable }
      for (cursor.open(bytes, from, from + length); cursor.next();) {
        if (cursor.control || cursor.keyStart < 0 || isAborted(cursor, bytes, from, cleaning)) continue
        const key = keyOf(cursor)
        if (offsets.size >= KEYS_MAX && !offsets.has(key)) return { offsets, until: cursor.offset }
        offsets.set(key, cursor.offset)
      }
    }
  }
  return { offsets, until: cleaning.stable }
}

type IsKept = (cursor: RecordCursor, batch: Uint8Array) => boolean

function keeper({ offsets, until }: Newest, cleaning: Cleaning): IsKept {
  return (cursor, batch) => {
    if (cursor.control || cursor.keyStart < 0 || cursor.offset >= until) return true
    if (isAborted(cursor, batch, 0, cleaning)) return false
    if ((offsets.get(keyOf(cursor)) ?? -1n) > cursor.offset) return false
    return cursor.valueStart >= 0 || cursor.timestamp >= cleaning.forgetBefore
  }
}

interface Filtered {
  readonly bytes: Uint8Array
  readonly isShorter: boolean
}

/** The batches of a segment without what goes. Throws DAMAGED where one of them is not as it was written. */
async function* filtered(segment: Segment, isKept: IsKept): AsyncGenerator<Filtered> {
  let [behind, next] = [0, segment.base]
  for await (const { bytes, from, length, at } of segment.walk(0)) {
    // The checksum does not cover the offset: it must not lie before what was there.
    if (at !== behind || baseOffsetOf(bytes, from) < next || !checkBatch(bytes, from).ok) throw DAMAGED
    const batch = bytes.slice(from, from + length)
    next = lastOffsetOf(batch) + 1n
    behind = at + length
    const rest = filterBatch(batch, cursor => isKept(cursor, batch))
    yield { bytes: rest, isShorter: rest !== batch }
  }
  if (behind !== segment.length || next > segment.next) throw DAMAGED
}

/** A damaged segment is left for a person to look at. */
const DAMAGED = new Error('a batch of the segment is damaged')

async function wouldShrink(segment: Segment, isKept: IsKept): Promise<boolean> {
  try {
    for await (const { isShorter } of filtered(segment, isKept)) if (isShorter) return true
  } catch (error) {
    if (error !== DAMAGED) throw error
  }
  return false
}

/** The segment written anew under its name; undefined, with nothing changed, where it is damaged. */
async function rewrite(segment: Segment, isKept: IsKept, { folder, files }: Cleaning): Promise<Segment | undefined> {
  const path = `${segment.path}.cleaned`
  const file = await files.open(path, true)
  try {
    await file.truncate(0)
    let parts: Uint8Array[] = []
    let [bytes, at] = [0, 0]
    const flush = async (): Promise<void> => {
      await file.write(Buffer.concat(parts), at)
      at += bytes
      parts = []
      bytes = 0
    }
    for await (const { bytes: batch } of filtered(segment, isKept)) {
      parts.push(batch)
      bytes += batch.length
      if (bytes >= WRITE_BYTES) await flush()
    }
    await flush()
    await file.sync()
  } catch (error) {
    if (error !== DAMAGED) throw error
    await files.remove(path)
    return undefined
  } finally {
    await file.close()
  }
  await files.remove(placesPath(segment.path))
  await files.rename(path, segment.path)
  await files.syncFolder(folder)
  const fresh = await Segment.open(folder, segment.base, files)
  fresh.next = segment.next
  return fresh
}
