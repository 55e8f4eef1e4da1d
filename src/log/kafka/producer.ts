/**
 * Hands records and finished batches to partitions, in the order of the calls, each once.
 *
 * The way of a record: room in the buffer -> its topic is known (the first one waits for that, and the others behind it) -> the lane of its partition -> the
 * sender of the broker that leads it. Room is given back with the ack.
 *
 * A producer with a transactional id:
 *
 *     idle --begin--> open --commit / abort--> ending --> idle
 *                      |
 *                      +-- a batch was refused, or the timeout aborted it: only abort() leads on
 *     fenced: a newer producer of the name is there. Nothing leads on.
 *
 * Requests of a transaction to its coordinator go one after the other, whatever is called at once; a batch waits until its partition belongs to the transaction.
 * After a failure the transaction is aborted and the epoch raised, so that no batch of it that is still somewhere on its way gets into the next one.
 */
import { initProducerIdV4 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import { checkBatch, isControl, stamp } from '../batch/index.ts'
import { BufferRoom } from '../embedded/buffer-room.ts'
import { Serial, within } from '../embedded/calls.ts'
import type { Appended, Call, Compression, GroupReference, OffsetToCommit, Partitioner, Producer, ProducerOptions, ProducerRecord } from '../log.ts'
import { StickyPartition, partitionerOf } from '../partitioners/index.ts'
import { Away } from './away.ts'
import { noPartition } from './cluster.ts'
import type { Cluster, TopicPlaces } from './cluster.ts'
import { BROKER, brokerCodeOf, check } from './errors.ts'
import { Lane } from './lane.ts'
import type { Bundle, Identity, LaneOwner } from './lane.ts'
import type { Links } from './links.ts'
import { checkedOptions, sizeOf } from './producer-options.ts'
import { REQUESTS_MAX, Sender } from './sender.ts'
import { TransactionCalls } from './transaction-calls.ts'
import { Waiting } from './waiting.ts'

/** Errors after which a transactional producer is over. */
const FENCED: ReadonlySet<number> = new Set([BROKER.INVALID_PRODUCER_EPOCH, BROKER.PRODUCER_FENCED, BROKER.INVALID_PRODUCER_ID_MAPPING])

interface KnownTopic {
  readonly lanes: Map<number, Lane>
  readonly sticky: StickyPartition
  /** Calls that wait until it is known where the partitions are, in their order. */
  readonly waiting: Waiting
}

export class KafkaProducer implements Producer, LaneOwner {
  readonly compression: Compression
  readonly linger: number
  readonly batchBytes: number
  readonly deliveryTimeout: number
  readonly transactional: boolean
  readonly away: Away
  readonly #cluster: Cluster
  readonly #links: Links
  readonly #name: string | undefined
  readonly #calls: TransactionCalls | undefined
  readonly #partitioner: Partitioner
  readonly #room: BufferRoom
  readonly #topics = new Map<string, KnownTopic>()
  readonly #senders = new Map<number, Sender>()
  readonly #serial = new Serial()
  readonly #random: () => number
  readonly #onClose: (producer: KafkaProducer) => void
  /** Ends what is asked for again and again. */
  readonly #closing = new AbortController()
  #identity: Identity | 'none' | undefined
  #isAsking = false
  #state: 'idle' | 'open' | 'ending' | 'closed' = 'idle'
  /** Partitions of the open transaction, and those that wait to be added. */
  readonly #added = new Set<Lane>()
  readonly #toAdd = new Set<Lane>()
  #isAdding = false
  #hasOffsets = false
  /** Why the open transaction can only be aborted. */
  #failure: unknown
  #fenced: unknown
  /** True where batches may still be somewhere on their way: a new epoch keeps them out. */
  #mustRenew = false

  constructor(cluster: Cluster, options: ProducerOptions, random: () => number, onClose: (producer: KafkaProducer) => void) {
    const { partitioner, compression, linger, batchBytes, bufferBytes, idempotent, deliveryTimeout, transactionalId, transactionTimeout, whileAway } = checkedOptions(options)
    this.#cluster = cluster
    this.#links = cluster.links({ inFlight: REQUESTS_MAX })
    this.compression = compression
    this.linger = linger
    this.batchBytes = batchBytes
    this.deliveryTimeout = deliveryTimeout
    this.transactional = transactionalId !== undefined
    this.away = new Away(cluster.clock, whileAway)
    this.#name = transactionalId
    this.#calls = transactionalId === undefined ? undefined : new TransactionCalls(cluster, transactionalId, transactionTimeout)
    this.#partitioner = partitionerOf(partitioner)
    this.#room = new BufferRoom(bufferBytes)
    this.#identity = idempotent || this.transactional ? undefined : 'none'
    this.#random = random
    this.#onClose = onClose
  }

  get clock() {
    return this.#cluster.clock
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
      const whole = checkBatch(batch)
      if (!whole.ok) throw new SluiceError('LOG_CORRUPT', `The batch for "${topic}" is none: ${whole.reason}.`)
      if (whole.length !== batch.length) throw new SluiceError('LOG_CORRUPT', `The batch for "${topic}" has ${whole.length} bytes, and ${batch.length} were given: one batch at a time.`)
      if (isControl(batch)) throw new SluiceError('LOG_CORRUPT', `The batch for "${topic}" is a control batch: only the log writes those.`)
      // A batch that was fetched still has its old place; brokers refuse that.
      stamp(batch, { baseOffset: 0n, leaderEpoch: -1 })
      return this.#room.enter(this.clock, batch.length, call, () => this.#withPlaces(topic, partition, batch.length, () => this.#lane(topic, partition).append(batch)))
    })
  }

  async flush(call?: Call): Promise<void> {
    await within(this.clock, call, 'The flush', () => this.#flush())
  }

  async begin(call?: Call): Promise<void> {
    await within(this.clock, call, 'The beginning of a transaction', () => this.#serial.run(async () => {
      const { name, calls } = this.#transaction()
      this.#checkOpen(true)
      if (this.#state === 'open') throw new SluiceError('LOG_TRANSACTION_STATE', `"${name}" has a transaction open already.`)
      if (this.#identity === undefined || this.#identity === 'none' || this.#mustRenew) await this.#guard(() => this.#renew(calls, call))
      this.#failure = undefined
      this.#state = 'open'
    }))
  }

  async sendOffsets(reference: GroupReference, offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    await within(this.clock, call, 'The commit of offsets', () => this.#serial.run(async () => {
      const { calls } = this.#transaction()
      this.#checkOpen()
      if (offsets.length === 0) return
      calls.checkMember(reference)
      this.#hasOffsets = true
      try {
        await calls.commitOffsets(this.#known(), reference, offsets, call)
      } catch (error) {
        // Whether they are staged is unknown, or they are not: the transaction must not be committed without them.
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
    try {
      await within(this.clock, call, 'The closing of a producer', async () => {
        if (this.#state === 'open') await this.abort(call).catch(() => undefined)
        await this.#serial.idle()
        await this.#flush()
      })
    } finally {
      this.#state = 'closed'
      this.#closing.abort()
      const error = new SluiceError('LOG_CLOSED', 'The producer was closed.')
      this.#room.close(error)
      for (const { waiting } of this.#topics.values()) waiting.close(error)
      for (const lane of this.#lanes()) {
        lane.refuseAll(error)
        lane.refuseOnWay(error)
      }
      await this.#links.close()
      this.#onClose(this)
    }
  }

  admit(lane: Lane): boolean {
    if (this.#fenced !== undefined) throw this.#fenced
    if (!this.transactional) return true
    if (this.#failure !== undefined) throw this.#mustAbort()
    if (this.#added.has(lane)) return true
    this.#toAdd.add(lane)
    if (!this.#isAdding) void this.#addPartitions()
    return false
  }

  offer(lane: Lane): void {
    if (this.#identity === undefined) this.#askIdentity()
    const leader = this.#cluster.known(lane.topic)?.leaders[lane.partition] ?? -1
    if (leader !== -1) this.#sender(leader).offer(lane)
    else if (!lane.isIdle) this.#offerLater(lane)
  }

  async lookAgain(lane: Lane, error: unknown): Promise<void> {
    // Whatever went wrong, another broker may lead the partition by now.
    if (brokerCodeOf(error) !== BROKER.OUT_OF_ORDER_SEQUENCE) this.#cluster.forget(lane.topic)
    await this.#persist(`Looking for "${lane.topic}" partition ${lane.partition}`, () => this.away.watch(lane, () => this.#cluster.leaderOf(lane)))
  }

  settled(bytes: number, error: unknown): void {
    this.#room.give(bytes)
    if (error === undefined) return
    if (this.transactional) return this.#noteFailure(error)
    // A number that does not fit: begin anew, under an id without a past. What is on its way still carries the old one.
    if (error instanceof SluiceError && (error.code === 'LOG_SEQUENCE' || error.code === 'LOG_FENCED') && this.#identity !== 'none') this.#identity = undefined
  }

  giveUp(identity: Identity): void {
    if (this.transactional) this.#mustRenew = true
    else if (this.#identity === identity) this.#identity = undefined
  }

  #send(record: ProducerRecord, call: Call | undefined): Promise<Appended> {
    let taken = 0
    try {
      this.#checkOpen()
      const bytes = sizeOf(record)
      // The way of nearly all records, without a closure: there is room, and the places are known.
      const places = this.#topic(record.topic).waiting.isEmpty ? this.#placesOf(record.topic, record.partition ?? 0) : undefined
      if (places !== undefined && this.#room.tryTake(bytes)) {
        taken = bytes
        return this.#choose(places, record, bytes).add(record, bytes)
      }
      return this.#room.enter(this.clock, bytes, call, () => this.#withPlaces(record.topic, record.partition ?? 0, bytes, found => this.#choose(found, record, bytes).add(record, bytes)))
    } catch (error) {
      this.#room.give(taken)
      return Promise.reject(error)
    }
  }

  /** The places of a topic where they are known, that of the partition with them. */
  #placesOf(name: string, partition: number): TopicPlaces | undefined {
    const known = this.#cluster.known(name)
    return known !== undefined && partition < known.leaders.length ? known : undefined
  }

  /** Runs `work` once the places of a topic are known; at once where they are and nobody waits. Gives the room back where it can't be run. */
  #withPlaces(name: string, partition: number, bytes: number, work: (places: TopicPlaces) => Promise<Appended>): Promise<Appended> {
    const topic = this.#topic(name)
    const known = topic.waiting.isEmpty ? this.#placesOf(name, partition) : undefined
    if (known !== undefined) return this.#run(bytes, () => work(known))
    return new Promise((resolve, reject) => {
      topic.waiting.add({
        look: () => this.#persist(`Looking for "${name}"`, () => this.#cluster.topic(name, ({ leaders }) => partition < leaders.length)),
        known: () => this.#placesOf(name, partition),
        run: places => resolve(this.#run(bytes, () => work(places))),
        refuse: error => {
          this.#room.give(bytes)
          reject(error)
        },
      })
    })
  }

  #run(bytes: number, work: () => Promise<Appended>): Promise<Appended> {
    try {
      if (this.#fenced !== undefined) throw this.#fenced
      return work()
    } catch (error) {
      this.#room.give(bytes)
      return Promise.reject(error)
    }
  }

  #choose({ name, leaders: { length } }: TopicPlaces, { partition, key }: ProducerRecord, bytes: number): Lane {
    if (partition !== undefined) return this.#lane(name, partition)
    const { sticky } = this.#topic(name)
    const chosen = this.#partitioner(key ?? null, length, sticky.current(length))
    if (key == null) sticky.filled(bytes)
    return this.#lane(name, chosen)
  }

  #topic(name: string): KnownTopic {
    let topic = this.#topics.get(name)
    if (topic === undefined) this.#topics.set(name, (topic = { lanes: new Map(), sticky: new StickyPartition(this.batchBytes, this.#random), waiting: new Waiting() }))
    return topic
  }

  #lane(name: string, partition: number): Lane {
    const { lanes } = this.#topic(name)
    const found = lanes.get(partition)
    if (found !== undefined) return found
    const count = this.#cluster.known(name)?.leaders.length ?? 0
    if (!Number.isInteger(partition) || partition < 0 || partition >= count) throw noPartition(name, partition, count)
    const lane = new Lane(name, partition, this)
    lanes.set(partition, lane)
    return lane
  }

  * #lanes(): Generator<Lane, void> {
    for (const { lanes } of this.#topics.values()) yield* lanes.values()
  }

  #sender(broker: number): Sender {
    let sender = this.#senders.get(broker)
    if (sender === undefined) this.#senders.set(broker, (sender = new Sender(this.#cluster.link(broker, this.#links), this.#name, this.#cluster.requestTimeout)))
    return sender
  }

  #offerLater(lane: Lane): void {
    this.#persist(`Looking for "${lane.topic}"`, () => this.#cluster.leaderOf(lane)).then(() => this.offer(lane), (error: unknown) => lane.refuseAll(error))
  }

  /** For what records wait for. */
  #persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#cluster.persist({ timeout: this.deliveryTimeout, signal: this.#closing.signal }, what, work)
  }

  /** Gets a producer id, and sends what waited for it. */
  #askIdentity(): void {
    if (this.transactional || this.#isAsking || this.#state === 'closed') return
    this.#isAsking = true
    const ask = async (): Promise<Identity> => {
      const answer = await (await this.#cluster.any()).request(initProducerIdV4.api, null, 0, -1n, -1)
      check(answer.errorCode, 'The id of a producer')
      return { producerId: answer.producerId, epoch: answer.producerEpoch }
    }
    this.#persist('The id of a producer', ask).then(
      identity => {
        this.#isAsking = false
        this.#identity = identity
        for (const lane of this.#lanes()) this.offer(lane)
      },
      (error: unknown) => {
        this.#isAsking = false
        for (const lane of this.#lanes()) lane.refuseAll(error)
      },
    )
  }

  /** Takes partitions into the transaction, all at once that wait for it. */
  async #addPartitions(): Promise<void> {
    const { calls } = this.#transaction()
    this.#isAdding = true
    // What is offered in the same step goes along.
    await Promise.resolve()
    while (this.#toAdd.size > 0) {
      const lanes = [...this.#toAdd]
      this.#toAdd.clear()
      try {
        await calls.add(this.#known(), lanes, { timeout: this.deliveryTimeout, signal: this.#closing.signal })
        for (const lane of lanes) this.#added.add(lane)
      } catch (error) {
        this.#noteFailure(error)
      }
      // Where it failed, they learn it when they try to go.
      for (const lane of lanes) this.offer(lane)
    }
    this.#isAdding = false
  }

  /** Waits until everything handed over before is acknowledged or refused. */
  async #flush(): Promise<void> {
    if (this.#room.isCrowded) await new Promise<void>((resolve, reject) => void this.#room.wait(0, resolve, reject))
    await Promise.all([...this.#topics.values()].map(({ waiting }) => waiting.settled()))
    const pending: Bundle[] = [...this.#lanes()].flatMap(lane => lane.pending())
    for (const bundle of pending) bundle.covered = true
    const errors = await Promise.all(pending.map(({ settled }) => settled))
    const error = errors.find(each => each !== undefined)
    if (error !== undefined) throw error
  }

  async #end(commit: boolean, call: Call | undefined): Promise<void> {
    await within(this.clock, call, commit ? 'The commit' : 'The abort', () => this.#serial.run(async () => {
      const { name, calls } = this.#transaction()
      this.#checkOpen(true)
      if (this.#state !== 'open') throw new SluiceError('LOG_TRANSACTION_STATE', `"${name}" has no transaction open.`)
      this.#state = 'ending'
      try {
        await (commit ? this.#commit(calls, call) : this.#abort(calls, call))
        this.#over()
      } catch (error) {
        this.#state = this.#fenced === undefined ? 'open' : 'idle'
        if (!commit && brokerCodeOf(error) === BROKER.INVALID_TXN_STATE) {
          this.#over()
          throw new SluiceError('LOG_TRANSACTION_STATE', `The transaction of "${name}" can't be aborted: it was committed, though the answer to that got lost.`, { cause: error })
        }
        throw error
      }
    }))
  }

  async #commit(calls: TransactionCalls, call: Call | undefined): Promise<void> {
    await this.#flush().catch((error: unknown) => this.#noteFailure(error))
    if (this.#fenced !== undefined) throw this.#fenced
    if (this.#failure !== undefined) throw this.#mustAbort()
    if (this.#isEmpty) return
    await this.#guard(() => calls.end(this.#known(), true, call))
  }

  async #abort(calls: TransactionCalls, call: Call | undefined): Promise<void> {
    const error = new SluiceError('LOG_TRANSACTION_STATE', `The transaction of "${this.#name ?? ''}" was aborted before this was sent.`)
    for (const lane of this.#lanes()) lane.refuseAll(error)
    await this.#flush().catch(() => undefined)
    if (this.#fenced !== undefined) throw this.#fenced
    if (this.#isEmpty) {
      // Nothing went out: what was refused needs no new epoch.
      this.#mustRenew = false
      return
    }
    await this.#guard(() => calls.end(this.#known(), false, call))
    // Only now: while a newer producer has a transaction open, a broker would abort that, though the epoch given is too old.
    if (this.#mustRenew) await this.#guard(() => this.#renew(calls, call))
  }

  #over(): void {
    this.#added.clear()
    this.#hasOffsets = false
    this.#failure = undefined
    this.#state = 'idle'
  }

  /** Nothing was added, so the coordinator knows of no transaction. */
  get #isEmpty(): boolean {
    return this.#added.size === 0 && !this.#hasOffsets && !this.#isAdding
  }

  /** A new epoch, which also aborts what the coordinator has open; LOG_FENCED where a newer producer has the name. */
  async #renew(calls: TransactionCalls, call: Call | undefined): Promise<void> {
    const { identity } = this
    this.#identity = await calls.init(identity === 'none' ? undefined : identity, call)
    this.#mustRenew = false
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#noteFailure(error, true)
      throw error
    }
  }

  /**
   * Remembers what makes the transaction one that can only be aborted. `mayGoOn`: the same call may be tried again.
   *
   * An epoch that is too old ends the producer: a newer one has the name, or the timeout ended the transaction. Which of the two it is could only be found out
   * by asking for a new epoch, and that would abort what a newer producer has open.
   */
  #noteFailure(error: unknown, mayGoOn = false): void {
    const code = brokerCodeOf(error)
    if (code !== undefined && FENCED.has(code)) this.#fenced ??= error
    if (mayGoOn) return
    this.#failure ??= error
    this.#mustRenew = true
  }

  #mustAbort(): SluiceError {
    const { code, message, retry } = this.#failure instanceof SluiceError ? this.#failure : { code: 'LOG_TRANSACTION_STATE' as const, message: String(this.#failure), retry: false }
    return new SluiceError(code, `The transaction of "${this.#name ?? ''}" can only be aborted: ${message}`, { cause: this.#failure, retry })
  }

  #transaction(): { readonly name: string; readonly calls: TransactionCalls } {
    if (this.#name === undefined || this.#calls === undefined) throw new SluiceError('LOG_TRANSACTION_STATE', 'This producer was made without a transactionalId: it has no transactions.')
    return { name: this.#name, calls: this.#calls }
  }

  #known(): Identity {
    if (this.identity === undefined || this.identity === 'none') throw new SluiceError('INTERNAL', 'A transaction is open and its producer unknown.')
    return this.identity
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
