/** Another config while the pipeline runs: every kind of change, with and without state, idle and under load. What goes in comes out once, in order, whatever changes. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PipelineConfig, SinkConfig, SourceConfig } from './config.ts'
import { defineStage } from './component.ts'
import type { StageDeclaration } from './component.ts'
import * as field from './fields.ts'
import { RunControl } from './reload.ts'
import type { ReloadOutcome } from './reload.ts'
import { Feed, fedSource, keepingSink } from './reload.fixture.ts'
import type { Report } from './report.ts'
import { runPipeline } from './run.ts'
import { Kept, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from './testing.ts'

const source = (id: string, config: object = {}, type = 'fed'): SourceConfig => ({ id, type, config: { feed: id, ...config } })
const sink = (id: string, from: string, config: object = {}, type = 'keep'): SinkConfig => sinkConfig(id, from, { type, config })

/** Numbers the events that it sees, in its memory. */
const numbers = (type: string): StageDeclaration =>
  defineStage({
    type,
    summary: 'Numbers events',
    config: field.object({ note: field.optional(field.string()) }),
    memory: 'keyed',
    create: (_config, { state }) => {
      const table = state.table<number>('seen', { keysMax: 256 })
      return {
        process: (events, out) => {
          for (const event of events) {
            const seen = (table.get('') ?? 0) + 1
            table.set('', seen)
            event.replace({ ...objectOf(event), seen })
            out.emit(event)
          }
        },
      }
    },
  }) as StageDeclaration // A stage of one config is a stage.

const broken = testStage('broken', () => {
  throw new Error('This stage can not be made, says the test.')
})
const unopened = testStage('unopened', () => ({ open: () => Promise.reject(new Error('This stage can not be opened, says the test.')), process: () => undefined }))
const mark = testStage('mark', () => ({
  process: (events, out) => {
    for (const event of events) {
      event.replace({ ...objectOf(event), marked: true })
      out.emit(event)
    }
  },
}))

interface Row {
  readonly n: number
  readonly from: string
  readonly seen?: number
  readonly marked?: boolean
}

class Bench {
  readonly feed = new Feed()
  readonly kept = new Kept()
  readonly control = new RunControl()
  readonly stop = new AbortController()
  /** What writes of sinks wait for. */
  gate: Promise<void> = Promise.resolve()
  readonly registry = testRegistry([
    fedSource(this.feed, 'fed'), fedSource(this.feed, 'fed_too'), numbers('numbers'), numbers('numbers_too'), mark, broken, unopened,
    keepingSink(this.feed, this.kept, 'keep', () => this.gate), keepingSink(this.feed, this.kept, 'keep_too', () => this.gate), keepingSink(this.feed, this.kept, 'memory'),
  ])
  #fed = 0

  start(config: PipelineConfig): Promise<Report> {
    return runPipeline(config, this.registry, { control: this.control, signal: this.stop.signal })
  }

  reload(config: PipelineConfig): Promise<ReloadOutcome> {
    return this.control.reload({ config, registry: this.registry })
  }

  /** Feeds so many rows more to a source. */
  push(from: string, count: number): void {
    this.feed.push(from, ...Array.from({ length: count }, () => JSON.stringify({ n: this.#fed++, from })))
  }

  rows(id: string): Row[] {
    return this.kept.lines(id).map(line => JSON.parse(line) as Row) // Written by the pipelines of this test.
  }

  /** Waits until a sink holds so many rows. */
  async until(id: string, count: number): Promise<void> {
    while (this.kept.lines(id).length < count) await new Promise(resolve => void setImmediate(resolve))
  }

  prove(report: Report): void {
    const out = Object.values(report.events_out).reduce((sum, count) => sum + count, 0)
    assert.equal(report.events_in + report.created, out + report.filtered + report.dead_lettered)
    assert.equal(report.in_flight, 0)
    assert.equal(report.events_out['out'], this.rows('out').length)
    assert.deepEqual([...this.feed.opened].sort(), [...this.feed.closed].sort(), 'whatever was opened was closed')
  }
}

const base = { sources: [source('a')], stages: [stageConfig('count', 'numbers', 'a')], sinks: [sink('out', 'count')] }
type Parts = Partial<PipelineConfig>

const CHANGES: Readonly<Record<string, { readonly from?: Parts; readonly to: Parts; readonly kept: readonly string[] }>> = {
  'nothing': { to: {}, kept: ['a', 'count', 'out', 'dead_letters'] },
  'the config of a source': { to: { sources: [source('a', { note: 'new' })] }, kept: ['count', 'out', 'dead_letters'] },
  'the type of a source': { to: { sources: [source('a', {}, 'fed_too')] }, kept: ['count', 'out', 'dead_letters'] },
  'a source more': { to: { sources: [source('a'), source('b')], stages: [stageConfig('count', 'numbers', ['a', 'b'])] }, kept: ['a', 'count', 'out', 'dead_letters'] },
  'a source less': { from: { sources: [source('a'), source('b')], stages: [stageConfig('count', 'numbers', ['a', 'b'])] }, to: {}, kept: ['a', 'count', 'out', 'dead_letters'] },
  'the config of a stage': { to: { stages: [stageConfig('count', 'numbers', 'a', { config: { note: 'new' } })] }, kept: ['a', 'out', 'dead_letters'] },
  'the type of a stage': { to: { stages: [stageConfig('count', 'numbers_too', 'a')] }, kept: ['a', 'out', 'dead_letters'] },
  'a stage more': { to: { stages: [stageConfig('m', 'mark', 'a'), stageConfig('count', 'numbers', 'm')] }, kept: ['a', 'count', 'out', 'dead_letters'] },
  'a stage less': { from: { stages: [stageConfig('m', 'mark', 'a'), stageConfig('count', 'numbers', 'm')] }, to: {}, kept: ['a', 'count', 'out', 'dead_letters'] },
  'the config of a sink': { to: { sinks: [sink('out', 'count', { note: 'new' })] }, kept: ['a', 'count', 'dead_letters'] },
  'the type of a sink': { to: { sinks: [sink('out', 'count', {}, 'keep_too')] }, kept: ['a', 'count', 'dead_letters'] },
  'a sink more': { to: { sinks: [sink('out', 'count'), sink('more', 'count')] }, kept: ['a', 'count', 'out', 'dead_letters'] },
  'a sink less': { from: { sinks: [sink('out', 'count'), sink('more', 'count')] }, to: {}, kept: ['a', 'count', 'out', 'dead_letters'] },
  'the dead letters': { to: { deadLetters: sinkConfig('dead_letters', [], { config: { note: 'new' } }) }, kept: ['a', 'count', 'out'] },
}

for (const [name, { from = {}, to, kept }] of Object.entries(CHANGES)) {
  for (const hasState of [false, true]) {
    for (const load of ['idle', 'under load'] as const) {
      test(`reload, ${name}, ${hasState ? 'with' : 'without'} state, ${load}: each row once, in order, and memory goes on`, async t => {
        const bench = new Bench()
        const state = hasState ? folderFor(t) : undefined
        const before = testPipeline([], [], { ...base, ...from, state })
        const after = testPipeline([], [], { ...base, ...to, state })
        const ran = bench.start(before)
        for (const id of ['a', 'b']) bench.push(id, 7)
        await bench.until('out', 7)
        const reload = bench.reload(after)
        for (let turn = 0; load === 'under load' && turn < 20; turn++) {
          bench.push('a', 2)
          await new Promise(resolve => void setImmediate(resolve))
        }
        const { outcome, generation, difference, error } = await reload
        assert.deepEqual([outcome, generation, error], ['switched', 2, undefined])
        assert.deepEqual([...difference.kept].sort(), [...kept].sort())
        bench.push('a', 5)
        for (const id of ['a', 'b']) bench.feed.end(id)
        bench.prove(await ran)
        const rows = bench.rows('out')
        const ofA = rows.filter(row => row.from === 'a').map(({ n }) => n)
        assert.equal(ofA.length, load === 'idle' ? 12 : 52)
        assert.deepEqual(ofA, [...new Set(ofA)].sort((one, other) => one - other))
        assert.deepEqual(rows.map(({ seen }) => seen), rows.map((_, index) => index + 1))
        assert.deepEqual(bench.rows('more'), bench.kept.chunks.has('more') ? (name === 'a sink more' ? rows.slice(-bench.rows('more').length) : rows.slice(0, bench.rows('more').length)) : [])
        assert.deepEqual(bench.feed.opened.filter(id => kept.includes(id)), kept.filter(id => id !== 'count' && bench.feed.opened.includes(id)).sort(byOpening), 'what is kept is opened once')
      })
    }
  }
}

const OPENING = ['out', 'dead_letters', 'a']
function byOpening(one: string, other: string): number {
  return OPENING.indexOf(one) - OPENING.indexOf(other)
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-reload-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'state')
}

test('a port that a component gives up is free for the next one, and for the same one with another config', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([], [], { ...base, sources: [source('a', { port: '8080' })] }))
  bench.push('a', 4)
  await bench.until('out', 4)
  assert.equal((await bench.reload(testPipeline([], [], { ...base, sources: [source('a', { port: '8080', note: 'new' })] }))).outcome, 'switched')
  const other = await bench.reload(testPipeline([], [], { ...base, sources: [source('b', { port: '8080' })], stages: [stageConfig('count', 'numbers', 'b')] }))
  assert.deepEqual([other.outcome, other.generation, other.difference.added, other.difference.removed], ['switched', 3, ['b'], ['a']])
  bench.push('b', 3)
  bench.feed.end('b')
  bench.prove(await ran)
  assert.deepEqual(bench.rows('out').map(row => row.from), ['a', 'a', 'a', 'a', 'b', 'b', 'b'])
})

const REFUSED: Readonly<Record<string, { readonly to: Parts; readonly says: RegExp }>> = {
  'a source that can not be made': { to: { sources: [source('a', { fails: 'create' })] }, says: /source can not be made/ },
  'a sink that can not be made': { to: { sinks: [sink('out', 'count', { fails: 'create' })] }, says: /sink can not be made/ },
  'a stage that can not be made': { to: { stages: [stageConfig('count', 'broken', 'a')] }, says: /stage can not be made/ },
  'a type that is not there': { to: { stages: [stageConfig('count', 'nowhere', 'a')] }, says: /nowhere/ },
  'a circle': { to: { stages: [stageConfig('count', 'numbers', 'count')] }, says: /circle|feed/i },
  'another name': { to: { name: 'other' }, says: /"pipeline" is "test" now/ },
  'another state': { to: { state: '/other' }, says: /"state"/ },
}
for (const [name, { to, says }] of Object.entries(REFUSED)) {
  test(`a new config with ${name} is refused before anything is touched`, async () => {
    const bench = new Bench()
    const ran = bench.start(testPipeline([], [], base))
    bench.push('a', 4)
    await bench.until('out', 4)
    const { outcome, generation, error } = await bench.reload(testPipeline([], [], { ...base, ...to }))
    assert.deepEqual([outcome, generation], ['refused', 1])
    assert.match(error?.message ?? '', says)
    bench.push('a', 4)
    bench.feed.end('a')
    bench.prove(await ran)
    assert.deepEqual(bench.feed.opened, ['out', 'dead_letters', 'a'])
    assert.deepEqual(bench.rows('out').map(({ seen }) => seen), [1, 2, 3, 4, 5, 6, 7, 8])
  })
}

const ROLLED_BACK: Readonly<Record<string, Parts>> = {
  'a source': { sources: [source('a', { fails: 'open', note: 'new' })] },
  'a source more': { sources: [source('a'), source('b', { fails: 'open' })], stages: [stageConfig('count', 'numbers', ['a', 'b'])] },
  'a stage': { stages: [stageConfig('count', 'numbers', 'a'), stageConfig('shut', 'unopened', 'count')], sinks: [sink('out', 'shut')] },
  'a sink': { sinks: [sink('out', 'count', { fails: 'open', note: 'new' })] },
  'a sink more': { sinks: [sink('out', 'count', { note: 'new' }), sink('more', 'count', { fails: 'open' })] },
}
for (const [name, to] of Object.entries(ROLLED_BACK)) {
  for (const hasState of [false, true]) {
    test(`where ${name} can not be opened the old config goes on, ${hasState ? 'with' : 'without'} state`, async t => {
      const bench = new Bench()
      const state = hasState ? folderFor(t) : undefined
      const ran = bench.start(testPipeline([], [], { ...base, state }))
      bench.push('a', 4)
      await bench.until('out', 4)
      const { outcome, generation, error } = await bench.reload(testPipeline([], [], { ...base, ...to, state }))
      assert.deepEqual([outcome, generation], ['rolled_back', 1])
      assert.match(error?.message ?? '', /can not be opened, says the test/)
      bench.push('a', 4)
      bench.feed.end('a')
      bench.prove(await ran)
      assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), Array.from({ length: 8 }, (_, n) => [n, n + 1]))
    })
  }
}

test('a reload under back-pressure that does not land in time is given up, and the next one is taken', async () => {
  const bench = new Bench()
  const { promise, resolve } = Promise.withResolvers<void>()
  const ran = bench.start(testPipeline([], [], { ...base, stopTimeout: 20 }))
  bench.push('a', 4)
  await bench.until('out', 4)
  bench.gate = promise
  bench.push('a', 40)
  await new Promise(done => void setImmediate(done))
  const late = await bench.reload(testPipeline([], [], { ...base, stages: [stageConfig('count', 'numbers_too', 'a')] }))
  assert.deepEqual([late.outcome, late.generation, late.error?.code], ['late', 1, 'RELOAD_LATE'])
  resolve()
  const taken = await bench.reload(testPipeline([], [], { ...base, stages: [stageConfig('count', 'numbers_too', 'a')], stopTimeout: 20_000 }))
  assert.equal(taken.outcome, 'switched')
  bench.feed.end('a')
  bench.prove(await ran)
  assert.deepEqual(bench.rows('out').map(({ seen }) => seen), Array.from({ length: 44 }, (_, index) => index + 1))
})

test('reloads that are asked for at once are taken one after the other', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([], [], base))
  bench.push('a', 4)
  const configs = Array.from({ length: 5 }, (_, index) => testPipeline([], [], { ...base, stages: [stageConfig('count', 'numbers', 'a', { config: { note: String(index) } })] }))
  const outcomes = await Promise.all(configs.map(config => bench.reload(config)))
  assert.deepEqual(outcomes.map(({ outcome, generation }) => [outcome, generation]), [2, 3, 4, 5, 6].map(generation => ['switched', generation]))
  bench.feed.end('a')
  bench.prove(await ran)
  assert.deepEqual(bench.rows('out').map(({ seen }) => seen), [1, 2, 3, 4])
})

test('a reload that comes while the pipeline stops, or after its end, is told so', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([], [], base))
  bench.push('a', 4)
  await bench.until('out', 4)
  bench.stop.abort()
  await assert.rejects(bench.reload(testPipeline([], [], base)), { code: 'RELOAD_OVER' })
  bench.prove(await ran)
  await assert.rejects(bench.reload(testPipeline([], [], base)), { code: 'RELOAD_OVER' })
})

test('a stop that comes during a reload stops the pipeline that comes out of it', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([], [], base))
  bench.push('a', 4)
  await bench.until('out', 4)
  const reload = bench.reload(testPipeline([], [], { ...base, sources: [source('a', { note: 'new' })] }))
  await new Promise(resolve => void setImmediate(resolve))
  bench.stop.abort()
  const outcome = await reload.then(({ outcome: taken }) => taken, (error: { code: string }) => error.code)
  assert.ok(['switched', 'RELOAD_OVER'].includes(outcome), outcome)
  const report = await ran
  bench.prove(report)
  assert.equal(report.stopped_by, 'signal')
})

test('200 reloads under load lose nothing and double nothing', async t => {
  const bench = new Bench()
  const state = folderFor(t)
  const ran = bench.start(testPipeline([], [], { ...base, state }))
  for (let turn = 0; turn < 200; turn++) {
    bench.push('a', 3)
    const changed = turn % 3 === 0 ? { sources: [source('a', { note: String(turn) })] } : turn % 3 === 1 ? { stages: [stageConfig('count', 'numbers', 'a', { config: { note: String(turn) } })] } : { sinks: [sink('out', 'count', { note: String(turn) })] }
    const { outcome } = await bench.reload(testPipeline([], [], { ...base, ...changed, state }))
    assert.equal(outcome, 'switched')
  }
  bench.feed.end('a')
  bench.prove(await ran)
  assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), Array.from({ length: 600 }, (_, n) => [n, n + 1]))
})
