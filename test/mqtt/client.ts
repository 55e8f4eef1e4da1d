/** What the tests ask of an MQTT broker by themselves. */
import { connectAsync } from 'mqtt'
import type { IPublishPacket, MqttClient } from 'mqtt'
import type { JsonValue } from '../../src/event/index.ts'
import type { Service } from '../servers/service.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'

export interface TestMqtt {
  readonly client: MqttClient
  /** Publishes events to the topics that are their keys. */
  publish(events: readonly OutsideEvent[]): Promise<void>
  /** What has come for topics that begin so. All topics are listened to. */
  received(prefix: string): OutsideEvent[]
  close(): Promise<void>
}

/**
 * The first connection of the process is the test's own: it is never cut. It has a login: Mosquitto 2.0 keeps nothing for a nameless client between its own start and the
 * client's return, where it has a list of permissions.
 */
export async function openMqtt(server: Service): Promise<TestMqtt> {
  const client = await connectAsync(server.value('url'), { username: server.value('user'), password: server.value('password'), protocolVersion: 5, clean: false, clientId: 'test', properties: { sessionExpiryInterval: 600, receiveMaximum: 1000 }, reconnectPeriod: 100 })
  const packets: IPublishPacket[] = []
  client.on('message', (_topic, _body, packet) => void packets.push(packet))
  await client.subscribeAsync('#', { qos: 1 })
  const eventOf = ({ payload, properties }: IPublishPacket): OutsideEvent => {
    const headers = Object.fromEntries(Object.entries(properties?.userProperties ?? {}).map(([name, value]) => [name, String(value)]))
    return { value: JSON.parse(payload.toString()) as JsonValue, headers } // Messages of the tests are JSON.
  }
  return {
    client,
    async publish(events) {
      await Promise.all(events.map(({ value, key = '', headers = {} }) => client.publishAsync(key, JSON.stringify(value), { qos: 1, ...(Object.keys(headers).length === 0 ? {} : { properties: { userProperties: { ...headers } } }) })))
    },
    received: prefix => packets.filter(({ topic }) => topic.startsWith(prefix)).map(eventOf),
    close: () => client.endAsync(),
  }
}
