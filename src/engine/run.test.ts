import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PipelineConfig } from './config.ts'
import { runPipeline } from './run.ts'
import type { RunOptions } from './run.ts'
import { Kept, memorySink, memorySource, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from './testing.ts'
import type { StageDeclaration } from './component.ts'

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => JSON.stringify({ n }))

const keepEven = testStage('keep_even', () => ({
  process: (events, out) => {
    for (const event of events) {
      if (Number(objectOf(event)['n']) % 2 === 0) out.emit(event)
      else out.drop(event)
    }
  },
}))

/** Adds the number of events seen before, by key. */
const count = testStage('count', context => {
  const table = context.state.table<number>('seen', { keysMax: 10_000 })
  return {
    process: (events, out) => {
      for (const event of events) {
        const value = objectOf(event)
        const key = String(value['k'] ?? '')
        const seen = (table.get(key) ?? 0) + 1
        table.set(key, seen)
        event.replace({ ...value, seen })
        out.emit(event)
      }
    },
  }
}, 'keyed')

async function run(lines: readonly string[], config: PipelineConfig, stages: readonly StageDeclaration[], piece: number | (() => number) = 7, options: RunOptions = {}, kept = new Kept()) {
  const registry = testRegistry([memorySource(lines, piece), memorySink(kept), ...stages])
  const report = await runPipeline(config, registry, options)
  const { in_flight, events_in, created, filtered, dead_lettered, events_out } = report
  assert.equal(in_flight, 0)
  assert.equal(events_in + created, filtered + dead_lettered + Object.values(events_out).reduce((sum, n) => sum + n, 0))
  return { report, kept }
}

test('what a filter keeps arrives in order, and every event is accounted for', async () => {
  const { report, kept } = await run(numbered(100), testPipeline([stageConfig('even', 'keep_even', 'in')], [sinkConfig('out', 'even')]), [keepEven])
  assert.deepEqual(kept.lines('out'), numbered(100).filter((_, n) => n % 2 === 0))
  assert.equal(report.events_in, 100)
  assert.equal(report.filtered, 50)
})

test('a broken line reaches the dead letters with its original bytes and place', async () => {
  const { report, kept } = await run(['{"n":1}', '{"n":', '{"n":3}'], testPipeline([], [sinkConfig('out', 'in')]), [])
  assert.deepEqual(kept.lines('out'), ['{"n":1}', '{"n":3}'])
  assert.equal(report.dead_lettered, 1)
  const letter = JSON.parse(kept.lines('dead_letters')[0] ?? '') as Record<string, unknown>
  assert.equal(letter['original'], '{"n":')
  assert.equal(letter['code'], 'JSON_SYNTAX')
  assert.deepEqual(letter['position'], { line: 0, offset: 8 })
  assert.equal(letter['stage'], 'in')
})

test('a stage with memory sees the source order and its result does not depend on the batches', async () => {
  const lines = Array.from({ length: 200 }, (_, n) => JSON.stringify({ n, k: `k${n % 7}` }))
  const config = testPipeline([stageConfig('count', 'count', 'in')], [sinkConfig('out', 'count')])
  const reference = (await run(lines, config, [count], 1)).kept.lines('out')
  assert.equal(reference[14], '{"n":14,"k":"k0","seen":3}')
  for (const piece of [3, 50, 1000]) assert.deepEqual((await run(lines, config, [count], piece)).kept.lines('out'), reference)
})

test('behind partition_by each key has a memory of its own', async () => {
  const lines = Array.from({ length: 60 }, (_, n) => JSON.stringify({ n, k: 'same', p: n % 3 }))
  const stages = [stageConfig('by', 'partition_by', 'in', { config: { key: 'event.p' } }), stageConfig('count', 'count', 'by')]
  const { kept } = await run(lines, testPipeline(stages, [sinkConfig('out', 'count')]), [count], 5)
  assert.deepEqual(kept.lines('out').map(line => (JSON.parse(line) as { seen: number }).seen), Array.from({ length: 60 }, (_, n) => Math.floor(n / 3) + 1))
})

test('two sinks of one stage get every event, and a changed copy does not show in the other', async () => {
  const mark = testStage('mark', () => ({
    process: (events, out) => {
      for (const event of events) {
        event.replace({ ...objectOf(event), marked: true })
        out.emit(event)
      }
    },
  }))
  const { kept, report } = await run(numbered(10), testPipeline([stageConfig('mark', 'mark', 'in')], [sinkConfig('plain', 'in'), sinkConfig('marked', 'mark')]), [mark], 4)
  assert.deepEqual(kept.lines('plain'), numbered(10))
  assert.deepEqual(kept.lines('marked'), numbered(10).map(line => line.replace('}', ',"marked":true}')))
  assert.equal(report.created, 10)
})

test('an event that a stage forgets goes to the dead letters, not into nothing', async () => {
  const forgetful = testStage('forgetful', () => ({ process: (events, out) => events.forEach((event, at) => (at % 2 === 0 ? out.emit(event) : undefined)) }))
  const { kept, report } = await run(numbered(4), testPipeline([stageConfig('f', 'forgetful', 'in')], [sinkConfig('out', 'f')]), [forgetful])
  assert.equal(report.dead_lettered, 2)
  assert.match(kept.lines('dead_letters')[0] ?? '', /STAGE_ANSWERS/)
})

test('an event that a stage answers twice stops the pipeline', async () => {
  const doubling = testStage('doubling', () => ({
    process: (events, out) => {
      for (const event of events) {
        out.emit(event)
        out.emit(event)
      }
    },
  }))
  await assert.rejects(run(numbered(4), testPipeline([stageConfig('d', 'doubling', 'in')], [sinkConfig('out', 'd')]), [doubling]), { code: 'STAGE_ANSWERS' })
})

test('a sink that fails for good stops the pipeline with its error', async () => {
  const kept = new Kept()
  kept.failWrites = 100
  await assert.rejects(run(numbered(4), testPipeline([], [sinkConfig('out', 'in')]), [], 2, {}, kept), { code: 'FILE_WRITE' })
})

test('a sink that fails twice and then works loses nothing', async () => {
  const kept = new Kept()
  kept.failWrites = 2
  const retry = { attempts: 5, backoff: 1, factor: 2, backoffMax: 2, deadline: 0, budget: 0 }
  const { report } = await run(numbered(40), testPipeline([], [sinkConfig('out', 'in', { retry })]), [], 3, {}, kept)
  assert.deepEqual(kept.lines('out'), numbered(40))
  assert.equal(report.retries, 2)
})

test('with state, a run that fails goes on where the last cut was, memory included', async context => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-run-'))
  context.after(() => rm(folder, { recursive: true }))
  const lines = Array.from({ length: 300 }, (_, n) => JSON.stringify({ n, k: `k${n % 5}` }))
  let stopAt = 120
  const fuse = testStage('fuse', () => ({
    process: (events, out) => {
      for (const event of events) {
        if (Number(objectOf(event)['n']) === stopAt) throw Object.assign(new Error('the test pulls the plug'), { code: 'x' })
        out.emit(event)
      }
    },
  }))
  const stages = [stageConfig('fuse', 'fuse', 'in', { onError: 'stop' }), stageConfig('count', 'count', 'fuse')]
  const config = testPipeline(stages, [sinkConfig('out', 'count')], { state: folder, checkpointInterval: 1 })
  const kept = new Kept()
  await assert.rejects(run(lines, config, [fuse, count], 2, {}, kept), { code: 'STAGE_STOPPED' })
  kept.crash()
  stopAt = -1
  await run(lines, config, [fuse, count], 5, {}, kept)
  const whole = (await run(lines, testPipeline(stages, [sinkConfig('out', 'count')]), [fuse, count])).kept.lines('out')
  assert.deepEqual(kept.lines('out'), whole)
})

test('a sink that can not make its bytes durable fails the run, with checkpoints and without', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-run-'))
  try {
    for (const state of [undefined, join(folder, 'state')]) {
      const kept = new Kept()
      kept.failFlushes = true
      const config = testPipeline([], [sinkConfig('out', 'in')], { state })
      await assert.rejects(run(numbered(20), config, [], 7, {}, kept), { code: 'FILE_WRITE' }, `state: ${state}`)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a sink that fails for good ends a run whose source waits for more', async () => {
  const kept = new Kept()
  const sink = memorySink(kept)
  const source = memorySource(numbered(3), 3)
  const broken = { ...sink, create: (...given: Parameters<typeof sink.create>) => ({ ...sink.create(...given), write: () => Promise.reject(new Error('broken for good')), open: () => Promise.resolve(), flush: () => Promise.resolve(undefined), close: () => Promise.resolve() }) }
  const waiting = { ...source, create: (...given: Parameters<typeof source.create>) => {
    const inner = source.create(...given)
    return {
      live: true, format: inner.format, open: () => inner.open(undefined), close: () => inner.close(),
      next: async (bytes: number, signal: AbortSignal) => (await inner.next(bytes, signal)) ?? new Promise<undefined>(resolve => signal.addEventListener('abort', () => resolve(undefined))),
    }
  } }
  await assert.rejects(runPipeline(testPipeline([], [sinkConfig('out', 'in')]), testRegistry([waiting, broken])), /broken for good/)
})

test('what a stage waited for when the run was stopped at once is left to the next start, and is no dead letter', async () => {
  const state = await mkdtemp(join(tmpdir(), 'sluice-cut-off-'))
  try {
    const kept = new Kept()
    const waits = (isSlow: boolean): StageDeclaration => testStage('ask', context => ({
      process: async (events, out) => {
        // As a request does that is cut off: with an error of its own.
        if (isSlow) await new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(new Error('the request was cut off'))))
        for (const event of events) out.emit(event)
      },
    }), 'none', true)
    const config = testPipeline([stageConfig('ask', 'ask', 'in', { concurrency: 8 })], [sinkConfig('out', 'ask')], { state, checkpointInterval: 1 })
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 30)
    await runPipeline(config, testRegistry([memorySource(numbered(20), 5), memorySink(kept), waits(true)]), { stopNow: stop.signal }).catch(() => undefined)
    assert.deepEqual([kept.lines('dead_letters'), kept.lines('out')], [[], []])
    await runPipeline(config, testRegistry([memorySource(numbered(20), 5), memorySink(kept), waits(false)]))
    assert.deepEqual([kept.lines('dead_letters'), kept.lines('out')], [[], numbered(20)])
  } finally {
    await rm(state, { recursive: true })
  }
})
