/** Pipelines from topic to topic on a way that is cut, reset and stalled: one run gets everything across, exactly once where that is promised. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { RunControl } from '../../src/engine/index.ts'
import { openLog } from '../../src/log/index.ts'
import { healthOf } from '../../src/observe/index.ts'
import type { Notice } from '../../src/observe/index.ts'
import { runFile } from '../../src/runtime.ts'
import { startBroker } from './broker.ts'
import { countsIn } from './counts.ts'
import { Proxy } from './proxy.ts'

const COUNT = 20_000

const broker = await startBroker()
if (typeof broker === 'string') test('pipelines on a bad way to Apache Kafka', { skip: broker }, () => undefined)
else {
  const log = await openLog(`kafka://${broker.plain}`, { warn: () => undefined })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pipelines-'))
  const proxy = new Proxy(broker.behind)
  const place = `kafka://${await proxy.listen(Number(broker.proxy.split(':')[1]))}`
  after(async () => {
    await proxy.close()
    await log.close()
    await broker.stop()
    rmSync(folder, { recursive: true })
  })

  const CASES: readonly (readonly [delivery: 'exactly_once' | 'at_least_once', name: string, hurt: () => void, times: number])[] = [
    ['exactly_once', 'cut', () => proxy.cut(), 8],
    ['exactly_once', 'reset', () => proxy.reset(), 8],
    ['exactly_once', 'stalled', () => proxy.stallOpen(), 1],
    ['at_least_once', 'cut', () => proxy.cut(), 8],
    ['at_least_once', 'reset', () => proxy.reset(), 8],
  ]
  for (const [delivery, name, hurt, times] of CASES) {
    test(`a pipeline whose connections are ${name} brings everything across in one run (${delivery})`, async () => {
      const [from, to] = [`from-${delivery}-${name}`, `to-${delivery}-${name}`]
      await log.admin.createTopics([from, to].map(topic => ({ name: topic, partitions: 2 })))
      const producer = log.producer()
      await Promise.all(Array.from({ length: COUNT }, (_, n) => producer.send({ topic: from, partition: n % 2, value: Buffer.from(JSON.stringify({ n, filler: 'x'.repeat(200) })) })))
      await producer.close()
      let hurts = 0
      const text = `pipeline: ${to}\n${delivery === 'at_least_once' ? 'delivery: at_least_once\n' : ''}sources: { in: { log: { log: "${place}", topic: ${from}, group: ${to}, until: end } } }
sinks: { out: { log: { log: "${place}", topic: ${to}, key: event.n } } }\ncheckpoint_interval: 20ms\nbatch: { bytes: 2KiB }\nmemory: 16KiB\n`
      const report = await runFile('move.yaml', {
        folder, text, workers: 1, progressInterval: 80,
        onProgress: () => {
          if (hurts++ < times) hurt()
        },
      })
      assert.ok(hurts > 1)
      assert.ok((report.events_out['out'] ?? 0) >= COUNT)
      const counts = await countsIn(log, to)
      assert.equal(counts.size, COUNT)
      if (delivery === 'exactly_once') assert.ok([...counts.values()].every(count => count === 1))
    })
  }
  test('a source waits for brokers that are away, is unreachable meanwhile and not idle, and goes on in the same run', async () => {
    const topic = 'away'
    await log.admin.createTopics([{ name: topic, partitions: 2 }])
    const producer = log.producer()
    const send = (n: number): Promise<unknown> => producer.send({ topic, partition: n % 2, value: Buffer.from(JSON.stringify({ n })) })
    const control = new RunControl()
    const stop = new AbortController()
    const notices: Notice[] = []
    const text = `pipeline: away\nsources: { in: { log: { log: "${place}", topic: ${topic} } } }\nsinks: { out: { file: { path: away.ndjson } } }\nstate: away-state\ncheckpoint_interval: 20ms\nworkers: 0\n`
    const running = runFile('away.yaml', { folder, text, control, signal: stop.signal, onNotice: notice => notices.push(notice) })
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await Promise.race([new Promise(done => setTimeout(done, 20)), running])
    }
    await send(0)
    await until(() => control.figures?.events_in === 1)
    proxy.refuse(true)
    proxy.reset()
    await until(() => healthOf(control.figures).condition === 'unreachable')
    assert.match(healthOf(control.figures).reason, /^source "in" is tried again/)
    await Promise.all([send(1), send(2)])
    proxy.refuse(false)
    await until(() => control.figures?.events_in === 3)
    await until(() => healthOf(control.figures).condition !== 'unreachable')
    stop.abort()
    assert.equal((await running).events_in, 3)
    await producer.close()
    assert.deepEqual(notices.filter(({ place: at, level }) => at === 'in' && level !== 'trace').map(({ kind }) => kind), ['retry_begun', 'retry_ended'])
  })
}
