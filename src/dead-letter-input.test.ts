import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import type { TestContext } from 'node:test'
import { runFile } from './runtime.ts'

const PIPELINE = `pipeline: orders
sources:
  in:
    file: { path: orders.ndjson }
stages:
  - validate: { required: [id] }
sinks:
  out:
    file: { path: out.ndjson }
dead_letters:
  file: { path: failed.ndjson }
workers: 0
`

/** A run of three orders, of which one has no id. */
async function firstRun(t: TestContext): Promise<{ path(name: string): string; read(name: string): string; pipeline: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-dead-letters-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('orders.ndjson'), '{"id":1}\n{"no":2}\n{"id":3}\n')
  writeFileSync(path('pipeline.yaml'), PIPELINE)
  const report = await runFile(path('pipeline.yaml'))
  assert.equal(report.dead_lettered, 1)
  return { path, read: name => readFileSync(path(name), 'utf8'), pipeline: path('pipeline.yaml') }
}

test('dead letters that are fed back are added to the output, and what the first run wrote stays', async t => {
  const { path, read, pipeline } = await firstRun(t)
  renameSync(path('failed.ndjson'), path('again.ndjson'))
  writeFileSync(pipeline, PIPELINE.replace('[id]', '[]'))
  const report = await runFile(pipeline, { inputDeadLetters: path('again.ndjson') })
  assert.deepEqual([report.events_in, report.dead_lettered], [1, 0])
  assert.equal(read('out.ndjson'), '{"id":1}\n{"id":3}\n{"no":2}\n')
})

test('a run that would overwrite the dead letters it reads is refused, and nothing is touched', async t => {
  // Such a run once emptied the file before it had read it, and the output with it.
  const { path, read, pipeline } = await firstRun(t)
  const before = [read('failed.ndjson'), read('out.ndjson')]
  await assert.rejects(runFile(pipeline, { inputDeadLetters: path('failed.ndjson') }), { code: 'CONFIG_VALUE' })
  assert.deepEqual([read('failed.ndjson'), read('out.ndjson')], before)
})
