/**
 * Reads streams of Redis as a member of a consumer group.
 *
 *     fresh (nobody has it) ----> handed out, pending ----> durable at every sink: XACK
 *                                    |        ^
 *            this process ends, or   |        | the next run under the same consumer name reads it again;
 *            the connection breaks   v        | another consumer takes it over after `claim_after`
 *                                 pending, not handed out
 *
 * After the connection was lost, what this consumer has pending and did not hand out is read first: the answer that held it may have been lost on the way.
 * Entries that are worked on for long are claimed anew by this consumer itself, so that no other takes them over while it lives.
 */
import { hostname } from 'node:os'
import { SluiceError, untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { Patience } from '../patience.ts'
import { probeRedis } from '../probes.ts'
import { REDIS_FIELDS, RedisConnection } from './connection.ts'
import { ENTRY_FIELDS } from './entries-codec.ts'
import { GroupReader } from './group.ts'
import type { Entry } from './group.ts'
import { InFlight, isDone } from './in-flight.ts'
import type { EntriesPosition } from './in-flight.ts'
import { takePiece } from './pieces.ts'

const CONFIG = field.object({
  ...REDIS_FIELDS,
  stream: field.either([field.string({ minLength: 1 }), field.list(field.string({ minLength: 1 }), { minItems: 1 })], { description: 'Stream, or streams' }),
  group: field.string({ minLength: 1, description: 'Consumer group; it is made where it is not there' }),
  consumer: field.optional(field.string({ minLength: 1, description: 'Name of this consumer in the group, one for each process; the name of the machine and the id of the source by default' })),
  ...ENTRY_FIELDS,
  start: field.string({ default: 'earliest', description: 'Where a new group begins: earliest, latest or the id of an entry' }),
  until: field.optional(field.choice(['end'], { description: '`end` stops at what was there when the run began; else it waits for more' })),
  claim_after: field.duration({ default: '1m', description: 'Take over what another consumer was given so long ago and did not acknowledge; one that lives tells so in time' }),
  delete: field.boolean({ default: false, description: 'Remove entries from the stream once they are done; not where other groups read it too' }),
})
type Config = ValueOf<typeof CONFIG>

/** How long one read waits at the server at most. It says nothing of delays: what comes ends the wait. */
const WAIT_MAX = 1000
/** Entries of one answer at most, and where to begin while their size is not known. */
const COUNT_MAX = 10_000
const COUNT_FIRST = 64

const FROM_START = { stream: 0, after: '0' }

interface Ready {
  readonly stream: string
  entries: readonly Entry[]
  readonly fresh: boolean
}

class RedisSource implements Source {
  readonly live: boolean
  readonly format
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #redis: RedisConnection
  readonly #waiting: RedisConnection
  readonly #reader: GroupReader
  readonly #streams: readonly string[]
  readonly #patience: Patience
  readonly #closing = new AbortController()
  #ready: Ready[] = []
  #inFlight = new InFlight(0)
  /** What an earlier run had made durable and may not have acknowledged. */
  #before: EntriesPosition | undefined
  /** How far what is pending here has been read, by stream: all of it goes before anything fresh. Undefined: it was. */
  #owed: { readonly stream: number; readonly after: string } | undefined = FROM_START
  #read: Promise<void> | undefined
  /** Acknowledgements that the server has not taken yet. */
  #acks: { readonly stream: string; readonly ids: readonly string[] }[] = []
  #claimAt = 0
  #entryBytes = 0
  /** Where to stop, with `until`. */
  readonly #ends = new Map<string, string>()
  #drained = false
  #beating: Promise<void> | undefined
  lag: number | undefined

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.live = config.until === undefined
    this.#patience = new Patience(this.live, context)
    this.format = { format: 'redis_entries', options: { value: config.value, body: config.body, key: config.key } }
    this.#streams = typeof config.stream === 'string' ? [config.stream] : [...new Set(config.stream)]
    if (!['earliest', 'latest'].includes(config.start) && !/^\d+(-\d+)?$/.test(config.start)) throw new SluiceError('CONFIG_VALUE', `"start" is earliest, latest or the id of an entry such as 1700000000000-0; it is ${JSON.stringify(config.start)}.`)
    this.#redis = new RedisConnection(config)
    this.#waiting = new RedisConnection(config)
    this.#reader = new GroupReader(this.#redis, this.#waiting, config.group, config.consumer ?? `${hostname()}-${context.id}`)
  }

  async open(position: JsonValue | undefined): Promise<void> {
    this.#before = position === undefined ? undefined : (position as unknown as EntriesPosition) // Made by `next`.
    this.#inFlight = new InFlight(this.#before?.piece ?? 0)
    const { start, group } = this.#config
    for (const stream of this.#streams) {
      const known = await this.#reader.exists(stream)
      await this.#reader.ensure(stream, start === 'earliest' ? '0' : start === 'latest' ? '$' : start)
      if (!known) this.#context.warn(`There was no stream "${stream}" at Redis ${this.#redis.server}. It was made, with the group "${group}", and is waited for.`, `stream ${stream}`)
      if (!this.live) this.#ends.set(stream, await this.#reader.lastId(stream))
    }
    this.#beating = this.#beat()
  }

  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    while (!signal.aborted) {
      const piece = this.#piece(bytes)
      if (piece !== undefined) return piece
      if (this.#drained) return undefined
      // A read that outlives a wait is taken up by the next one: what it brings is pending at the server already.
      this.#read ??= this.#readMore(bytes).finally(() => (this.#read = undefined))
      try {
        await untilAborted(this.#read, signal)
        this.#patience.succeeded()
      } catch (error) {
        await this.#failed(error, signal)
      }
    }
    return undefined
  }

  #piece(bytes: number): Piece | undefined {
    for (let ready = this.#ready[0]; ready !== undefined; ready = this.#ready[0]) {
      const { stream, fresh } = ready
      const { taken, rest, ...piece } = takePiece(stream, ready.entries, bytes, this.#config)
      ready.entries = rest
      if (rest.length === 0) this.#ready.shift()
      this.#entryBytes = piece.bytes / taken.length
      const position = this.#inFlight.add(stream, taken, fresh, this.#context.now())
      return { ...piece, position, rejects: piece.rejects.map(reject => ({ ...reject, position: reject.position })) }
    }
    return undefined
  }

  async #readMore(bytes: number): Promise<void> {
    const count = this.#entryBytes === 0 ? COUNT_FIRST : Math.max(1, Math.min(COUNT_MAX, Math.ceil(bytes / this.#entryBytes)))
    await this.#acknowledge()
    if (this.#owed !== undefined) return this.#readOwed(this.#owed, count)
    if (this.#context.now() >= this.#claimAt && (await this.#claim(count))) return
    const found = await this.#reader.fresh(this.#streams, count, this.live ? Math.min(WAIT_MAX, Math.ceil(this.#config.timeout / 2)) : undefined)
    for (const [stream, entries] of found) this.#take(stream, entries, true)
    if (!this.live) this.#drained = found.length === 0 || this.#passed(found)
  }

  /** With `until`: all streams have been read up to what was there at the start. */
  #passed(found: readonly (readonly [string, readonly Entry[]])[]): boolean {
    for (const [stream, entries] of found) {
      const end = this.#ends.get(stream)
      if (end !== undefined && entries.some(({ id }) => id === end)) this.#ends.delete(stream)
    }
    return this.#ends.size === 0
  }

  /** Some of what this consumer was given before and did not hand out. */
  async #readOwed(owed: { readonly stream: number; readonly after: string }, count: number): Promise<void> {
    // What was read and not handed out is pending too.
    if (owed === FROM_START) this.#ready = []
    const stream = this.#streams[owed.stream]
    if (stream === undefined) {
      this.#owed = this.#before = undefined
      return
    }
    const entries = await this.#reader.given(stream, owed.after, count)
    const last = entries.at(-1)
    const before = this.#before
    const done = before === undefined ? [] : entries.filter(({ id }) => isDone(before, stream, id))
    await this.#reader.acknowledge(stream, done.map(({ id }) => id), this.#config.delete)
    this.#take(stream, entries.filter(entry => !done.includes(entry) && !this.#inFlight.has(stream, entry.id)), false)
    this.#owed = last === undefined ? { stream: owed.stream + 1, after: '0' } : { stream: owed.stream, after: last.id }
  }

  #take(stream: string, entries: readonly Entry[], fresh: boolean): void {
    const there = entries.filter(({ fields }) => fields !== undefined)
    if (there.length < entries.length) {
      this.#acks.push({ stream, ids: entries.filter(({ fields }) => fields === undefined).map(({ id }) => id) })
      this.#warnDeleted(stream, entries.length - there.length)
    }
    if (there.length > 0) this.#ready.push({ stream, entries: there, fresh })
  }

  #warnDeleted(stream: string, count: number): void {
    this.#context.warn(`${count} entries of "${stream}" were deleted from the stream before they were worked on. Let it keep more ("max_length" of who adds to it).`, `deleted ${stream}`)
  }

  /** Takes over what consumers that are gone left behind; true if there was something. */
  async #claim(count: number): Promise<boolean> {
    const { claim_after: idle } = this.#config
    for (const stream of this.#streams) {
      for (let from = '0-0'; ; ) {
        const { entries, deleted, next } = await this.#reader.claim(stream, idle, from, count)
        if (deleted > 0) this.#warnDeleted(stream, deleted)
        this.#take(stream, entries.filter(({ id }) => !this.#inFlight.has(stream, id)), false)
        if (this.#ready.length > 0) return true
        if (next === '0-0') break
        from = next
      }
    }
    this.#claimAt = this.#context.now() + idle / 2
    return false
  }

  async commit(position: JsonValue): Promise<void> {
    for (const [stream, ids] of this.#inFlight.finish(position)) this.#acks.push({ stream, ids })
    try {
      await this.#acknowledge()
    } catch (error) {
      // It is done again before the next read. Should this process end first, these entries come again.
      if (!(error instanceof SluiceError) || !error.retry) throw error
      this.#warn(error)
    }
  }

  async #acknowledge(): Promise<void> {
    for (let first = this.#acks[0]; first !== undefined; first = this.#acks[0]) {
      await this.#reader.acknowledge(first.stream, first.ids, this.#config.delete)
      if (this.#acks[0] === first) this.#acks.shift()
    }
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    this.#owed = FROM_START
    await this.#patience.failed(error, signal)
    if (signal.aborted || !(error instanceof SluiceError) || error.code !== 'REDIS_GROUP') return
    try {
      await this.#restoreGroup()
    } catch (why) {
      this.#warn(why)
    }
  }

  /** The server lost the group, so it may have lost the stream too: what is there now has been read by nobody. */
  async #restoreGroup(): Promise<void> {
    for (const stream of this.#streams) {
      if (await this.#reader.ensure(stream, '0')) this.#context.warn(`The group "${this.#config.group}" was gone from "${stream}". It was made anew, and begins at the first entry that is there.`, `group ${stream}`)
    }
  }

  #warn(error: unknown): void {
    this.#context.warn(`${error instanceof Error ? error.message : String(error)} It is tried again.`, 'server')
  }

  /** While entries are worked on for long, tells the server that this consumer lives; and asks how much there is to do. */
  async #beat(): Promise<void> {
    const every = Math.max(10, this.#config.claim_after / 4)
    const { signal } = this.#closing
    for (;;) {
      await this.#context.sleep(Math.min(every, 5000), signal).catch(() => undefined)
      if (signal.aborted || this.#context.signal.aborted) return
      try {
        for (const [stream, ids] of this.#inFlight.before(this.#context.now() - every)) await this.#reader.keep(stream, ids)
        const lags = await Promise.all(this.#streams.map(stream => this.#reader.lag(stream)))
        this.lag = lags.reduce((sum, lag) => (sum === undefined || lag === undefined ? undefined : sum + lag), 0)
      } catch {
        // The reads tell of a server that is gone.
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // The wait at the server ends with its connection.
    this.#waiting.close()
    await this.#read?.catch(() => undefined)
    if (this.#beating !== undefined) {
      await this.#beating
      try {
        await this.#acknowledge()
        for (const stream of this.#streams) await this.#reader.leave(stream)
      } catch (error) {
        if (this.#acks.length > 0) this.#context.warn(`${error instanceof Error ? error.message : String(error)} What could not be acknowledged comes again in the next run.`)
      }
    }
    this.#redis.close()
  }
}

export const redisSource = defineSource({
  type: 'redis_streams',
  summary: 'Read streams of Redis as a member of a consumer group',
  description:
    'Entries are acknowledged (XACK) once they are durable at every sink. What a consumer that ended left behind comes again in its next run, if that has the same name, or is taken over by another consumer after `claim_after`.\n\n' +
    'Events have the key and the headers that the entry holds beside its `body`, and the time of its id. An entry without that field, or whose value is not JSON, goes to the dead letters.',
  config: CONFIG,
  acks: true,
  replays: true,
  examples: [
    { title: 'A stream, as a member of a group', config: { url: 'redis://localhost:6379', stream: 'orders', group: 'billing' } },
    { title: 'Two streams that another program fills with plain fields', config: { stream: ['clicks', 'views'], group: 'statistics', value: 'fields' } },
  ],
  probe: config => probeRedis(config, typeof config.stream === 'string' ? [config.stream] : config.stream),
  create: (config, context) => new RedisSource(config, context),
})
