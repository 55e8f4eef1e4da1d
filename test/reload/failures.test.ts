/** What breaks in a reload: a component that can't be made, opened, or closed, or breaks when it works. The pipeline goes on, or ends and tells why; nothing is lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StageConfig } from '../../src/engine/config.ts'
import { sinkConfig } from '../../src/engine/testing.ts'
import { Bench, base, folderFor, pipeline, sink, source, stage, upTo } from './bench.ts'
import type { Parts } from './bench.ts'

const broken = (fails: string, note = 'new'): { readonly fails: string; readonly note: string } => ({ fails, note })
const counted = (id: string): StageConfig[] => [stage('count', 'a', {}, 'count'), stage(id, 'count', broken('open'), 'same')]

const KEEPS: Readonly<Record<string, { readonly to: Parts; readonly outcome: 'refused' | 'rolled_back'; readonly says: RegExp }>> = {
  'a source that can\'t be made': { to: { sources: [source('a', broken('create'))] }, outcome: 'refused', says: /source can not be made/ },
  'a source more that can\'t be made': { to: { sources: [source('a'), source('b', broken('create'))], stages: [stage('count', ['a', 'b'], {}, 'count')] }, outcome: 'refused', says: /source can not be made/ },
  'a stage that can\'t be made': { to: { stages: [stage('count', 'a', broken('create'), 'mark')] }, outcome: 'refused', says: /stage can not be made/ },
  'a sink that can\'t be made': { to: { sinks: [sink('out', 'count', broken('create'))] }, outcome: 'refused', says: /sink can not be made/ },
  'dead letters that can\'t be made': { to: { deadLetters: sinkConfig('dead_letters', [], { config: broken('create') }) }, outcome: 'refused', says: /sink can not be made/ },
  'a type that is not there': { to: { stages: [stage('count', 'a', {}, 'nowhere')] }, outcome: 'refused', says: /nowhere/ },
  'stages that feed each other': { to: { stages: [stage('count', 'm', {}, 'count'), stage('m', 'count')] }, outcome: 'refused', says: /circle|feed/i },
  'no sink': { to: { sinks: [] }, outcome: 'refused', says: /no sink/ },
  'another name': { to: { name: 'other' }, outcome: 'refused', says: /stop the pipeline and start it again/ },
  'a source that can\'t be opened': { to: { sources: [source('a', broken('open'))] }, outcome: 'rolled_back', says: /source can not be opened/ },
  'a source more that can\'t be opened': { to: { sources: [source('a'), source('b', broken('open'))], stages: [stage('count', ['a', 'b'], {}, 'count')] }, outcome: 'rolled_back', says: /source can not be opened/ },
  'a stage that can\'t be opened': { to: { stages: counted('shut'), sinks: [sink('out', 'shut')] }, outcome: 'rolled_back', says: /stage can not be opened/ },
  'a sink that can\'t be opened': { to: { sinks: [sink('out', 'count', broken('open'))] }, outcome: 'rolled_back', says: /sink can not be opened/ },
  'a sink more that can\'t be opened': { to: { sinks: [sink('out', 'count', { note: 'new' }), sink('more', 'count', broken('open'))] }, outcome: 'rolled_back', says: /sink can not be opened/ },
  'dead letters that can\'t be opened': { to: { deadLetters: sinkConfig('dead_letters', [], { config: broken('open') }) }, outcome: 'rolled_back', says: /sink can not be opened/ },
}

for (const [name, { to, outcome: expected, says }] of Object.entries(KEEPS)) {
  for (const hasState of [false, true]) {
    test(`a config with ${name} is ${expected.replace('_', ' ')}, under load, ${hasState ? 'with' : 'without'} state`, async t => {
      const bench = new Bench()
      const state = hasState ? folderFor(t) : undefined
      const ran = bench.start(pipeline({}, state))
      bench.push('a', 20)
      await bench.rest()
      const reload = bench.reload(pipeline(to, state))
      bench.push('a', 20)
      const { outcome, generation, error } = await reload
      assert.deepEqual([outcome, generation, bench.control.figures?.generation], [expected, 1, 1])
      assert.match(error?.message ?? '', says)
      bench.push('a', 5)
      bench.feed.end('a')
      bench.prove(await ran)
      assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), upTo(45).map(n => [n, n + 1]))
      if (expected === 'refused') assert.deepEqual(bench.feed.opened, ['out', 'dead_letters', 'a'], 'nothing was touched')
    })
  }
}

const UNCLOSED: Readonly<Record<string, { readonly from: Parts; readonly to: Parts }>> = {
  'a source that goes': { from: { sources: [source('a'), source('b', broken('close'))], stages: [stage('count', ['a', 'b'], {}, 'count')] }, to: {} },
  'a source that is restarted': { from: { sources: [source('a', broken('close'))] }, to: {} },
  'a sink that goes': { from: { sinks: [sink('out', 'count'), sink('more', 'count', broken('close'))] }, to: {} },
  'a sink that is restarted': { from: { sinks: [sink('out', 'count', broken('close'))] }, to: {} },
  'a stage that goes': { from: { stages: [stage('s', 'a', broken('close'), 'same'), stage('count', 's', {}, 'count')] }, to: {} },
}
for (const [name, { from, to }] of Object.entries(UNCLOSED)) {
  for (const hasState of [false, true]) {
    test(`${name} and can't be closed is told of, and the new config runs, ${hasState ? 'with' : 'without'} state`, async t => {
      const bench = new Bench()
      const state = hasState ? folderFor(t) : undefined
      const ran = bench.start(pipeline(from, state))
      bench.push('a', 20)
      await bench.rest()
      const { outcome, generation, error } = await bench.reload(pipeline(to, state))
      assert.deepEqual([outcome, generation, error], ['switched', 2, undefined])
      assert.match(bench.warnings.join('\n'), /can not be closed, says the test/)
      bench.push('a', 5)
      bench.feed.end('a')
      bench.prove(await ran)
      assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), upTo(25).map(n => [n, n + 1]))
    })
  }
}

for (const hasState of [false, true]) {
  test(`a stage that breaks on every event once it runs gives them to the dead letters, ${hasState ? 'with' : 'without'} state`, async t => {
    const bench = new Bench()
    const state = hasState ? folderFor(t) : undefined
    const ran = bench.start(pipeline({}, state))
    bench.push('a', 20)
    await bench.rest()
    assert.equal((await bench.reload(pipeline({ stages: [stage('s', 'a', broken('work'), 'same'), stage('count', 's', {}, 'count')] }, state))).outcome, 'switched')
    bench.push('a', 20)
    await bench.rest()
    assert.equal((await bench.reload(pipeline({}, state))).outcome, 'switched')
    bench.push('a', 20)
    bench.feed.end('a')
    const report = await ran
    bench.prove(report)
    assert.equal(report.dead_lettered, 20)
    assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), [...upTo(20), ...upTo(20).map(n => n + 40)].map((n, at) => [n, at + 1]))
  })
}

const ENDS: Readonly<Record<string, { readonly to: Parts; readonly says: RegExp }>> = {
  'a source that breaks off': { to: { sources: [source('a', broken('work'))] }, says: /source breaks off/ },
  'a sink that takes nothing': { to: { sinks: [sink('out', 'count', broken('work'))] }, says: /sink takes nothing/ },
}
for (const [name, { to, says }] of Object.entries(ENDS)) {
  test(`${name} once it runs ends the run with the reason; the next run goes on behind the last cut`, async t => {
    const bench = new Bench()
    const state = folderFor(t)
    const ran = bench.start(pipeline({}, state))
    const failed = assert.rejects(ran, says)
    bench.push('a', 20)
    await bench.rest()
    const reload = bench.reload(pipeline(to, state))
    bench.push('a', 20)
    assert.equal((await reload).outcome, 'switched')
    await failed
    assert.equal(bench.feed.owned.size, 0)
    await assert.rejects(bench.reload(pipeline({}, state)), { code: 'RELOAD_OVER' })
    const again = bench.start(pipeline({}, state))
    bench.feed.end('a')
    await again
    assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), upTo(40).map(n => [n, n + 1]))
  })
}

test('where neither the new config can be opened nor the old one again, the run ends and tells both', async t => {
  const bench = new Bench()
  const state = folderFor(t)
  const ran = bench.start(pipeline({ sources: [source('a', { port: '1' })] }, state))
  const failed = assert.rejects(ran, { code: 'RELOAD_FAILED', message: /sink can not be opened.*nor the old one again.*1 is in use/ })
  bench.push('a', 20)
  await bench.rest()
  const reload = bench.reload(pipeline({ sources: [source('a', { note: 'new' })], sinks: [sink('out', 'count', broken('open'))] }, state))
  // Somebody else takes what the old one gives back.
  const { owned } = bench.feed
  const [own, give] = [owned.add.bind(owned), owned.delete.bind(owned)]
  owned.delete = name => give(name) && own(name).has(name)
  await assert.rejects(reload, { code: 'RELOAD_FAILED' })
  await failed
  owned.delete = give
  owned.clear()
  assert.deepEqual(bench.feed.opened.toSorted(), bench.feed.closed.toSorted())
  const again = bench.start(pipeline(base, state))
  bench.push('a', 5)
  bench.feed.end('a')
  await again
  assert.deepEqual(bench.rows('out').map(({ n, seen }) => [n, seen]), upTo(25).map(n => [n, n + 1]))
})
