/**
 * The log as a few lists in memory: slow, obvious, without retention or durability. It shows what the port means, and is what others are compared with.
 *
 * Several logs may be opened on one `NaiveStore`, like several clients of one broker. A batch is kept as it came; a transaction is an object that its batches
 * point to, and what they mean follows from its state.
 */
import { SluiceError } from '../../base/index.ts'
import { systemClock } from '../../platform/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { Admin, GroupDescription, NewTopic, TopicDescription, TopicSettings } from '../admin.ts'
import { BatchWriter, checkBatch, compressBatch, countOf, lastOffsetDeltaOf, maxTimestampOf, records, stamp, stampAppendTime } from '../batch/index.ts'
import type {
  Appended, Call, Consumer, ConsumerOptions, Fetched, GroupConsumer, GroupOptions, GroupReference, Isolation, Log, LogFeatures, OffsetToCommit, Producer, ProducerOptions,
  ProducerRecord, Start, TopicPartition,
} from '../log.ts'
import { NaiveGroup } from './naive-group.fixture.ts'

export interface Transaction {
  state: 'open' | 'committed' | 'aborted'
  readonly offsets: Map<string, OffsetToCommit[]>
}

interface Kept {
  readonly base: bigint
  readonly last: bigint
  readonly bytes: Uint8Array
  /** Undefined for a batch outside of transactions. */
  readonly transaction: Transaction | undefined
  readonly marker: boolean
}

export class NaivePartition {
  start = 0n
  end = 0n
  readonly batches: Kept[] = []

  add(bytes: Uint8Array, transaction: Transaction | undefined): bigint {
    const base = this.end
    stamp(bytes, { baseOffset: base, leaderEpoch: 0 })
    this.end += BigInt(lastOffsetDeltaOf(bytes)) + 1n
    this.batches.push({ base, last: this.end - 1n, bytes, transaction, marker: false })
    return base
  }

  addMarker(transaction: Transaction): void {
    this.batches.push({ base: this.end, last: this.end, bytes: new Uint8Array(0), transaction, marker: true })
    this.end++
  }

  get stable(): bigint {
    return this.batches.find(batch => batch.transaction?.state === 'open' && !batch.marker)?.base ?? this.end
  }

  readable(isolation: Isolation): bigint {
    return isolation === 'read_committed' ? this.stable : this.end
  }

  offsetAt(time: number): bigint | undefined {
    for (const batch of this.batches) {
      if (batch.marker || maxTimestampOf(batch.bytes) < time) continue
      for (const record of records(batch.bytes)) if (record.timestamp >= time && record.offset >= this.start) return record.offset
    }
    return undefined
  }
}

interface NaiveTopic {
  readonly name: string
  settings: TopicSettings
  readonly partitions: NaivePartition[]
}

const fail = (code: ConstructorParameters<typeof SluiceError>[0], message: string): never => {
  throw new SluiceError(code, message)
}

export class NaiveStore {
  readonly topics = new Map<string, NaiveTopic>()
  readonly groups = new Map<string, NaiveGroup>()
  /** The producer that has a transactional id now. */
  readonly owners = new Map<string, NaiveProducer>()
  readonly clock: Clock
  #listeners = new Set<() => void>()

  constructor(clock: Clock = systemClock) {
    this.clock = clock
  }

  topic(name: string): NaiveTopic {
    return this.topics.get(name) ?? fail('LOG_UNKNOWN_TOPIC', `There is no topic "${name}".`)
  }

  partition({ topic, partition }: TopicPartition): NaivePartition {
    return this.topic(topic).partitions[partition] ?? fail('LOG_UNKNOWN_TOPIC', `"${topic}" has no partition ${partition}.`)
  }

  group(name: string): NaiveGroup {
    const group = this.groups.get(name) ?? new NaiveGroup(name, this)
    this.groups.set(name, group)
    return group
  }

  changed(): void {
    const listeners = this.#listeners
    this.#listeners = new Set()
    for (const listener of listeners) listener()
  }

  /** Resolves at the next change, after so many milliseconds, or when the signal fires. */
  async change(wait: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const cancel = this.clock.timer(wait, resolve)
      this.#listeners.add(() => {
        cancel()
        resolve()
      })
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
    checkCall({ signal })
  }

  resolve(at: TopicPartition, start: Start, isolation: Isolation): bigint {
    const partition = this.partition(at)
    const end = partition.readable(isolation)
    if (start === 'earliest') return partition.start
    if (start === 'latest') return end
    if (typeof start === 'object') return partition.offsetAt(start.time) ?? end
    return start >= partition.start && start <= partition.end ? start : fail('LOG_OFFSET_OUT_OF_RANGE', `${start} lies outside of ${partition.start} to ${partition.end}.`)
  }
}

export function checkCall({ signal }: Call = {}): void {
  if (signal?.aborted === true) fail('ABORTED', 'The call was given up.')
}

const FEATURES: LogFeatures = {
  name: 'embedded', transactions: true, groups: true, compaction: false, durability: ['os'], codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'], deleteRecords: true,
}

export class NaiveLog implements Log {
  readonly features = FEATURES
  readonly admin: Admin
  readonly #store: NaiveStore
  readonly #closing: { close(): Promise<void> }[] = []
  #closed = false

  constructor(store: NaiveStore) {
    this.#store = store
    this.admin = naiveAdmin(store)
  }

  describe(): string {
    return 'in memory, never on disk'
  }

  #open<T extends { close(): Promise<void> }>(made: T): T {
    if (this.#closed) fail('LOG_CLOSED', 'The log is closed.')
    this.#closing.push(made)
    return made
  }

  producer(options: ProducerOptions = {}): Producer {
    return this.#open(new NaiveProducer(this.#store, options))
  }

  consumer(options: ConsumerOptions = {}): Consumer {
    return this.#open(new NaiveConsumer(this.#store, options))
  }

  group(options: GroupOptions): GroupConsumer {
    return this.#open(this.#store.group(options.group).member(options))
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const one of this.#closing) await one.close()
  }
}

/** Java's partitioner for keys. */
function murmur2(key: Uint8Array): number {
  let hash = 0x9747b28c ^ key.length
  const view = new DataView(key.buffer, key.byteOffset, key.length)
  let at = 0
  for (; at + 4 <= key.length; at += 4) {
    let k = Math.imul(view.getInt32(at, true), 0x5bd1e995)
    k ^= k >>> 24
    hash = Math.imul(hash, 0x5bd1e995) ^ Math.imul(k, 0x5bd1e995)
  }
  const rest = key.length - at
  if (rest >= 3) hash ^= (key[at + 2] ?? 0) << 16
  if (rest >= 2) hash ^= (key[at + 1] ?? 0) << 8
  if (rest >= 1) hash = Math.imul(hash ^ (key[at] ?? 0), 0x5bd1e995)
  hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995)
  return (hash ^ (hash >>> 15)) & 0x7fffffff
}

export class NaiveProducer implements Producer {
  readonly #store: NaiveStore
  readonly #options: ProducerOptions
  #transaction: Transaction | undefined
  readonly #touched = new Set<NaivePartition>()
  #cancelTimeout = (): void => undefined
  #sticky = 0
  #closed = false
  #last: Promise<unknown> = Promise.resolve()
  #failed: { readonly error: unknown } | undefined

  constructor(store: NaiveStore, options: ProducerOptions) {
    this.#store = store
    this.#options = options
  }

  #check(call: Call | undefined): void {
    if (this.#closed) fail('LOG_CLOSED', 'The producer is closed.')
    checkCall(call)
    const id = this.#options.transactionalId
    if (id !== undefined && this.#transaction !== undefined && this.#store.owners.get(id) !== this) fail('LOG_FENCED', `A newer producer has "${id}".`)
  }

  send(record: ProducerRecord, call?: Call): Promise<Appended> {
    const { topic, key = null, value, headers = [], timestamp = this.#store.clock.now() } = record
    return this.#row(async () => {
      this.#check(call)
      const { partitions } = this.#store.topic(topic)
      const { partitioner } = this.#options
      const chosen = record.partition ?? (typeof partitioner === 'function' ? partitioner(key, partitions.length, this.#sticky)
        : key === null ? this.#sticky++ % partitions.length : murmur2(key) % partitions.length)
      const writer = new BatchWriter()
      writer.add(key, value, headers, timestamp)
      return this.#append(topic, chosen, await compressBatch(writer.finish(), this.#options.compression ?? 'none'))
    })
  }

  append(topic: string, partition: number, batch: Uint8Array, call?: Call): Promise<Appended> {
    return this.#row(() => {
      this.#check(call)
      return this.#append(topic, partition, batch)
    })
  }

  #append(topic: string, number: number, batch: Uint8Array): Appended {
    const partition = this.#store.partition({ topic, partition: number })
    if (batch.length > (this.#store.topic(topic).settings.maxBatchBytes ?? (1 << 20) + 12)) fail('LOG_BATCH_TOO_LARGE', `A batch of ${batch.length} bytes.`)
    if (!checkBatch(batch).ok || countOf(batch) === 0) fail('LOG_CORRUPT', 'The batch is damaged.')
    if (this.#options.transactionalId !== undefined) {
      this.#open()
      this.#touched.add(partition)
    }
    if (this.#store.topic(topic).settings.timestamps === 'append') stampAppendTime(batch, this.#store.clock.now())
    const offset = partition.add(batch, this.#transaction)
    this.#store.changed()
    return { partition: number, offset }
  }

  #row<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch((error: unknown) => {
      this.#failed ??= { error }
    })
    return done
  }

  async flush(call?: Call): Promise<void> {
    this.#check(call)
    await this.#last
    const failed = this.#failed
    this.#failed = undefined
    if (failed !== undefined) throw failed.error
  }

  #open(): Transaction {
    const { transactionalId: id } = this.#options
    if (id !== undefined && this.#transaction?.state === 'open' && this.#store.owners.get(id) !== this) fail('LOG_FENCED', `A newer producer has "${id}".`)
    return this.#transaction?.state === 'open' ? this.#transaction : fail('LOG_TRANSACTION_STATE', 'No transaction is open.')
  }

  async begin(call?: Call): Promise<void> {
    checkCall(call)
    const { transactionalId: id, transactionTimeout = 60_000 } = this.#options
    if (id === undefined) return fail('LOG_TRANSACTION_STATE', 'The producer has no transactional id.')
    if (this.#transaction !== undefined) {
      this.#check(call)
      return fail('LOG_TRANSACTION_STATE', 'A transaction is open.')
    }
    const owner = this.#store.owners.get(id)
    if (owner !== undefined && owner !== this) {
      if (this.#began) return fail('LOG_FENCED', `A newer producer has "${id}".`)
      owner.#end('aborted')
    }
    this.#began = true
    this.#store.owners.set(id, this)
    const transaction: Transaction = { state: 'open', offsets: new Map() }
    this.#transaction = transaction
    this.#cancelTimeout = this.#store.clock.timer(transactionTimeout, () => this.#end('aborted'))
  }

  #began = false

  #end(state: 'committed' | 'aborted'): void {
    const transaction = this.#transaction
    if (transaction?.state !== 'open') return
    this.#cancelTimeout()
    transaction.state = state
    for (const partition of this.#touched) partition.addMarker(transaction)
    this.#touched.clear()
    if (state === 'committed') for (const [group, offsets] of transaction.offsets) this.#store.group(group).store(offsets)
    this.#store.changed()
  }

  async sendOffsets(reference: GroupReference, offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    this.#check(call)
    const transaction = this.#open()
    this.#store.group(reference.group).check(reference, offsets)
    transaction.offsets.set(reference.group, [...transaction.offsets.get(reference.group) ?? [], ...offsets])
  }

  async commit(call?: Call): Promise<void> {
    await this.#finish('committed', call)
  }

  async abort(call?: Call): Promise<void> {
    await this.#finish('aborted', call)
  }

  async #finish(state: 'committed' | 'aborted', call?: Call): Promise<void> {
    this.#check(call)
    if (state === 'committed') await this.flush(call)
    else await this.#last
    this.#failed = undefined
    const wasOpen = this.#transaction?.state === 'open'
    if (this.#transaction === undefined || (state === 'committed' && !wasOpen)) {
      this.#transaction = undefined
      fail('LOG_TRANSACTION_STATE', 'No transaction is open.')
    }
    this.#end(state)
    this.#transaction = undefined
  }

  async close(): Promise<void> {
    if (this.#closed) return
    await this.#last
    this.#end('aborted')
    this.#closed = true
  }
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

export class NaiveConsumer implements Consumer {
  readonly store: NaiveStore
  readonly #isolation: Isolation
  readonly #maxBytes: number
  readonly #positions = new Map<string, TopicPartition & { offset: bigint }>()
  readonly #paused = new Set<string>()
  #closed = false

  constructor(store: NaiveStore, { isolation = 'read_committed', maxBytes = 1 << 20 }: ConsumerOptions) {
    this.store = store
    this.#isolation = isolation
    this.#maxBytes = maxBytes
  }

  get assigned(): TopicPartition[] {
    return [...this.#positions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  check(call?: Call): void {
    if (this.#closed) fail('LOG_CLOSED', 'The consumer is closed.')
    checkCall(call)
  }

  async assign(partitions: readonly (TopicPartition & { readonly start?: Start | undefined })[], call?: Call): Promise<void> {
    this.check(call)
    const next = partitions.map(at => {
      const kept = this.#positions.get(nameOf(at))
      const offset = at.start === undefined && kept !== undefined ? kept.offset : this.store.resolve(at, at.start ?? 'earliest', this.#isolation)
      return { topic: at.topic, partition: at.partition, offset }
    })
    this.#positions.clear()
    for (const at of next) this.#positions.set(nameOf(at), at)
  }

  position(at: TopicPartition): bigint | undefined {
    return this.#positions.get(nameOf(at))?.offset
  }

  async seek(at: TopicPartition, start: Start, call?: Call): Promise<void> {
    this.check(call)
    const position = this.#positions.get(nameOf(at)) ?? fail('LOG_UNKNOWN_TOPIC', `${nameOf(at)} is not assigned.`)
    position.offset = this.store.resolve(at, start, this.#isolation)
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#paused.add(nameOf(at))
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#paused.delete(nameOf(at))
    this.store.changed()
  }

  async fetch({ wait = 500, signal }: Call & { readonly wait?: number | undefined } = {}): Promise<Fetched[]> {
    const until = this.store.clock.monotonic() + wait
    for (;;) {
      this.check({ signal })
      const found = this.#read()
      const left = until - this.store.clock.monotonic()
      if (found.some(({ bytes }) => bytes.length > 0) || left <= 0) return found
      await this.store.change(left, signal)
    }
  }

  #read(): Fetched[] {
    const found: Fetched[] = []
    let room = this.#maxBytes
    for (const [name, position] of this.#positions) {
      if (this.#paused.has(name) || room <= 0) continue
      const partition = this.store.partition(position)
      const end = partition.readable(this.#isolation)
      const from = position.offset < partition.start ? fail('LOG_OFFSET_OUT_OF_RANGE', `${position.offset} was deleted.`) : position.offset
      const parts: Uint8Array[] = []
      let next = from
      for (const batch of partition.batches) {
        if (batch.last < from || batch.last >= end) continue
        const hidden = batch.marker || (this.#isolation === 'read_committed' && batch.transaction?.state === 'aborted')
        if (!hidden) {
          if (batch.bytes.length > room && (parts.length > 0 || found.length > 0)) break
          room -= batch.bytes.length
          parts.push(batch.bytes)
        }
        next = batch.last + 1n
      }
      position.offset = next
      if (parts.length > 0) found.push({ topic: position.topic, partition: position.partition, bytes: Buffer.concat(parts), from, next, end })
    }
    return found
  }

  async close(): Promise<void> {
    this.#closed = true
    this.store.changed()
  }
}

const DEFAULTS: TopicSettings = { durability: 'os' }

function naiveAdmin(store: NaiveStore): Admin {
  const describe = ({ name, settings, partitions }: NaiveTopic): TopicDescription => ({
    name, internal: false, settings: { ...DEFAULTS, ...settings },
    partitions: partitions.map(({ start, end, stable, batches }, partition) => ({ partition, start, end, stable, bytes: batches.reduce((sum, { bytes }) => sum + bytes.length, 0) })),
  })
  return {
    async createTopics(topics: readonly NewTopic[], call) {
      checkCall(call)
      for (const { name, partitions = 1, settings = {} } of topics) {
        if (!/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(name)) fail('LOG_TOPIC_NAME', `"${name}" is no name for a topic.`)
        if (store.topics.has(name)) fail('LOG_TOPIC_EXISTS', `There is a topic "${name}".`)
        if (!Number.isSafeInteger(partitions) || partitions < 1) fail('LOG_SETTING', `${partitions} partitions.`)
        if ((settings.retentionMs ?? 0) < -1 || (settings.segmentBytes ?? 1) < 1) fail('LOG_SETTING', 'A setting is out of range.')
      }
      for (const { name, partitions = 1, settings = {} } of topics) {
        store.topics.set(name, { name, settings, partitions: Array.from({ length: partitions }, () => new NaivePartition()) })
      }
      for (const group of store.groups.values()) group.topicsChanged()
    },
    listTopics: async () => [...store.topics.keys()],
    describeTopics: async names => names.map(name => describe(store.topic(name))),
    async alterTopic(name, { settings, partitions }) {
      const topic = store.topic(name)
      if (partitions !== undefined && partitions < topic.partitions.length) fail('LOG_SETTING', 'There can be more partitions, never fewer.')
      topic.settings = { ...topic.settings, ...settings }
      while (topic.partitions.length < (partitions ?? 0)) topic.partitions.push(new NaivePartition())
      for (const group of store.groups.values()) group.topicsChanged()
    },
    async deleteTopics(names) {
      for (const name of names) store.topic(name)
      for (const name of names) store.topics.delete(name)
    },
    deleteRecords: async before => before.map(({ topic, partition: number, offset }) => {
      const partition = store.partition({ topic, partition: number })
      if (offset > partition.end) fail('LOG_OFFSET_OUT_OF_RANGE', `${offset} lies behind the end.`)
      if (offset > partition.start) partition.start = offset
      return { topic, partition: number, start: partition.start }
    }),
    offsets: async asked => asked.map(({ topic, partition, start }) => ({ topic, partition, offset: store.resolve({ topic, partition }, start, 'read_uncommitted') })),
    listGroups: async () => [...store.groups.keys()],
    describeGroup: async (name): Promise<GroupDescription> => store.group(name).describe(),
    resetOffsets: async (name, offsets) => store.group(name).reset(offsets),
    removeMembers: async name => store.group(name).dropAll(),
    async deleteGroup(name) {
      store.group(name).checkEmpty()
      store.groups.delete(name)
    },
  }
}
