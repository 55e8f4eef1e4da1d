/** AMQP as source and sink on a real RabbitMQ, held to the behaviours of every connector. */
import { after, test } from 'node:test'
import { amqpSink, amqpSource } from '../../src/connect/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered, parted } from '../conformance/outsides.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openAmqp } from './client.ts'

const server = await startService('rabbitmq', { ports: 3 })
if (typeof server === 'string') test('connectors of AMQP', { skip: server }, () => undefined)
else {
  const login = { url: server.value('url'), username: server.value('user'), password: server.value('password') }
  const amqp = await openAmqp(server)
  after(async () => {
    await amqp.close()
    await server.dispose()
  })
  let queues = 0

  connectorConformance({
    source: {
      declaration: amqpSource,
      open: async (_t, count) => {
        const name = `source${queues++}`
        await amqp.channel.assertExchange(name, 'topic')
        await amqp.channel.assertQueue(name)
        await amqp.channel.bindQueue(name, name, '#')
        const events = numbered(count).map((event, n): OutsideEvent => ({ ...event, key: `k${n % 5}`, headers: n % 2 === 0 ? {} : { 'x-test': String(n) } }))
        return { config: { ...login, queue: name }, events, put: () => amqp.publish(name, events), cut: cutAll }
      },
    },
  })

  connectorConformance({
    sink: {
      declaration: amqpSink,
      open: async () => {
        const name = `sink${queues++}`
        await amqp.channel.assertExchange(name, 'topic')
        const all = `${name}.all`
        for (const [queue, key] of [[all, 'all.#'], [`${name}.to.a`, 'to.a'], [`${name}.to.b`, 'to.b']] as const) {
          await amqp.channel.assertQueue(queue)
          await amqp.channel.bindQueue(queue, name, key)
        }
        return {
          config: { ...login, exchange: name, routing_key: 'all.{event.n}' }, received: () => amqp.events(all), cut: cutAll,
          // What no queue takes is refused.
          refuse: async picks => {
            for (const n of parted(picks).others) await amqp.channel.bindQueue(all, name, `all.${n}`)
            await amqp.channel.unbindQueue(all, name, 'all.#')
          },
          targets: { config: { ...login, exchange: name, routing_key: 'to.{event.group}' }, received: group => amqp.events(`${name}.to.${group}`) },
        }
      },
      carries: ['headers'],
    },
  })
}
