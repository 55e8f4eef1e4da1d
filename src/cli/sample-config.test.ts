import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../engine/index.ts'
import { sampleConfig, sampleValue } from './sample-config.ts'

const component = { type: 'x', summary: '' }

test('what must be given gets a value that fits', () => {
  const fields = [field.string(), field.integer({ minimum: 3 }), field.boolean(), field.choice(['a', 'b']), field.list(field.integer()), field.record(field.string()), field.duration(), field.expression({ expect: 'bool' }), field.object({ a: field.string(), b: field.string({ default: 'x' }) })]
  assert.deepEqual(fields.map(sampleValue), ['text', 3, false, 'a', [1], { name: 'text' }, '10s', 'event.value > 0', { a: 'text' }])
})

test('the first example goes before made-up values', () => {
  const config = field.object({ condition: field.expression(), limit: field.integer({ default: 5 }) })
  assert.deepEqual(sampleConfig({ ...component, config, shorthand: 'condition', examples: [{ config: 'event.a' }] }), { condition: 'event.a' })
  assert.deepEqual(sampleConfig({ ...component, config, examples: [{ config: { condition: 'event.b', limit: 7 } }] }), { condition: 'event.b', limit: 7 })
})

test('where nothing must be given, the first field with a default stands there', () => {
  assert.deepEqual(sampleConfig({ ...component, config: field.object({ a: field.optional(field.string()), format: field.string({ default: 'ndjson' }) }) }), { format: 'ndjson' })
  assert.deepEqual(sampleConfig({ ...component, config: field.object({}) }), {})
})

test('a short form that happens to be an object is not taken for the long one', () => {
  const config = field.object({ fields: field.record(field.string()), other: field.string({ default: '' }) })
  assert.deepEqual(sampleConfig({ ...component, config, shorthand: 'fields', examples: [{ config: { a: 'b' } }] }), { fields: { a: 'b' } })
})
