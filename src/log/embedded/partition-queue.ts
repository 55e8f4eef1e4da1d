/**
 * What a producer has under way to one partition.
 *
 *     add -> gathering -> sealed -> (packed) -> on its way -> acknowledged | refused
 *
 * Records gather while a write is under way, for `linger` milliseconds, or until the batch is full; then the batch is sealed. Sealed batches go in order. The
 * sequence is given at the last moment: a batch that the storage refused left nothing behind, so once nothing is on its way any more, the numbers go on behind
 * the last one that was taken. Until then nothing new goes out. Where the producer waits for room on a full disk, what was refused for it goes again before all else.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import { BatchWriter, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, compressBatch, countOf, sequenceAfter, sign } from '../batch/index.ts'
import type { Appended, Compression, ProducerRecord, RecordHeader } from '../log.ts'
import type { Partition } from './catalog.ts'
import type { Identity } from './transactions.ts'

const NO_HEADERS: readonly RecordHeader[] = []
/** Milliseconds between two attempts while the disk is full. */
const ROOM_PAUSE = 250

/** Somebody who waits for an ack. */
interface Waiter {
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
  readonly promise: Promise<Appended>
}

export interface Bundle {
  /** Undefined while records gather or are being packed. */
  batch: Uint8Array | undefined
  /** One per record, or one for all. */
  readonly waiters: Waiter[]
  /** Bytes to be given back. */
  bytes: number
  /** Resolves, never rejects, when the batch was acknowledged or refused; with the error then. */
  readonly settled: Promise<unknown>
  readonly settle: (error: unknown) => void
  /** True once somebody else tells the error: then a waiter that nobody looks at is no unhandled rejection. */
  covered: boolean
  /** Counts the bundles of a queue: their order. */
  readonly number: number
  /** True where the queue itself made the batch. */
  own: boolean
  /** Stops the clock that runs from the first record on. */
  readonly cancelDeadline: () => void
}

/** What a queue asks of its producer. */
export interface QueueOwner {
  readonly clock: Clock
  readonly compression: Compression
  readonly linger: number
  readonly batchBytes: number
  /** Milliseconds that a record may wait for its acknowledgement; may be Infinity. */
  readonly deliveryTimeout: number
  /** Who signs: `none` for a producer without sequences, undefined while that is not known yet. */
  readonly identity: Identity | 'none' | undefined
  readonly transactional: boolean
  /** Told of a full disk that is waited for, at each attempt, and undefined when there is room again. Without it, what finds no room is refused. */
  readonly whileFull: ((error: unknown) => void) | undefined
  /** Last look before a batch goes out; throws where it may not. */
  admit(partition: Partition): void
  /** The batch was taken or refused. */
  settled(bytes: number, error: unknown): void
}

export class PartitionQueue {
  readonly partition: Partition
  readonly #owner: QueueOwner
  readonly #writer: BatchWriter
  #gathering: Bundle | undefined
  #scheduled: (() => void) | undefined
  readonly #outbox: Bundle[] = []
  readonly #onWay = new Set<Bundle>()
  /** Refused for no fault of their own: the batch before them was. They go again. */
  #again: Bundle[] = []
  #identity: Identity | undefined
  /** Of the next batch to go out. */
  #sequence = 0
  /** Behind the last batch that was taken. */
  #acknowledged = 0
  #isRefused = false
  /** Set while there is no room, until something was taken. */
  #full: { readonly error: unknown; readonly number: number } | undefined
  /** Ends the wait for room. */
  #waiting: AbortController | undefined
  #count = 0

  constructor(partition: Partition, owner: QueueOwner) {
    this.partition = partition
    this.#owner = owner
    this.#writer = new BatchWriter()
  }

  get isIdle(): boolean {
    return this.#gathering === undefined && this.#outbox.length === 0 && this.#onWay.size === 0 && this.#again.length === 0
  }

  /** Everything that was not yet acknowledged or refused, after sealing what gathered. */
  pending(): Bundle[] {
    this.seal()
    return [...this.#onWay, ...this.#again, ...this.#outbox]
  }

  /** Takes a record; the room for `bytes` was taken. Throws, with nothing taken, for what is no record. */
  add({ key = null, value, headers, timestamp }: ProducerRecord, bytes: number): Promise<Appended> {
    const limit = Math.min(this.#owner.batchBytes, this.partition.settings.maxBatchBytes)
    if (this.#writer.count > 0 && this.#writer.bytes + bytes > limit) this.seal()
    this.#writer.add(key, value, headers ?? NO_HEADERS, timestamp ?? this.#owner.clock.now())
    this.#gathering ??= this.#bundle()
    this.#gathering.bytes += bytes
    const waiter: Waiter = Promise.withResolvers<Appended>()
    this.#gathering.waiters.push(waiter)
    if (this.#writer.bytes >= limit) this.seal()
    else this.#schedule()
    return waiter.promise
  }

  /** Takes a finished batch; the room for it was taken. */
  append(batch: Uint8Array): Promise<Appended> {
    this.seal()
    const waiter: Waiter = Promise.withResolvers<Appended>()
    const bundle = this.#bundle()
    bundle.batch = batch
    bundle.bytes = batch.length
    bundle.waiters.push(waiter)
    this.#outbox.push(bundle)
    this.pump()
    return waiter.promise
  }

  /** Closes the batch that gathers. */
  seal(): void {
    this.#scheduled?.()
    this.#scheduled = undefined
    const bundle = this.#gathering
    if (bundle === undefined) return
    this.#gathering = undefined
    this.#outbox.push(bundle)
    const batch = this.#writer.finish()
    if (this.#owner.compression === 'none') {
      bundle.batch = batch
      bundle.own = true
      return this.pump()
    }
    compressBatch(batch, this.#owner.compression).then(
      packed => {
        bundle.batch = packed
        this.pump()
      },
      (error: unknown) => this.#refuse(bundle, error),
    )
  }

  /** Sends what is ready, in order. */
  pump(): void {
    for (let head = this.#outbox[0]; head?.batch !== undefined && this.#owner.identity !== undefined && !this.#isRefused; head = this.#outbox[0]) {
      this.#outbox.shift()
      this.#send(head, head.batch)
    }
  }

  /** Refuses everything that is not yet on its way. */
  refuseAll(error: unknown): void {
    this.seal()
    this.#waiting?.abort()
    const again = this.#onWay.size === 0 ? this.#again.splice(0) : []
    for (const bundle of [...again, ...this.#outbox.splice(0)]) this.#finish(bundle, error)
  }

  /** Nothing waits for room any more. */
  giveUp(): void {
    if (this.#full !== undefined && this.#onWay.size === 0) this.refuseAll(this.#full.error)
  }

  #schedule(): void {
    if (this.#scheduled !== undefined) return
    const { clock, linger } = this.#owner
    if (linger > 0) this.#scheduled = clock.timer(linger, () => this.seal())
    else if (this.#onWay.size === 0) {
      let cancelled = false
      queueMicrotask(() => {
        if (!cancelled) this.seal()
      })
      this.#scheduled = () => void (cancelled = true)
    }
  }

  #bundle(): Bundle {
    const { promise: settled, resolve: settle } = Promise.withResolvers<unknown>()
    const cancelDeadline = this.#owner.clock.timer(this.#owner.deliveryTimeout, () => {
      this.#tell(bundle, new SluiceError('TIMED_OUT', `Records of "${this.partition.topic}" were not acknowledged within ${this.#owner.deliveryTimeout} ms.`))
    })
    const bundle: Bundle = { batch: undefined, waiters: [], bytes: 0, settled, settle, covered: false, number: this.#count++, own: false, cancelDeadline }
    return bundle
  }

  #send(bundle: Bundle, batch: Uint8Array): void {
    try {
      const { maxBatchBytes } = this.partition.check().settings
      if (batch.length > maxBatchBytes) throw new SluiceError('LOG_BATCH_TOO_LARGE', `A batch of ${batch.length} bytes; "${this.partition.topic}" takes ${maxBatchBytes}.`)
      this.#owner.admit(this.partition)
      this.#sign(batch)
    } catch (error) {
      return this.#finish(bundle, error)
    }
    this.#onWay.add(bundle)
    const identity = this.#identity
    const behind = sequenceAfter(this.#sequence, countOf(batch))
    this.#sequence = behind
    this.partition.storage.append(batch).then(
      ({ offset }) => {
        if (identity === this.#identity) this.#acknowledged = behind
        this.#roomFor(bundle)
        this.#onWay.delete(bundle)
        if (bundle.own) this.#writer.reuse(batch)
        this.#acknowledge(bundle, offset)
      },
      (error: unknown) => {
        this.#onWay.delete(bundle)
        const isGap = this.#isRefused && error instanceof SluiceError && error.code === 'LOG_SEQUENCE'
        this.#isRefused = true
        const { whileFull } = this.#owner
        const waits = whileFull !== undefined && error instanceof SluiceError && error.code === 'LOG_DISK_FULL'
        if (isGap || waits) {
          this.#again.push(bundle)
          if (waits) {
            this.#full ??= { error, number: bundle.number }
            whileFull(error)
          }
          // It waits for as long as there is no room.
          if (this.#full !== undefined) bundle.cancelDeadline()
          this.#goOn()
        } else this.#finish(bundle, this.partition.gone ? new SluiceError('LOG_UNKNOWN_TOPIC', `The topic "${this.partition.topic}" was deleted.`, { cause: error }) : error)
      },
    )
  }

  #acknowledge(bundle: Bundle, offset: bigint): void {
    const { partition } = this.partition
    let next = offset
    for (const waiter of bundle.waiters) waiter.resolve({ partition, offset: next++ })
    this.#settle(bundle, undefined)
  }

  #sign(batch: Uint8Array): void {
    const { identity, transactional } = this.#owner
    if (identity === undefined) throw new SluiceError('INTERNAL', 'A batch goes out before its producer is known.')
    if (identity === 'none') return sign(batch, { producerId: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH, sequence: NO_SEQUENCE, transactional: false })
    if (identity !== this.#identity) {
      this.#identity = identity
      this.#sequence = this.#acknowledged = 0
    }
    sign(batch, { producerId: identity.producerId, epoch: identity.epoch, sequence: this.#sequence, transactional })
  }

  #refuse(bundle: Bundle, error: unknown): void {
    const at = this.#outbox.indexOf(bundle)
    if (at >= 0) this.#outbox.splice(at, 1)
    this.#finish(bundle, error)
    this.pump()
  }

  #finish(bundle: Bundle, error: unknown): void {
    this.#tell(bundle, error)
    this.#settle(bundle, error)
  }

  #tell(bundle: Bundle, error: unknown): void {
    for (const waiter of bundle.waiters) {
      if (bundle.covered) waiter.promise.catch(() => undefined)
      waiter.reject(error)
    }
  }

  #settle(bundle: Bundle, error: unknown): void {
    bundle.cancelDeadline()
    this.#owner.settled(bundle.bytes, error)
    bundle.settle(error)
    this.#goOn()
  }

  /** What may go out now that something came back. */
  #goOn(): void {
    if (this.#onWay.size > 0 || this.#waiting !== undefined) return
    if (this.#isRefused) {
      if (this.#full !== undefined && this.#again.length > 0) return this.#waitForRoom()
      this.#goAgain()
    }
    this.pump()
    if (this.#onWay.size === 0 && this.#owner.linger === 0) this.seal()
  }

  /** What was taken before another one was refused says nothing of the room for that one. */
  #roomFor({ number }: Bundle): void {
    if (this.#full === undefined || number < this.#full.number) return
    this.#full = undefined
    this.#owner.whileFull?.(undefined)
  }

  #goAgain(): void {
    this.#isRefused = false
    this.#sequence = this.#acknowledged
    this.#outbox.unshift(...this.#again.splice(0).sort((a, b) => a.number - b.number))
  }

  /** Keeps the process alive: nothing else may be left that does. */
  #waitForRoom(): void {
    const waiting = new AbortController()
    this.#waiting = waiting
    const over = (): void => {
      this.#waiting = undefined
      if (this.#isRefused) this.#goAgain()
      this.pump()
    }
    this.#owner.clock.sleep(ROOM_PAUSE, waiting.signal).then(over, over)
  }
}
