/** Each kind of component changed, added, removed and replaced while the pipeline runs: with and without state, idle and under load. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SinkConfig } from '../../src/engine/config.ts'
import { sinkConfig } from '../../src/engine/testing.ts'
import { Bench, base, folderFor, pipeline, sink, source, stage, upTo } from './bench.ts'
import type { Parts } from './bench.ts'

interface Case {
  readonly from?: Parts
  readonly to: Parts
  /** Ids that are restarted, come, and go; all others are kept. */
  readonly restarted?: readonly string[]
  readonly added?: readonly string[]
  readonly removed?: readonly string[]
  /** Sinks at which all events of a source come together; `out` by default. */
  readonly sinks?: readonly string[]
  /** False where what the stage knew is gone with it. */
  readonly remembers?: boolean
}

const two = { sources: [source('a'), source('b')], stages: [stage('count', ['a', 'b'], {}, 'count')] }
const marked = { stages: [stage('m', 'a'), stage('count', 'm', {}, 'count')] }
const keyed = { stages: [stage('by', 'a', { key: 'event.from' }, 'partition_by'), stage('count', 'by', {}, 'count')] }
const plain = { stages: [stage('m', 'a')], sinks: [sink('out', 'm')] }
const letters = (config: object, type = 'memory'): SinkConfig => sinkConfig('dead_letters', [], { type, config })

const CASES: Readonly<Record<string, Case>> = {
  'nothing': { to: {} },
  'a source: its config': { to: { sources: [source('a', { note: 'new' })] }, restarted: ['a'] },
  'a source: its type': { to: { sources: [source('a', {}, 'fed_too')] }, restarted: ['a'] },
  'a source: added': { to: two, added: ['b'] },
  'a source: removed': { from: two, to: {}, removed: ['b'] },
  'a source: replaced by another': { from: two, to: { sources: [source('a'), source('c')], stages: [stage('count', ['a', 'c'], {}, 'count')] }, added: ['c'], removed: ['b'] },
  'sources: their order': { from: two, to: { ...two, sources: [source('b'), source('a')] } },
  'a stage: its config': { from: marked, to: { stages: [stage('m', 'a', { note: 'new' }), stage('count', 'm', {}, 'count')] }, restarted: ['m'] },
  'a stage: its type': { from: marked, to: { stages: [stage('m', 'a', {}, 'same'), stage('count', 'm', {}, 'count')] }, restarted: ['m'] },
  'a stage: added before one with memory': { to: marked, added: ['m'] },
  'a stage: added behind one with memory': { to: { stages: [stage('count', 'a', {}, 'count'), stage('m', 'count')], sinks: [sink('out', 'm')] }, added: ['m'] },
  'a stage: removed': { from: marked, to: {}, removed: ['m'] },
  'a stage: replaced by another': { from: marked, to: { stages: [stage('s', 'a', {}, 'same'), stage('count', 's', {}, 'count')] }, added: ['s'], removed: ['m'] },
  'stages: their order': { from: { stages: [stage('m', 'a'), stage('s', 'm', {}, 'same'), stage('count', 's', {}, 'count')] }, to: { stages: [stage('s', 'a', {}, 'same'), stage('m', 's'), stage('count', 'm', {}, 'count')] } },
  'a stage with memory: its config': { to: { stages: [stage('count', 'a', { note: 'new' }, 'count')] }, restarted: ['count'] },
  'a stage with memory: its type': { to: { stages: [stage('count', 'a', {}, 'count_too')] }, restarted: ['count'] },
  'a stage with memory: added': { from: plain, to: { stages: [stage('m', 'a'), stage('count', 'm', {}, 'count')] }, added: ['count'], remembers: false },
  'a stage with memory: removed': { to: plain, added: ['m'], removed: ['count'], remembers: false },
  'a stage with memory: replaced by another': { to: { stages: [stage('again', 'a', {}, 'count')], sinks: [sink('out', 'again')] }, added: ['again'], removed: ['count'], remembers: false },
  'an exchange by key: added': { to: keyed, added: ['by'], remembers: false },
  'an exchange by key: removed': { from: keyed, to: {}, removed: ['by'], remembers: false },
  'an exchange by key: its key': { from: keyed, to: { stages: [stage('by', 'a', { key: '"all"' }, 'partition_by'), stage('count', 'by', {}, 'count')] }, restarted: ['by'], remembers: false },
  'a sink: its config': { to: { sinks: [sink('out', 'count', { note: 'new' })] }, restarted: ['out'] },
  'a sink: its type': { to: { sinks: [sink('out', 'count', {}, 'keep_too')] }, restarted: ['out'] },
  'a sink: added': { to: { sinks: [sink('out', 'count'), sink('more', 'count')] }, added: ['more'] },
  'a sink: removed': { from: { sinks: [sink('out', 'count'), sink('more', 'count')] }, to: {}, removed: ['more'] },
  'a sink: replaced by another': { to: { sinks: [sink('new', 'count')] }, added: ['new'], removed: ['out'], sinks: ['out', 'new'] },
  'a sink: fed by another stage': { from: { stages: [stage('m', 'a'), stage('count', 'a', {}, 'count')] }, to: { stages: [stage('m', 'a'), stage('count', 'm', {}, 'count')] } },
  'a sink: fed by two': { from: { stages: [stage('count', 'a', {}, 'count')] }, to: { sources: [source('a'), source('b')], stages: [stage('count', 'a', {}, 'count'), stage('s', 'b', {}, 'same')], sinks: [sink('out', ['count', 's'])] }, added: ['b', 's'], remembers: false },
  'the dead letters: their config': { to: { deadLetters: letters({ note: 'new' }) }, restarted: ['dead_letters'] },
  'the dead letters: their type': { to: { deadLetters: letters({}, 'keep') }, restarted: ['dead_letters'] },
  'a source that has the name of a sink: its config': {
    from: { sources: [source('out')], stages: [stage('count', 'out', {}, 'count')] }, to: { sources: [source('out', { note: 'new' })], stages: [stage('count', 'out', {}, 'count')] }, restarted: ['out'],
  },
  'everything at once': { from: two, to: { sources: [source('a', {}, 'fed_too'), source('c')], stages: [stage('m', ['a', 'c']), stage('count', 'm', {}, 'count_too')], sinks: [sink('out', 'count', {}, 'keep_too'), sink('more', 'm')], deadLetters: letters({ note: 'new' }) }, restarted: ['a', 'count', 'out', 'dead_letters'], added: ['c', 'm', 'more'], removed: ['b'] },
  'the pipeline\'s own limits': { to: { memory: 4096, batch: { bytes: 512, events: 7, age: 1 }, ordered: false, checkpointInterval: 20 } },
}

for (const [name, { from = {}, to, restarted = [], added = [], removed = [], sinks = ['out'], remembers = true }] of Object.entries(CASES)) {
  for (const [hasState, load] of [[false, 'idle'], [false, 'under load'], [true, 'under load']] as const) {
    test(`${name}, ${hasState ? 'with' : 'without'} state, ${load}`, async t => {
      const bench = new Bench()
      const state = hasState ? folderFor(t) : undefined
      const ran = bench.start(pipeline(from, state))
      const sources = (from.sources ?? base.sources ?? []).map(({ id }) => id)
      for (const id of sources) bench.push(id, 20)
      await bench.rest()
      const reload = bench.reload(pipeline(to, state))
      for (let turn = 0; load === 'under load' && turn < 20; turn++) {
        for (const id of sources) if (!removed.includes(id)) bench.push(id, 5)
        await bench.turn()
      }
      const { outcome, generation, difference, error } = await reload
      assert.deepEqual([outcome, generation, error], ['switched', 2, undefined])
      assert.equal(bench.control.figures?.generation, 2)
      assert.deepEqual([difference.restarted, difference.added, difference.removed].map(ids => ids.toSorted()), [restarted, added, removed].map(ids => ids.toSorted()))
      const now = (to.sources ?? base.sources ?? []).map(({ id }) => id)
      for (const id of now) bench.push(id, 10)
      for (const id of new Set([...sources, ...now])) bench.feed.end(id)
      bench.prove(await ran)
      for (const id of new Set([...sources, ...now])) assert.deepEqual(bench.numbers(id, sinks), upTo(bench.fed(id)), `each of ${id} once, in order`)
      const rows = sinks.flatMap(id => bench.rows(id))
      if (remembers) assert.deepEqual(rows.map(({ seen }) => seen), rows.map((_, index) => index + 1), 'memory goes on')
      for (const id of new Set(['out', 'dead_letters', ...sources])) {
        const namesake = id === 'out' && sources.includes('out') ? 1 : 0
        const isKept = ![...restarted, ...added, ...removed].includes(id)
        assert.equal(bench.feed.opened.filter(opened => opened === id).length, (isKept || removed.includes(id) ? 1 : 2) + namesake, `${id} is opened ${isKept ? 'once' : 'again'}`)
      }
    })
  }
}
