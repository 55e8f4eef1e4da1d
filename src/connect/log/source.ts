/**
 * Reads the records of topics of a log, all partitions side by side.
 *
 * With `group`, what was done is committed to the group once it is durable at every sink, and the next run goes on there; members of one group share the
 * partitions. With `state`, the checkpoint has the positions and this source reads all partitions by itself, also in the first run, for which the group only says where to
 * begin. Without either, each run begins at `start`. Topics that appear later, and partitions that are added, are read from their start in each case.
 *
 * Position: the offset of the next record of each partition, `{ "orders": { "0": 17, "1": 4 } }`.
 */
import { SluiceError, untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { Committer, ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { baseTimestampOf } from '../../log/index.ts'
import type { Consumer, Fetched, GroupConsumer, Start, TopicPartition } from '../../log/index.ts'
import { Patience } from '../patience.ts'
import { probeTopics } from '../probes.ts'
import { GROUP_PROTOCOL, LOG_FIELDS } from './fields.ts'
import { groupPlaceOf, placeOf, useLog } from './open-logs.ts'
import type { LogUse } from './open-logs.ts'

const CONFIG = field.object({
  ...LOG_FIELDS,
  topic: field.optional(field.either([field.string({ minLength: 1 }), field.list(field.string({ minLength: 1 }), { minItems: 1 })], { description: 'Topic, or topics' })),
  pattern: field.optional(field.string({ minLength: 1, description: 'Instead of `topic`: a regular expression for the whole names of topics; those that appear later are read too' })),
  group: field.optional(field.string({ minLength: 1, description: 'Group whose committed offsets to go on from' })),
  group_protocol: GROUP_PROTOCOL,
  session_timeout: field.optional(field.duration({ description: 'Time without a sign of life after which the others of the group get the partitions; 10s by default. With `group_protocol: consumer` the brokers say it' })),
  start: field.string({ default: 'earliest', description: 'Where to begin where nothing is committed: earliest, latest, an offset or a time such as 2026-01-31T12:00:00Z' }),
  until: field.optional(field.choice(['end'], { description: '`end` stops at what was there when the run began; else it waits for more' })),
  isolation: field.choice(['read_committed', 'read_uncommitted'], { default: 'read_committed', description: 'Whether records of open and aborted transactions are left out' }),
  value: field.choice(['json', 'text'], { default: 'json', description: 'What the value of a record is; `text` becomes {"line": "..."}' }),
})
type Config = ValueOf<typeof CONFIG>

type Offsets = Readonly<Record<string, Readonly<Record<string, number>>>>

function startOf(text: string): Start {
  if (text === 'earliest' || text === 'latest') return text
  if (/^\d+$/.test(text)) return BigInt(text)
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new SluiceError('CONFIG_VALUE', `"start" is earliest, latest, an offset or a time such as 2026-01-31T12:00:00Z; it is ${JSON.stringify(text)}.`)
  return { time }
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`

/** Own topics of the pipelines are left out: one that reads what it commits would never come to an end. */
const OWN_TOPICS = 'sluice-state-'
const PATTERN_MAX = 1000
/** Times that offsets are committed anew because partitions were lost under way; each time fewer are left. */
const COMMITS_MAX = 3

/** Throws CONFIG_VALUE. */
function wantedOf({ topic, pattern }: Pick<Config, 'topic' | 'pattern'>): readonly string[] | RegExp {
  if (topic !== undefined && pattern === undefined) return typeof topic === 'string' ? [topic] : topic
  if (topic !== undefined || pattern === undefined) throw new SluiceError('CONFIG_VALUE', 'Give the topics by "topic", or by "pattern", which matches their whole names.')
  if (pattern.length > PATTERN_MAX) throw new SluiceError('CONFIG_VALUE', `"pattern" has ${pattern.length} characters; ${PATTERN_MAX} is the most.`)
  try {
    return new RegExp(`^(?!${OWN_TOPICS})(?:${pattern})$`)
  } catch (error) {
    throw new SluiceError('CONFIG_VALUE', `"pattern" is no regular expression: ${error instanceof Error ? error.message : String(error)}.`, { cause: error })
  }
}

/** Between two looks for new topics and partitions, where no group does that. */
const LOOK_EVERY = 10_000

class LogSource implements Source {
  readonly live: boolean
  readonly format: { readonly format: string; readonly options: JsonValue }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #place: string
  readonly #patience: Patience
  readonly #start: Start
  readonly #wanted: readonly string[] | RegExp
  #use: LogUse | undefined
  #consumer: Consumer | GroupConsumer | undefined
  #ready: Fetched[] = []
  /** What was handed out last: whoever asks for more has copied it. */
  #handed: Uint8Array | undefined
  /** Offset of the next record, of each partition that was read or is to be. */
  readonly #next = new Map<string, TopicPartition & { offset: bigint }>()
  /** Records behind what was handed out, of each partition that was read. */
  readonly #lags = new Map<string, number>()
  /** Where to stop, with `until`. */
  #ends: Map<string, bigint> | undefined
  /** When topics and partitions were looked for last, where this source reads all of them by itself. */
  #lookedAt: number | undefined
  /** What is durable, and who waits for it before partitions are given back. */
  readonly #committed = new Map<string, bigint>()
  #wake: (() => void) | undefined

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#place = placeOf(config, context.folder)
    this.#context = context
    this.#start = startOf(config.start)
    this.#wanted = wantedOf(config)
    groupPlaceOf(config, context.folder)
    this.live = config.until === undefined
    this.#patience = new Patience(this.live, context)
    this.format = { format: 'log_records', options: { value: config.value } }
  }

  async open(position: JsonValue | undefined, committer?: Committer): Promise<void> {
    const { group } = this.#config
    // One run of a pipeline with transactions shuts out the others, so it has all partitions to itself. So has one with checkpoints, which say where it goes on.
    const isMember = group !== undefined && position === undefined && committer === undefined && this.#context.keeps !== true
    this.#use = await useLog(isMember ? groupPlaceOf(this.#config, this.#context.folder) : this.#place, message => this.#context.warn(message))
    if (isMember) await this.#join(group)
    else if (position !== undefined) await this.#assign(position as Offsets, 'earliest') // Made by `next`. A partition that it does not know is new.
    else await this.#assign(await this.#ofGroup(), this.#start)
    if (this.#config.until !== undefined) this.#ends = await this.#endsNow()
  }

  async #partitions(): Promise<TopicPartition[]> {
    const wanted = this.#wanted
    const names = wanted instanceof RegExp ? ((await this.#use?.log.admin.listTopics()) ?? []).filter(name => wanted.test(name)) : wanted
    if (names.length === 0) return []
    const topics = (await this.#use?.log.admin.describeTopics(names)) ?? []
    return topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition })))
  }

  /** What the group has committed, if there is one. */
  async #ofGroup(): Promise<Offsets | undefined> {
    const { group } = this.#config
    if (group === undefined || this.#use === undefined || !(await this.#use.log.admin.listGroups()).includes(group)) return undefined
    const offsets: Record<string, Record<string, number>> = {}
    for (const { topic, partition, offset } of (await this.#use.log.admin.describeGroup(group)).offsets) (offsets[topic] ??= {})[partition] = Number(offset)
    return Object.keys(offsets).length > 0 ? offsets : undefined
  }

  /** All partitions, each from its offset, or from `otherwise`. */
  async #assign(offsets: Offsets | undefined, otherwise: Start): Promise<void> {
    const consumer = this.#use?.log.consumer({ isolation: this.#config.isolation })
    const starts = (await this.#partitions()).map(one => {
      const offset = offsets?.[one.topic]?.[one.partition]
      return { ...one, start: offset === undefined ? otherwise : BigInt(offset) }
    })
    await consumer?.assign(starts)
    this.#consumer = consumer
    for (const one of starts) this.#next.set(nameOf(one), { ...one, offset: consumer?.position(one) ?? 0n })
    this.#lookedAt = this.#context.now()
    if (starts.length === 0) this.#context.warn(`No topic matches ${JSON.stringify(this.#config.pattern)} yet.`)
  }

  /** Topics and partitions that appeared since the last look. A group looks for them by itself, and a run that ends at what was there has no use for them. */
  async #lookForMore(): Promise<void> {
    const consumer = this.#consumer
    if (this.#lookedAt === undefined || !this.live || consumer === undefined || !('assign' in consumer) || this.#context.now() - this.#lookedAt < LOOK_EVERY) return
    this.#lookedAt = this.#context.now()
    const found = await this.#partitions().catch((error: unknown) => {
      this.#context.warn(`New topics and partitions could not be looked for: ${error instanceof Error ? error.message : String(error)}`, 'look')
      return []
    })
    const fresh = found.filter(one => !this.#next.has(nameOf(one)))
    if (fresh.length === 0) return
    await consumer.assign([...consumer.assigned, ...fresh.map(one => ({ ...one, start: 'earliest' as const }))])
    for (const one of fresh) this.#next.set(nameOf(one), { ...one, offset: consumer.position(one) ?? 0n })
  }

  async #join(group: string): Promise<void> {
    const consumer = this.#use?.log.group({
      group, topics: this.#wanted, sessionTimeout: this.#config.session_timeout, start: this.#start, isolation: this.#config.isolation,
      onRevoked: partitions => this.#giveBack(partitions),
      onLost: partitions => this.#forget(partitions),
    })
    this.#consumer = consumer
    await consumer?.join()
  }

  async #endsNow(): Promise<Map<string, bigint>> {
    const asked = (await this.#partitions()).map(one => ({ ...one, start: 'latest' as const }))
    const ends = (await this.#use?.log.admin.offsets(asked)) ?? []
    return new Map(ends.map(one => [nameOf(one), one.offset]))
  }

  async next(_bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    if (this.#handed !== undefined) this.#consumer?.giveBack?.(this.#handed)
    this.#handed = undefined
    while (!signal.aborted) {
      const fetched = this.#ready.shift()
      if (fetched !== undefined) return this.#piece(fetched)
      // Told at once where it is known: a reload that comes meanwhile would else ask again, for ever where they come one behind the other.
      if (this.#isRead() ?? (await this.#isGroupRead())) return undefined
      for (const one of await this.#fetch(signal)) {
        if (one.bytes.length > 0) this.#ready.push(one)
        else this.#note(one)
      }
    }
    return undefined
  }

  /** What there is; nothing where the log can't be had now and is asked again. */
  async #fetch(signal: AbortSignal): Promise<readonly Fetched[]> {
    try {
      await this.#lookForMore()
      const more = await untilAborted((this.#consumer as Consumer).fetch({ signal, wait: 500 }), signal) // Made by `open`.
      this.#patience.succeeded()
      return more ?? []
    } catch (error) {
      await this.#patience.failed(error, signal)
      return []
    }
  }

  /** With `until`: whether everything that was there at the start has been read; undefined where only the group knows. */
  #isRead(): boolean | undefined {
    const ends = this.#ends
    if (ends === undefined || this.#consumer === undefined) return false
    const { assigned } = this.#consumer
    return assigned.length === 0 ? undefined : assigned.every(one => (this.#consumer?.position(one) ?? 0n) >= (ends.get(nameOf(one)) ?? 0n))
  }

  /** The same for a member without partitions: others have them, or they are on their way, or this one was taken for dead and joins again. The group knows what is done. */
  async #isGroupRead(): Promise<boolean> {
    const ends = this.#ends ?? new Map<string, bigint>()
    const done = await this.#ofGroup()
    const partitions = await this.#partitions()
    const starts = (await this.#use?.log.admin.offsets(partitions.map(one => ({ ...one, start: 'earliest' as const })))) ?? []
    return starts.every(({ offset, ...one }) => BigInt(done?.[one.topic]?.[one.partition] ?? offset) >= (ends.get(nameOf(one)) ?? 0n))
  }

  get lag(): number {
    return [...this.#lags.values()].reduce((sum, lag) => sum + lag, 0)
  }

  #note({ topic, partition, next, end }: Fetched): void {
    this.#lags.set(nameOf({ topic, partition }), Number(end > next ? end - next : 0n))
    this.#next.set(nameOf({ topic, partition }), { topic, partition, offset: next })
  }

  #piece(fetched: Fetched): Piece {
    this.#note(fetched)
    const { topic, partition, bytes } = fetched
    this.#handed = bytes
    const from = { topic, partition, offset: Number(fetched.from) }
    return { position: this.#position(), from, bytes: bytes.length, data: bytes, ingested: timeOf(bytes), meta: { topic, partition, from: Number(fetched.from) } }
  }

  #position(): JsonValue {
    const position: Record<string, Record<string, number>> = {}
    for (const { topic, partition, offset } of this.#next.values()) (position[topic] ??= {})[partition] = Number(offset)
    return position
  }

  consumed(position: JsonValue): JsonValue | undefined {
    const { group } = this.#config
    if (group === undefined) return undefined
    return { group, offsets: offsetsOf(position).map(one => ({ ...one, offset: Number(one.offset) })) }
  }

  async commit(position: JsonValue): Promise<void> {
    const offsets = offsetsOf(position)
    const { group } = this.#config
    const isMember = group !== undefined && this.#consumer !== undefined && 'commit' in this.#consumer
    const committed = isMember ? await this.#commitOwn(this.#consumer as GroupConsumer, offsets) : offsets // It can commit.
    for (const one of committed) this.#committed.set(nameOf(one), one.offset)
    this.#wake?.()
  }

  /** Answers what is committed. Partitions that were lost, even while the call was under way, belong to another member, who reads them again from what is committed. */
  async #commitOwn(member: GroupConsumer, offsets: Offset[]): Promise<readonly Offset[]> {
    for (let tries = 1; ; tries++) {
      const own = new Set(member.assigned.map(nameOf))
      const mine = offsets.filter(one => own.has(nameOf(one)) && this.#committed.get(nameOf(one)) !== one.offset)
      if (mine.length === 0) return []
      try {
        await member.commit(mine, { timeout: Infinity, signal: this.#context.signal })
        return mine
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'LOG_FENCED' || tries === COMMITS_MAX) throw error
      }
    }
  }

  /** Partitions go to another member: only once everything read from them is done and committed. */
  async #giveBack(partitions: readonly TopicPartition[]): Promise<void> {
    const names = partitions.map(nameOf)
    this.#ready = this.#ready.filter(one => !names.includes(nameOf(one)))
    const isDone = (name: string): boolean => {
      const read = this.#next.get(name)?.offset
      return read === undefined || (this.#committed.get(name) ?? -1n) >= read
    }
    while (!names.every(isDone)) await new Promise<void>(resolve => (this.#wake = resolve))
    this.#forget(partitions)
  }

  #forget(partitions: readonly TopicPartition[]): void {
    for (const one of partitions) {
      this.#next.delete(nameOf(one))
      this.#lags.delete(nameOf(one))
      this.#committed.delete(nameOf(one))
    }
    this.#ready = this.#ready.filter(one => !partitions.some(gone => nameOf(gone) === nameOf(one)))
    this.#wake?.()
  }

  async close(): Promise<void> {
    await this.#consumer?.close().catch((error: unknown) => this.#context.warn(`The consumer could not be closed: ${error instanceof Error ? error.message : String(error)}`))
    await this.#use?.release()
    this.#consumer = this.#use = undefined
  }
}

type Offset = TopicPartition & { readonly offset: bigint }

function offsetsOf(position: JsonValue): Offset[] {
  return Object.entries(position as Offsets).flatMap(([topic, partitions]) => // Made by `next`.
    Object.entries(partitions).map(([partition, offset]) => ({ topic, partition: Number(partition), offset: BigInt(offset) })))
}

/** When the first of the records was written, if they say so. */
function timeOf(bytes: Uint8Array): number | undefined {
  const time = baseTimestampOf(bytes)
  return time > 0 ? time : undefined
}

/** A fetch that the signal ended found nothing. */
export const log = defineSource({
  type: 'log',
  summary: 'Read topics of a log: in a folder, or on Apache Kafka',
  description: 'Events keep the key, the headers and the time of their records; expressions see them as `key`, `headers` and `time`.',
  config: CONFIG,
  acks: true,
  replays: true,
  ground: (config, context) => (config.group === undefined ? undefined : placeOf(config, context.folder)),
  examples: [
    { title: 'A topic in a folder, from its start', config: { log: './data', topic: 'orders' } },
    { title: 'All topics with such names', config: { log: './data', pattern: 'orders-.*' } },
    { title: 'As a member of a group, on Apache Kafka', config: { log: 'kafka://localhost:9092', topic: ['orders', 'returns'], group: 'billing' } },
  ],
  probe: (config, context) => probeTopics(config, wantedOf(config), context),
  create: (config, context) => new LogSource(config, context),
})
