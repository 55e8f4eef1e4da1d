/** Reloads at awkward moments: under back-pressure, during another reload, while the pipeline stops, pauses, or comes to the end of its input. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PipelineConfig } from '../../src/engine/config.ts'
import { Bench, folderFor, pipeline, sink, source, stage, upTo } from './bench.ts'
import type { Parts } from './bench.ts'

const sorted: Parts = { stages: [stage('sort', 'a', {}, 'sort')], sinks: [sink('out', ['sort', 'sort.odd'])] }
const next: Parts = { stages: [stage('count', 'a', { note: 'new' }, 'count')] }

interface Moment {
  readonly bench: Bench
  /** The config with what a case asks for. */
  config(parts: Parts): PipelineConfig
}

/** Holds the writes of all sinks until it is called. */
function hold(bench: Bench): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  bench.gate = promise
  return resolve
}

/** Tries a case with state and without. `go` ends the input, or stops the run. */
function moment(name: string, from: Parts, go: (at: Moment) => Promise<void>, prove: (bench: Bench) => void): void {
  for (const hasState of [false, true]) {
    test(`${name}, ${hasState ? 'with' : 'without'} state`, async (t: TestContext) => {
      const bench = new Bench()
      const state = hasState ? folderFor(t) : undefined
      const config = (parts: Parts): PipelineConfig => pipeline({ ...from, ...parts }, state)
      const ran = bench.start(config({}))
      bench.push('a', 20)
      await bench.rest()
      await go({ bench, config })
      bench.prove(await ran)
      prove(bench)
    })
  }
}

const each = (count: number) => (bench: Bench): void => assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), upTo(count).map(n => [n, n + 1]))

// ------------------------------------------------------------------------------------------------------------ back-pressure

for (const [name, more] of [['one batch', { batch: { bytes: 1 << 20, events: 1000, age: 1 } }], ['a memory that is full', { memory: 64 }]] as const) {
  moment(`a reload with ${name} held up by a slow sink waits until it has landed`, more, async ({ bench, config }) => {
    const release = hold(bench)
    bench.push('a', 60)
    for (let turn = 0; turn < 10; turn++) await bench.turn()
    let isDone = false
    const reload = bench.reload(config(next)).finally(() => (isDone = true))
    for (let turn = 0; turn < 10; turn++) await bench.turn()
    assert.equal(isDone, false)
    release()
    assert.equal((await reload).outcome, 'switched')
    bench.feed.end('a')
  }, each(80))
}

moment('a reload that does not land in time is given up, what runs goes on, and the next one is taken', { stopTimeout: 20 }, async ({ bench, config }) => {
  const release = hold(bench)
  bench.push('a', 60)
  await bench.turn()
  const late = await bench.reload(config({ ...next, stopTimeout: 60_000 }))
  assert.deepEqual([late.outcome, late.generation, late.error?.code], ['late', 1, 'RELOAD_LATE'])
  release()
  // The wait of the last one may just be over before everything has landed.
  await bench.rest()
  assert.equal((await bench.reload(config({ ...next, stopTimeout: 60_000 }))).outcome, 'switched')
  bench.feed.end('a')
}, each(80))

const both: Parts = { sinks: [sink('out', 'count'), sink('more', 'count', {}, 'memory')] }
moment('a sink that holds everything up can\'t be reloaded away before what it was given has landed', { ...both, stopTimeout: 20 }, async ({ bench, config }) => {
  const release = hold(bench)
  bench.push('a', 20)
  await bench.turn()
  assert.equal((await bench.reload(config({ sinks: [sink('more', 'count', {}, 'memory')], stopTimeout: 60_000 }))).outcome, 'late')
  release()
  await bench.rest()
  assert.equal((await bench.reload(config({ sinks: [sink('more', 'count', {}, 'memory')], stopTimeout: 60_000 }))).outcome, 'switched')
  bench.push('a', 20)
  bench.feed.end('a')
}, bench => {
  assert.deepEqual(bench.numbers('a', ['out']), upTo(40))
  assert.deepEqual(bench.numbers('a', ['more']), upTo(60))
})

moment('events that are dropped, given up and sent two ways under a slow sink are all accounted for across a reload', sorted, async ({ bench, config }) => {
  const release = hold(bench)
  bench.push('a', 60)
  for (let turn = 0; turn < 10; turn++) await bench.turn()
  const reload = bench.reload(config({ sinks: [sink('out', 'sort', {}), sink('more', ['sort', 'sort.odd'])] }))
  release()
  assert.equal((await reload).outcome, 'switched')
  bench.push('a', 40)
  bench.feed.end('a')
}, bench => {
  const goesOn = (n: number): boolean => n % 3 !== 0 && n % 5 !== 0
  assert.deepEqual(bench.numbers('a').toSorted((one, other) => one - other), [...upTo(80).filter(goesOn), ...upTo(120).filter(n => n >= 80 && goesOn(n) && n % 2 === 0)])
  assert.deepEqual(bench.numbers('a', ['more']).toSorted((one, other) => one - other), upTo(120).filter(n => n >= 80 && goesOn(n)))
  assert.equal(bench.kept.lines('dead_letters').length, upTo(120).filter(n => n % 3 !== 0 && n % 5 === 0).length)
})

// ------------------------------------------------------------------------------------------------------- during another one

moment('reloads that are asked for at once are taken one after the other', {}, async ({ bench, config }) => {
  const outcomes = await Promise.all(upTo(5).map(at => {
    bench.push('a', 4)
    return bench.reload(config({ stages: [stage('count', 'a', { note: String(at) }, 'count')] }))
  }))
  assert.deepEqual(outcomes.map(({ outcome, generation }) => `${outcome} ${generation}`), [2, 3, 4, 5, 6].map(generation => `switched ${generation}`))
  bench.feed.end('a')
}, each(40))

moment('a config that is refused between two that are not changes nothing for them', {}, async ({ bench, config }) => {
  const configs = [next, { stages: [stage('count', 'a', { fails: 'create' }, 'mark')] }, { sinks: [sink('out', 'count', { note: 'new' })] }]
  const outcomes = await Promise.all(configs.map(parts => bench.reload(config(parts))))
  assert.deepEqual(outcomes.map(({ outcome, generation }) => `${outcome} ${generation}`), ['switched 2', 'refused 2', 'switched 3'])
  bench.push('a', 20)
  bench.feed.end('a')
}, each(40))

moment('one that is rolled back between two that are not changes nothing for them', {}, async ({ bench, config }) => {
  const configs = [next, { sinks: [sink('out', 'count', { fails: 'open' })] }, { sinks: [sink('out', 'count', { note: 'new' })] }]
  const outcomes = await Promise.all(configs.map(parts => bench.reload(config(parts))))
  assert.deepEqual(outcomes.map(({ outcome, generation }) => `${outcome} ${generation}`), ['switched 2', 'rolled_back 2', 'switched 3'])
  bench.push('a', 20)
  bench.feed.end('a')
}, each(40))

moment('the same config twice is a second generation in which everything is kept', {}, async ({ bench, config }) => {
  const outcomes = await Promise.all([bench.reload(config(next)), bench.reload(config(next))])
  assert.deepEqual(outcomes.map(({ generation, difference }) => [generation, difference.restarted]), [[2, ['count']], [3, []]])
  bench.push('a', 20)
  bench.feed.end('a')
}, each(40))

// ------------------------------------------------------------------------------------------------- stops, pauses, and ends

moment('a reload that comes while the pipeline stops is told so', {}, async ({ bench, config }) => {
  bench.stop.abort()
  await assert.rejects(bench.reload(config(next)), { code: 'RELOAD_OVER' })
}, each(20))

for (const turns of [0, 1, 2, 4, 8, 16]) {
  moment(`a stop ${turns} turns after a reload was asked for ends the pipeline that comes out of it`, {}, async ({ bench, config }) => {
    bench.push('a', 40)
    const reload = bench.reload(config({ sources: [source('a', { note: 'new' })] })).then(({ outcome }) => outcome, (error: { code: string }) => error.code)
    for (let turn = 0; turn < turns; turn++) await bench.turn()
    bench.stop.abort()
    assert.ok(['switched', 'RELOAD_OVER'].includes(await reload), await reload)
  }, bench => {
    // What was not read before the stop is the next run's.
    const rows = bench.rows('out')
    assert.ok(rows.length >= 20)
    assert.deepEqual(rows.map(({ n, seen }) => [n, seen]), upTo(rows.length).map(n => [n, n + 1]))
  })
}

test('a stop at once in the middle of a reload loses nothing that the next run does not bring', async t => {
  for (const turns of [0, 1, 2, 4, 8, 16]) {
    const bench = new Bench()
    const state = folderFor(t)
    const ran = bench.start(pipeline({}, state))
    bench.push('a', 60)
    const reload = bench.reload(pipeline({ sinks: [sink('out', 'count', { note: 'new' })] }, state)).then(({ outcome }) => outcome, (error: { code: string }) => error.code)
    for (let turn = 0; turn < turns; turn++) await bench.turn()
    bench.now.abort()
    await ran.catch(() => undefined)
    await reload
    assert.deepEqual(bench.feed.opened.toSorted(), bench.feed.closed.toSorted())
    const again = new Bench()
    for (const [id, bytes] of bench.kept.chunks) again.kept.chunks.set(id, bytes)
    again.push('a', 60)
    again.feed.end('a')
    again.prove(await again.start(pipeline({}, state)))
    assert.deepEqual(again.rows('out').map(({ n, seen }) => [n, seen]), upTo(60).map(n => [n, n + 1]), `${turns} turns`)
  }
})

moment('a drain that comes while a slow sink holds a reload up ends both', {}, async ({ bench, config }) => {
  const release = hold(bench)
  bench.push('a', 20)
  for (let turn = 0; turn < 10; turn++) await bench.turn()
  const reload = bench.reload(config(next)).then(({ outcome }) => outcome, (error: { code: string }) => error.code)
  await bench.turn()
  bench.stop.abort()
  release()
  assert.ok(['switched', 'RELOAD_OVER'].includes(await reload))
}, each(40))

moment('the input may end while a reload is under way', {}, async ({ bench, config }) => {
  bench.push('a', 40)
  const reload = bench.reload(config({ sinks: [sink('out', 'count', { note: 'new' })] })).then(({ outcome }) => outcome, (error: { code: string }) => error.code)
  bench.feed.end('a')
  assert.ok(['switched', 'RELOAD_OVER'].includes(await reload))
}, each(60))

moment('a pipeline that pauses takes another config and goes on pausing; what comes waits for it', {}, async ({ bench, config }) => {
  bench.control.pause()
  bench.push('a', 20)
  const { outcome, generation } = await bench.reload(config(next))
  assert.deepEqual([outcome, generation, bench.control.figures?.state, bench.control.figures?.events_in], ['switched', 2, 'paused', 20])
  bench.control.resume()
  bench.feed.end('a')
}, each(40))

moment('a pipeline that pauses and gets a config that can\'t be opened pauses on', {}, async ({ bench, config }) => {
  bench.control.pause()
  bench.push('a', 20)
  const { outcome } = await bench.reload(config({ sinks: [sink('out', 'count', { fails: 'open' })] }))
  assert.deepEqual([outcome, bench.control.figures?.state, bench.control.figures?.events_in], ['rolled_back', 'paused', 20])
  bench.control.resume()
  bench.feed.end('a')
}, each(40))
