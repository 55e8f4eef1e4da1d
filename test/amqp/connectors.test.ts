/** AMQP as source and sink on a real RabbitMQ, held to the behaviours of every connector. */
import { after, test } from 'node:test'
import { amqpSink, amqpSource } from '../../src/connect/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered } from '../conformance/outsides.ts'
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
        await amqp.channel.assertExchange(name, 'direct')
        for (const key of ['all', 'to.a', 'to.b']) {
          await amqp.channel.assertQueue(`${name}.${key}`)
          await amqp.channel.bindQueue(`${name}.${key}`, name, key)
        }
        return {
          config: { ...login, exchange: name, routing_key: 'all' }, received: () => amqp.events(`${name}.all`), cut: cutAll,
          targets: { config: { ...login, exchange: name, routing_key: 'to.{event.group}' }, received: group => amqp.events(`${name}.to.${group}`) },
        }
      },
      carries: ['headers'],
    },
  })
}
