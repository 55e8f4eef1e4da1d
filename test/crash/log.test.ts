/** From log to log, killed again and again: each record is in the output once, with a stage that remembers and without. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLog, recordsOf } from '../../src/log/index.ts'
import { killAgainAndAgain, linesOf, runKilled } from './killing.ts'

const COUNT = 20_000

async function committed(folder: string, topic: string): Promise<unknown[]> {
  const log = await openLog(join(folder, 'data'), { warn: message => assert.doesNotMatch(message, /damaged|gone/) })
  try {
    const [described] = await log.admin.describeTopics([topic])
    const partitions = (described?.partitions ?? []).map(({ partition }) => ({ topic, partition }))
    const consumer = log.consumer()
    await consumer.assign(partitions.map(one => ({ ...one, start: 'earliest' as const })))
    const ends = new Map((await log.admin.offsets(partitions.map(one => ({ ...one, start: 'latest' as const })))).map(({ partition, offset }) => [partition, offset]))
    const found: unknown[] = []
    while (partitions.some(one => (consumer.position(one) ?? 0n) < (ends.get(one.partition) ?? 0n))) {
      for (const { bytes, from } of await consumer.fetch()) for (const { offset, value } of recordsOf(bytes)) if (offset >= from) found.push(JSON.parse(Buffer.from(value ?? []).toString()))
    }
    return found
  } finally {
    await log.close()
  }
}

for (const stages of ['', 'stages:\n  - partition_by: event.k\n  - score: { field: event.n, key: event.k, as: score }\n']) {
  test(`from log to log ${stages === '' ? 'without' : 'with'} a stage that remembers, killed at any moment, each record is there once`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-log-'))
    const path = (name: string): string => join(folder, name)
    try {
      writeFileSync(path('in.ndjson'), Array.from({ length: COUNT }, (_, n) => `${JSON.stringify({ n, k: `k${n % 50}` })}\n`).join(''))
      writeFileSync(path('fill.yaml'), 'pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { log: { log: ./data, topic: events, create: { partitions: 3 }, key: event.k } } }\n')
      await runKilled(path('fill.yaml'))
      const pipeline = (topic: string): string =>
        `pipeline: ${topic}\nsources: { in: { log: { log: ./data, topic: events, group: ${topic}, until: end } } }\n${stages}sinks: { out: { log: { log: ./data, topic: ${topic}, create: { partitions: 1 } } } }\ncheckpoint_interval: 5ms\nbatch: { bytes: 4KiB }\n`
      for (const topic of ['whole', 'killed']) writeFileSync(path(`${topic}.yaml`), pipeline(topic))
      await runKilled(path('whole.yaml'), { workers: 1 })
      const whole = await committed(folder, 'whole')
      assert.equal(whole.length, COUNT)
      const segment = join(folder, 'data', 'killed-0', '00000000000000000000.log')
      const total = linesOf(path('in.ndjson')).join('').length
      const kills = await killAgainAndAgain(path('killed.yaml'), segment, total, [[0.02, 1], [0.2, 0], [0.4, 2], [0.6, 1], [0.8, 3]])
      assert.ok(kills > 0, 'no run was caught alive')
      const byNumber = (events: unknown[]): string[] => events.map(event => JSON.stringify(event)).toSorted((a, b) => (a < b ? -1 : 1))
      assert.deepEqual(byNumber(await committed(folder, 'killed')), byNumber(whole))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
