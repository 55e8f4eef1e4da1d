/** MQTT as source and sink on a real broker, held to the behaviours of every connector. */
import { after, test } from 'node:test'
import { mqttSink, mqttSource } from '../../src/connect/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered } from '../conformance/outsides.ts'
import { sourceOf } from '../servers/broker.testing.ts'
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
          const received = (group: string): OutsideEvent[] => mqtt.received(`${topic}/${group}`)
          return {
            config: { url, version, topic: `${topic}/all` }, received: () => received('all'), cut: cutAll,
            targets: { config: { url, version, topic: `${topic}/to/{event.group}` }, received: group => received(`to/${group}`) },
          }
        },
        carries: version === '5' ? ['headers'] : [],
      },
    })
  }
}
