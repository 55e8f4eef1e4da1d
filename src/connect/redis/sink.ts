/**
 * Adds entries to streams of Redis.
 *
 * What a call of `write` brings is added in one transaction (MULTI), all or nothing: where the server can't take it now, another attempt doubles nothing. Only where the connection
 * breaks before the answer has come may the server have taken it; it is then sent again.
 */
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { RowAnswer, Sink, SinkChunk, ValueOf } from '../../engine/index.ts'
import { probeRedis } from '../probes.ts'
import { REDIS_FIELDS, RedisConnection } from './connection.ts'
import type { Argument, Reply } from './connection.ts'
import { ENTRY_FIELDS, unpackEntry } from './entries-codec.ts'
import { redisError } from './errors.ts'

const CONFIG = field.object({
  ...REDIS_FIELDS,
  stream: field.template({ description: 'Stream to add to, with expressions in braces where events go to several: orders-{event.country}' }),
  ...ENTRY_FIELDS,
  max_length: field.optional(field.integer({ minimum: 1, description: 'Entries that a stream keeps; the oldest go first. Without it all are kept' })),
  trim: field.choice(['about', 'exact'], { default: 'about', description: 'Whether `max_length` may be passed by some, which is much cheaper' }),
  entries: field.integer({ default: 1000, minimum: 1, maximum: 100_000, description: 'Most entries in a transaction' }),
  replicas: field.integer({ default: 0, minimum: 0, description: 'Wait until so many replicas have the entries too, for half of `timeout` at most' }),
})
type Config = ValueOf<typeof CONFIG>

class RedisSink implements Sink {
  readonly gathers = true
  readonly #config: Config
  readonly #redis: RedisConnection

  constructor(config: Config) {
    this.#config = config
    this.#redis = new RedisConnection(config)
  }

  /** Wrong logins and addresses are told at the start. */
  async open(): Promise<void> {
    await this.#redis.call('PING')
  }

  async write(chunk: SinkChunk): Promise<readonly RowAnswer[]> {
    const answers: RowAnswer[] = []
    for (let from = 0; from < chunk.rows; from += this.#config.entries) {
      const to = Math.min(chunk.rows, from + this.#config.entries)
      try {
        answers.push(...(await this.#add(chunk, from, to)))
      } catch (error) {
        // An error for all would add again what the transactions before have added.
        if (from === 0 || !(error instanceof SluiceError)) throw error
        for (let row = from; row < chunk.rows; row++) answers.push({ row, answer: error.retry ? 'retry' : 'reject', code: error.code, reason: error.message })
        break
      }
    }
    return answers
  }

  async #add(chunk: SinkChunk, from: number, to: number): Promise<readonly RowAnswer[]> {
    const { max_length: most, trim, replicas } = this.#config
    const timeout = Math.ceil(this.#config.timeout / 2)
    const limit = most === undefined ? [] : ['MAXLEN', trim === 'about' ? '~' : '=', String(most)]
    const adds: Argument[][] = []
    for (let row = from; row < to; row++) adds.push(['XADD', chunk.target, ...limit, '*', ...unpackEntry(chunk.bytes, row === 0 ? 0 : (chunk.ends?.[row - 1] ?? 0))])
    const replies = await this.#redis.calls([['MULTI'], ...adds, ['EXEC'], ...(replicas > 0 ? [['WAIT', String(replicas), String(timeout)]] : [])])
    const answers = this.#answers(replies, from, adds.length)
    const reached = replies[adds.length + 2]
    if (replicas > 0 && typeof reached === 'number' && reached < replicas) {
      throw new SluiceError('REDIS_BUSY', `The entries are at Redis ${this.#redis.server}, but only ${reached} of ${replicas} replicas have them after ${timeout} ms. They are added again.`)
    }
    return answers
  }

  /** Entries are refused one by one; what stops the transaction as a whole is thrown. */
  #answers(replies: readonly Reply[], from: number, count: number): readonly RowAnswer[] {
    const done = replies[count + 1]
    if (!Array.isArray(done)) {
      // The transaction was given up: the first command that was refused tells why.
      const why = replies.find(reply => reply instanceof Error)
      throw redisError(why ?? new Error('the transaction was given up'), this.#redis.server, 'XADD')
    }
    return done.flatMap((reply: Reply, index): RowAnswer[] => {
      if (!(reply instanceof Error)) return []
      const { retry, message } = redisError(reply, this.#redis.server, 'XADD')
      return [{ row: from + index, answer: retry ? 'retry' : 'reject', reason: message }]
    })
  }

  flush(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  close(): Promise<void> {
    this.#redis.close()
    return Promise.resolve()
  }
}

export const redisSink = defineSink({
  type: 'redis_streams',
  summary: 'Add to streams of Redis',
  description:
    'Each event is an entry. With `value: json` its JSON is the field `body`, its key the field `key`, and its headers are further fields; with `value: fields` the fields of the event are those of the entry.\n\n' +
    'Entries are durable as the server says: with `appendonly yes` and `appendfsync always` when it has answered, else up to a second later. `replicas` waits for other servers as well.',
  config: CONFIG,
  durable: 'write',
  examples: [
    { title: 'A stream that keeps about a million entries', config: { url: 'redis://localhost:6379', stream: 'orders', max_length: 1_000_000 } },
    { title: 'A stream for each country, over TLS', config: { url: 'rediss://redis.example:6379', username: 'sluice', password: '${REDIS_PASSWORD:}', stream: 'orders-{event.country}' } },
  ],
  encoding: ({ stream, value, body, key }) => ({ format: 'redis_entries', options: { value, body, key }, rows: true, target: event => stream(event) }),
  probe: config => probeRedis(config, config.stream.literal ? [config.stream.source] : []),
  create: config => new RedisSink(config),
})
