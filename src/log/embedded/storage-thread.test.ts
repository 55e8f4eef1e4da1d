import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { SimulatedClock } from '../../platform/index.ts'
import { records } from '../batch/index.ts'
import { openLog } from './index.ts'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-thread-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a log that a thread wrote is read by one without, and the other way round', async t => {
  const folder = folderFor(t)
  const texts: string[] = []
  for (const [at, thread] of [true, false, true].entries()) {
    const log = await openLog(folder, { thread })
    if (at === 0) await log.admin.createTopics([{ name: 'numbers', partitions: 1 }])
    const producer = log.producer()
    await Promise.all([1, 2, 3].map(n => producer.send({ topic: 'numbers', value: Buffer.from(`${at}.${n}`) })))
    const consumer = log.consumer()
    await consumer.assign([{ topic: 'numbers', partition: 0, start: BigInt(texts.length) }])
    for (const { bytes } of await consumer.fetch()) for (const { offset, value } of records(bytes)) if (offset >= BigInt(texts.length)) texts.push(Buffer.from(value ?? []).toString())
    await log.close()
  }
  assert.deepEqual(texts, ['0.1', '0.2', '0.3', '1.1', '1.2', '1.3', '2.1', '2.2', '2.3'])
})

test('a thread can not share simulated files or another clock', async t => {
  const wanted = { code: 'LOG_SETTING' }
  await assert.rejects(openLog({ memory: true }, { thread: true }), wanted)
  await assert.rejects(openLog(folderFor(t), { thread: true, clock: new SimulatedClock() }), wanted)
})

test('what the thread refuses keeps its code, and whether a retry may help', async t => {
  const log = await openLog(folderFor(t), { thread: true })
  t.after(() => log.close())
  await log.admin.createTopics([{ name: 'small', partitions: 1, settings: { maxBatchBytes: 1024 } }])
  await assert.rejects(log.producer().send({ topic: 'small', value: Buffer.alloc(5000) }), { code: 'LOG_BATCH_TOO_LARGE', retry: false })
})
