/** Killed at every step of a commit, with other numbers of workers after each: the output is that of one run. On files with checkpoints, and from log to log in a folder. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openLog, recordsOf } from '../../src/log/index.ts'
import { runFile } from '../../src/runtime.ts'
import { CHECKPOINT, COMMIT, killAtEach } from './failpoints.ts'

const COUNT = 4000
const STAGES = 'stages:\n  - partition_by: event.k\n  - score: { field: event.n, key: event.k, as: score }\n'
const OFTEN = 'checkpoint_interval: 1ms\nbatch: { bytes: 2KiB }\nmemory: 16KiB\n'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-failpoints-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: COUNT }, (_, n) => `${JSON.stringify({ n, k: `k${n % 20}` })}\n`).join(''))
  return folder
}

test('from file to file, killed at every step of a checkpoint', async t => {
  const folder = folderFor(t)
  const pipeline = (name: string, more: string): string => `pipeline: ${name}\nsources: { in: { file: { path: in.ndjson } } }\n${STAGES}sinks: { out: { file: { path: ${name}.ndjson } } }\n${more}`
  writeFileSync(join(folder, 'whole.yaml'), pipeline('whole', ''))
  writeFileSync(join(folder, 'killed.yaml'), pipeline('killed', `state: ./state\n${OFTEN}`))
  await runFile('whole.yaml', { folder })
  assert.ok((await killAtEach(folder, 'killed.yaml', CHECKPOINT)) >= CHECKPOINT.length)
  assert.equal(readFileSync(join(folder, 'killed.ndjson'), 'utf8'), readFileSync(join(folder, 'whole.ndjson'), 'utf8'))
})

test('from log to log, killed at every step of a commit', async t => {
  const folder = folderFor(t)
  writeFileSync(join(folder, 'fill.yaml'), 'pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { log: { log: ./data, topic: events, create: { partitions: 3 }, key: event.k } } }\n')
  writeFileSync(join(folder, 'move.yaml'), `pipeline: move\nsources: { in: { log: { log: ./data, topic: events, group: move, until: end } } }\n${STAGES}sinks: { out: { log: { log: ./data, topic: moved, create: { partitions: 1 } } } }\n${OFTEN}`)
  await runFile('fill.yaml', { folder })
  assert.ok((await killAtEach(folder, 'move.yaml', COMMIT)) >= COMMIT.length)
  const log = await openLog(join(folder, 'data'))
  t.after(() => log.close())
  const consumer = log.consumer()
  await consumer.assign([{ topic: 'moved', partition: 0, start: 'earliest' }])
  const found: number[] = []
  for (let got = await consumer.fetch(); got.length > 0; got = await consumer.fetch()) for (const { bytes } of got) for (const { value } of recordsOf(bytes)) found.push((JSON.parse(Buffer.from(value ?? []).toString()) as { n: number }).n)
  assert.deepEqual(found.toSorted((a, b) => a - b), Array.from({ length: COUNT }, (_, n) => n))
})
