/** Another number of workers while the pipeline runs: what goes in comes out once, in order, and memory goes on. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { seededRandom } from '../../platform/index.ts'
import type { PipelineConfig, StageConfig } from '../config.ts'
import { Feed, fedSource, keepingSink } from '../reload.fixture.ts'
import { RunControl } from '../reload.ts'
import type { Report } from '../report.ts'
import { runPipeline } from '../run.ts'
import { Kept, sinkConfig, stageConfig, testPipeline, testRegistry } from '../testing.ts'
import { stages } from './scaling.fixture.ts'

interface Row {
  readonly n: number
  readonly k: number
  readonly seen?: number
  readonly marked?: boolean
}

const KEYS = 7

class Bench {
  readonly feed = new Feed()
  readonly kept = new Kept()
  readonly control = new RunControl()
  readonly stop = new AbortController()
  readonly registry = testRegistry([fedSource(this.feed, 'fed'), keepingSink(this.feed, this.kept, 'keep'), keepingSink(this.feed, this.kept, 'memory'), ...stages])
  fed = 0

  start(config: PipelineConfig, cores?: number): Promise<Report> {
    return runPipeline(config, this.registry, {
      control: this.control, signal: this.stop.signal, thread: { url: new URL('./scaling.fixture.ts', import.meta.url), data: config }, ...(cores === undefined ? {} : { cores }),
    })
  }

  push(count: number): void {
    this.feed.push('a', ...Array.from({ length: count }, () => JSON.stringify({ n: this.fed, k: this.fed++ % KEYS })))
  }

  get rows(): Row[] {
    return this.kept.lines('out').map(line => JSON.parse(line) as Row) // Written by the pipelines of this test.
  }

  async until(count: number): Promise<void> {
    while (this.kept.lines('out').length < count) await new Promise(resolve => void setImmediate(resolve))
  }

  prove(report: Report): void {
    const { rows } = this
    assert.equal(report.events_in, this.fed)
    assert.equal(report.in_flight, 0)
    assert.deepEqual(rows.map(({ n }) => n), Array.from({ length: this.fed }, (_, n) => n))
    if (rows.some(({ seen }) => seen !== undefined)) assert.deepEqual(rows.map(({ seen }) => seen), rows.map(({ n }) => Math.floor(n / KEYS) + 1))
    assert.deepEqual([...this.feed.opened].sort(), [...this.feed.closed].sort(), 'whatever was opened was closed')
    assert.equal(this.feed.opened.filter(id => id === 'a').length, 1, 'the source stays open')
  }
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-scaling-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'state')
}

const by = stageConfig('by', 'partition_by', 'a', { config: { key: 'event.k' } })
const SHAPES: Readonly<Record<string, { readonly chain: readonly StageConfig[]; readonly last: string; readonly generations: number }>> = {
  'without memory': { chain: [stageConfig('mark', 'mark', 'a')], last: 'mark', generations: 1 },
  'with memory on one owner': { chain: [stageConfig('mark', 'mark', 'a'), stageConfig('count', 'numbers', 'mark')], last: 'count', generations: 1 },
  'with memory by key': { chain: [stageConfig('mark', 'mark', 'a'), { ...by, from: ['mark'] }, stageConfig('count', 'numbers', 'by')], last: 'count', generations: 1 },
}

function configOf({ chain, last }: { readonly chain: readonly StageConfig[]; readonly last: string }, more: Partial<PipelineConfig>): PipelineConfig {
  return testPipeline(chain, [sinkConfig('out', last, { type: 'keep' })], { sources: [{ id: 'a', type: 'fed', config: { feed: 'a' } }], ...more })
}

for (const [name, shape] of Object.entries(SHAPES)) {
  for (const hasState of [false, true]) {
    test(`a pipeline ${name}, ${hasState ? 'with' : 'without'} state, is scaled up and down under load: each row once, in order, nothing opened again`, async t => {
      const bench = new Bench()
      const random = seededRandom(name.length)
      t.after(() => bench.stop.abort())
      const ran = bench.start(configOf(shape, { workers: 2, state: hasState ? folderFor(t) : undefined }))
      bench.push(10)
      await bench.until(10)
      for (const workers of [3, 1, 0, 2]) {
        const scaled = bench.control.scale(workers)
        for (let turn = 0; turn < 30; turn++) {
          bench.push(1 + Math.floor(random() * 5))
          await new Promise(resolve => void setImmediate(resolve))
        }
        const { outcome, workers: now, auto } = await scaled
        assert.deepEqual([outcome, now, auto], ['changed', workers, false])
        assert.equal(bench.control.figures?.workers.length, Math.max(1, workers))
      }
      assert.deepEqual(bench.control.figures?.adaptive.decisions.map(({ what, from, to, by: who }) => [what, from, to, who]), [[2, 3], [3, 1], [1, 0], [0, 2]].map(([from, to]) => ['workers', from, to, 'order']))
      assert.equal(bench.control.figures?.generation, shape.generations, 'the config is the same')
      bench.push(20)
      bench.feed.end('a')
      const report = await ran
      assert.equal(report.workers, 2)
      bench.prove(report)
    })
  }
}
