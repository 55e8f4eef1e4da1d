/** One consumer of a group of Redis streams: the commands, and what their replies mean. */
import { SluiceError } from '../../base/index.ts'
import type { RedisConnection, Reply } from './connection.ts'
import { redisError } from './errors.ts'

/** Names and values of an entry, by turns; undefined where it was deleted from the stream after it had been delivered. */
export interface Entry {
  readonly id: string
  readonly fields: readonly Buffer[] | undefined
}

const IDS_MAX = 1000

const list = (reply: Reply | undefined): readonly Reply[] => (Array.isArray(reply) ? reply : [])
const text = (reply: Reply | undefined): string => (Buffer.isBuffer(reply) ? reply.toString('utf8') : String(reply ?? ''))

function entriesOf(reply: Reply | undefined): Entry[] {
  return list(reply).filter(one => one !== null).map(one => {
    const [id, fields] = list(one)
    return { id: text(id), fields: Array.isArray(fields) ? (fields as readonly Buffer[]) : undefined } // Asked for as bytes.
  })
}

/** Order of ids: `<milliseconds>-<number>`, both up to 64 bits. */
export function compareIds(a: string, b: string): number {
  const [msA = '0', seqA = '0'] = a.split('-')
  const [msB = '0', seqB = '0'] = b.split('-')
  const [first, second] = msA === msB ? [BigInt(seqA), BigInt(seqB)] : [BigInt(msA), BigInt(msB)]
  return first < second ? -1 : first > second ? 1 : 0
}

export class GroupReader {
  readonly #redis: RedisConnection
  /** A read that waits holds up its connection, so all else goes by another one. */
  readonly #waiting: RedisConnection
  readonly #group: string
  readonly #consumer: string

  constructor(redis: RedisConnection, waiting: RedisConnection, group: string, consumer: string) {
    this.#redis = redis
    this.#waiting = waiting
    this.#group = group
    this.#consumer = consumer
  }

  /** Makes the group where it is not there; true if it did. */
  async ensure(stream: string, start: string): Promise<boolean> {
    try {
      await this.#redis.call('XGROUP', 'CREATE', stream, this.#group, start, 'MKSTREAM')
      return true
    } catch (error) {
      if (error instanceof SluiceError && error.message.includes('BUSYGROUP')) return false
      throw error
    }
  }

  async exists(stream: string): Promise<boolean> {
    return (await this.#redis.call('EXISTS', stream)) === 1
  }

  /** Id of the last entry that was ever added. */
  async lastId(stream: string): Promise<string> {
    const facts = list(await this.#redis.call('XINFO', 'STREAM', stream))
    return text(facts[facts.findIndex(one => text(one) === 'last-generated-id') + 1])
  }

  /** Entries that nobody in the group has been given yet, by stream. Waits for the first one where `wait` is given. */
  async fresh(streams: readonly string[], count: number, wait: number | undefined): Promise<readonly (readonly [stream: string, entries: readonly Entry[]])[]> {
    const reply = await this.#waiting.call('XREADGROUP', 'GROUP', this.#group, this.#consumer, 'COUNT', String(count), ...(wait === undefined ? [] : ['BLOCK', String(wait)]), 'STREAMS', ...streams, ...streams.map(() => '>'))
    return list(reply).map(one => [text(list(one)[0]), entriesOf(list(one)[1])])
  }

  /** Entries behind `after` that this consumer was given and has not acknowledged. */
  async given(stream: string, after: string, count: number): Promise<readonly Entry[]> {
    const reply = await this.#redis.call('XREADGROUP', 'GROUP', this.#group, this.#consumer, 'COUNT', String(count), 'STREAMS', stream, after)
    return entriesOf(list(list(reply)[0])[1])
  }

  /** Takes over entries that another consumer was given so long ago. `next` is where to go on, 0-0 at the end. */
  async claim(stream: string, idle: number, from: string, count: number): Promise<{ readonly entries: readonly Entry[]; readonly deleted: number; readonly next: string }> {
    const [next, entries, deleted] = list(await this.#redis.call('XAUTOCLAIM', stream, this.#group, this.#consumer, String(idle), from, 'COUNT', String(count)))
    return { entries: entriesOf(entries), deleted: list(deleted).length, next: text(next) }
  }

  /** Tells that this consumer still works on these, so that nobody takes them over. */
  keep(stream: string, ids: readonly string[]): Promise<void> {
    return this.#each(ids, some => [['XCLAIM', stream, this.#group, this.#consumer, '0', ...some, 'JUSTID']])
  }

  acknowledge(stream: string, ids: readonly string[], remove: boolean): Promise<void> {
    return this.#each(ids, some => [['XACK', stream, this.#group, ...some], ...(remove ? [['XDEL', stream, ...some]] : [])])
  }

  async #each(ids: readonly string[], commands: (some: readonly string[]) => readonly (readonly string[])[]): Promise<void> {
    for (let from = 0; from < ids.length; from += IDS_MAX) {
      const made = commands(ids.slice(from, from + IDS_MAX))
      const replies = await this.#redis.calls(made)
      for (const [index, reply] of replies.entries()) if (reply instanceof Error) throw redisError(reply, this.#redis.server, made[index]?.[0] ?? '')
    }
  }

  /** Entries of the stream that the group was not given yet; undefined where the server does not know. */
  async lag(stream: string): Promise<number | undefined> {
    for (const one of list(await this.#redis.call('XINFO', 'GROUPS', stream))) {
      const facts = list(one)
      const fact = (name: string): Reply | undefined => facts[facts.findIndex(field => text(field) === name) + 1]
      if (text(fact('name')) !== this.#group) continue
      const lag = facts.some(field => text(field) === 'lag') ? fact('lag') : undefined
      return typeof lag === 'number' ? lag : undefined
    }
    return undefined
  }

  /** Takes this consumer out of the group, if nothing is left to it: a name that never comes back would stay there for ever. */
  async leave(stream: string): Promise<void> {
    const left = list(await this.#redis.call('XPENDING', stream, this.#group, '-', '+', '1', this.#consumer))
    if (left.length === 0) await this.#redis.call('XGROUP', 'DELCONSUMER', stream, this.#group, this.#consumer)
  }
}
