/** Metrics and traces of real runs, as a real OpenTelemetry Collector takes them. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openLog, recordsOf } from '../../src/log/index.ts'
import type { RecordHeader } from '../../src/log/index.ts'
import { folderWith, sluice } from '../cli/sluice.ts'
import type { Called, CallOptions } from '../cli/sluice.ts'
import { freePorts } from '../servers/ports.ts'
import { startService } from '../servers/service.ts'
import { sentTo } from './sent.ts'
import type { Sent, SentSpan } from './sent.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`

const collector = await startService('collector')
if (typeof collector === 'string') test('telemetry to a collector', { skip: collector }, () => undefined)
else {
  after(() => collector.dispose())

  const run = (args: readonly string[], options: CallOptions): Promise<Called> =>
    sluice(args, { ...options, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.value('url'), OTEL_RESOURCE_ATTRIBUTES: 'deployment=test', ...options.env } })
  /** All that was sent since the last time. The collector is stopped for that, since it writes the end of its file then. */
  const sent = async (): Promise<Sent> => {
    await collector.stop()
    const all = await sentTo(collector.value('file'))
    await collector.start()
    return all
  }
  const named = ({ spans }: Sent, name: string): SentSpan[] => spans.filter(span => span.name === name)

  /** A server that keeps the headers of what is posted to it. */
  const receiver = async (t: TestContext): Promise<{ readonly url: string; readonly requests: IncomingHttpHeaders[] }> => {
    const requests: IncomingHttpHeaders[] = []
    const server = createServer((request, response) => {
      requests.push(request.headers)
      request.resume().on('end', () => response.end('{}'))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests } // It listens at a port.
  }

  test('the metrics are those of the report, and each batch and each write is a span', async t => {
    const folder = folderWith(t, {
      'in.ndjson': Array.from({ length: 3000 }, (_, n) => `{"n":${n}}\n`).join(''),
      'p.yaml': 'pipeline: counted\nsources: { in: { file: { path: in.ndjson } } }\nstages: [{ id: odd, filter: event.n % 2 == 1 }]\nsinks: { out: { file: { path: out.ndjson } } }\nbatch: { bytes: 4KiB }\n',
    })
    const { code, out } = await run(['run', 'p.yaml', '--workers', '2', '--report', 'json', '--quiet'], { folder })
    assert.equal(code, 0)
    const report = JSON.parse(out) as { readonly events_in: number; readonly filtered: number } // A report.
    const all = await sent()
    const value = (name: string): number | undefined => all.points.find(point => point.name === name)?.value
    assert.deepEqual([value('sluice.source.events'), value('sluice.stage.filtered_events'), value('sluice.sink.events')], [report.events_in, report.filtered, 1500])
    assert.ok((value('process.resident_memory') ?? 0) > 1e7)
    const batches = named(all, 'batch in')
    assert.equal(all.points.find(({ name, attributes }) => name === 'sluice.stage.batch' && attributes['stage'] === 'odd')?.count, batches.length)
    assert.equal(batches.reduce((sum, { attributes }) => sum + Number(attributes['messaging.batch.message_count']), 0), 3000)
    assert.deepEqual([...new Set(batches.map(({ resource }) => `${String(resource['service.name'])} ${String(resource['deployment'])}`))], ['sluice test'])
    const ids = new Set(batches.map(({ id }) => id))
    const writes = named(all, 'send out')
    assert.ok(writes.length > 0 && writes.every(({ parent }) => ids.has(parent)))
    assert.equal(writes.reduce((sum, { attributes }) => sum + Number(attributes['messaging.batch.message_count']), 0), 1500)
  })

  test('a trace goes through a log from pipeline to pipeline, and on with the request of the last one', async t => {
    const { url, requests } = await receiver(t)
    const folder = folderWith(t, {
      'first.yaml': 'pipeline: first\nsources: { orders: { log: { log: ./data, topic: orders, until: end } } }\nstages: [{ set: { fields: { seen: true } } }]\nsinks: { copies: { log: { log: ./data, topic: copies, create: { partitions: 1 } } } }\n',
      'second.yaml': `pipeline: second\nsources: { copies: { log: { log: ./data, topic: copies, until: end } } }\nsinks: { web: { http: { url: '${url}' } } }\n`,
    })
    await produce(folder, [['{"n":1}', TRACEPARENT]])
    for (const file of ['first.yaml', 'second.yaml']) await run(['run', file, '--quiet'], { folder }).then(({ code, err }) => assert.equal(code, 0, err))
    const all = await sent()
    const [first] = named(all, 'process orders')
    const [second] = named(all, 'process copies')
    const [write] = named(all, 'send web')
    assert.deepEqual([first?.trace, first?.parent], [TRACE, PARENT])
    assert.deepEqual([second?.trace, second?.parent], [TRACE, first?.id])
    assert.deepEqual([write?.trace, write?.parent], [TRACE, second?.id])
    assert.deepEqual(requests.map(({ traceparent }) => traceparent), [`00-${TRACE}-${write?.id}-01`])
  })

  test('among many events, those with a trace have a span in it, on every thread, and their batch is linked with them', async t => {
    const folder = folderWith(t, {
      'many.yaml': 'pipeline: many\nsources: { orders: { log: { log: ./data, topic: orders, until: end } } }\nstages: [{ partition_by: event.n % 3 }, { dedupe: { key: event.n } }]\nsinks: { copies: { log: { log: ./data, topic: copies, create: { partitions: 1 } } } }\n',
    })
    const others = Array.from({ length: 50 }, (_, n): Produced => [`{"n":${n + 10}}`])
    await produce(folder, [...others, ['{"n":1}', TRACEPARENT], ['{"n":2}', TRACEPARENT], ['{"n":3}', `00-${TRACE}-${PARENT}-00`]])
    await run(['run', 'many.yaml', '--workers', '2', '--quiet'], { folder }).then(({ code, err }) => assert.equal(code, 0, err))
    const all = await sent()
    const events = named(all, 'process orders')
    assert.deepEqual(events.map(({ trace, parent }) => [trace, parent]), [[TRACE, PARENT], [TRACE, PARENT]])
    const batches = named(all, 'batch orders')
    assert.deepEqual(batches.flatMap(({ links }) => links), [PARENT, PARENT])
    assert.ok(batches.some(({ id }) => events[0]?.links.includes(id) === true))
    const carried = await tracesIn(folder, 'copies')
    assert.deepEqual(carried.toSorted(byText), [...events.map(({ id }) => `00-${TRACE}-${id}-01`), `00-${TRACE}-${PARENT}-00`].toSorted(byText))
  })

  test('records with a trace have a span also where they never become events', async t => {
    const folder = folderWith(t, {
      'some.yaml': 'pipeline: some\nsources: { orders: { log: { log: ./data, topic: orders, until: end } } }\nstages: [{ filter: event.n > 1 }]\nsinks: { out: { file: { path: out.ndjson } } }\n',
    })
    await produce(folder, [['{"n":5}'], ...['{"n":1}', '{"n":"two"}', 'no json', '{"n":3}'].map((value): Produced => [value, TRACEPARENT])])
    await run(['run', 'some.yaml', '--quiet'], { folder }).then(({ code, err }) => assert.equal(code, 0, err))
    const all = await sent()
    assert.deepEqual(named(all, 'process orders').map(({ trace, parent }) => [trace, parent]), Array.from({ length: 4 }, () => [TRACE, PARENT]))
    assert.deepEqual(named(all, 'process orders').map(({ attributes }) => attributes['error.type']), [undefined, 'EXPR_NO_OVERLOAD', undefined, undefined])
    assert.equal(named(all, 'batch orders').flatMap(({ links }) => links).length, 4)
  })

  test('a request with a trace is part of it, as is the request that its events leave with', async t => {
    const { url, requests } = await receiver(t)
    const port = await freePorts(2)
    const folder = folderWith(t, { 'web.yaml': `pipeline: web\nsources: { in: { http_server: { port: ${port} } } }\nsinks: { out: { http: { url: '${url}' } } }\n` })
    let posted: Promise<Response | undefined> | undefined
    let isOver = false
    const { code, err } = await run(['run', 'web.yaml', '--admin', `127.0.0.1:${port + 1}`], {
      folder,
      env: { OTEL_METRICS_EXPORTER: 'none' },
      onOutput: (_text, send) => {
        if (posted !== undefined) return
        posted = post(`http://127.0.0.1:${port}/`, '{"n":1}\n{"n":2}\n', () => isOver)
        void posted.then(() => send('SIGTERM'))
      },
    }).finally(() => (isOver = true))
    assert.deepEqual([code, (await posted)?.status], [0, 200], err)
    const all = await sent()
    const [batch] = named(all, 'process in')
    const [write] = named(all, 'send out')
    assert.deepEqual([batch?.trace, batch?.parent, batch?.attributes['messaging.batch.message_count'], write?.parent], [TRACE, PARENT, 2, batch?.id])
    assert.deepEqual(requests.map(({ traceparent }) => traceparent), [`00-${TRACE}-${write?.id}-01`])
    assert.deepEqual(all.points, [])
  })

  test('a receiver that is away costs a run a warning and a few seconds, and no event', async t => {
    const folder = folderWith(t, { 'in.ndjson': '{"n":1}\n', 'p.yaml': 'pipeline: p\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { file: { path: out.ndjson } } }\n' })
    const { code, out, err } = await run(['run', 'p.yaml', '--report', 'json'], { folder, env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_EXPORTER_OTLP_TIMEOUT: '300' } })
    assert.deepEqual([code, (JSON.parse(out) as { readonly events_out: object }).events_out], [0, { out: 1 }]) // A report.
    assert.match(err, /Telemetry is not sent as it should be: .*ECONNREFUSED/)
  })

  test('what can not be sent is refused before anything runs', async t => {
    const folder = folderWith(t, { 'p.yaml': 'pipeline: p\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { file: { path: out.ndjson } } }\n' })
    const { code, err } = await run(['run', 'p.yaml'], { folder, env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' } })
    assert.notEqual(code, 0)
    assert.match(err, /OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"; here it can be http\/protobuf/)
  })
}

type Produced = readonly [value: string, traceparent?: string]

/** Writes records, some with a trace, to the topic `orders` of the log in a folder. */
async function produce(folder: string, records: readonly Produced[]): Promise<void> {
  const log = await openLog(join(folder, 'data'))
  await log.admin.createTopics([{ name: 'orders', partitions: 1 }])
  const producer = log.producer()
  await Promise.all(records.map(([value, traceparent]) => {
    const headers: RecordHeader[] = traceparent === undefined ? [] : [['other', Buffer.from('1')], ['traceparent', Buffer.from(traceparent)]]
    return producer.send({ topic: 'orders', partition: 0, value: Buffer.from(value), headers })
  }))
  await producer.close()
  await log.close()
}

/** The traces that records of a topic carry. */
async function tracesIn(folder: string, topic: string): Promise<string[]> {
  const log = await openLog(join(folder, 'data'))
  const consumer = log.consumer()
  await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
  const fetched = await consumer.fetch({ wait: 1000 })
  const headers = fetched.flatMap(({ bytes }) => [...recordsOf(bytes)]).flatMap(record => record.headers)
  await consumer.close()
  await log.close()
  return headers.flatMap(([name, value]) => (name === 'traceparent' ? [Buffer.from(value ?? []).toString()] : []))
}

/** Posts events, as part of a trace, until somebody listens, or nobody will. */
async function post(url: string, body: string, isOver: () => boolean): Promise<Response | undefined> {
  while (!isOver()) {
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/x-ndjson', traceparent: TRACEPARENT } }).catch(() => undefined)
    if (answer !== undefined) return answer
  }
  return undefined
}

const byText = (a: string, b: string): number => a.localeCompare(b)
