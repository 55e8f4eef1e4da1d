/** Traces through Apache Kafka: Kafka's own tools write records with a trace and read what they are carried on with. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TracedBatch, Tracing } from '../../src/observe/index.ts'
import { openLog } from '../../src/log/index.ts'
import { runFile } from '../../src/runtime.ts'
import { startBroker } from '../kafka/broker.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

const broker = await startBroker()
if (typeof broker === 'string') test('traces through Apache Kafka', { skip: broker }, () => undefined)
else {
  const place = `kafka://${broker.plain}`
  const folder = mkdtempSync(join(tmpdir(), 'sluice-traces-'))
  const log = await openLog(place, { warn: () => undefined })
  after(async () => {
    await log.close()
    await broker.stop()
    rmSync(folder, { recursive: true })
  })

  test('a trace in the headers of a record goes on in those of what is made of it', async () => {
    await log.admin.createTopics(['orders', 'copies'].map(name => ({ name, partitions: 1 })))
    const server = ['--bootstrap-server', broker.plain]
    await broker.tool('org.apache.kafka.tools.ConsoleProducer', [...server, '--topic', 'orders', '--property', 'parse.headers=true'], `traceparent:00-${TRACE}-00f067aa0ba902b7-01,tracestate:a=1,other:kept\t{"n":1}\nother:alone\t{"n":2}\n`)

    const batches: TracedBatch[] = []
    const tracing: Tracing = {
      batch: batch => {
        batches.push(batch)
        return { write: () => ({ context: '', end: () => undefined }), end: () => undefined }
      },
    }
    const text = `pipeline: copy\nsources: { in: { log: { log: "${place}", topic: orders, until: end } } }\nsinks: { out: { log: { log: "${place}", topic: copies } } }\n`
    await runFile('copy.yaml', { folder, text, tracing, workers: 1 })

    const traced = batches.flatMap(({ traces }) => traces?.events ?? [])
    assert.deepEqual(traced.map(({ parent, state }) => [parent, state]), [[`00-${TRACE}-00f067aa0ba902b7-01`, 'a=1']])
    const printed = await broker.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...server, '--topic', 'copies', '--from-beginning', '--max-messages', '2', '--property', 'print.headers=true'])
    assert.deepEqual(printed.split('\n').filter(line => line.includes('"n"')), [`traceparent:00-${TRACE}-${traced[0]?.span}-01,tracestate:a=1,other:kept\t{"n":1}`, 'other:alone\t{"n":2}'])
  })
}
