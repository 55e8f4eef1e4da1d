/** The source and the sink of the log on a real broker, held to the behaviours of every connector. */
import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { after, test } from 'node:test'
import { logSink, logSource } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { openLog, recordsOf } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered } from '../conformance/outsides.ts'
import { startBroker } from './broker.ts'

const text = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('utf8')

/** All records of a topic of one partition, up to its end. */
async function eventsOf(log: Log, topic: string): Promise<OutsideEvent[]> {
  if (!(await log.admin.listTopics()).includes(topic)) return []
  const [end] = await log.admin.offsets([{ topic, partition: 0, start: 'latest' }])
  const consumer = log.consumer()
  await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
  const found: OutsideEvent[] = []
  while ((consumer.position({ topic, partition: 0 }) ?? 0n) < (end?.offset ?? 0n)) {
    for (const record of (await consumer.fetch({ wait: 100 })).flatMap(({ bytes }) => [...recordsOf(bytes)])) {
      const headers = Object.fromEntries(record.headers.map(([name, value]) => [name, text(value)]))
      found.push({ value: JSON.parse(text(record.value)) as JsonValue, ...(record.key === null ? {} : { key: text(record.key) }), headers }) // Records of the test are JSON.
    }
  }
  await consumer.close()
  return found
}

/** Every connection that this process has open. */
const sockets = new Set<Socket>()
subscribe('net.client.socket', message => {
  const socket = typeof message === 'object' && message !== null && 'socket' in message ? message.socket : undefined
  if (!(socket instanceof Socket)) return
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

/** With an error and without one by turns: nothing but their end tells of the latter. */
function cutAll(): void {
  for (const [index, socket] of [...sockets].entries()) socket.destroy(index % 2 === 0 ? undefined : new Error('cut by the test'))
}

const broker = await startBroker()
if (typeof broker === 'string') test('connectors on Apache Kafka', { skip: broker }, () => undefined)
else {
  const place = `kafka://${broker.plain}`
  const log = await openLog(place, { warn: () => undefined })
  after(async () => {
    await log.close()
    await broker.stop()
  })
  let topics = 0

  connectorConformance({
    source: {
      declaration: logSource,
      open: async (_t, count) => {
        const topic = `source-${topics++}`
        await log.admin.createTopics([{ name: topic, partitions: 1 }])
        const events = numbered(count).map((event, n): OutsideEvent => (n % 2 === 0 ? { ...event, headers: {} } : { ...event, key: `k${n % 5}`, headers: { 'x-test': String(n) } }))
        return {
          config: { log: place, topic, until: 'end' },
          events,
          cut: cutAll,
          put: async () => {
            const producer = log.producer()
            await Promise.all(events.map(({ value, key, headers = {} }) => producer.send({
              topic, value: Buffer.from(JSON.stringify(value)), key: key === undefined ? null : Buffer.from(key), headers: Object.entries(headers).map(([name, header]) => [name, Buffer.from(header)] as const),
            })))
            await producer.close()
          },
        }
      },
    },
  })

  connectorConformance({
    sink: {
      declaration: logSink,
      open: () => {
        const topic = `sink-${topics++}`
        return { config: { log: place, topic, create: { partitions: 1 } }, received: () => eventsOf(log, topic), cut: cutAll }
      },
      carries: ['key', 'headers'],
    },
    except: {
      output_only_send_batch: 'a log takes all or fails',
      output_only_override: 'a sink writes to one topic',
    },
  })
}
