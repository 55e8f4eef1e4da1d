/** What differs between two configs, and what can't change while a pipeline runs. Reloads themselves are tested in test/reload. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PipelineConfig } from './config.ts'
import { checkChange, differenceOf } from './reload.ts'
import type { Difference } from './reload.ts'
import { sinkConfig, stageConfig, testPipeline } from './testing.ts'

const before = testPipeline([stageConfig('s', 'map', 'in')], [sinkConfig('out', 's'), sinkConfig('s', 'in')])
const difference = (more: Partial<PipelineConfig>, all = false): Difference => differenceOf(before, { ...before, ...more }, all)

test('components that are the same are kept, and each is known by its kind and id', () => {
  assert.deepEqual(difference({}), { kept: ['in', 's', 'out', 'sinks.s', 'dead_letters'], restarted: [], added: [], removed: [] })
})

test('a component with another config or type is restarted, others come and go', () => {
  const { restarted, added, removed } = difference({ sources: [{ id: 'in', type: 'memory', config: { path: 'b' } }, { id: 'more', type: 'memory', config: {} }], stages: [stageConfig('s', 'filter', 'in')], sinks: [sinkConfig('s', 'in')] })
  assert.deepEqual([restarted, added, removed], [['in', 's'], ['more'], ['out']])
})

test('where its events come from does not make a component another', () => {
  assert.deepEqual(difference({ sinks: [sinkConfig('out', 'in'), sinkConfig('s', 's')] }).restarted, [])
})

test('where all components share a transaction none is kept', () => {
  assert.deepEqual(difference({}, true).kept, [])
})

test('another name, state or delivery needs another process', () => {
  for (const more of [{ name: 'other' }, { state: '/other' }, { delivery: 'exactly_once' }] as const) assert.throws(() => checkChange(before, { ...before, ...more }), { code: 'RELOAD_NEEDS_RESTART' })
  checkChange(before, { ...before, workers: 2, memory: 1, checkpointInterval: 1, ordered: false })
})
