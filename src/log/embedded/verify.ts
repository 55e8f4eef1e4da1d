/**
 * Looks at every byte of a log's folder without changing anything: no lock is taken, nothing is opened for writing.
 *
 * Beside a process that has the log open, what it is writing at this moment may look like a torn tail; that, and the tail that a crash leaves, is told and is no damage: the next
 * opening cuts it off. Segments that retention takes away meanwhile are left out.
 */
import { join } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import { readOnlyFiles } from '../../platform/index.ts'
import type { Files } from '../../platform/index.ts'
import { RecordCursor, baseOffsetOf, checkBatch, countOf, lastOffsetOf } from '../batch/index.ts'
import { readDurable } from './durable-file.ts'
import { Places } from './storage/places.ts'
import type { StateRecord } from './storage/recover.ts'
import { Segment, segmentBase } from './storage/segment.ts'

export interface Finding {
  /** `damage`: something is lost or wrong. `torn`: what a crash leaves at the end. `note`: what does not belong there. */
  readonly kind: 'damage' | 'torn' | 'note'
  readonly path: string
  /** Place in the file, and how many bytes it is about. */
  readonly at?: number
  readonly bytes?: number
  /** Offsets that it is about. */
  readonly from?: bigint
  readonly to?: bigint
  readonly cause: string
}

export interface Verified {
  files: number
  bytes: number
  batches: number
  records: number
  readonly findings: Finding[]
}

interface Entry {
  readonly name: string
  readonly state: string
  readonly partitions: number
  readonly settings?: { readonly cleanup?: string }
}

/** What there is in the folder of a log, and what is wrong with it. Throws LOG_FORMAT where it is none. */
export async function verifyLog(folder: string, files: Files = readOnlyFiles): Promise<Verified> {
  const verified: Verified = { files: 0, bytes: 0, batches: 0, records: 0, findings: [] }
  const path = join(folder, 'meta', 'topics')
  const content = await readDurable(files, path).catch((error: unknown) => noted(verified, path, error))
  if (content === undefined && verified.findings.length === 0) throw new SluiceError('LOG_FORMAT', `There is no log in ${folder}: it has no meta/topics.`, { place: folder })
  await verifySmall(verified, join(folder, 'meta', 'producer-ids'), files)
  verified.files++
  for (const entry of (content as { readonly topics: readonly Entry[] } | undefined)?.topics ?? []) await verifyTopic(verified, folder, entry, files) // Its checksum fitted.
  return verified
}

async function verifyTopic(verified: Verified, folder: string, { name, state, partitions, settings }: Entry, files: Files): Promise<void> {
  if (state !== 'ready') {
    verified.findings.push({ kind: 'note', path: folder, cause: `the topic "${name}" is ${state}: what is left of it goes when the log is opened` })
    return
  }
  // Compaction by others leaves gaps between batches.
  const gaps = settings?.cleanup !== undefined && settings.cleanup !== 'delete'
  for (let partition = 0; partition < partitions; partition++) await verifyPartition(verified, join(folder, `${name}-${partition}`), files, gaps)
}

interface Found {
  /** First offset that is kept. */
  readonly start: bigint
  readonly state: StateRecord | undefined
  readonly names: readonly string[]
  /** First offsets of the segments, in their order. */
  readonly bases: readonly bigint[]
}

/** What there is in the folder of a partition, undefined where there is none. The state is read first: the segment that it names is there before it, and longer than it. */
async function findFiles(verified: Verified, folder: string, files: Files): Promise<Found | undefined> {
  const state = (await verifySmall(verified, join(folder, 'state'), files)) as StateRecord | undefined // Its checksum fitted.
  const names = await files.list(folder).catch(() => undefined)
  if (names === undefined) return undefined
  const start = (await verifySmall(verified, join(folder, 'start'), files)) as { readonly start: string } | undefined // Its checksum fitted.
  return { start: BigInt(start?.start ?? 0), state, names, bases: names.map(segmentBase).filter(base => base !== undefined).sort((a, b) => (a < b ? -1 : 1)) }
}

async function verifyPartition(verified: Verified, folder: string, files: Files, gaps: boolean): Promise<void> {
  const found = await findFiles(verified, folder, files)
  if (found === undefined) {
    verified.findings.push({ kind: 'damage', path: folder, cause: 'the folder of the partition is not there' })
    return
  }
  const { start, state, names, bases } = found
  const last = state === undefined ? undefined : BigInt(state.base)
  // Retention may have taken it since, with all before it.
  if (last !== undefined && !bases.includes(last) && last >= start) verified.findings.push({ kind: 'damage', path: folder, from: last, cause: 'the segment that was the last one is not there' })
  let next: bigint | undefined
  for (const [index, base] of bases.entries()) {
    const isLast = index === bases.length - 1
    const segment = await openIfThere(folder, base, files)
    if (segment === undefined) {
      next = undefined
      continue
    }
    if (next !== undefined && base !== next && !(gaps && base > next)) {
      verified.findings.push({ kind: 'damage', path: segment.path, from: next, to: base - 1n, cause: base > next ? 'the offsets before this segment are missing' : 'the segment begins within the one before it' })
    }
    // What was there when the log was closed well is on disk since then.
    const sure = !isLast ? Infinity : state?.base === String(base) ? (state.closed?.bytes ?? 0) : 0
    next = await verifySegment(verified, segment, sure, gaps)
  }
  for (const name of names) await verifyOther(verified, folder, name, bases, files)
}

/** Undefined where retention took it away since the folder was read. */
async function openIfThere(folder: string, base: bigint, files: Files): Promise<Segment | undefined> {
  try {
    return await Segment.open(folder, base, files)
  } catch (error) {
    const start = (await readDurable(files, join(folder, 'start'))) as { readonly start: string } | undefined // Its checksum fitted.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT' && BigInt(start?.start ?? 0) > base) return undefined
    throw error
  }
}

/** What lies beside the segments. */
async function verifyOther(verified: Verified, folder: string, name: string, bases: readonly bigint[], files: Files): Promise<void> {
  if (segmentBase(name) !== undefined || name === 'start' || name === 'state') return
  const path = join(folder, name)
  const note = (cause: string): unknown => verified.findings.push({ kind: 'note', path, cause })
  if (/^\d{20}\.log\.cleaned$/.test(name) || /^(start|state)\.new$/.test(name)) return void note('what was being written when the process ended; it is not read')
  if (!/^\d{20}\.places$/.test(name)) return void note('it does not belong to the log and is not touched')
  const content = await files.readFile(path)
  if (content === undefined) return
  verified.files++
  verified.bytes += content.length
  if (!bases.includes(BigInt(name.slice(0, 20)))) return void note('there is no segment to it; it is not read')
  if (!Places.isWhole(content)) note('it is not whole, and is made anew from its segment')
}

async function verifySmall(verified: Verified, path: string, files: Files): Promise<unknown> {
  const bytes = await files.readFile(path)
  if (bytes === undefined) return undefined
  verified.files++
  verified.bytes += bytes.length
  return readDurable(files, path).catch((error: unknown) => noted(verified, path, error))
}

function noted(verified: Verified, path: string, error: unknown): undefined {
  if (!(error instanceof SluiceError) || (error.code !== 'LOG_CORRUPT' && error.code !== 'LOG_FORMAT')) throw error
  verified.findings.push({ kind: 'damage', path, cause: error.message })
}

/** Answers the offset behind the segment. What lies before the byte `sure` can't be the tail that a crash tore. */
async function verifySegment(verified: Verified, segment: Segment, sure: number, gaps: boolean): Promise<bigint> {
  const { path, base: first, length: end } = segment
  const cursor = new RecordCursor()
  verified.files++
  verified.bytes += end
  let [at, next] = [0, first]
  try {
    while (at < end) {
      let cause = 'it is no batch'
      for await (const { bytes, from, length, at: place } of segment.walk(at, end)) {
        const base = baseOffsetOf(bytes, from)
        const check = checkBatch(bytes, from)
        if (!check.ok || base < next) {
          cause = check.ok ? `its offset is ${base}, and ${next} is the least that it can be` : check.reason
          break
        }
        if (base > next && !gaps) verified.findings.push({ kind: 'damage', path, at: place, from: next, to: base - 1n, cause: 'offsets are missing before this batch' })
        verifyRecords(verified, path, place, bytes.subarray(from, from + length), cursor)
        verified.batches++
        next = lastOffsetOf(bytes, from) + 1n
        at = place + length
      }
      if (at >= end) break
      const whole = await segment.nextWhole(at + 1, end, next)
      if (whole === undefined && at >= sure) verified.findings.push({ kind: 'torn', path, at, bytes: end - at, from: next, cause: 'the last batch is not whole' })
      else verified.findings.push({ kind: 'damage', path, at, bytes: (whole?.at ?? end) - at, from: next, ...(whole === undefined ? {} : { to: whole.offset - 1n }), cause })
      at = whole?.at ?? end
      next = whole?.offset ?? next
    }
    if (sure !== Infinity && end < sure) verified.findings.push({ kind: 'damage', path, at: end, bytes: sure - end, from: next, cause: 'these bytes were there when the log was closed, and are gone' })
    return next
  } finally {
    await segment.close()
  }
}

/** The checksum says that the bytes are those that were written; whether they are records is another matter. */
function verifyRecords(verified: Verified, path: string, at: number, batch: Uint8Array, cursor: RecordCursor): void {
  let count = 0
  try {
    for (cursor.open(batch); cursor.next(); ) count++
    if (count !== countOf(batch)) throw new SluiceError('LOG_CORRUPT', `it has ${count} records and says ${countOf(batch)}`)
  } catch (error) {
    verified.findings.push({ kind: 'damage', path, at, bytes: batch.length, from: baseOffsetOf(batch), to: lastOffsetOf(batch), cause: `its records can't be read: ${error instanceof Error ? error.message : String(error)}` })
  }
  verified.records += count
}
