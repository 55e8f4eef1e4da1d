/** What the tests ask of an AMQP broker by themselves. */
import amqp from 'amqplib'
import type { ConfirmChannel } from 'amqplib'
import type { JsonValue } from '../../src/event/index.ts'
import type { Service } from '../servers/service.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'

export interface TestAmqp {
  readonly channel: ConfirmChannel
  /** A channel for what may go wrong: an error ends it. */
  fresh(): Promise<ConfirmChannel>
  /** Publishes events to an exchange, by the routing keys that are their keys. */
  publish(exchange: string, events: readonly OutsideEvent[]): Promise<void>
  /** All that has come to a queue so far; what was taken out before is told again. */
  events(queue: string): Promise<OutsideEvent[]>
  close(): Promise<void>
}

/** The first connection of the process is the test's own: it is never cut. */
export async function openAmqp(server: Service): Promise<TestAmqp> {
  const { hostname, port } = new URL(server.value('url'))
  const model = await amqp.connect({ hostname, port: Number(port), username: server.value('user'), password: server.value('password') })
  // A broker that is stopped by a test ends it.
  model.on('error', () => undefined)
  const channel = await model.createConfirmChannel()
  channel.on('error', () => undefined)
  const taken = new Map<string, OutsideEvent[]>()
  return {
    channel,
    async fresh() {
      const made = await model.createConfirmChannel()
      made.on('error', () => undefined)
      return made
    },
    async publish(exchange, events) {
      for (const [at, { value, key = '', headers = {} }] of events.entries()) channel.publish(exchange, key, Buffer.from(JSON.stringify(value)), { persistent: true, headers: { ...headers }, messageId: `${exchange}-${at}-${JSON.stringify(value)}` })
      await channel.waitForConfirms()
    },
    async events(queue) {
      const found = taken.get(queue) ?? []
      taken.set(queue, found)
      for (let message = await channel.get(queue, { noAck: true }); message !== false; message = await channel.get(queue, { noAck: true })) {
        const headers = Object.fromEntries(Object.entries(message.properties.headers ?? {}).map(([name, value]) => [name, String(value)]))
        found.push({ value: JSON.parse(message.content.toString()) as JsonValue, headers }) // Messages of the tests are JSON.
      }
      return [...found]
    },
    close: () => model.close().catch(() => undefined),
  }
}
