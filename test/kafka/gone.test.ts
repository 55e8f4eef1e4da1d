/** A broker that dies and comes back under pipelines that read from it and write to it: one run gets everything across, exactly once where that is asked for. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SluiceError } from '../../src/base/index.ts'
import { openLog, recordsOf } from '../../src/log/index.ts'
import { runFile } from '../../src/runtime.ts'
import { MINUTES } from '../faults/trial.ts'
import { until, upTo } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { countsIn } from './counts.ts'

const BATCH = 100
/** Milliseconds that the broker is away beyond its start; a cluster gives up transactions that take longer than five minutes. */
const AWAY = Math.min(MINUTES ?? 0, 4) * 60_000
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
    const producer = log.producer({ deliveryTimeout: Infinity })
    let count = 0
    let isOver = false
    const loading = (async (): Promise<void> => {
      for (; !isOver; count += BATCH) await Promise.all(Array.from({ length: BATCH }, (_, at) => producer.send({ topic: 'in', partition: at % 2, value: Buffer.from(JSON.stringify({ n: count + at })) })))
    })()
    await until(async () => stop.signal.aborted || (await Promise.all(Object.keys(DELIVERIES).map(endOf))).every(end => end > 1000))
    await server.kill()
    await sleep(AWAY)
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

  test('a pipeline that is stopped while its broker is away ends when its time to stop is over, and the next run brings the rest', async () => {
    const count = 40_000
    await log.admin.createTopics([{ name: 'stopped', partitions: 2 }])
    writeFileSync(join(folder, 'in.ndjson'), upTo(count).map(n => `${JSON.stringify({ n })}\n`).join(''))
    const warnings: string[] = []
    const run = (signal: AbortSignal) => runFile('stopped.yaml', {
      folder, workers: 0, signal, onWarning: (at, message) => void warnings.push(`${at}: ${message}`),
      text: `pipeline: stopped\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { log: { log: '${place}', topic: stopped, key: event.n } } }\nstate: state\ncheckpoint_interval: 20ms\nbatch: { bytes: 1KiB }\nmemory: 4KiB\nstop_timeout: 100ms\n`,
    })
    const stop = new AbortController()
    const first = run(stop.signal)
    await until(async () => await endOf('stopped') > 0)
    await server.kill()
    await until(() => warnings.some(warning => warning.startsWith('out: ')))
    stop.abort()
    assert.ok((await first).in_flight > 0)
    await server.start()
    await run(new AbortController().signal)
    assert.equal((await countsIn(log, 'stopped')).size, count)
  })

  for (const groupProtocol of ['classic', 'consumer'] as const) {
    test(`a member (${groupProtocol}) that could not join again while the broker was away does so once it is back, and tells what it had lost`, async () => {
      const topic = `rejoin-${groupProtocol}`
      await log.admin.createTopics([{ name: topic, partitions: 1 }])
      const own = await openLog(place, { warn: () => undefined, kafka: { groupProtocol } })
      const producer = own.producer({ deliveryTimeout: Infinity })
      const told: string[] = []
      const member = own.group({
        group: topic, topics: [topic], ...(groupProtocol === 'classic' ? { sessionTimeout: 1000, rebalanceTimeout: 1000 } : {}),
        onAssigned: () => void told.push('assigned'), onLost: () => void told.push('lost'),
      })
      await producer.send({ topic, value: Buffer.from('before') })
      await member.join()
      const seen: string[] = []
      const look = async (call: { readonly wait: number; readonly timeout?: number }): Promise<void> => {
        for (const { bytes } of await member.fetch(call)) for (const { value } of recordsOf(bytes)) seen.push(Buffer.from(value ?? []).toString())
      }
      await until(async () => (await look({ wait: 100 }), seen.length === 1))
      await server.kill()
      // Its session is over, and there is nobody whose group it could join.
      const failures: string[] = []
      await until(async () => {
        await look({ wait: 100, timeout: 300 }).catch((error: unknown) => failures.push((error as SluiceError).code))
        return told.includes('lost') && failures.length > 3
      })
      assert.ok(!failures.includes('LOG_GROUP_REBALANCE'), failures.join(' '))
      await server.start()
      await producer.send({ topic, value: Buffer.from('after') })
      await until(async () => (await look({ wait: 100 }).catch(() => undefined), seen.includes('after')))
      assert.deepEqual(told.slice(0, 2), ['assigned', 'lost'])
      assert.equal(told.at(-1), 'assigned')
      await member.close()
      await own.close()
    })
  }
}
