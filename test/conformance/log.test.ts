/** The conformance kit over the source and the sink of the log in a folder. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { logSink, logSource, shareLog } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { openLog, recordsOf } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { folderOf, numbered } from './outsides.ts'

const NO_CONNECTION = 'a log in a folder has no connection to cut; the one of Apache Kafka is cut in test/kafka'

/** A log that pipelines of this process share. */
async function sharedLog(t: TestContext): Promise<{ readonly log: Log; readonly place: string }> {
  const place = join(folderOf(t), 'log')
  const log = await openLog(place, { warn: () => undefined })
  const unshare = shareLog(place, log)
  t.after(async () => {
    unshare()
    await log.close()
  })
  return { log, place }
}

const text = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('utf8')

/** All records of a topic of one partition. */
async function eventsOf(log: Log, topic: string): Promise<OutsideEvent[]> {
  if (!(await log.admin.listTopics()).includes(topic)) return []
  const consumer = log.consumer()
  await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
  const found: OutsideEvent[] = []
  for (let got = await consumer.fetch({ wait: 0 }); got.length > 0; got = await consumer.fetch({ wait: 0 })) {
    for (const record of got.flatMap(({ bytes }) => [...recordsOf(bytes)])) {
      const headers = Object.fromEntries(record.headers.map(([name, value]) => [name, text(value)]))
      found.push({ value: JSON.parse(text(record.value)) as JsonValue, ...(record.key === null ? {} : { key: text(record.key) }), headers }) // Records of the test are JSON.
    }
  }
  await consumer.close()
  return found
}

for (const until of ['end', undefined] as const) {
  connectorConformance({
    source: {
      declaration: logSource,
      open: async (t, count) => {
        const { log, place } = await sharedLog(t)
        await log.admin.createTopics([{ name: 'events', partitions: 1 }])
        const events = numbered(count).map((event, n): OutsideEvent => (n % 2 === 0 ? { ...event, headers: {} } : { ...event, key: `k${n % 5}`, headers: { 'x-test': String(n) } }))
        return {
          config: { log: place, topic: 'events', ...(until === undefined ? {} : { until }) },
          events,
          put: async () => {
            const producer = log.producer()
            for (let from = 0; from < count; from += 10) {
              await Promise.all(events.slice(from, from + 10).map(({ value, key, headers = {} }) => producer.send({
                topic: 'events', value: Buffer.from(JSON.stringify(value)), key: key === undefined ? null : Buffer.from(key),
                headers: Object.entries(headers).map(([name, header]) => [name, Buffer.from(header)] as const),
              })))
            }
            await producer.close()
          },
        }
      },
    },
    except: { stream_parallel_lossy_through_reconnect: NO_CONNECTION },
  })
}

connectorConformance({
  sink: {
    declaration: logSink,
    open: async t => {
      const { log, place } = await sharedLog(t)
      return { config: { log: place, topic: 'events', create: { partitions: 1 } }, received: () => eventsOf(log, 'events') }
    },
    carries: ['key', 'headers'],
  },
  except: {
    stream_parallel_lossy_through_reconnect: NO_CONNECTION,
    output_only_send_batch: 'a log takes all or fails',
    output_only_override: 'a sink writes to one topic; which partition a key goes to is tested in src/log/partitioners',
  },
})
