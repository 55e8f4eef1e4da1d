/** Taps where workers are threads: samples come from all of them, and from one that was started anew. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PipelineConfig, StageConfig } from '../config.ts'
import { RunControl } from '../reload.ts'
import type { Report } from '../report.ts'
import { runPipeline } from '../run.ts'
import { Kept, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry } from '../testing.ts'
import { stages } from '../watched.fixture.ts'
import type { TapRequest } from './order.ts'

const COUNT = 150

/** Runs the stages on two threads, looked at from the first event on; answers the numbers of the events that were seen. */
async function tapped(chain: readonly StageConfig[], request: TapRequest, more: Partial<PipelineConfig> = {}): Promise<{ readonly seen: readonly number[]; readonly report: Report }> {
  const registry = testRegistry([memorySource(Array.from({ length: COUNT }, (_, n) => JSON.stringify({ n })), 10), memorySink(new Kept()), ...stages])
  const config = testPipeline(chain, [sinkConfig('out', chain.at(-1)?.id ?? 'in')], { workers: 2, stallTimeout: 250, ...more })
  const control = new RunControl()
  control.pause()
  const ran = runPipeline(config, registry, { control, thread: { url: new URL('../watched.fixture.ts', import.meta.url), data: config } })
  while (control.figures === undefined) await new Promise(resolve => void setImmediate(resolve))
  await new Promise(resolve => void setImmediate(resolve))
  const seen: number[] = []
  control.taps.open({ rate: 1000, ...request }, {
    sample: line => seen.push((JSON.parse(line) as { readonly event: { readonly n: number } }).event.n) > 0, // An event of the input.
    moved: () => undefined,
    end: () => undefined,
  })
  control.resume()
  return { report: await ran, seen }
}

test('events of all lanes are seen', async () => {
  const { seen, report } = await tapped([stageConfig('by', 'partition_by', 'in', { config: { key: 'event.n % 7' } }), stageConfig('counted', 'counts', 'by')], { component: 'counted', side: 'before' })
  assert.equal(new Set(seen.map(n => n % 7)).size, 7)
  assert.equal(report.events_in, COUNT)
})

test('a worker that was started anew is looked at as the one before was', async () => {
  const { seen, report } = await tapped([stageConfig('a', 'loops', 'in', { config: { on: [60] } })], { component: 'a' }, { workers: 1 })
  assert.equal(report.dead_lettered, 1)
  assert.ok(seen.some(n => n > 100), JSON.stringify(seen))
  assert.ok(!seen.includes(60))
})
