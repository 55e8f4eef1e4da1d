/** NATS JetStream as source and sink on a real server, held to the behaviours of every connector. */
import { jetstreamManager } from '@nats-io/jetstream'
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { natsSink, natsSource } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered, parted } from '../conformance/outsides.ts'
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
  // Those that the kit has refused are longer than the others.
  const isLong = (n: number): boolean => n % 9 === 4
  const event = (n: number): JsonValue => ({ n, group: n % 2 === 0 ? 'a' : 'b', text: isLong(n) ? 'long '.repeat(400) : `event ${n}: ä "quoted"` })
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
        // What was on its way when the connection was cut, comes again after this time.
        return { config: { servers, stream, consumer: 'c', ack_wait: '1s' }, events, put: () => nats.publish(events), cut: cutAll }
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
          refuse: async picks => {
            assert.ok(parted(picks, event).picked.every(isLong))
            await manager.streams.update(stream, { max_msg_size: 1000 })
          },
          targets: { config: { servers, subject: `${stream}.to.{event.group}` }, received: group => received(`to.${group}`) },
        }
      },
      carries: ['headers'],
      // A stream may have a limit for its messages.
      event,
    },
  })
}
