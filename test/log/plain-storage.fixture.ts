/**
 * A storage of partitions that is easy to see through: one file per partition, read as a whole when it is opened, one write and one sync per batch. It keeps all
 * promises of the port but retention and compaction, and shows that the tests of this folder can be passed; speed is none of its concerns.
 *
 *     0.log    record batches, one behind the other          start    the first offset that is kept
 */
import { SluiceError } from '../../src/base/index.ts'
import { sequenceAfter } from '../../src/log/batch/index.ts'
import {
  RecordCursor, baseOffsetOf, baseSequenceOf, checkBatch, decodeControl, encodeMarker, isControl, isTransactional, lastOffsetDeltaOf, lastOffsetOf, producerEpochOf, producerIdOf,
  stamp, stampAppendTime,
} from '../../src/log/batch/index.ts'
import { fileError, readDurable, writeDurable } from '../../src/log/embedded/durable-file.ts'
import type { AbortedTransaction, AppendedBatch, OpenTransaction, PartitionRead, PartitionStorage, StorageSettings } from '../../src/log/embedded/storage/partition-port.ts'
import type { Files, OpenFile } from '../../src/platform/index.ts'

export interface PlainGround {
  readonly files: Files
  readonly warn: (message: string) => void
}

interface Place {
  readonly at: number
  readonly length: number
  readonly base: bigint
  readonly last: bigint
}

interface ProducerState {
  epoch: number
  next: number
  recent: { readonly sequence: number; readonly offset: bigint }[]
}

export async function openPlain(folder: string, settings: StorageSettings, ground: PlainGround): Promise<PartitionStorage> {
  const { files } = ground
  let file: OpenFile | undefined
  try {
    await files.makeFolder(folder)
    file = await files.open(`${folder}/0.log`, true)
    await files.syncFolder(folder)
    const storage = new PlainStorage(folder, file, settings, ground)
    await storage.recover()
    return storage
  } catch (error) {
    await file?.close().catch(() => undefined)
    throw fileError(error, folder, 'read')
  }
}

class PlainStorage implements PartitionStorage {
  readonly #folder: string
  readonly #ground: PlainGround
  readonly #file: OpenFile
  #settings: StorageSettings
  start = 0n
  end = 0n
  trouble: string | undefined
  readonly quarantined: { readonly from: bigint; readonly to: bigint }[] = []
  transactions: OpenTransaction[] = []
  #aborted: AbortedTransaction[] = []
  readonly #producers = new Map<bigint, ProducerState>()
  readonly #places: Place[] = []
  #length = 0
  readonly #waiting = new Set<{ readonly offset: bigint; readonly callback: () => void }>()
  #row: Promise<unknown> = Promise.resolve()
  #queued = 0
  #refused: { readonly error: unknown; readonly upTo: number } | undefined
  #closed = false

  constructor(folder: string, file: OpenFile, settings: StorageSettings, ground: PlainGround) {
    this.#folder = folder
    this.#file = file
    this.#settings = settings
    this.#ground = ground
  }

  async recover(): Promise<void> {
    const { files, warn } = this.#ground
    const bytes = (await files.readFile(`${this.#folder}/0.log`)) ?? new Uint8Array(0)
    for (let at = 0; at < bytes.length;) {
      const check = checkBatch(bytes, at)
      if (check.ok && baseOffsetOf(bytes, at) === this.end) {
        this.#note(bytes.subarray(at, at + check.length), at)
        at += check.length
        continue
      }
      const next = this.#nextWhole(bytes, at + 1)
      if (next === undefined) {
        warn(`${this.#folder}: a torn tail of ${bytes.length - at} bytes was cut off.`)
        await this.#file.truncate(at)
        await this.#file.sync()
        break
      }
      this.quarantined.push({ from: this.end, to: baseOffsetOf(bytes, next) - 1n })
      warn(`${this.#folder}: ${next - at} bytes are damaged, offsets ${this.end} to ${baseOffsetOf(bytes, next) - 1n}.`)
      this.end = baseOffsetOf(bytes, next)
      this.#length = at = next
    }
    // The checksum fitted, so this is what `deleteBefore` wrote.
    const start = (await readDurable(files, `${this.#folder}/start`)) as { readonly start: string } | undefined
    if (start !== undefined) this.start = BigInt(start.start)
    if (this.end < this.start) this.end = this.start
  }

  /** The next place where a whole batch of a later offset begins. */
  #nextWhole(bytes: Uint8Array, from: number): number | undefined {
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at + 16] === 2 && checkBatch(bytes, at).ok && baseOffsetOf(bytes, at) > this.end) return at
    }
    return undefined
  }

  get appended(): bigint {
    return this.end
  }

  get stable(): bigint {
    return this.transactions.reduce((least, { first }) => (first < least ? first : least), this.end)
  }

  get bytes(): number {
    return this.#length
  }

  append(batch: Uint8Array): Promise<AppendedBatch> {
    const number = ++this.#queued
    return this.#serial(async () => {
      this.#check()
      if (this.#refused !== undefined && number <= this.#refused.upTo) throw this.#refused.error
      const check = checkBatch(batch)
      if (!check.ok || check.length !== batch.length) throw new SluiceError('LOG_CORRUPT', `A batch for ${this.#folder} is damaged: ${check.ok ? 'bytes behind it' : check.reason}.`)
      if (batch.length > this.#settings.maxBatchBytes) throw new SluiceError('LOG_BATCH_TOO_LARGE', `A batch of ${batch.length} bytes; ${this.#settings.maxBatchBytes} are the most.`)
      const before = this.#seenBefore(batch)
      if (before !== undefined) return { offset: before, duplicate: true }
      stamp(batch, { baseOffset: this.end, leaderEpoch: 0 })
      if (this.#settings.timestamps === 'append') stampAppendTime(batch, Date.now())
      await this.#write(batch)
      this.#note(batch, this.#length)
      this.#wake()
      return { offset: baseOffsetOf(batch), duplicate: false }
    })
  }

  appendMarker(producerId: bigint, epoch: number, commit: boolean): Promise<AppendedBatch> {
    return this.append(encodeMarker({ producerId, epoch, commit, timestamp: 0 }))
  }

  #check(): void {
    if (this.#closed) throw new SluiceError('LOG_CLOSED', `${this.#folder} is closed.`)
    if (this.trouble !== undefined) throw new SluiceError('LOG_STOPPED', `${this.#folder} takes no more records: ${this.trouble}`)
  }

  async #write(batch: Uint8Array): Promise<void> {
    try {
      await this.#file.write(batch, this.#length)
    } catch (error) {
      const refusal = fileError(error, this.#folder, 'written')
      // Those behind it were made in the belief that it was taken.
      this.#refused = { error: refusal, upTo: this.#queued }
      throw refusal
    }
    try {
      await this.#file.sync()
    } catch (error) {
      this.trouble = `a sync failed: ${String(error)}`
      throw new SluiceError('LOG_STOPPED', `${this.#folder}: ${this.trouble}`, { cause: error })
    }
  }

  /** The offset that the batch got before; throws where it may not come. */
  #seenBefore(batch: Uint8Array): bigint | undefined {
    const producerId = producerIdOf(batch)
    const state = this.#producers.get(producerId)
    if (producerId < 0n || state === undefined) return undefined
    const epoch = producerEpochOf(batch)
    if (epoch < state.epoch) throw new SluiceError('LOG_FENCED', `The epoch ${epoch} is below ${state.epoch}.`)
    if (isControl(batch)) return undefined
    const sequence = baseSequenceOf(batch)
    const known = epoch === state.epoch ? state.recent.find(recent => recent.sequence === sequence) : undefined
    if (known !== undefined) return known.offset
    const next = epoch > state.epoch ? 0 : state.next
    if (sequence !== next) throw new SluiceError('LOG_SEQUENCE', `The sequence ${sequence} came instead of ${next}.`)
    return undefined
  }

  #note(batch: Uint8Array, at: number): void {
    const base = baseOffsetOf(batch)
    const last = lastOffsetOf(batch)
    this.#places.push({ at, length: batch.length, base, last })
    this.#length = at + batch.length
    this.end = last + 1n
    const producerId = producerIdOf(batch)
    if (producerId < 0n) return
    const epoch = producerEpochOf(batch)
    const before = this.#producers.get(producerId)
    const state = before === undefined || before.epoch < epoch ? { epoch, next: 0, recent: [] } : before
    this.#producers.set(producerId, state)
    if (isControl(batch)) return this.#finish(producerId, batch)
    const sequence = baseSequenceOf(batch)
    state.next = sequenceAfter(sequence, lastOffsetDeltaOf(batch) + 1)
    state.recent = [...state.recent, { sequence, offset: base }].slice(-5)
    if (!isTransactional(batch)) return
    const open = this.transactions.find(transaction => transaction.producerId === producerId)
    // Each end of a transaction raises the epoch: records of a later one say that a marker was lost. What it said is unknown, so its records are not served.
    if (open !== undefined && open.epoch < epoch) this.#abort(open, base)
    if (open === undefined || open.epoch < epoch) this.transactions = [...this.transactions, { producerId, epoch, first: base }]
  }

  #finish(producerId: bigint, marker: Uint8Array): void {
    const cursor = new RecordCursor().open(marker)
    const commit = cursor.next() && decodeControl(cursor)?.commit === true
    const open = this.transactions.find(transaction => transaction.producerId === producerId)
    if (open === undefined) return
    if (commit) this.transactions = this.transactions.filter(transaction => transaction !== open)
    else this.#abort(open, baseOffsetOf(marker))
  }

  #abort(open: OpenTransaction, last: bigint): void {
    this.transactions = this.transactions.filter(transaction => transaction !== open)
    this.#aborted = [...this.#aborted, { producerId: open.producerId, first: open.first, last }]
  }

  async read(from: bigint, maxBytes: number, until: bigint): Promise<PartitionRead> {
    const parts: Uint8Array[] = []
    let room = maxBytes
    let next = from
    for (const { at, length, last } of this.#places) {
      if (last < from) continue
      if (last >= until || (parts.length > 0 && length > room)) break
      const bytes = new Uint8Array(length)
      await this.#file.read(bytes, 0, length, at)
      if (!checkBatch(bytes).ok) throw new SluiceError('LOG_CORRUPT', `${this.#folder}: the batch at byte ${at} was damaged after it was opened.`)
      parts.push(bytes)
      room -= length
      next = last + 1n
    }
    return { bytes: new Uint8Array(Buffer.concat(parts)), next, aborted: this.#aborted.filter(({ first, last }) => last >= from && first < next) }
  }

  async offsetAt(time: number): Promise<bigint | undefined> {
    const { bytes } = await this.read(this.start, Number.MAX_SAFE_INTEGER, this.end)
    const cursor = new RecordCursor().open(bytes)
    while (cursor.next()) if (!cursor.control && cursor.timestamp >= time && cursor.offset >= this.start) return cursor.offset
    return undefined
  }

  onEnd(offset: bigint, callback: () => void): () => void {
    const waiting = { offset, callback }
    this.#waiting.add(waiting)
    if (this.end > offset) queueMicrotask(() => this.#wake())
    return () => void this.#waiting.delete(waiting)
  }

  #wake(): void {
    for (const waiting of [...this.#waiting]) {
      if (this.end > waiting.offset && this.#waiting.delete(waiting)) waiting.callback()
    }
  }

  deleteBefore(offset: bigint): Promise<bigint> {
    return this.#serial(async () => {
      this.#check()
      const start = offset < this.end ? offset : this.end
      if (start <= this.start) return this.start
      await writeDurable(this.#ground.files, `${this.#folder}/start`, { start: String(start) })
      this.start = start
      return start
    })
  }

  clean(): Promise<{ deletedBytes: number; compactedBytes: number }> {
    return Promise.resolve({ deletedBytes: 0, compactedBytes: 0 })
  }

  configure(settings: StorageSettings): void {
    this.#settings = settings
  }

  close(): Promise<void> {
    return this.#serial(async () => {
      if (!this.#closed) await this.#file.close()
      this.#closed = true
    })
  }

  #serial<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#row.then(work)
    this.#row = done.catch(() => undefined)
    return done
  }
}
