import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rawAt, removeRaw, renameRaw, setRaw } from './edit.ts'
import { isCanonicalString, quote } from './string.ts'

test('a value is read as it is written, spaces around it left out', () => {
  assert.equal(rawAt('{ "a" : 1.50 , "b":[ 1 ]}', ['a']), '1.50')
  assert.equal(rawAt('{ "a" : 1.50 , "b":[ 1 ]}', ['b']), '[ 1 ]')
  assert.equal(rawAt('{"a":{"b":"\\u00e9"}}', ['a', 'b']), '"\\u00e9"')
  assert.equal(rawAt('{"a":1}', ['a', 'b']), undefined)
  assert.equal(rawAt('{"a":1}', ['b']), undefined)
  assert.equal(rawAt('[1]', ['0']), undefined)
})

test('of a repeated key the last one is read', () => {
  assert.equal(rawAt('{"a":1,"a":2}', ['a']), '2')
  assert.equal(rawAt('{"a":{"b":1},"a":{"c":2}}', ['a', 'b']), undefined)
})

test('a key written with escapes is found by its meaning', () => {
  assert.equal(rawAt('{"\\u0061\\"":7}', ['a"']), '7')
})

test('a value is replaced in its place and nothing else moves', () => {
  assert.equal(setRaw('{ "a" : 1e2 , "b" : 2 }', ['a'], '"x"'), '{ "a" : "x" , "b" : 2 }')
})

test('earlier fields of a key that is set or renamed go, on every level of the path', () => {
  assert.equal(setRaw('{"a":1,"b":0,"a":2}', ['a'], '3'), '{"b":0,"a":3}')
  assert.equal(setRaw('{"o":{"a":1},"o":{"a":2,"b":0, "\\u0061":3}}', ['o', 'a'], '4'), '{"o":{"b":0, "\\u0061":4}}')
  assert.equal(setRaw('{"o":{"a":1},"o":{"b":2}}', ['o', 'a'], '4'), '{"o":{"b":2,"a":4}}')
  assert.equal(setRaw('{"o":{"a":1},"o":5}', ['o', 'a'], '4'), undefined)
  assert.equal(renameRaw('{"o":{"a":1},"x":0,"o":{"a":2,"a":3}}', ['o', 'a'], 'b'), '{"x":0,"o":{"b":3}}')
  assert.equal(renameRaw('{"o":{"a":1},"o":{"c":2}}', ['o', 'a'], 'b'), '{"o":{"a":1},"o":{"c":2}}')
})

test('a missing field is appended behind the last value, right before the closing brace', () => {
  assert.equal(setRaw('{"a":1}', ['b'], '2'), '{"a":1,"b":2}')
  assert.equal(setRaw('{ "a": 1 } ', ['b'], '2'), '{ "a": 1,"b":2} ')
  assert.equal(setRaw('{}', ['b'], '2'), '{"b":2}')
  assert.equal(setRaw('{ }', ['b'], '2'), '{ "b":2}')
})

test('missing objects on the way are made, other values on the way are an error', () => {
  assert.equal(setRaw('{"a":1}', ['x', 'y', 'z'], '2'), '{"a":1,"x":{"y":{"z":2}}}')
  assert.equal(setRaw('{"x":{}}', ['x', 'y', 'z'], '2'), '{"x":{"y":{"z":2}}}')
  assert.equal(setRaw('{"x":[]}', ['x', 'y'], '2'), undefined)
  assert.equal(setRaw('5', ['x'], '2'), undefined)
})

test('a removed field takes the comma that would be too many', () => {
  assert.equal(removeRaw('{"a":1,"b":2,"c":3}', ['a']), '{"b":2,"c":3}')
  assert.equal(removeRaw('{"a":1,"b":2,"c":3}', ['b']), '{"a":1,"c":3}')
  assert.equal(removeRaw('{"a":1,"b":2,"c":3}', ['c']), '{"a":1,"b":2}')
  assert.equal(removeRaw('{ "a": 1 , "b": 2 }', ['b']), '{ "a": 1 }')
  assert.equal(removeRaw('{ "a": 1 , "b": 2 }', ['a']), '{ "b": 2 }')
  assert.equal(removeRaw('{ "a": 1 }', ['a']), '{ }')
  assert.equal(removeRaw('{"a":1}', ['b']), '{"a":1}')
})

test('every occurrence of a removed field goes, within every object of its path', () => {
  assert.equal(removeRaw('{"a":1,"a":2,"b":3,"a":4}', ['a']), '{"b":3}')
  assert.equal(removeRaw('{"a":{"x":1},"a":{"x":2,"y":3}}', ['a', 'x']), '{"a":{},"a":{"y":3}}')
})

test('a renamed field keeps its place, and a field of the new name goes', () => {
  assert.equal(renameRaw('{"a":1,"b":2}', ['a'], 'c'), '{"c":1,"b":2}')
  assert.equal(renameRaw('{"b":0, "a":1, "b":2 }', ['a'], 'b'), '{"b":1 }')
  assert.equal(renameRaw('{"a":1,"x":9,"a":2}', ['a'], 'b'), '{"x":9,"b":2}')
  assert.equal(renameRaw('{"a":1}', ['a'], 'a'), '{"a":1}')
  assert.equal(renameRaw('{"b":1}', ['a'], 'b'), '{"b":1}')
  assert.equal(renameRaw('{"a":{"b":1}}', ['a', 'b'], 'é"'), '{"a":{"é\\"":1}}')
})

const key = fc.constantFrom('a', 'b', 'c', 'é', '"')
const space = fc.constantFrom('', ' ', '\t', '  ')
const scalar = fc.oneof(fc.constantFrom('1', '-0', '1.50e3', '123456789012345678901', 'null', 'true', 'false', '"x"', '"\\u00e9,}"', '[]', '[1, {"a":2}]', '{ }'))
/** Objects as text, with white space and repeated keys. */
const { object } = fc.letrec<{ object: string; value: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, tie('object')),
  object: fc
    .tuple(space, fc.array(fc.tuple(key, space, space, tie('value'), space, space), { maxLength: 4 }))
    .map(([inside, members]) => `{${inside}${members.map(([name, a, b, value, c, d]) => `${JSON.stringify(name)}${a}:${b}${value}${c},${d}`).join('').replace(/,(\s*)$/, '$1')}}`),
}))
const path = fc.array(key, { minLength: 1, maxLength: 3 })

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const isObject = (value: Json | undefined): value is { [name: string]: Json } => value !== null && typeof value === 'object' && !Array.isArray(value)

/** The object around the last key, if all keys before it lead to objects. */
function around(root: Json, keys: readonly string[]): { [name: string]: Json } | undefined {
  let at: Json | undefined = root
  for (const name of keys.slice(0, -1)) at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined
  return isObject(at) ? at : undefined
}

const parse = (text: string): Json => JSON.parse(text) as Json // JSON.parse yields nothing else.

test('edits of text mean what edits of the parsed value mean', () => {
  fc.assert(
    fc.property(object, path, key, (text, keys, name) => {
      const last = keys.at(-1) ?? ''

      const value = around(parse(text), keys)?.[last]
      const raw = rawAt(text, keys)
      assert.deepEqual(raw === undefined ? undefined : parse(raw), value)

      const removed = parse(text)
      delete around(removed, keys)?.[last]
      assert.deepEqual(parse(removeRaw(text, keys)), removed)

      const renamed = parse(text)
      const holder = around(renamed, keys)
      if (holder !== undefined && Object.hasOwn(holder, last) && last !== name) {
        holder[name] = holder[last] ?? null
        delete holder[last]
      }
      assert.deepEqual(parse(renameRaw(text, keys, name)), renamed)

      const set = setRaw(text, keys, '"new"')
      if (set !== undefined) assert.equal(rawAt(set, keys), '"new"')
      else assert.equal(around(parse(text), keys), undefined)
      const whole = parse(text)
      const into = around(whole, keys)
      if (into !== undefined) into[last] = 'new'
      if (set !== undefined && into !== undefined) assert.deepEqual(parse(set), whole)
    }),
  )
})

test('the order in which two fields are edited makes no difference to the bytes', () => {
  const edits = [
    (text: string) => removeRaw(text, ['a']),
    (text: string) => setRaw(text, ['b'], '7') ?? text,
    (text: string) => renameRaw(text, ['c'], 'd'),
    (text: string) => removeRaw(text, ['é']),
  ]
  fc.assert(
    fc.property(object, fc.shuffledSubarray(edits), (text, order) => {
      const inOrder = edits.filter((edit) => order.includes(edit))
      assert.equal(order.reduce((line, edit) => edit(line), text), inOrder.reduce((line, edit) => edit(line), text))
    }),
  )
})

test('a string is canonical if JSON.stringify writes it so', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.ok(isCanonicalString(quote(text)))))
  for (const raw of ['"\\u0061"', '"\\/"', '"a', 'a"', '', '"', '"a"b"', '"\\u00E9"', '"\\x"', '5']) assert.equal(isCanonicalString(raw), false, raw)
})
