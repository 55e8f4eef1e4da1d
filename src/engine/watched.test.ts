/** Workers that hang or die under code of users: each event is there once, or among the dead letters with the reason. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from '../platform/index.ts'
import type { PipelineConfig, StageConfig } from './config.ts'
import type { Report } from './report.ts'
import { runPipeline } from './run.ts'
import { Kept, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry } from './testing.ts'
import { stages } from './watched.fixture.ts'

const COUNT = 300
const lines = Array.from({ length: COUNT }, (_, n) => JSON.stringify({ n }))

interface Ran {
  readonly report: Report
  readonly numbers: readonly number[]
  readonly letters: readonly Record<string, unknown>[]
  readonly warnings: readonly string[]
  readonly out: readonly Record<string, unknown>[]
}

async function run(chain: readonly StageConfig[], workers = 2, more: Partial<PipelineConfig> = {}, piece?: number): Promise<Ran> {
  const random = seededRandom(workers)
  const kept = new Kept()
  const warnings: string[] = []
  const registry = testRegistry([memorySource(lines, () => piece ?? 1 + Math.floor(random() * 40)), memorySink(kept), ...stages])
  const config = testPipeline(chain, [sinkConfig('out', chain.at(-1)?.id ?? 'in')], { workers, stallTimeout: 250, ...more })
  const report = await runPipeline(config, registry, { thread: { url: new URL('./watched.fixture.ts', import.meta.url), data: config }, onWarning: (place, message) => void warnings.push(`${place}: ${message}`) })
  const parse = (sink: string): Record<string, unknown>[] => kept.lines(sink).map(line => JSON.parse(line) as Record<string, unknown>) // Written by this pipeline.
  return { report, out: parse('out'), numbers: parse('out').map(({ n }) => Number(n)), letters: parse('dead_letters'), warnings }
}

const without = (...on: number[]): number[] => Array.from({ length: COUNT }, (_, n) => n).filter(n => !on.includes(n))
const originals = (letters: Ran['letters']): number[] => letters.map(({ original }) => (JSON.parse(String(original)) as { n: number }).n) // An event of the input.

test('an event that a stage loops on for ever is left out; all others arrive once, in order', async () => {
  const { report, numbers, letters, warnings } = await run([stageConfig('a', 'loops', 'in', { config: { on: [150] } })])
  assert.deepEqual(numbers, without(150))
  assert.deepEqual(originals(letters), [150])
  assert.deepEqual([letters[0]?.['stage'], letters[0]?.['code'], letters[0]?.['reason']], ['a', 'WORKER_KILLED', 'Stage "a" did not come back for 250 ms (`stall_timeout`). This event had ended the worker, and was left out.'])
  assert.equal(report.in_flight, 0)
  assert.equal(report.events_in, COUNT)
  assert.match(warnings[0] ?? '', /^a: Stage "a" did not come back for 250 ms.* The worker was ended and started anew; \d batches are worked on again\.$/)
})

test('a worker that is never without a batch is not taken to hang, though its event loop may not turn for long', async () => {
  const { numbers, warnings } = await run([stageConfig('a', 'slow', 'in', { config: { on: without() } })], 1, {}, 1)
  assert.deepEqual(numbers, without())
  assert.deepEqual(warnings, [])
})

test('several such events of one batch and of several are each found, behind other stages too', async () => {
  const on = [3, 4, 120, 299]
  const { numbers, letters } = await run([stageConfig('a', 'loops', 'in', { config: { on: [3] } }), stageConfig('b', 'exits', 'a', { config: { on: [4, 120, 299] } })])
  assert.deepEqual(numbers, without(...on))
  assert.deepEqual(originals(letters).sort((a, b) => a - b), on)
  assert.deepEqual(letters.map(({ stage }) => stage), ['a', 'b', 'b', 'b'])
})

for (const [type, reason] of [
  ['exits', /Stage "a" ended its thread: A worker thread failed: the worker thread ended with code 7/],
  ['exits_well', /Stage "a" did not come back/],
  ['throws_later', /Stage "a" ended its thread: A worker thread failed: nobody catches this/],
  ['never_answers', /Stage "a" did not come back/],
] as const) {
  test(`a stage that "${type}" costs the one event`, async () => {
    const { numbers, letters } = await run([stageConfig('a', type, 'in', { config: { on: [77] } })], 1)
    assert.deepEqual(numbers, without(77))
    assert.deepEqual(originals(letters), [77])
    assert.match(String(letters[0]?.['reason']), reason)
  })
}

test('what on_error says holds for events that end workers as well', async () => {
  const on = { config: { on: [10] } }
  assert.deepEqual((await run([stageConfig('a', 'loops', 'in', { ...on, onError: 'pass' })], 1)).numbers, without())
  const dropped = await run([stageConfig('a', 'loops', 'in', { ...on, onError: 'drop' })], 1)
  assert.deepEqual([dropped.numbers, dropped.letters, dropped.report.filtered], [without(10), [], 1])
  await assert.rejects(run([stageConfig('a', 'loops', 'in', { ...on, onError: 'stop' })], 1), { code: 'STAGE_STOPPED' })
})

test('a call that never answers fails after the limit without costing the worker', async () => {
  const { numbers, letters, warnings } = await run([stageConfig('a', 'never_answers_a_call', 'in', { config: { on: [5, 200] }, concurrency: 8 })], 1)
  assert.deepEqual(numbers, without(5, 200))
  assert.deepEqual(letters.map(({ code }) => code), ['TIMED_OUT', 'TIMED_OUT'])
  assert.deepEqual(warnings.filter(text => text.includes('started anew')), [])
})

test('where very many events of one batch do so, those behind them are left out with them, and none is lost', async () => {
  const on = Array.from({ length: 20 }, (_, n) => 110 + n)
  const { numbers, letters } = await run([stageConfig('a', 'exits', 'in', { config: { on } })], 1, { stallTimeout: 5000 }, 100)
  assert.deepEqual([...numbers, ...originals(letters)].sort((a, b) => a - b), without())
  assert.ok(on.every(n => originals(letters).includes(n)))
  assert.ok(numbers.includes(299), 'later batches pass')
})

/** What counting by seven makes of the events: each with its number so far, and the totals at the end. */
function counted(numbers: readonly number[]): { readonly rows: unknown[]; readonly totals: Record<string, number> } {
  const totals: Record<string, number> = {}
  const rows = numbers.map(n => {
    totals[n % 7] = (totals[n % 7] ?? 0) + 1
    return { n, count: totals[n % 7] }
  })
  return { rows, totals }
}

function countedIn(out: Ran['out']): ReturnType<typeof counted> {
  const totals = out.filter(row => 'total' in row).map(({ total, count }) => [String(total), Number(count)] as const)
  return { rows: out.filter(row => !('total' in row)), totals: Object.fromEntries(totals) }
}

const BY_SEVEN = stageConfig('by', 'partition_by', 'a', { config: { key: 'event.n % 7' } })

for (const keyed of [false, true]) {
  test(`a stage of a user that loops before stages with memory costs them nothing (${keyed ? 'by key' : 'one owner'})`, async () => {
    const chain = [stageConfig('a', 'loops', 'in', { config: { on: [100] } }), ...(keyed ? [BY_SEVEN] : []), stageConfig('counts', 'counts', keyed ? 'by' : 'a')]
    const { out, letters, report } = await run(chain, 2, { stallTimeout: 1000 })
    assert.deepEqual(countedIn(out), counted(without(100)))
    assert.deepEqual(originals(letters), [100])
    assert.equal(report.workers, 2)
  })

  for (const state of [false, true]) {
    test(`a stage with memory that loops has its memory again on the next worker (${keyed ? 'by key' : 'one owner'}, ${state ? 'with' : 'without'} checkpoints)`, async t => {
      const folder = state ? mkdtempSync(join(tmpdir(), 'sluice-watched-')) : undefined
      if (folder !== undefined) t.after(() => rmSync(folder, { recursive: true }))
      const chain = [stageConfig('a', 'loops', 'in', { config: { on: [] } }), ...(keyed ? [BY_SEVEN] : []), stageConfig('counts', 'counts_badly', keyed ? 'by' : 'a', { config: { on: [60, 150, 151] } })]
      const { out, letters, report } = await run(chain, 2, { checkpointInterval: 5, ...(folder === undefined ? {} : { state: folder }) })
      assert.deepEqual(countedIn(out), counted(without(60, 150, 151)))
      assert.deepEqual(originals(letters), [60, 150, 151])
      assert.equal(report.in_flight, 0)
    })
  }
}

test('a stage that hangs while it is closed does not hold up the end', async () => {
  const { numbers, warnings } = await run([stageConfig('a', 'hangs_at_the_end', 'in')], 1)
  assert.deepEqual(numbers, without())
  assert.match(warnings[0] ?? '', /while it was to close its stages/)
})

test('without a limit nothing is watched, and nothing is different', async () => {
  assert.deepEqual((await run([stageConfig('a', 'loops', 'in', { config: { on: [] } })], 2, { stallTimeout: 0 })).numbers, without())
})
