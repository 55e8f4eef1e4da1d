/** MQTT as source and sink on a real broker, held to the behaviours of every connector. */
import { connectAsync } from 'mqtt'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { mqttSink, mqttSource } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered, parted } from '../conformance/outsides.ts'
import { sourceOf, until } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openMqtt } from './client.ts'

const server = await startService('mosquitto')
if (typeof server === 'string') test('connectors of MQTT', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const mqtt = await openMqtt(server)
  after(async () => {
    await mqtt.close()
    await server.dispose()
  })
  let topics = 0
  const guest = { username: 'guest', password: server.value('password') }
  const another = await connectAsync(url, { protocolVersion: 5, ...guest })
  after(() => another.endAsync())

  /** Resolves once the broker holds its guest to it. */
  const forbid = async (names: readonly string[]): Promise<void> => {
    await appendFile(join(server.folder, 'acl'), names.map(name => `topic deny ${name}\n`).join(''))
    await server.reload()
    const probe = names[0] ?? ''
    await until(() => another.publishAsync(probe, Buffer.alloc(0), { qos: 1 }).then(() => false, () => true))
  }

  for (const version of ['5', '3.1.1'] as const) {
    connectorConformance({
      source: {
        declaration: mqttSource,
        open: async (_t, count) => {
          const topic = `source${topics++}`
          const config = { url, version, topic: `${topic}/#`, client_id: topic }
          // A broker keeps nothing for a client that it does not know yet.
          const first = sourceOf(mqttSource, config)
          await first.open(undefined)
          await first.close()
          const events = numbered(count).map((event, n): OutsideEvent => ({ ...event, key: `${topic}/k${n % 5}`, headers: n % 2 === 0 || version !== '5' ? {} : { 'x-test': String(n) } }))
          return { config, events, put: () => mqtt.publish(events), cut: cutAll }
        },
      },
    })

    connectorConformance({
      sink: {
        declaration: mqttSink,
        open: () => {
          const topic = `sink${topics++}`
          const received = (group: string): OutsideEvent[] => mqtt.received(`open/${topic}/${group}`)
          return {
            config: { url, version, ...guest, topic: `open/${topic}/all/{event.n}` }, received: () => received('all'), cut: cutAll,
            // Only the newer version has a way to say that a user may not publish somewhere.
            ...(version === '5' ? { refuse: (picks: (value: JsonValue) => boolean) => forbid(parted(picks).picked.map(n => `open/${topic}/all/${n}`)) } : {}),
            targets: { config: { url, version, ...guest, topic: `open/${topic}/to/{event.group}` }, received: group => received(`to/${group}`) },
          }
        },
        carries: version === '5' ? ['headers'] : [],
      },
    })
  }
}
