/**
 * The storage of one partition: segments of record batches in a folder, one writer, many readers.
 *
 *     append -> queue -> round: check and number each batch -> write -> sync -> visible and acknowledged        one round at a time
 *
 * When nothing is under way a round begins at once with what is there; what arrives meanwhile goes into the next one, so the rounds grow with the load.
 *
 *     running --sync fails--> stopped        nothing is taken any more, what was acknowledged is read on; only opening anew leads out
 *     running --write fails-> running        the round and what was queued is refused, the file is cut back before anything else is written
 *
 * Memory: what is queued (bounded by the producers), 24 bytes for about 4 KiB of the last segment and of at most `PLACED_MAX` others, one chunk for each read.
 */
import { join } from 'node:path'
import { SluiceError } from '../../../base/index.ts'
import {
  RecordCursor, baseOffsetOf, checkBatch, encodeMarker, lastOffsetDeltaOf, lastOffsetOf, maxTimestampOf, stamp, stampAppendTime,
} from '../../batch/index.ts'
import { fileError, writeDurable } from '../durable-file.ts'
import type { StorageGround } from '../open.ts'
import { cleanSegments } from './clean.ts'
import type { AbortedTransaction, AppendedBatch, OpenTransaction, PartitionRead, PartitionStorage, StorageSettings } from './partition-port.ts'
import type { Producers } from './producers.ts'
import { readSegment } from './reader.ts'
import { recover } from './recover.ts'
import type { Recovered, StateRecord } from './recover.ts'
import { expired, firstKept } from './retention.ts'
import { ROUND_BYTES, joined } from './round-buffers.ts'
import { Segment, placesPath } from './segment.ts'

/** Closed segments whose places are kept in memory. */
const PLACED_MAX = 4

interface Waiting {
  readonly batch: Uint8Array
  readonly resolve: (appended: AppendedBatch) => void
  readonly reject: (error: unknown) => void
}

interface Taken extends Waiting {
  readonly appended: AppendedBatch
}

export async function openPartition(folder: string, settings: StorageSettings, ground: StorageGround): Promise<PartitionStorage> {
  try {
    return new Partition(folder, settings, ground, await recover({ folder, files: ground.files, gaps: settings.cleanup !== 'delete', warn: ground.warn }))
  } catch (error) {
    throw fileError(error, folder, 'read')
  }
}

class Partition implements PartitionStorage {
  readonly #folder: string
  readonly #ground: StorageGround
  #settings: StorageSettings
  #segments: Segment[]
  readonly #producers: Producers
  readonly #epoch: number
  #start: bigint
  #end: bigint
  #appended: bigint
  #stable: bigint
  trouble: string | undefined
  #queue: Waiting[] = []
  #working: Promise<void> | undefined
  /** Work that changes the segments, one after the other with the rounds. */
  #chores: (() => Promise<void>)[] = []
  /** True while bytes of a failed write may lie behind the end of the last segment. */
  #leftovers = false
  #unsynced = false
  #changed = false
  #cancelSync: (() => void) | undefined
  #rolledAt: number
  /** Closed segments whose places are in memory, the one used last at the end. */
  #placed: Segment[] = []
  #compacted: { readonly last: bigint; readonly until: number } | undefined
  #state: 'open' | 'closing' | 'closed' = 'open'
  readonly #readers = new Set<Promise<unknown>>()
  readonly #ends = new Set<{ readonly offset: bigint; readonly callback: () => void }>()

  constructor(folder: string, settings: StorageSettings, ground: StorageGround, { segments, producers, start, epoch }: Recovered) {
    this.#folder = folder
    this.#settings = settings
    this.#ground = ground
    this.#segments = segments
    this.#producers = producers
    this.#epoch = epoch
    this.#start = start
    this.#end = this.#appended = this.#last.next
    this.#stable = this.#stableNow()
    this.#rolledAt = ground.clock.now()
  }

  get #last(): Segment {
    return this.#segments.at(-1) as Segment // There is always one.
  }

  get start(): bigint {
    return this.#start
  }

  get end(): bigint {
    return this.#end
  }

  get appended(): bigint {
    return this.#appended
  }

  get stable(): bigint {
    return this.#stable
  }

  get transactions(): readonly OpenTransaction[] {
    return this.#producers.transactions
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.length, 0)
  }

  get quarantined(): readonly { readonly from: bigint; readonly to: bigint }[] {
    return this.#segments.flatMap(segment => segment.holes.map(({ from, to }) => ({ from, to }))).filter(({ to }) => to >= this.#start)
  }

  #stableNow(): bigint {
    return this.#producers.transactions.reduce((least, { first }) => (first < least ? first : least), this.#end)
  }

  // ------------------------------------------------------------------------------------------------------------- writing

  append(batch: Uint8Array): Promise<AppendedBatch> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, resolve, reject })
      this.#work()
    })
  }

  appendMarker(producerId: bigint, epoch: number, commit: boolean): Promise<AppendedBatch> {
    return this.append(encodeMarker({ producerId, epoch, commit, timestamp: this.#ground.clock.now() }))
  }

  #refusal(): SluiceError | undefined {
    if (this.#state !== 'open') return new SluiceError('LOG_CLOSED', `${this.#folder} is closed.`)
    return this.trouble === undefined ? undefined : new SluiceError('LOG_STOPPED', `${this.#folder} takes no more records: ${this.trouble}`)
  }

  #work(): void {
    this.#working ??= this.#rounds().finally(() => {
      this.#working = undefined
      if (this.#queue.length > 0 || this.#chores.length > 0) this.#work()
    })
  }

  async #rounds(): Promise<void> {
    // Whatever is handed over in this turn shares the first round.
    await Promise.resolve()
    while (this.#queue.length > 0 || this.#chores.length > 0) {
      const chore = this.#chores.shift()
      if (chore !== undefined) await chore()
      else await this.#round()
    }
  }

  /** Does something with the segments while nothing is written. */
  #chore<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#chores.push(() => work().then(resolve, reject))
      this.#work()
    })
  }

  async #round(): Promise<void> {
    const group = this.#nextGroup()
    const before = this.#appended
    this.#producers.begin()
    const taken: Taken[] = []
    for (const waiting of group) {
      try {
        taken.push({ ...waiting, appended: this.#take(waiting.batch) })
      } catch (error) {
        waiting.reject(error)
      }
    }
    const fresh = taken.filter(({ appended }) => !appended.duplicate).map(({ batch }) => batch)
    try {
      if (fresh.length > 0) await this.#write(fresh)
    } catch (error) {
      this.#producers.takeBack()
      this.#appended = before
      return this.#refuse(taken, fileError(error, this.#last.path, 'written'))
    }
    this.#producers.keep()
    const segment = this.#last
    for (const batch of fresh) segment.note(batch, 0, batch.length)
    try {
      if (fresh.length > 0) await this.#makeDurable()
    } catch (error) {
      return this.#stop(taken, error)
    }
    this.#show()
    for (const { appended, resolve } of taken) resolve(appended)
  }

  #nextGroup(): Waiting[] {
    let bytes = 0
    const count = this.#queue.findIndex(({ batch }) => (bytes += batch.length) > ROUND_BYTES)
    return this.#queue.splice(0, count < 0 ? this.#queue.length : Math.max(count, 1))
  }

  /** Checks a batch and gives it its offset. Throws where it is refused; nothing has changed then. */
  #take(batch: Uint8Array): AppendedBatch {
    const check = checkBatch(batch)
    if (!check.ok || check.length !== batch.length) {
      throw new SluiceError('LOG_CORRUPT', `A batch for ${this.#folder} is damaged: ${check.ok ? 'there are bytes behind it' : check.reason}.`)
    }
    const { maxBatchBytes, timestamps } = this.#settings
    if (batch.length > maxBatchBytes) throw new SluiceError('LOG_BATCH_TOO_LARGE', `A batch of ${batch.length} bytes; ${maxBatchBytes} are the most that ${this.#folder} takes.`)
    const before = this.#producers.seenBefore(batch)
    if (before !== undefined) return { offset: before, duplicate: true }
    const offset = this.#appended
    stamp(batch, { baseOffset: offset, leaderEpoch: this.#epoch })
    if (timestamps === 'append') stampAppendTime(batch, this.#ground.clock.now())
    this.#producers.note(batch)
    this.#appended = offset + BigInt(lastOffsetDeltaOf(batch)) + 1n
    return { offset, duplicate: false }
  }

  async #write(batches: readonly Uint8Array[]): Promise<void> {
    const bytes = batches.reduce((sum, batch) => sum + batch.length, 0)
    if (this.#isFull(bytes)) await this.#roll(baseOffsetOf(batches[0] as Uint8Array)) // There is one.
    await this.#cutLeftovers()
    this.#leftovers = true
    this.#changed = true
    const last = this.#last
    await joined(batches, joint => last.write(joint))
    this.#leftovers = false
  }

  /** Before anything else is written behind: parts of what was refused could be taken for records later. */
  async #cutLeftovers(): Promise<void> {
    if (!this.#leftovers) return
    await this.#last.cut()
    this.#leftovers = false
  }

  #isFull(bytes: number): boolean {
    const { segmentBytes, segmentMs } = this.#settings
    if (this.#last.length === 0) return false
    return this.#last.length + bytes > segmentBytes || this.#ground.clock.now() - this.#rolledAt >= segmentMs
  }

  /** Begins another segment. What lies before it is durable, whatever the durability, so that only the last one has to be read after a crash. */
  async #roll(base: bigint): Promise<void> {
    await this.#cutLeftovers()
    await this.#last.sync().catch((error: unknown) => this.#stop([], error))
    if (this.trouble !== undefined) throw new SluiceError('LOG_STOPPED', `${this.#folder}: ${this.trouble}`)
    const record = this.#producers.recordBefore()
    const segment = await Segment.create(this.#folder, base, this.#ground.files)
    await this.#last.keepPlaces()
    this.#segments.push(segment)
    this.#used(this.#segments.at(-2) as Segment) // The one before it.
    this.#rolledAt = this.#ground.clock.now()
    await this.#writeState({ base: String(base), epoch: this.#epoch, producers: record }).catch((error: unknown) => {
      // Without it the next opening reads more. A disk that is full or read-only does no harm here; any other failure says that the disk is not to be trusted.
      const isHarmless = error instanceof SluiceError && (error.code === 'LOG_DISK_FULL' || error.code === 'LOG_READ_ONLY')
      if (!isHarmless) this.#stop([], error)
    })
    if (this.trouble !== undefined) throw new SluiceError('LOG_STOPPED', `${this.#folder}: ${this.trouble}`)
  }

  #writeState(record: StateRecord): Promise<void> {
    return writeDurable(this.#ground.files, join(this.#folder, 'state'), record)
  }

  async #makeDurable(): Promise<void> {
    const { durability } = this.#settings
    if (durability === 'fsync') return this.#last.sync()
    this.#unsynced = true
    if (durability === 'os' || this.#cancelSync !== undefined) return
    this.#cancelSync = this.#ground.clock.timer(durability.interval, () => {
      this.#cancelSync = undefined
      void this.#chore(() => this.#syncNow()).catch(() => undefined)
    })
  }

  async #syncNow(): Promise<void> {
    if (!this.#unsynced || this.trouble !== undefined) return
    try {
      await this.#last.sync()
      this.#unsynced = false
    } catch (error) {
      this.#stop([], error)
    }
  }

  /** What a failed sync leaves on disk is unknown, and asking again would only hide it. */
  #stop(taken: readonly Taken[], error: unknown): void {
    this.trouble = `a sync to disk failed: ${error instanceof Error ? error.message : String(error)}`
    this.#ground.warn(`${this.#folder} takes no more records: ${this.trouble}. Open the log anew.`)
    this.#refuse(taken, new SluiceError('LOG_STOPPED', `${this.#folder}: ${this.trouble}`, { cause: error }))
  }

  /** Those behind were made in the belief that these were taken. */
  #refuse(taken: readonly Waiting[], error: unknown): void {
    const behind = this.#queue
    this.#queue = []
    for (const { reject } of [...taken, ...behind]) reject(error)
  }

  /** What was written can be seen from now on. */
  #show(): void {
    this.#end = this.#appended
    this.#stable = this.#stableNow()
    for (const waiting of [...this.#ends]) if (this.#end > waiting.offset && this.#ends.delete(waiting)) waiting.callback()
  }

  // ------------------------------------------------------------------------------------------------------------- reading

  read(from: bigint, maxBytes: number, until: bigint): Promise<PartitionRead> {
    if (this.#state === 'closed') return Promise.reject(new SluiceError('LOG_CLOSED', `${this.#folder} is closed.`))
    if (from < this.#start || from > this.#end) {
      return Promise.reject(new SluiceError('LOG_OFFSET_OUT_OF_RANGE', `${this.#folder} has the offsets ${this.#start} to ${this.#end}, not ${from}.`))
    }
    return this.#reading(() => this.#read(from, maxBytes, until))
  }

  #reading<T>(work: () => Promise<T>): Promise<T> {
    const reading = work()
    const settled = reading.then(() => undefined, () => undefined).finally(() => this.#readers.delete(settled))
    this.#readers.add(settled)
    return reading
  }

  async #read(from: bigint, maxBytes: number, until: bigint): Promise<PartitionRead> {
    let next = from
    while (next < until) {
      const segment = this.#segmentOf(next)
      this.#used(segment)
      const found = await readSegment(segment, { from: next, maxBytes, until, gaps: this.#settings.cleanup !== 'delete', warn: this.#ground.warn })
      if (found.bytes.length > 0) return { ...found, aborted: this.#abortedBetween(from, found.next) }
      // Nothing is left here: compaction or a hole took it.
      const following = this.#segments.find(({ base }) => base > segment.base)
      const reached = following === undefined ? found.next : following.base
      if (reached <= next) break
      next = reached
    }
    return { bytes: new Uint8Array(0), next: next < until ? next : until > from ? until : from, aborted: [] }
  }

  #segmentOf(offset: bigint): Segment {
    return this.#segments.findLast(({ base }) => base <= offset) ?? (this.#segments[0] as Segment) // There is always one.
  }

  /** Keeps the places of few closed segments in memory; of the others they are in their files. */
  #used(segment: Segment): void {
    if (segment === this.#last || this.#placed.at(-1) === segment) return
    this.#placed = [...this.#placed.filter(each => each !== segment && this.#segments.includes(each)), segment]
    const least = this.#placed.length > PLACED_MAX ? this.#placed.shift() : undefined
    if (least !== undefined) void this.#reading(() => least.keepPlaces().then(() => least.forgetPlaces()))
  }

  #abortedBetween(from: bigint, next: bigint): readonly AbortedTransaction[] {
    const { aborted } = this.#producers
    return aborted.length === 0 ? aborted : aborted.filter(({ first, last }) => last >= from && first < next)
  }

  offsetAt(time: number): Promise<bigint | undefined> {
    return this.#reading(async () => {
      for (const segment of [...this.#segments]) {
        if (((await segment.greatestTime()) ?? time) < time) continue
        const at = await segment.placeAt(time)
        this.#used(segment)
        for await (const { bytes, from, length } of segment.walkOver(at)) {
          if (maxTimestampOf(bytes, from) < time || lastOffsetOf(bytes, from) < this.#start) continue
          if (lastOffsetOf(bytes, from) >= this.#end) return undefined
          const cursor = new RecordCursor().open(bytes, from, from + length)
          while (cursor.next()) if (!cursor.control && cursor.timestamp >= time && cursor.offset >= this.#start) return cursor.offset
        }
      }
      return undefined
    })
  }

  onEnd(offset: bigint, callback: () => void): () => void {
    const waiting = { offset, callback }
    this.#ends.add(waiting)
    if (this.#end > offset) queueMicrotask(() => this.#ends.delete(waiting) && callback())
    return () => void this.#ends.delete(waiting)
  }

  // ------------------------------------------------------------------------------------------------------------ cleaning

  deleteBefore(offset: bigint): Promise<bigint> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    return this.#chore(() => this.#deleteBefore(offset))
  }

  async #deleteBefore(offset: bigint): Promise<bigint> {
    const start = offset < this.#end ? offset : this.#end
    if (start <= this.#start) return this.#start
    await writeDurable(this.#ground.files, join(this.#folder, 'start'), { start: String(start) })
    this.#start = start
    this.#producers.forget(start, this.#ground.clock.now())
    await this.#dropSegments()
    return start
  }

  /** Takes away the segments that lie below the start as a whole. The start is durable, so it does not matter how many of them a crash leaves. */
  async #dropSegments(): Promise<void> {
    const gone = this.#segments.filter((_, at) => (this.#segments[at + 1]?.base ?? this.#end + 1n) <= this.#start)
    if (gone.length === 0) return
    this.#segments = this.#segments.filter(segment => !gone.includes(segment))
    await Promise.all([...this.#readers])
    for (const segment of gone) {
      await segment.close()
      await this.#ground.files.remove(placesPath(segment.path))
      await this.#ground.files.remove(segment.path)
    }
    await this.#ground.files.syncFolder(this.#folder)
  }

  clean(now: number): Promise<{ readonly deletedBytes: number; readonly compactedBytes: number }> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    return this.#chore(async () => {
      const before = this.bytes
      const keep = await this.#retain(now)
      if (keep !== undefined) await this.#deleteBefore(keep)
      const deletedBytes = before - this.bytes
      const compactedBytes = this.#settings.cleanup === 'delete' ? 0 : await this.#compact(now)
      this.#producers.forget(this.#start, now)
      for (const segment of this.#segments.slice(0, -1)) await segment.keepPlaces()
      return { deletedBytes, compactedBytes }
    })
  }

  /** The first offset that retention keeps. Whole segments go, never the one that is written to, nor what an open transaction reaches into. */
  async #retain(now: number): Promise<bigint | undefined> {
    const { cleanup, retentionMs, retentionBytes } = this.#settings
    if (cleanup === 'compact') return undefined
    const old = retentionMs < 0 ? [] : await expired(this.#segments, now - retentionMs)
    if (old.at(-1) === true && this.#last.length > 0 && this.#stable === this.#end) await this.#roll(this.#appended)
    return firstKept(this.#segments, { old, bytes: retentionBytes, stable: this.#stable })
  }

  async #compact(now: number): Promise<number> {
    const closed = this.#segments.slice(0, -1).filter((_, at) => (this.#segments[at + 1] as Segment).base <= this.#stable) // It is not the last one.
    const last = closed.at(-1)
    if (last === undefined || (last.base === this.#compacted?.last && now < this.#compacted.until)) return 0
    let saved = 0
    const { deleteRetentionMs } = this.#settings
    const { files } = this.#ground
    const cleaning = { folder: this.#folder, files, aborted: this.#producers.aborted, forgetBefore: now - deleteRetentionMs, active: this.#last, stable: this.#stable }
    for await (const [old, fresh] of cleanSegments(closed, cleaning)) {
      saved += old.length - fresh.length
      this.#segments = this.#segments.map(segment => (segment === old ? fresh : segment))
      await Promise.all([...this.#readers])
      await old.close()
    }
    // Until another segment is closed only tombstones can go, and not before their time.
    this.#compacted = { last: last.base, until: now + deleteRetentionMs }
    return saved
  }

  // ------------------------------------------------------------------------------------------------------------- the end

  configure(settings: StorageSettings): void {
    this.#settings = settings
  }

  async close(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#cancelSync?.()
    await this.#working
    await Promise.all([...this.#readers])
    this.#state = 'closed'
    try {
      // One that was only looked at is left as it was found.
      if (this.trouble === undefined && this.#changed) await this.#closeWell()
    } catch (error) {
      // It is read again to its end at the next opening; nothing acknowledged depends on this.
      this.#ground.warn(`${this.#folder}: ${fileError(error, this.#folder, 'written').message}`)
    }
    for (const segment of this.#segments) await segment.close()
  }

  async #closeWell(): Promise<void> {
    await this.#cutLeftovers()
    if (this.#unsynced) await this.#last.sync()
    const closed = { bytes: this.#last.length, next: String(this.#last.next) }
    await this.#writeState({ base: String(this.#last.base), epoch: this.#epoch, producers: this.#producers.record(), closed })
  }
}
