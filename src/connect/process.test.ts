import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copy } from './testing.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-process-'))
})
after(() => rmSync(folder, { recursive: true }))

const out = (): unknown[] => readFileSync(join(folder, 'out.ndjson'), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
const node = (script: string): string[] => [process.execPath, '-e', script]

test('the output of a command is read to its end, its last line without a line end included', async () => {
  await copy(folder, { type: 'exec', config: { command: node('process.stdout.write("{\\"n\\":1}\\n{\\"n\\":2}")') } })
  assert.deepEqual(out(), [{ n: 1 }, { n: 2 }])
})

test('a command that fails fails the pipeline, with its exit code and what it said', async () => {
  await assert.rejects(copy(folder, { type: 'exec', config: { command: node('console.error("no such table"); process.exit(3)') } }), (error: Error & { code?: string }) => error.code === 'COMMAND_FAILED' && /exit code 3.*no such table/s.test(error.message))
  await assert.rejects(copy(folder, { type: 'exec', config: { command: ['no-such-program-here'] } }), { code: 'COMMAND_FAILED' })
})

test('a command that goes on without end is left when the pipeline stops', async () => {
  const stop = new AbortController()
  const report = await copy(folder, { type: 'exec', config: { command: node('setInterval(() => console.log("{}"), 1)') } }, undefined, {
    options: { signal: stop.signal, progressInterval: 5, onProgress: ({ events_in }) => (events_in > 5 ? stop.abort() : undefined) },
  })
  assert.equal(report.stopped_by, 'signal')
  assert.equal(report.in_flight, 0)
  assert.ok(out().length > 5)
})

test('generated events depend on the seed and the number alone', async () => {
  const run = async (config: object): Promise<unknown[]> => {
    await copy(folder, { type: 'generate', config })
    return out()
  }
  const thousand = await run({ count: 1200, seed: 5, bad: 0.1 })
  assert.deepEqual(await run({ count: 1200, seed: 5, bad: 0.1 }), thousand)
  assert.deepEqual(await run({ count: 300, seed: 5, bad: 0.1 }), thousand.slice(0, 300))
  assert.notDeepEqual(await run({ count: 300, seed: 6, bad: 0.1 }), thousand.slice(0, 300))
  for (const shape of ['weblog', 'order']) assert.equal((await run({ shape, count: 10 })).length, 10)
})
