/** What the tests ask of Redis by themselves. */
import { RedisConnection } from '../../src/connect/redis/connection.ts'
import type { Reply } from '../../src/connect/redis/connection.ts'
import type { JsonValue } from '../../src/event/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'

export interface TestRedis {
  call(...command: readonly string[]): Promise<Reply>
  /** Names and values of the entries of a stream. */
  entries(stream: string): Promise<readonly Readonly<Record<string, string>>[]>
  /** Entries that the sink made of events. */
  events(stream: string): Promise<OutsideEvent[]>
  close(): void
}

/** The first connection of the process is the test's own: it is never cut. */
export async function openRedis(url: string): Promise<TestRedis> {
  const redis = new RedisConnection({ url, username: undefined, password: undefined, tls: undefined, connect_timeout: 5000, timeout: 30_000 })
  await redis.call('PING')
  const entries = async (stream: string): Promise<Readonly<Record<string, string>>[]> => {
    const reply = await redis.call('XRANGE', stream, '-', '+')
    return (Array.isArray(reply) ? reply : []).map((entry: Reply) => {
      const fields = Array.isArray(entry) && Array.isArray(entry[1]) ? entry[1].map(String) : []
      return Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, at) => [fields[2 * at] ?? '', fields[2 * at + 1] ?? '']))
    })
  }
  return {
    call: (...command) => redis.call(...command),
    entries,
    events: async stream => (await entries(stream)).map(({ body = 'null', key, ...headers }) => ({ value: JSON.parse(body) as JsonValue, ...(key === undefined ? {} : { key }), headers })), // Entries of the test are JSON.
    close: () => redis.close(),
  }
}

/** Asks until the answer is yes. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10))
}
