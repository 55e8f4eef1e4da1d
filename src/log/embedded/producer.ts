/**
 * Hands records and finished batches to partitions, in the order of the calls, each once.
 *
 * A producer with a transactional id:
 *
 *     idle --begin--> open --commit / abort--> ending --> idle
 *                      |
 *                      +-- a record was refused, or the timeout aborted it: only abort() leads on
 *     fenced: a newer producer of the name is there. Nothing leads on.
 *
 * Room in the buffer is taken before a record is looked at, and given back with its ack.
 */
import { SluiceError } from '../../base/index.ts'
import { checkHeader, isControl } from '../batch/index.ts'
import type { Appended, Call, Compression, GroupReference, OffsetToCommit, Partitioner, Producer, ProducerOptions, ProducerRecord } from '../log.ts'
import { StickyPartition, partitionerOf } from '../partitioners/index.ts'
import { BufferRoom } from './buffer-room.ts'
import { Serial, TIMEOUT_DEFAULT, within } from './calls.ts'
import type { Partition, Topic } from './catalog.ts'
import type { EmbeddedParts } from './parts.ts'
import { PartitionQueue } from './partition-queue.ts'
import type { Bundle, QueueOwner } from './partition-queue.ts'
import { checkNotInternal } from './topic-settings.ts'
import type { Identity } from './transactions.ts'

/** What a record takes in a batch besides its parts, at most. */
const RECORD_BYTES = 32
const HEADER_BYTES = 10

export class EmbeddedProducer implements Producer, QueueOwner {
  readonly #parts: EmbeddedParts
  readonly compression: Compression
  readonly linger: number
  readonly batchBytes: number
  readonly deliveryTimeout: number
  readonly transactional: boolean
  readonly #name: string | undefined
  readonly #timeout: number
  readonly #partitioner: Partitioner
  readonly #room: BufferRoom
  readonly #queues = new Map<Partition, PartitionQueue>()
  readonly #sticky = new Map<string, StickyPartition>()
  readonly #serial = new Serial()
  #identity: Identity | 'none' | undefined
  #isAsking = false
  #state: 'idle' | 'open' | 'ending' | 'closed' = 'idle'
  /** Why the open transaction can only be aborted. */
  #failure: unknown
  #fenced: unknown
  readonly #onClose: (producer: EmbeddedProducer) => void
  #whileFull: ((error: unknown) => void) | undefined

  constructor(parts: EmbeddedParts, options: ProducerOptions, onClose: (producer: EmbeddedProducer) => void) {
    const { partitioner, compression = 'none', linger = 0, batchBytes = 64 << 10, bufferBytes = 32 << 20, idempotent = true, deliveryTimeout = TIMEOUT_DEFAULT, transactionalId, transactionTimeout = 60_000, whileFull } = options
    checkNumber('linger', linger, 0, 60_000)
    checkNumber('batchBytes', batchBytes, 1, 128 << 20)
    checkNumber('bufferBytes', bufferBytes, 1, Number.MAX_SAFE_INTEGER)
    if (deliveryTimeout !== Infinity) checkNumber('deliveryTimeout', deliveryTimeout, 1, 2 ** 31 - 1)
    this.#parts = parts
    this.compression = compression
    this.linger = linger
    this.batchBytes = batchBytes
    this.deliveryTimeout = deliveryTimeout
    this.#name = transactionalId
    this.transactional = transactionalId !== undefined
    this.#timeout = transactionTimeout
    this.#partitioner = partitionerOf(partitioner)
    this.#room = new BufferRoom(bufferBytes)
    this.#identity = idempotent || this.transactional ? undefined : 'none'
    this.#onClose = onClose
    this.#whileFull = whileFull
  }

  get clock() {
    return this.#parts.clock
  }

  /** Without sequences, order could not be kept. */
  get whileFull(): ((error: unknown) => void) | undefined {
    return this.#identity === 'none' ? undefined : this.#whileFull
  }

  get identity(): Identity | 'none' | undefined {
    return this.#identity
  }

  send(record: ProducerRecord, call?: Call): Promise<Appended> {
    if (call !== undefined) return within(this.clock, call, `A record for "${record.topic}"`, () => this.#send(record, call))
    return this.#send(record, undefined)
  }

  append(topic: string, partition: number, batch: Uint8Array, call?: Call): Promise<Appended> {
    return within(this.clock, call, `A batch for "${topic}"`, () => {
      this.#checkOpen()
      checkNotInternal(topic)
      const target = this.#parts.catalog.partition({ topic, partition })
      const check = checkHeader(batch)
      if (!check.ok) throw new SluiceError('LOG_CORRUPT', `The batch for "${topic}" is none: ${check.reason}.`)
      if (isControl(batch)) throw new SluiceError('LOG_CORRUPT', `The batch for "${topic}" is a control batch: only the log writes those.`)
      return this.#enter(batch.length, call, () => this.#queue(target).append(batch))
    })
  }

  async flush(call?: Call): Promise<void> {
    await within(this.clock, call, 'The flush', () => this.#flush())
  }

  async begin(call?: Call): Promise<void> {
    await within(this.clock, call, 'The beginning of a transaction', () => this.#serial.run(async () => {
      const name = this.#transactionalId()
      this.#checkOpen(true)
      if (this.#state === 'open') throw new SluiceError('LOG_TRANSACTION_STATE', `"${name}" has a transaction open already.`)
      const { transactions } = this.#parts
      await this.#guard(async () => {
        const { identity } = this
        this.#identity = identity === undefined || identity === 'none' ? await transactions.init(name, this.#timeout) : transactions.renew(name, identity)
      })
      this.#failure = undefined
      this.#state = 'open'
    }))
  }

  async sendOffsets({ group, member }: GroupReference, offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    await within(this.clock, call, 'The commit of offsets', () => this.#serial.run(async () => {
      this.#transactionalId()
      this.#checkOpen()
      const { identity } = this
      if (identity === undefined || identity === 'none') throw new SluiceError('INTERNAL', 'A transaction is open and its producer unknown.')
      const { offsets: store, groups } = this.#parts
      const target = await store.topic.partition()
      // From the check to the staging without a pause: the partitions can't change hands between.
      groups.check({ group, member }, offsets)
      await this.#guard(async () => this.admit(target))
      if (offsets.length === 0) return
      const batch = store.topic.batch(store.stage(identity.producerId, group, offsets))
      try {
        await this.#enter(batch.length, call, () => this.#queue(target).append(batch))
      } catch (error) {
        // The offsets are staged and not written: the transaction must not be committed without them.
        this.#noteFailure(error)
        throw error
      }
    }))
  }

  commit(call?: Call): Promise<void> {
    return this.#end(true, call)
  }

  abort(call?: Call): Promise<void> {
    return this.#end(false, call)
  }

  async close(call?: Call): Promise<void> {
    if (this.#state === 'closed') return
    this.#whileFull = undefined
    for (const queue of this.#queues.values()) queue.giveUp()
    try {
      await within(this.clock, call, 'The closing of a producer', async () => {
        if (this.#state === 'open') await this.abort(call).catch(() => undefined)
        await this.#serial.idle()
        await this.#flush()
      })
    } finally {
      this.#state = 'closed'
      const error = new SluiceError('LOG_CLOSED', 'The producer was closed.')
      this.#room.close(error)
      for (const queue of this.#queues.values()) queue.refuseAll(error)
      const { identity } = this
      if (this.#name !== undefined && identity !== undefined && identity !== 'none') this.#parts.transactions.release(this.#name, identity)
      this.#onClose(this)
    }
  }

  admit(partition: Partition): void {
    if (this.#fenced !== undefined) throw this.#fenced
    if (this.#name === undefined) return
    const { identity } = this
    if (this.#failure !== undefined || identity === undefined || identity === 'none') throw this.#mustAbort()
    this.#parts.transactions.add(this.#name, identity, partition)
  }

  settled(bytes: number, error: unknown): void {
    this.#room.give(bytes)
    if (error === undefined) return
    if (this.transactional) return this.#noteFailure(error)
    // A number that does not fit: begin anew, under an id without a past. What is on its way still carries the old one.
    if (error instanceof SluiceError && (error.code === 'LOG_SEQUENCE' || error.code === 'LOG_FENCED') && this.#identity !== 'none') this.#identity = undefined
    if (this.#identity === undefined) this.#askIdentity()
  }

  #send(record: ProducerRecord, call: Call | undefined): Promise<Appended> {
    try {
      this.#checkOpen()
      checkNotInternal(record.topic)
      const topic = this.#parts.catalog.topic(record.topic)
      const bytes = sizeOf(record)
      const target = this.#choose(topic, record, bytes)
      if (this.#room.tryTake(bytes)) return this.#add(target, record, bytes)
      return this.#enter(bytes, call, () => this.#add(target, record, bytes))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #add(target: Partition, record: ProducerRecord, bytes: number): Promise<Appended> {
    try {
      return this.#queue(target).add(record, bytes)
    } catch (error) {
      this.#room.give(bytes)
      return Promise.reject(error)
    }
  }

  /** What was handed over before the end of a transaction belongs to it, so only what ended for good turns away who waited. */
  #enter(bytes: number, call: Call | undefined, work: () => Promise<Appended>): Promise<Appended> {
    return this.#room.enter(this.clock, bytes, call, () => {
      if (this.#fenced === undefined) return work()
      this.#room.give(bytes)
      return Promise.reject(this.#fenced)
    })
  }

  #choose(topic: Topic, { partition, key }: ProducerRecord, bytes: number): Partition {
    const { partitions } = topic
    let chosen = partition
    if (chosen === undefined) {
      let sticky = this.#sticky.get(topic.name)
      if (sticky === undefined) this.#sticky.set(topic.name, (sticky = new StickyPartition(this.batchBytes, this.#parts.random)))
      chosen = this.#partitioner(key ?? null, partitions.length, sticky.current(partitions.length))
      if (key == null) sticky.filled(bytes)
    }
    return partitions[chosen] ?? this.#parts.catalog.partition({ topic: topic.name, partition: chosen })
  }

  #queue(partition: Partition): PartitionQueue {
    let queue = this.#queues.get(partition)
    if (queue === undefined) {
      this.#dropIdle()
      this.#queues.set(partition, (queue = new PartitionQueue(partition, this)))
    }
    if (this.#identity === undefined) this.#askIdentity()
    return queue
  }

  /** Queues of topics that were deleted. */
  #dropIdle(): void {
    for (const [partition, queue] of this.#queues) if (partition.gone && queue.isIdle) this.#queues.delete(partition)
  }

  /** Gets a producer id, and sends what waited for it. */
  #askIdentity(): void {
    if (this.transactional || this.#isAsking) return
    this.#isAsking = true
    this.#parts.ids.next().then(
      producerId => {
        this.#isAsking = false
        this.#identity = { producerId, epoch: 0 }
        for (const queue of this.#queues.values()) queue.pump()
      },
      (error: unknown) => {
        this.#isAsking = false
        for (const queue of this.#queues.values()) queue.refuseAll(error)
      },
    )
  }

  /** Waits until everything handed over before is acknowledged or refused. */
  async #flush(): Promise<void> {
    if (this.#room.isCrowded) await this.#behindTheRow()
    const pending: Bundle[] = [...this.#queues.values()].flatMap(queue => queue.pending())
    for (const bundle of pending) bundle.covered = true
    const errors = await Promise.all(pending.map(({ settled }) => settled))
    const error = errors.find(error => error !== undefined)
    if (error !== undefined) throw error
  }

  /** Waits until those who waited for room before have entered. */
  #behindTheRow(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#room.wait(0, resolve, reject)
    })
  }

  async #end(commit: boolean, call: Call | undefined): Promise<void> {
    await within(this.clock, call, commit ? 'The commit' : 'The abort', () => this.#serial.run(async () => {
      const name = this.#transactionalId()
      this.#checkOpen(true)
      if (this.#state !== 'open') throw new SluiceError('LOG_TRANSACTION_STATE', `"${name}" has no transaction open.`)
      this.#state = 'ending'
      try {
        await (commit ? this.#commit(name) : this.#abort(name))
        this.#state = 'idle'
      } catch (error) {
        this.#state = this.#fenced === undefined ? 'open' : 'idle'
        throw error
      }
    }))
  }

  async #commit(name: string): Promise<void> {
    await this.#flush().catch((error: unknown) => this.#noteFailure(error))
    if (this.#fenced !== undefined) throw this.#fenced
    if (this.#failure !== undefined) throw this.#mustAbort()
    await this.#endAt(name, true)
  }

  async #abort(name: string): Promise<void> {
    const error = new SluiceError('LOG_TRANSACTION_STATE', `The transaction of "${name}" was aborted before this was sent.`)
    for (const queue of this.#queues.values()) queue.refuseAll(error)
    await this.#flush().catch(() => undefined)
    try {
      await this.#endAt(name, false)
    } catch (error) {
      // The timeout did it already.
      if (!(error instanceof SluiceError) || error.code !== 'LOG_TRANSACTION_STATE') throw error
    }
    this.#failure = undefined
  }

  async #endAt(name: string, commit: boolean): Promise<void> {
    const { identity } = this
    if (identity === undefined || identity === 'none') throw new SluiceError('INTERNAL', 'A transaction is open and its producer unknown.')
    await this.#guard(async () => {
      this.#identity = await this.#parts.transactions.end(name, identity, commit)
    })
  }

  /** Remembers what makes an end of the transaction, or of the producer. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#noteFailure(error, true)
      throw error
    }
  }

  #noteFailure(error: unknown, mayGoOn = false): void {
    const code = error instanceof SluiceError ? error.code : undefined
    if (code === 'LOG_FENCED') this.#fenced = error
    else if (!mayGoOn || code === 'LOG_TRANSACTION_STATE') this.#failure ??= error
  }

  #mustAbort(): SluiceError {
    const { code, message } = this.#failure instanceof SluiceError ? this.#failure : { code: 'LOG_TRANSACTION_STATE' as const, message: String(this.#failure) }
    return new SluiceError(code, `The transaction of "${this.#name ?? ''}" can only be aborted: ${message}`, { cause: this.#failure, retry: false })
  }

  #transactionalId(): string {
    if (this.#name === undefined) throw new SluiceError('LOG_TRANSACTION_STATE', 'This producer was made without a transactionalId: it has no transactions.')
    return this.#name
  }

  /** Throws unless records may be handed over now; `between` also allows the time between transactions. */
  #checkOpen(between = false): void {
    if (this.#state === 'closed') throw new SluiceError('LOG_CLOSED', 'The producer is closed.')
    if (this.#fenced !== undefined) throw this.#fenced
    if (between || this.#name === undefined) return
    if (this.#state !== 'open') throw new SluiceError('LOG_TRANSACTION_STATE', `"${this.#name}" has no transaction open: begin one first.`)
    if (this.#failure !== undefined) throw this.#mustAbort()
  }
}

function sizeOf({ key, value, headers }: ProducerRecord): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, content] of headers ?? []) bytes += HEADER_BYTES + Buffer.byteLength(name) + (content?.length ?? 0)
  return bytes
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isFinite(value) && value >= least && value <= most) return
  throw new SluiceError('LOG_SETTING', `${name}: ${value} is not possible: from ${least} to ${most}.`)
}
