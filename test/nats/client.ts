/** What the tests ask of NATS by themselves. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers as newHeaders } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import type { JsonValue } from '../../src/event/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'

export interface TestNats {
  readonly connection: NatsConnection
  /** Publishes events to the subjects that are their keys. */
  publish(events: readonly OutsideEvent[]): Promise<void>
  /** What a stream holds for a subject. */
  events(stream: string, subject: string): Promise<OutsideEvent[]>
  close(): Promise<void>
}

/** The first connection of the process is the test's own: it is never cut. */
export async function openNats(servers: string): Promise<TestNats> {
  const connection = await connect({ servers, tls: null, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const client = jetstream(connection)
  return {
    connection,
    async publish(events) {
      await Promise.all(events.map(({ value, key = '', headers = {} }) => {
        const marks = newHeaders()
        for (const [name, content] of Object.entries(headers)) marks.append(name, content)
        return client.publish(key, JSON.stringify(value), { headers: marks })
      }))
    },
    async events(stream, subject) {
      const manager = await jetstreamManager(connection)
      const consumer = await client.consumers.get(stream, { filter_subjects: subject })
      const { num_pending: count } = await consumer.info()
      const found: OutsideEvent[] = []
      if (count > 0) {
        for await (const message of await consumer.fetch({ max_messages: count, expires: 5000 })) {
          const headers = Object.fromEntries((message.headers?.keys() ?? []).filter(name => !name.startsWith('Nats-')).map(name => [name, message.headers?.get(name) ?? '']))
          found.push({ value: message.json<JsonValue>(), headers })
        }
      }
      const { name } = await consumer.info(true)
      await manager.consumers.delete(stream, name)
      return found
    },
    close: () => connection.close(),
  }
}
