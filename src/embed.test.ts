import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { file, pipeline, run } from './index.ts'

interface Reading {
  readonly id: string
  readonly celsius: number
}

test('a program runs its own pipeline and gets the report', async context => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-embed-'))
  context.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'in.ndjson'), '{"id":"a","celsius":20}\n{"id":"b","celsius":35}\n')
  const hot = pipeline('hot')
    .from(file<Reading>({ path: 'in.ndjson' }))
    .filter(reading => reading.celsius > 30)
    .map(({ id, celsius }) => ({ id, fahrenheit: celsius * 1.8 + 32 }))
    .to(file({ path: 'out.ndjson' }))
  const report = await run(hot, { folder })
  assert.deepEqual([report.events_in, report.filtered, report.in_flight], [2, 1, 0])
  assert.equal(readFileSync(join(folder, 'out.ndjson'), 'utf8'), '{"id":"b","fahrenheit":95}\n')
})
