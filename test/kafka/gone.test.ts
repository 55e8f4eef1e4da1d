/** A broker that dies and comes back under pipelines that read from it and write to it: one run gets everything across, exactly once where that is asked for. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openLog } from '../../src/log/index.ts'
import { runFile } from '../../src/runtime.ts'
import { until } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { countsIn } from './counts.ts'

const BATCH = 100
/** How a pipeline delivers, and how often a number may then be in its output. */
const DELIVERIES = { 'exactly_once': (times: number): boolean => times === 1, 'at_least_once': (times: number): boolean => times >= 1 }

const server = await startService('kafka', { ports: 2 })
if (typeof server === 'string') test('a broker that dies', { skip: server }, () => undefined)
else {
  const place = `kafka://${server.value('bootstrap')}`
  const log = await openLog(place, { warn: () => undefined })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-gone-'))
  after(async () => {
    await log.close()
    await server.dispose()
    rmSync(folder, { recursive: true })
  })

  const endOf = async (topic: string): Promise<number> => (await log.admin.offsets([0, 1].map(partition => ({ topic, partition, start: 'latest' as const })))).reduce((sum, { offset }) => sum + Number(offset), 0)

  test('a broker that is killed under load and started again loses and doubles nothing of what runs through it', async () => {
    await log.admin.createTopics(['in', ...Object.keys(DELIVERIES)].map(name => ({ name, partitions: 2 })))
    const stop = new AbortController()
    const runs = Object.keys(DELIVERIES).map(delivery => runFile(`${delivery}.yaml`, {
      folder, workers: 0, signal: stop.signal,
      text: `pipeline: ${delivery}\ndelivery: ${delivery}\nsources: { in: { log: { log: '${place}', topic: in, group: ${delivery} } } }
sinks: { out: { log: { log: '${place}', topic: ${delivery}, key: event.n } } }\ncheckpoint_interval: 20ms\nbatch: { bytes: 2KiB }\nmemory: 16KiB\n`,
    }))
    const ended = Promise.all(runs)
    ended.catch(() => stop.abort())
    const producer = log.producer()
    let count = 0
    let isOver = false
    const loading = (async (): Promise<void> => {
      for (; !isOver; count += BATCH) await Promise.all(Array.from({ length: BATCH }, (_, at) => producer.send({ topic: 'in', partition: at % 2, value: Buffer.from(JSON.stringify({ n: count + at })) })))
    })()
    await until(async () => stop.signal.aborted || (await Promise.all(Object.keys(DELIVERIES).map(endOf))).every(end => end > 1000))
    await server.kill()
    await server.start()
    const before = count
    await until(() => stop.signal.aborted || count > before + 1000)
    isOver = true
    await loading
    await until(async () => stop.signal.aborted || (await Promise.all(Object.keys(DELIVERIES).map(group => log.admin.describeGroup(group)))).every(({ offsets }) => offsets.reduce((sum, { offset }) => sum + Number(offset), 0) === count))
    stop.abort()
    for (const { dead_lettered: letters } of await ended) assert.equal(letters, 0)
    for (const [delivery, isRight] of Object.entries(DELIVERIES)) {
      const counts = await countsIn(log, delivery)
      assert.equal(counts.size, count, delivery)
      assert.ok([...counts.values()].every(isRight), delivery)
    }
    await producer.close()
  })
}
