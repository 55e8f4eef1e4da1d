/** `split` and `flatten` against naive models, and their bounds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonValue } from '../event/index.ts'
import { rawParts } from './raw-parts.ts'
import { run } from './testing.ts'

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue> // JSON, as the stages take it.

test('split makes an event of each item, in order, alone or with the fields around it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(json, { maxLength: 5 }), json, async (items, other) => {
      const event = { a: other, list: items, z: 1 }
      // A round through JSON, which knows no -0.
      const round = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue // JSON text parses to JSON.
      assert.deepEqual((await run('split', 'list', [event])).values, items.map(round))
      assert.deepEqual((await run('split', { field: 'list', keep: true }, [event])).values, items.map(item => round({ ...event, list: item })))
    }),
  )
})

test('an event that is a list itself is split without a field', async () => {
  assert.deepEqual((await run('split', {}, ['[1,{"a":2}]'])).texts, ['1', '{"a":2}'])
})

test('what split keeps keeps its bytes, and items keep theirs', async () => {
  const text = '{ "id":12345678901234567890, "items":[ 1.0 , {"n": 98765432109876543210} ,"\\u00e9"] , "e":1e2}'
  assert.deepEqual((await run('split', { field: 'items', keep: true }, [text])).texts, ['1.0', '{"n": 98765432109876543210}', '"\\u00e9"'].map(item => `{ "id":12345678901234567890, "items":${item} , "e":1e2}`))
  assert.deepEqual((await run('split', 'items', [text])).texts, ['1.0', '{"n": 98765432109876543210}', '"\\u00e9"'])
})

test('what is no list, has too many items or would grow beyond all measure is rejected', async () => {
  assert.deepEqual((await run('split', 'a', [{ a: 'x' }, {}])).rejected, ['FIELD_TYPE: split: a is a string, not a list.', 'FIELD_TYPE: split: a is missing, not a list.'])
  assert.deepEqual((await run('split', { field: 'a', items_max: 2 }, [{ a: [1, 2, 3] }])).rejected, ['FIELD_TYPE: split: a has 3 items; 2 are the most.'])
  const large = JSON.stringify({ a: Array.from({ length: 50_000 }, () => 1), rest: 'x'.repeat(10_000) })
  assert.match((await run('split', { field: 'a', keep: true }, [large])).rejected[0] ?? '', /^FIELD_TYPE: split: a would become more than 67108864 characters/)
})

function flat(value: JsonValue, prefix: string, depth: number): [string, JsonValue][] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : []
  if (inner.length === 0 || depth === 0) return [[prefix, value]]
  return inner.flatMap(([name, item]) => flat(item as JsonValue, `${prefix}.${name}`, depth - 1)) // Entries of JSON.
}

test('flatten gives each leaf the names that lead to it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom('a', 'b', '', 'c'), json), fc.integer({ min: 1, max: 4 }), async (event, depth) => {
      const text = JSON.stringify(event)
      const entries = Object.entries(JSON.parse(text) as Record<string, JsonValue>).flatMap(([name, item]) => flat(item, name, depth)) // An object of JSON.
      const answers = await run('flatten', { depth }, [text])
      if (new Set(entries.map(([name]) => name)).size === entries.length) assert.deepEqual(answers.values, [Object.fromEntries(entries)])
      else assert.match(answers.rejected[0] ?? '', /^FIELD_TYPE: flatten: two fields become/)
    }),
  )
})

test('flatten rejects what would lose a field or grow beyond all measure', async () => {
  assert.deepEqual((await run('flatten', {}, ['{"a.b":1,"a":{"b":2}}'])).rejected, ['FIELD_TYPE: flatten: two fields become "a.b".'])
  assert.deepEqual((await run('flatten', {}, ['[1]'])).rejected, ['FIELD_TYPE: flatten: the event is an array, not an object.'])
  const large = JSON.stringify({ ['x'.repeat(10_000)]: Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [String(at), 1])) })
  assert.match((await run('flatten', {}, [large])).rejected[0] ?? '', /^FIELD_TYPE: flatten: the event would become more than 67108864 characters/)
})

test('the raw parts of a text are the parts that JSON.parse finds', () => {
  fc.assert(
    fc.property(json, fc.constantFrom('', ' ', '\t', '  '), (value, indent) => {
      const text = `${indent}${JSON.stringify(value, null, indent)}${indent}`
      const parts = rawParts(text)?.map(({ name, raw }): [string, JsonValue] => [name, JSON.parse(raw) as JsonValue]) // JSON text parses to JSON.
      const parsed = JSON.parse(text) as JsonValue // Likewise.
      const expected = typeof parsed === 'object' && parsed !== null ? Object.fromEntries(Object.entries(parsed)) : undefined
      assert.deepEqual(parts === undefined ? undefined : Object.fromEntries(parts), expected)
    }),
  )
  assert.deepEqual(rawParts('{"a" : 1,"b":2 ,"\\u0061":3}'), [{ name: 'a', raw: '3' }, { name: 'b', raw: '2' }])
})
