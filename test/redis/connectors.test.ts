/** Redis streams as source and sink on a real server, held to the behaviours of every connector. */
import { after, test } from 'node:test'
import { redisSink, redisSource } from '../../src/connect/index.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import type { OutsideEvent } from '../../src/testing/index.ts'
import { numbered } from '../conformance/outsides.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openRedis } from './client.ts'

const server = await startService('redis')
if (typeof server === 'string') test('connectors of Redis', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const redis = await openRedis(url)
  after(async () => {
    redis.close()
    await server.dispose()
  })
  let streams = 0

  for (const until of ['end', undefined] as const) {
    connectorConformance({
      source: {
        declaration: redisSource,
        open: (_t, count) => {
          const stream = `source-${streams++}`
          const events = numbered(count).map((event, n): OutsideEvent => (n % 2 === 0 ? { ...event, headers: {} } : { ...event, key: `k${n % 5}`, headers: { 'x-test': String(n) } }))
          return {
            config: { url, stream, group: 'g', claim_after: '1h', ...(until === undefined ? {} : { until }) },
            events,
            cut: cutAll,
            put: async () => {
              for (const { value, key, headers = {} } of events) await redis.call('XADD', stream, '*', 'body', JSON.stringify(value), ...(key === undefined ? [] : ['key', key]), ...Object.entries(headers).flat())
            },
          }
        },
      },
    })
  }

  connectorConformance({
    sink: {
      declaration: redisSink,
      open: () => {
        const stream = `sink-${streams++}`
        return {
          config: { url, stream },
          received: () => redis.events(stream),
          cut: cutAll,
          targets: { config: { url, stream: `${stream}-{event.group}` }, received: group => redis.events(`${stream}-${group}`) },
        }
      },
      carries: ['key', 'headers'],
    },
    except: { output_only_send_batch: 'Redis takes all entries of a stream or none' },
  })
}
