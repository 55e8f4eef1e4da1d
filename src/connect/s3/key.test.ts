import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../../base/index.ts'
import { field, prepareConfig } from '../../engine/index.ts'
import type { CompiledTemplate } from '../../engine/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { testContext } from '../testing.ts'
import { checkTemplate, cleanValue, keyOf, withId } from './key.ts'

const SLAB = { source: 'in', bytes: new Uint8Array(), locate: () => null }
const eventOf = (value: JsonValue): Event => new Event(SLAB, 0, 0, undefined, value)

function template(key: string): CompiledTemplate {
  return prepareConfig(field.object({ key: field.template() }), { key }, testContext()).key
}

test('whatever an event holds, its key stays below the literal part and has as many steps as the template', () => {
  const key = template('results/city={event.a}/{event.b}{event.c}/rows.ndjson')
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('..', '.', '', '/', '../..', '\\', '{id}', 'a/b', '\0'), fc.string({ unit: 'binary', minLength: 250, maxLength: 400 }))
  fc.assert(fc.property(text, text, text, (a, b, c) => {
    let made: string
    try {
      made = keyOf(key, eventOf({ a, b, c }))
    } catch (error) {
      assert.ok(error instanceof SluiceError && error.code === 'PATH_ESCAPE')
      return
    }
    assert.match(made, /^results\/city=[^/]+\/[^/]+\/rows\.ndjson$/)
    assert.ok(made.split('/').every(step => step !== '.' && step !== '..'))
    assert.doesNotMatch(made, /[{}\\\0]/)
    assert.ok(Buffer.byteLength(made) <= 1024)
  }))
})

test('letters of all scripts stay as they are, and what is missing becomes a line', () => {
  assert.equal(cleanValue('Zürich 東京 a+b=c@d'), 'Zürich 東京 a+b=c@d')
  assert.equal(cleanValue(''), '_')
  assert.equal(cleanValue('...'), '_')
  assert.equal(cleanValue('a/b?c#d%e'), 'a_b_c_d_e')
})

test('a character of two halves is not cut in the middle', () => {
  const cut = cleanValue(`${'a'.repeat(199)}𝒳`)
  assert.equal(Buffer.from(cut).toString(), cut)
})

test('the id stands before the ending, or where the key says', () => {
  assert.equal(withId('a/rows.ndjson.zst', '7'), 'a/rows-7.ndjson.zst')
  assert.equal(withId('a.b/rows', '7'), 'a.b/rows-7')
  assert.equal(withId('a/.csv.gz', '7'), 'a/7.csv.gz')
  assert.equal(withId('a/x-{id}-y.csv', '7'), 'a/x-7-y.csv')
})

test('a key needs a literal beginning and a name', () => {
  for (const [wrong, why] of [['{event.a}/x', /literal/], ['/x', /slash/], ['x/', /name/]] as const) assert.throws(() => checkTemplate(template(wrong)), why)
  checkTemplate(template('x/{event.a}.csv'))
})
