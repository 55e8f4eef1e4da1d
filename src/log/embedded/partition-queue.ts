/**
 * What a producer has under way to one partition.
 *
 *     add -> gathering -> sealed -> (packed) -> on its way -> acknowledged | refused
 *
 * Records gather while a write is under way, for `linger` milliseconds, or until the batch is full; then the batch is sealed. Sealed batches go in order. The
 * sequence is given at the last moment: a batch that the storage refused left nothing behind, so once nothing is on its way any more, the numbers go on behind
 * the last one that was taken. Until then nothing new goes out.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import { BatchWriter, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, compressBatch, countOf, sequenceAfter, sign } from '../batch/index.ts'
import type { Appended, Compression, ProducerRecord } from '../log.ts'
import { TIMEOUT_DEFAULT } from './calls.ts'
import type { Partition } from './catalog.ts'
import type { Identity } from './transactions.ts'

/** Somebody who waits for an ack. */
interface Waiter {
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
  readonly promise: Promise<Appended>
}

export interface Sealed {
  /** Undefined while it is being packed. */
  batch: Uint8Array | undefined
  /** One per record, or one for all. */
  readonly waiters: readonly Waiter[]
  /** Bytes to be given back. */
  readonly bytes: number
  /** Resolves, never rejects, when the batch was acknowledged or refused; with the error then. */
  readonly settled: Promise<unknown>
  readonly settle: (error: unknown) => void
  /** True once somebody else tells the error: then a waiter that nobody looks at is no unhandled rejection. */
  covered: boolean
}

/** What a queue asks of its producer. */
export interface QueueOwner {
  readonly clock: Clock
  readonly compression: Compression
  readonly linger: number
  readonly batchBytes: number
  /** Who signs: `none` for a producer without sequences, undefined while that is not known yet. */
  readonly identity: Identity | 'none' | undefined
  readonly transactional: boolean
  /** Last look before a batch goes out; throws where it may not. */
  admit(partition: Partition): void
  /** The batch was taken or refused. */
  settled(bytes: number, error: unknown): void
}

export class PartitionQueue {
  readonly partition: Partition
  readonly #owner: QueueOwner
  readonly #writer: BatchWriter
  #waiters: Waiter[] = []
  #gatheredBytes = 0
  #scheduled: (() => void) | undefined
  readonly #outbox: Sealed[] = []
  readonly #onWay = new Set<Sealed>()
  #identity: Identity | undefined
  /** Of the next batch to go out. */
  #sequence = 0
  /** Behind the last batch that was taken. */
  #acknowledged = 0
  #isRefused = false

  constructor(partition: Partition, owner: QueueOwner) {
    this.partition = partition
    this.#owner = owner
    this.#writer = new BatchWriter()
  }

  get isIdle(): boolean {
    return this.#writer.count === 0 && this.#outbox.length === 0 && this.#onWay.size === 0
  }

  /** Everything that was not yet acknowledged or refused, after sealing what gathered. */
  pending(): Sealed[] {
    this.seal()
    return [...this.#onWay, ...this.#outbox]
  }

  /** Takes a record; the room for `bytes` was taken. */
  add({ key = null, value, headers, timestamp }: ProducerRecord, bytes: number): Promise<Appended> {
    const limit = Math.min(this.#owner.batchBytes, this.partition.settings.maxBatchBytes)
    if (this.#writer.count > 0 && this.#writer.bytes + bytes > limit) this.seal()
    this.#writer.add(key, value, headers, timestamp ?? this.#owner.clock.now())
    this.#gatheredBytes += bytes
    const waiter: Waiter = Promise.withResolvers<Appended>()
    this.#waiters.push(waiter)
    if (this.#writer.bytes >= limit) this.seal()
    else this.#schedule()
    return waiter.promise
  }

  /** Takes a finished batch; the room for it was taken. */
  append(batch: Uint8Array): Promise<Appended> {
    this.seal()
    const waiter: Waiter = Promise.withResolvers<Appended>()
    this.#push(batch, [waiter], batch.length)
    this.pump()
    return waiter.promise
  }

  /** Closes the batch that gathers. */
  seal(): void {
    this.#scheduled?.()
    this.#scheduled = undefined
    if (this.#writer.count === 0) return
    const batch = this.#writer.finish()
    const { compression } = this.#owner
    const sealed = this.#push(compression === 'none' ? batch : undefined, this.#waiters, this.#gatheredBytes)
    this.#waiters = []
    this.#gatheredBytes = 0
    if (compression === 'none') return this.pump()
    compressBatch(batch, compression).then(
      packed => {
        sealed.batch = packed
        this.pump()
      },
      (error: unknown) => this.#refuse(sealed, error),
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
    for (const sealed of this.#outbox.splice(0)) this.#finish(sealed, error)
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

  #push(batch: Uint8Array | undefined, waiters: readonly Waiter[], bytes: number): Sealed {
    const { promise: settled, resolve: settle } = Promise.withResolvers<unknown>()
    const sealed: Sealed = { batch, waiters, bytes, settled, settle, covered: false }
    this.#outbox.push(sealed)
    return sealed
  }

  #send(sealed: Sealed, batch: Uint8Array): void {
    try {
      this.partition.check()
      this.#owner.admit(this.partition)
      this.#sign(batch)
    } catch (error) {
      return this.#finish(sealed, error)
    }
    this.#onWay.add(sealed)
    const identity = this.#identity
    const behind = sequenceAfter(this.#sequence, countOf(batch))
    this.#sequence = behind
    const cancel = this.#owner.clock.timer(TIMEOUT_DEFAULT, () => {
      this.#tell(sealed, new SluiceError('TIMED_OUT', `Records of "${this.partition.topic}" were not acknowledged within ${TIMEOUT_DEFAULT} ms.`))
    })
    this.partition.storage.append(batch).then(
      ({ offset }) => {
        cancel()
        if (identity === this.#identity) this.#acknowledged = behind
        this.#onWay.delete(sealed)
        if (sealed.waiters.length === 1) sealed.waiters[0]?.resolve({ partition: this.partition.partition, offset })
        else for (const [index, waiter] of sealed.waiters.entries()) waiter.resolve({ partition: this.partition.partition, offset: offset + BigInt(index) })
        this.#settled(sealed, undefined)
      },
      (error: unknown) => {
        cancel()
        this.#isRefused = true
        this.#onWay.delete(sealed)
        this.#finish(sealed, this.partition.gone ? new SluiceError('LOG_UNKNOWN_TOPIC', `The topic "${this.partition.topic}" was deleted.`, { cause: error }) : error)
      },
    )
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

  #refuse(sealed: Sealed, error: unknown): void {
    const at = this.#outbox.indexOf(sealed)
    if (at >= 0) this.#outbox.splice(at, 1)
    this.#finish(sealed, error)
    this.pump()
  }

  #finish(sealed: Sealed, error: unknown): void {
    this.#tell(sealed, error)
    this.#settled(sealed, error)
  }

  #tell(sealed: Sealed, error: unknown): void {
    for (const waiter of sealed.waiters) {
      if (sealed.covered) waiter.promise.catch(() => undefined)
      waiter.reject(error)
    }
  }

  #settled(sealed: Sealed, error: unknown): void {
    this.#owner.settled(sealed.bytes, error)
    sealed.settle(error)
    if (this.#onWay.size > 0) return
    if (this.#isRefused) {
      this.#isRefused = false
      this.#sequence = this.#acknowledged
    }
    this.pump()
    if (this.#onWay.size === 0 && this.#owner.linger === 0) this.seal()
  }
}
