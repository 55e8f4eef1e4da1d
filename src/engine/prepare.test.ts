import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../base/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import * as field from './fields.ts'
import { fits, prepareConfig, templateParts } from './prepare.ts'

const CONTEXT = { folder: '/pipelines/late', now: () => 0, random: () => 0 }

function eventOf(value: JsonValue): Event {
  return new Event({ source: 'test', bytes: new Uint8Array(0), locate: () => null }, 0, 0, undefined, value)
}

test('leaves become what a component wants to hold', () => {
  const of = field.object({ wait: field.duration(), most: field.size(), file: field.path(), token: field.secret(), when: field.expression(), name: field.template() })
  const made = prepareConfig(of, { wait: '1m30s', most: '1KiB', file: 'a/b', token: 't', when: 'event.a + 1', name: 'out/{event.a}-{{x}}.ndjson' }, CONTEXT)
  assert.deepEqual([made.wait, made.most, made.file, made.token], [90_000, 1024, '/pipelines/late/a/b', 't'])
  assert.equal(made.when(eventOf({ a: 2 })), 3)
  assert.equal(made.name(eventOf({ a: 2 })), 'out/2-{x}.ndjson')
  assert.deepEqual([made.name.prefix, made.name.literal], ['out/', false])
})

test('defaults take the place of what was left out, at every depth', () => {
  const inner = field.object({ age: field.duration({ default: '1s' }), note: field.optional(field.string()) })
  const of = field.object({ n: field.integer({ default: 5 }), inner, list: field.list(inner, { default: [] }), map: field.record(inner, { default: {} }), maybe: field.optional(inner) })
  assert.deepEqual(prepareConfig(of, {}, CONTEXT), { n: 5, inner: { age: 1000 }, list: [], map: {} })
  assert.deepEqual(prepareConfig(of, { list: [{}], map: { a: { age: '2s' } }, maybe: {} }, CONTEXT), { n: 5, inner: { age: 1000 }, list: [{ age: 1000 }], map: { a: { age: 2000 } }, maybe: { age: 1000 } })
})

test('of several kinds, the one that fits is prepared', () => {
  const of = field.either([field.object({ after: field.duration() }), field.object({ size: field.size() }), field.boolean(), field.expression()])
  assert.deepEqual(prepareConfig(of, { size: '1KiB' }, CONTEXT), { size: 1024 })
  assert.deepEqual(prepareConfig(of, { after: '1s' }, CONTEXT), { after: 1000 })
  assert.equal(prepareConfig(of, true, CONTEXT), true)
  assert.equal(typeof prepareConfig(of, 'event.a', CONTEXT), 'function')
  assert.ok(!fits(of, 5))
})

test('a key called like a part of every object is a key like any other', () => {
  const of = field.record(field.string())
  const made = prepareConfig(of, JSON.parse('{"__proto__": "a", "constructor": "b"}'), CONTEXT)
  assert.deepEqual(Object.keys(made), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(made), Object.prototype)
})

test('a template is cut at its braces, and a doubled brace is a brace', () => {
  assert.deepEqual(templateParts('a{{b}}{event.c}d'), ['a{b}', { source: 'event.c', offset: 7 }, 'd'])
  assert.throws(() => templateParts('a{event'), (error: unknown) => error instanceof SluiceError && error.code === 'CONFIG_VALUE')
})

test('an expression of a template may hold braces and quotes', () => {
  assert.deepEqual(templateParts(`a{event.tags["a}b"]}c`), ['a', { source: `event.tags["a}b"]`, offset: 2 }, 'c'])
  assert.deepEqual(templateParts(`{ {'a': {'b': 1}}.a.b }}}`), [{ source: ` {'a': {'b': 1}}.a.b `, offset: 1 }, '}'])
  assert.deepEqual(templateParts(`{r'\\}' + '''}'\\'''' + event.\`a b\`}`), [{ source: `r'\\}' + '''}'\\'''' + event.\`a b\``, offset: 1 }])
  assert.throws(() => templateParts(`a{ {'b': 1 }`), { code: 'CONFIG_VALUE' })
  // What is no expression is for the compiler to tell, up to the first brace.
  assert.deepEqual(templateParts('{event.a # b}c{"d}'), [{ source: 'event.a # b', offset: 1 }, 'c', { source: '"d', offset: 15 }])
  const of = field.object({ name: field.template() })
  assert.equal(prepareConfig(of, { name: `{event.tags["a}b"]}-{ {'x': event.n}.x }.json` }, CONTEXT).name(eventOf({ tags: { 'a}b': 't' }, n: 3 })), 't-3.json')
})

test('a value that is no text can be an expression among other kinds', () => {
  const of = field.either([field.expression(), field.list(field.expression())])
  const made = prepareConfig(of, 5, CONTEXT)
  assert.equal(typeof made === 'function' ? made(eventOf({})) : made, 5)
})

test('a schema that is not there is an error that names it', () => {
  assert.throws(() => prepareConfig(field.schema(), 'no-such.schema.json', CONTEXT), (error: unknown) => error instanceof SluiceError && error.code === 'CONFIG_FILE' && error.message.includes('no-such.schema.json'))
  assert.deepEqual(prepareConfig(field.schema(), { type: 'object' }, CONTEXT), { type: 'object' })
})
