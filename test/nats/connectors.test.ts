/** NATS JetStream as source and sink on a real server, held to the behaviours of every connector. */
import { jetstreamManager } from '@nats-io/jetstream'
import { after, test } from 'node:test'
import { natsSink, natsSource } from '../../src/connect/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered } from '../conformance/outsides.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openNats } from './client.ts'

const server = await startService('nats')
if (typeof server === 'string') test('connectors of NATS', { skip: server }, () => undefined)
else {
  const servers = server.value('url')
  const nats = await openNats(servers)
  const manager = await jetstreamManager(nats.connection)
  after(async () => {
    await nats.close()
    await server.dispose()
  })
  let streams = 0
  const newStream = async (): Promise<string> => {
    const name = `s${streams++}`
    await manager.streams.add({ name, subjects: [`${name}.>`] })
    return name
  }

  connectorConformance({
    source: {
      declaration: natsSource,
      open: async (_t, count) => {
        const stream = await newStream()
        const events = numbered(count).map((event, n): OutsideEvent => ({ ...event, key: `${stream}.k${n % 5}`, headers: n % 2 === 0 ? {} : { 'x-test': String(n) } }))
        return { config: { servers, stream, consumer: 'c' }, events, put: () => nats.publish(events), cut: cutAll }
      },
    },
  })

  connectorConformance({
    sink: {
      declaration: natsSink,
      open: async () => {
        const stream = await newStream()
        const received = async (group: string): Promise<OutsideEvent[]> => (await nats.events(stream, `${stream}.${group}`)).map(({ value, headers }) => ({ value, headers }))
        return {
          config: { servers, stream, subject: `${stream}.all` }, received: () => received('all'), cut: cutAll,
          targets: { config: { servers, subject: `${stream}.to.{event.group}` }, received: group => received(`to.${group}`) },
        }
      },
      carries: ['headers'],
    },
  })
}
