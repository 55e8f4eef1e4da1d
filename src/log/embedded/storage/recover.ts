/**
 * Opens the segments of a partition after whatever happened before.
 *
 *     state   what is known up to the beginning of the last segment: producers, sizes, and whether it was closed well (a cache: made anew by reading all)
 *     start   the first offset that is kept (the truth, written before records are given up)
 *     last segment: read and checked to its end; a torn tail is cut off, loudly. All others are taken as they are, and checked when they are read.
 *
 * A batch that is damaged with whole ones behind it is a hole: it stays where it is and is not served. Nothing is deleted on doubt.
 */
import { join } from 'node:path'
import { SluiceError } from '../../../base/index.ts'
import type { Files } from '../../../platform/index.ts'
import { baseOffsetOf, checkBatch, lastOffsetOf } from '../../batch/index.ts'
import { readDurable } from '../durable-file.ts'
import { Producers } from './producers.ts'
import type { ProducersRecord } from './producers.ts'
import { Segment, segmentBase } from './segment.ts'

export interface StateRecord {
  /** First offset of the segment that was the last one: what stands here is about what lies before it. */
  readonly base: string
  readonly epoch: number
  readonly producers: ProducersRecord
  /** Bytes of the last segment and the offset behind it, where the log was closed well; the producers are then those at its end. */
  readonly closed?: { readonly bytes: number; readonly next: string }
}

export interface Recovered {
  readonly segments: Segment[]
  readonly producers: Producers
  readonly start: bigint
  readonly epoch: number
}

export interface Recovery {
  readonly folder: string
  readonly files: Files
  /** True where offsets may be missing between batches, as compaction by others leaves them. */
  readonly gaps: boolean
  readonly warn: (message: string) => void
}

export async function recover(recovery: Recovery): Promise<Recovered> {
  const { folder, files, warn } = recovery
  await files.makeFolder(folder)
  const bases = (await files.list(folder)).map(segmentBase).filter(base => base !== undefined).sort((a, b) => (a < b ? -1 : 1))
  const start = BigInt(((await readDurable(files, join(folder, 'start'))) as { start: string } | undefined)?.start ?? bases[0] ?? 0n) // Its checksum fitted.
  if (bases.length === 0) return { segments: [await Segment.create(folder, start, files)], producers: new Producers(), start, epoch: 0 }
  const segments: Segment[] = []
  try {
    for (const base of bases) segments.push(await Segment.open(folder, base, files))
    segments.forEach((segment, at) => (segment.next = segments[at + 1]?.base ?? segment.base))
    const state = await stateOf(folder, files, warn)
    return await replay(segments, state, start, recovery)
  } catch (error) {
    for (const segment of segments) await segment.close().catch(() => undefined)
    throw error
  }
}

/** Undefined where there is none that can be used: everything is then read. */
async function stateOf(folder: string, files: Files, warn: (message: string) => void): Promise<StateRecord | undefined> {
  try {
    return (await readDurable(files, join(folder, 'state'))) as StateRecord | undefined // Its checksum fitted.
  } catch (error) {
    const isLater = error instanceof SluiceError && error.code === 'LOG_FORMAT' && (await startsAsOurs(folder, files))
    if (!(error instanceof SluiceError) || isLater || (error.code !== 'LOG_CORRUPT' && error.code !== 'LOG_FORMAT')) throw error
    warn(`${error.message} What it says is found out again by reading all records.`)
    return undefined
  }
}

/** True for a file of a later version, false for one whose very beginning is damaged. */
async function startsAsOurs(folder: string, files: Files): Promise<boolean> {
  const bytes = (await files.readFile(join(folder, 'state'))) ?? new Uint8Array(0)
  return Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'SLLM'
}

async function replay(segments: Segment[], state: StateRecord | undefined, start: bigint, { folder, files, gaps, warn }: Recovery): Promise<Recovered> {
  const producers = new Producers()
  const known = segments.findIndex(segment => String(segment.base) === state?.base)
  const last = segments.at(-1) as Segment // There is at least one.
  const closed = known === segments.length - 1 ? state?.closed : undefined
  if (state !== undefined && known >= 0) producers.restore(state.producers)
  let cut = 0
  for (const segment of segments.slice(Math.max(known, 0))) {
    const isLast = segment === last
    const sure = isLast ? { bytes: closed?.bytes ?? 0, next: closed === undefined ? undefined : BigInt(closed.next) } : { bytes: segment.length, next: segment.next }
    // What a well closed log says of its producers is about the end that it had then; what was written behind it since counts, and all records are checked.
    cut += await check(segment, sure, isLast, gaps, (batch, at) => (at >= (closed?.bytes ?? 0) ? producers.note(batch) : undefined), warn)
  }
  if (closed !== undefined && BigInt(closed.next) > last.next) {
    warn(`${last.path}: the records ${last.next} to ${BigInt(closed.next) - 1n} were there when the log was closed, and are gone.`)
    segments.push(await Segment.create(folder, BigInt(closed.next), files))
    last.next = BigInt(closed.next)
    return { segments, producers, start, epoch: (state?.epoch ?? 0) + 1 }
  }
  // Whoever read what is gone now must be able to tell.
  const epoch = (state?.epoch ?? 0) + (cut > 0 ? 1 : 0)
  if (last.next < start) last.next = start
  producers.forget(start, 0)
  return { segments, producers, start, epoch }
}

/**
 * Checks every batch of a segment. Answers how many bytes of a torn tail were cut off. `sure`: what was durable; damage within it is no torn tail.
 */
async function check(segment: Segment, sure: { readonly bytes: number; readonly next: bigint | undefined }, isLast: boolean, gaps: boolean, note: (batch: Uint8Array, at: number) => void, warn: (message: string) => void): Promise<number> {
  const end = segment.length
  const following = segment.next
  let next = segment.base
  segment.begin()
  let at = 0
  while (at < end) {
    for await (const { bytes, from, length, at: place } of segment.walk(at, end)) {
      const base = baseOffsetOf(bytes, from)
      // The checksum does not cover the offset: it must be the one that comes next.
      if (base < next || (base > next && !gaps) || !checkBatch(bytes, from).ok) break
      segment.length = place
      segment.note(bytes, from, length)
      note(bytes.subarray(from, from + length), place)
      next = lastOffsetOf(bytes, from) + 1n
      at = place + length
    }
    if (at >= end) break
    const whole = await segment.nextWhole(at + 1, end, next)
    if (whole === undefined && isLast && (at >= sure.bytes || end < sure.bytes)) {
      warn(`${segment.path}: a torn tail of ${end - at} bytes was cut off behind offset ${next - 1n}.`)
      segment.length = at
      await segment.cut()
      await segment.sync()
      return end - at
    }
    const to = whole?.offset ?? (sure.next !== undefined && sure.next > next ? sure.next : next + 1n)
    warn(`${segment.path}: ${(whole?.at ?? end) - at} bytes at ${at} are damaged; the offsets ${next} to ${to - 1n} are not served. Nothing was deleted.`)
    segment.holes.push({ at, next: whole?.at ?? end, from: next, to: to - 1n })
    next = to
    at = whole?.at ?? end
    segment.length = at
    segment.next = next
  }
  if (!isLast) segment.next = following
  return 0
}
