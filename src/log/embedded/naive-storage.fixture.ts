/**
 * The storage of partitions as a list of batches in memory: slow, obvious, and able to fail when a test asks for it.
 *
 * A `NaiveDisk` outlives the partitions that are opened on it. `crash` drops what was not acknowledged; `hold` keeps writes from being acknowledged until
 * `release`; `fail` decides per append whether it is refused.
 */
import { SluiceError } from '../../base/index.ts'
import {
  RecordCursor, baseOffsetOf, baseSequenceOf, checkBatch, decodeControlBatch, encodeMarker, isControl, isTransactional, lastOffsetDeltaOf, lastOffsetOf, maxTimestampOf,
  producerEpochOf, producerIdOf, sequenceAfter, stamp, stampAppendTime,
} from '../batch/index.ts'
import type { PartitionFolders } from './partition-folders.ts'
import type { AbortedTransaction, AppendedBatch, OpenTransaction, PartitionRead, PartitionStorage, StorageSettings } from './storage/partition-port.ts'

interface Kept {
  start: bigint
  batches: Uint8Array[]
}

export class NaiveDisk implements PartitionFolders {
  readonly #folders = new Map<string, Kept>()
  #open: NaivePartition[] = []
  #held: (() => void)[] | undefined
  /** Appends since the disk was made, refused ones not counted. */
  appends = 0
  cleanings = 0
  /** Asked before each append; what it answers is thrown. */
  fail: (folder: string, batch: Uint8Array) => SluiceError | undefined = () => undefined

  open(folder: string, settings: StorageSettings): Promise<PartitionStorage> {
    const kept = this.#folders.get(folder) ?? { start: 0n, batches: [] }
    this.#folders.set(folder, kept)
    const partition = new NaivePartition(folder, this, kept, settings)
    this.#open.push(partition)
    return Promise.resolve(partition)
  }

  remove(folder: string): Promise<void> {
    this.#folders.delete(folder)
    return Promise.resolve()
  }

  get folders(): string[] {
    return [...this.#folders.keys()].sort()
  }

  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const resolve of held) resolve()
  }

  /** Resolves when a write would be on disk. */
  written(): Promise<void> {
    return this.#held === undefined ? Promise.resolve() : new Promise(resolve => this.#held?.push(resolve))
  }

  /** The process dies: nothing that is under way is acknowledged, what was not on disk is gone. */
  crash(): void {
    for (const partition of this.#open) partition.kill()
    this.#open = []
    this.#held = undefined
  }
}

interface ProducerState {
  epoch: number
  next: number
  readonly recent: { readonly sequence: number; readonly offset: bigint }[]
}

class NaivePartition implements PartitionStorage {
  readonly #folder: string
  readonly #disk: NaiveDisk
  readonly #kept: Kept
  #settings: StorageSettings
  #end = 0n
  #appended = 0n
  #dead = false
  #writes: Promise<void> = Promise.resolve()
  readonly #producers = new Map<bigint, ProducerState>()
  #transactions: OpenTransaction[] = []
  #aborted: AbortedTransaction[] = []
  readonly #waiting = new Set<{ readonly offset: bigint; readonly callback: () => void }>()
  readonly trouble = undefined
  readonly quarantined = []

  constructor(folder: string, disk: NaiveDisk, kept: Kept, settings: StorageSettings) {
    this.#folder = folder
    this.#disk = disk
    this.#kept = kept
    this.#settings = settings
    this.#appended = this.#end = kept.start
    for (const batch of kept.batches) {
      this.#note(batch)
      this.#appended = this.#end = lastOffsetOf(batch) + 1n
    }
  }

  get start(): bigint {
    return this.#kept.start
  }

  get end(): bigint {
    return this.#end
  }

  get appended(): bigint {
    return this.#appended
  }

  get stable(): bigint {
    let stable = this.#end
    for (const { first } of this.#transactions) if (first < stable) stable = first
    return stable
  }

  get transactions(): readonly OpenTransaction[] {
    return this.#transactions
  }

  get bytes(): number {
    return this.#kept.batches.reduce((sum, batch) => sum + batch.length, 0)
  }

  async append(batch: Uint8Array): Promise<AppendedBatch> {
    if (this.#dead) throw new SluiceError('LOG_CLOSED', 'closed')
    const failure = this.#disk.fail(this.#folder, batch)
    if (failure !== undefined) throw failure
    const check = checkBatch(batch)
    if (!check.ok || check.length !== batch.length) throw new SluiceError('LOG_CORRUPT', check.ok ? 'more than one batch' : check.reason)
    if (batch.length > this.#settings.maxBatchBytes) throw new SluiceError('LOG_BATCH_TOO_LARGE', `${batch.length} bytes`)
    const before = this.#refuse(batch)
    if (before !== undefined) return { offset: before, duplicate: true }
    const offset = this.#appended
    stamp(batch, { baseOffset: offset, leaderEpoch: 0 })
    if (this.#settings.timestamps === 'append') stampAppendTime(batch, Date.now())
    await this.#write(new Uint8Array(batch))
    return { offset, duplicate: false }
  }

  appendMarker(producerId: bigint, epoch: number, commit: boolean): Promise<AppendedBatch> {
    return this.append(encodeMarker({ producerId, epoch, commit, timestamp: 0 }))
  }

  /** The offset of the first time where the batch was here before; throws where it may not come. */
  #refuse(batch: Uint8Array): bigint | undefined {
    const producerId = producerIdOf(batch)
    const state = this.#producers.get(producerId)
    if (producerId < 0n || state === undefined) return undefined
    const epoch = producerEpochOf(batch)
    if (epoch < state.epoch) throw new SluiceError('LOG_FENCED', `epoch ${epoch} is below ${state.epoch}`)
    if (isControl(batch)) return undefined
    const sequence = baseSequenceOf(batch)
    const before = epoch === state.epoch ? state.recent.find(recent => recent.sequence === sequence) : undefined
    if (before !== undefined) return before.offset
    const next = epoch > state.epoch ? 0 : state.next
    if (sequence !== next) throw new SluiceError('LOG_SEQUENCE', `sequence ${sequence} instead of ${next}`)
    return undefined
  }

  async #write(batch: Uint8Array): Promise<void> {
    this.#appended += BigInt(lastOffsetDeltaOf(batch)) + 1n
    const end = this.#appended
    this.#note(batch)
    this.#disk.appends++
    const write = this.#writes.then(async () => {
      await this.#disk.written()
      if (this.#dead) return new Promise<void>(() => undefined)
      this.#kept.batches.push(batch.slice())
      this.#end = end
      for (const waiting of [...this.#waiting]) {
        if (this.#end <= waiting.offset) continue
        this.#waiting.delete(waiting)
        waiting.callback()
      }
    })
    this.#writes = write
    return write
  }

  #note(batch: Uint8Array): void {
    const producerId = producerIdOf(batch)
    if (producerId < 0n) return
    const epoch = producerEpochOf(batch)
    let state = this.#producers.get(producerId)
    if (state === undefined || state.epoch < epoch) this.#producers.set(producerId, (state = { epoch, next: 0, recent: [] }))
    if (isControl(batch)) return this.#finish(producerId, batch)
    const sequence = baseSequenceOf(batch)
    state.next = sequenceAfter(sequence, lastOffsetDeltaOf(batch) + 1)
    state.recent.push({ sequence, offset: baseOffsetOf(batch) })
    if (state.recent.length > 5) state.recent.shift()
    if (isTransactional(batch) && !this.#transactions.some(open => open.producerId === producerId)) {
      this.#transactions = [...this.#transactions, { producerId, epoch, first: baseOffsetOf(batch) }]
    }
  }

  #finish(producerId: bigint, marker: Uint8Array): void {
    const commit = decodeControlBatch(marker)?.commit === true
    const open = this.#transactions.find(transaction => transaction.producerId === producerId)
    if (open === undefined) return
    this.#transactions = this.#transactions.filter(transaction => transaction !== open)
    if (!commit) this.#aborted = [...this.#aborted, { producerId, first: open.first, last: baseOffsetOf(marker) }]
  }

  read(from: bigint, maxBytes: number, until: bigint): Promise<PartitionRead> {
    if (from < this.start || from > this.#end) return Promise.reject(new SluiceError('LOG_OFFSET_OUT_OF_RANGE', `${from}`))
    const taken: Uint8Array[] = []
    let bytes = 0
    let next = from
    for (const batch of this.#kept.batches) {
      const last = lastOffsetOf(batch)
      if (last < from) continue
      if (last >= until || (taken.length > 0 && bytes + batch.length > maxBytes)) break
      taken.push(batch)
      bytes += batch.length
      next = last + 1n
    }
    return Promise.resolve({ bytes: new Uint8Array(Buffer.concat(taken)), next, aborted: this.#aborted.filter(aborted => aborted.last >= from && aborted.first < next) })
  }

  offsetAt(time: number): Promise<bigint | undefined> {
    const cursor = new RecordCursor()
    for (const batch of this.#kept.batches) {
      for (cursor.open(batch); cursor.next(); ) {
        if (!cursor.control && cursor.timestamp >= time && cursor.offset >= this.start) return Promise.resolve(cursor.offset)
      }
    }
    return Promise.resolve(undefined)
  }

  onEnd(offset: bigint, callback: () => void): () => void {
    const waiting = { offset, callback }
    if (this.#end > offset) queueMicrotask(() => this.#waiting.delete(waiting) && callback())
    this.#waiting.add(waiting)
    return () => void this.#waiting.delete(waiting)
  }

  deleteBefore(offset: bigint): Promise<bigint> {
    if (offset > this.#kept.start) this.#kept.start = offset < this.#end ? offset : this.#end
    this.#kept.batches = this.#kept.batches.filter(batch => lastOffsetOf(batch) >= this.#kept.start)
    return Promise.resolve(this.#kept.start)
  }

  async clean(now: number): Promise<{ deletedBytes: number; compactedBytes: number }> {
    this.#disk.cleanings++
    const before = this.bytes
    const { retentionMs, cleanup } = this.#settings
    if (cleanup !== 'compact' && retentionMs >= 0) {
      const old = this.#kept.batches.findLast(batch => maxTimestampOf(batch) < now - retentionMs)
      if (old !== undefined) await this.deleteBefore(lastOffsetOf(old) + 1n)
    }
    return { deletedBytes: before - this.bytes, compactedBytes: 0 }
  }

  configure(settings: StorageSettings): void {
    this.#settings = settings
  }

  async close(): Promise<void> {
    await this.#writes
    this.#dead = true
  }

  kill(): void {
    this.#dead = true
    this.#waiting.clear()
  }
}
