/**
 * Compaction: of each key only the newest record stays. Offsets do not change.
 *
 *     read keys of all closed segments (and of the last one, below what is stable) -> for each closed segment: write `.cleaned` -> fsync -> rename over it -> fsync folder
 *
 * A crash leaves either the old or the new file under the segment's name; a `.cleaned` beside it is written anew the next time. Records of aborted transactions go,
 * markers stay; tombstones go when they are older than they are to be kept. Batches without records stay: they say how far a producer came.
 *
 * Memory: one entry for each key, at most `KEYS_MAX`; records behind the one where the room ended are left as they are.
 */
import { join } from 'node:path'
import type { Files } from '../../../platform/index.ts'
import { RecordCursor, checkBatch, filterBatch, lastOffsetOf, producerIdOf } from '../../batch/index.ts'
import type { AbortedTransaction } from './partition-port.ts'
import { Segment, segmentName } from './segment.ts'

const KEYS_MAX = 2_000_000

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

/** Answers the new segments by the old ones, which are closed, and how many bytes were saved. */
export async function cleanSegments(closed: readonly Segment[], cleaning: Cleaning): Promise<{ readonly segments: ReadonlyMap<Segment, Segment>; readonly saved: number }> {
  const newest = await newestOffsets([...closed, cleaning.active], cleaning)
  const segments = new Map<Segment, Segment>()
  let saved = 0
  for (const segment of closed) {
    // A damaged segment is left for a person to look at.
    if (segment.holes.length > 0) continue
    const cleaned = await cleanSegment(segment, newest, cleaning)
    if (cleaned === undefined) continue
    saved += segment.length - cleaned.length
    segments.set(segment, cleaned)
    await segment.close()
  }
  return { segments, saved }
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

/** The segment written anew, or undefined where nothing would go. */
async function cleanSegment(segment: Segment, { offsets, until }: Newest, cleaning: Cleaning): Promise<Segment | undefined> {
  const kept: Uint8Array[] = []
  let changed = false
  for await (const { bytes, from, length } of segment.walk(0)) {
    const batch = bytes.slice(from, from + length)
    const filtered = filterBatch(batch, cursor => {
      if (cursor.control || cursor.keyStart < 0 || cursor.offset >= until) return true
      if (isAborted(cursor, batch, 0, cleaning)) return false
      if ((offsets.get(keyOf(cursor)) ?? -1n) > cursor.offset) return false
      return cursor.valueStart >= 0 || cursor.timestamp >= cleaning.forgetBefore
    })
    changed ||= filtered !== batch
    kept.push(filtered)
  }
  return changed ? replace(segment, kept, cleaning) : undefined
}

async function replace(segment: Segment, batches: readonly Uint8Array[], { folder, files }: Cleaning): Promise<Segment> {
  const path = `${segment.path}.cleaned`
  const file = await files.open(path, true)
  try {
    await file.truncate(0)
    await file.write(Buffer.concat(batches), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(path, join(folder, segmentName(segment.base)))
  await files.syncFolder(folder)
  const fresh = await Segment.open(folder, segment.base, files)
  fresh.next = segment.next
  await fresh.placeOf(fresh.base)
  return fresh
}
