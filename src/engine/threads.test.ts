import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PipelineConfig, StageConfig } from './config.ts'
import { runPipeline } from './run.ts'
import { Kept, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry } from './testing.ts'
import { stages } from './threads.fixture.ts'
import { seededRandom } from '../platform/index.ts'

const lines = Array.from({ length: 400 }, (_, n) => (n % 97 === 96 ? `{"n":${n}` : JSON.stringify({ n, k: `k${n % 13}` })))

async function run(config: PipelineConfig, workers: number, seed: number): Promise<Kept> {
  const random = seededRandom(seed)
  const kept = new Kept()
  const registry = testRegistry([memorySource(lines, () => 1 + Math.floor(random() * 60)), memorySink(kept), ...stages])
  const started = { ...config, workers }
  const options = workers === 0 ? {} : { thread: { url: new URL('./threads.fixture.ts', import.meta.url), data: started } }
  const report = await runPipeline(started, registry, options)
  assert.equal(report.in_flight, 0)
  assert.equal(report.workers, workers)
  return kept
}

const shapes: readonly (readonly [string, readonly StageConfig[], string])[] = [
  ['stages without memory', [stageConfig('some', 'drop_some', 'in'), stageConfig('parts', 'split', 'some')], 'parts'],
  ['a stage with memory on one owner', [stageConfig('some', 'drop_some', 'in'), stageConfig('sum', 'sum', 'some')], 'sum'],
  ['a stage that is fed by two', [stageConfig('some', 'drop_some', 'in'), stageConfig('parts', 'split', 'in'), stageConfig('sum', 'sum', ['parts', 'some'])], 'sum'],
  [
    'stages with memory behind two exchanges by key, with a split between them',
    [
      stageConfig('by', 'partition_by', 'in', { config: { key: 'event.k' } }),
      stageConfig('sum', 'sum', 'by'),
      stageConfig('parts', 'split', 'sum'),
      stageConfig('again', 'partition_by', 'parts', { config: { key: 'event.?part.orValue(0)' } }),
      stageConfig('tally', 'tally', 'again'),
      stageConfig('last', 'sum', 'tally'),
    ],
    'last',
  ],
]

/** Dead letters without what depends on the moment. */
function letters(kept: Kept): unknown[] {
  return kept.lines('dead_letters').map(line => {
    const { original, code, stage } = JSON.parse(line) as Record<string, unknown>
    return { original, code, stage }
  })
}

for (const [name, chain, last] of shapes) {
  test(`the result of ${name} does not depend on workers or batches`, async () => {
    const config = testPipeline(chain, [sinkConfig('out', last), sinkConfig('raw', 'in')])
    const reference = await run(config, 0, 1)
    assert.ok(reference.lines('out').length > 100)
    assert.ok(reference.lines('dead_letters').length >= 4)
    for (const [workers, seed] of [[0, 2], [1, 3], [2, 4], [4, 5]] as const) {
      const kept = await run(config, workers, seed)
      assert.deepEqual(kept.lines('out'), reference.lines('out'))
      assert.deepEqual(kept.lines('raw'), reference.lines('raw'))
      assert.deepEqual(letters(kept), letters(reference))
    }
  })
}
