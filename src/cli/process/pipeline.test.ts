import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import type { Values } from './flags.ts'
import { pipelineOf, textOf } from './pipeline.ts'

const TEXT = fc.oneof(fc.string({ minLength: 1, unit: 'binary' }), fc.constantFrom('yes', 'null', '0x10', '1e3', '- a', '{a: b}', '# not a comment', "it's", '"', 'a: b', '~', '!tag', '&a', '*a', '| x', ' ', 'two\nlines', '2026-01-01'))

test('whatever a setting holds, the text of the pipeline holds the same', async () => {
  await fc.assert(fc.asyncProperty(TEXT, TEXT, TEXT, fc.dictionary(TEXT, TEXT, { minKeys: 1 }), fc.array(TEXT, { minLength: 1 }), async (filter, output, header, map, files) => {
    for (const values of [{ source: 'file', files, filter, map, output }, { source: 'api', url: output, header: { [filter]: header }, 's3-bucket': output, 's3-prefix': header }] satisfies Values[]) {
      const pipeline = pipelineOf(values, '/folder')
      const read: unknown = parse(await textOf(pipeline))
      assert.deepEqual(read, JSON.parse(JSON.stringify(pipeline)))
    }
  }))
})

test('what is done is kept apart for each input and destination, and not for each way of working', () => {
  const base: Values = { 'source': 'kafka', 'topic': ['a'], 's3-bucket': 'b' }
  const stateOf = (more: Values): unknown => pipelineOf({ ...base, ...more }, '/folder')['state']
  const state = stateOf({})
  for (const same of [{ workers: 3 }, { filter: 'true' }, { 'batch-size': 5 }, { format: 'csv' }] satisfies Values[]) assert.equal(stateOf(same), state)
  const others = [{ topic: ['a', 'c'] }, { brokers: ['x:1'] }, { 's3-bucket': 'c' }, { 's3-prefix': 'p' }, { 's3-endpoint': 'http://x' }] satisfies Values[]
  assert.equal(new Set([state, ...others.map(stateOf)]).size, others.length + 1)
  assert.deepEqual([stateOf({ group: 'g' }), stateOf({ state: 'none' }), stateOf({ state: 'mine' })], [undefined, undefined, 'mine'])
})
