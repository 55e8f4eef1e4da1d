/** `set`, `remove`, `rename`, `map` and `mask`: what they change, what they leave alone, and that text and values mean the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonValue } from '../event/index.ts'
import { StageTest, run, textEvent, valueEvent } from './testing.ts'

const ODD = '{ "big":12345678901234567890, "e":"\\u00e9", "n":1.0 , "o":{ "a" : 1e2 } }'

test('an edit keeps the bytes of all that it does not touch', async () => {
  assert.deepEqual((await run('set', { x: 1 }, [ODD])).texts, ['{ "big":12345678901234567890, "e":"\\u00e9", "n":1.0 , "o":{ "a" : 1e2 },"x":1}'])
  assert.deepEqual((await run('set', { 'o.a': '2' }, [ODD])).texts, [ODD.replace('1e2', '2')])
  assert.deepEqual((await run('remove', ['e'], [ODD])).texts, ['{ "big":12345678901234567890, "n":1.0 , "o":{ "a" : 1e2 } }'])
  assert.deepEqual((await run('rename', { e: 'f' }, [ODD])).texts, [ODD.replace('"e"', '"f"')])
  assert.deepEqual((await run('mask', { fields: 'e' }, [ODD])).texts, [ODD.replace('"\\u00e9"', '"***"')])
})

test('map copies the bytes of a field that it names by a plain path', async () => {
  const { texts } = await run('map', { big: 'event.big', o: 'event.o', e: 'event.e', sum: 'event.n + 1' }, [ODD])
  assert.deepEqual(texts, ['{"big":12345678901234567890,"o":{ "a" : 1e2 },"e":"\\u00e9","sum":2}'])
})

test('a new event of map has the fields of its config and no others, in their order', async () => {
  assert.deepEqual((await run('map', { b: 'event.a', a: '"x"' }, [{ a: 1, c: 2 }])).texts, ['{"b":1,"a":"x"}'])
})

test('a field called merge is a field, unless its value is a bool', async () => {
  assert.deepEqual((await run('map', { merge: 'event.a', fields: 'event.b' }, [{ a: 1, b: 2 }])).values, [{ merge: 1, fields: 2 }])
  assert.deepEqual((await run('map', { merge: true, fields: { c: 'event.a' } }, [{ a: 1, b: 2 }])).values, [{ a: 1, b: 2, c: 1 }])
  assert.deepEqual((await run('map', { merge: false, fields: { c: 'event.a' } }, [{ a: 1, b: 2 }])).values, [{ c: 1 }])
})

test('map makes objects and lists of maps and lists of expressions, with the bytes of the fields that they name', async () => {
  const { texts } = await run('map', { user: { id: 'event.big', tags: ['event.e', '"x"', ['event.n']], none: {} }, list: [], sum: ['event.n + 1', { o: 'event.o' }] }, [ODD])
  assert.deepEqual(texts, ['{"user":{"id":12345678901234567890,"tags":["\\u00e9","x",[1.0]],"none":{}},"list":[],"sum":[2,{"o":{ "a" : 1e2 }}]}'])
  assert.deepEqual((await run('map', { merge: true, fields: { x: ['event.a', { b: 'event.a' }] } }, [{ a: 1 }])).texts, ['{"a":1,"x":[1,{"b":1}]}'])
  assert.deepEqual((await run('set', { 'o.x': { was: 'event.o.a' } }, [ODD])).texts, [ODD.replace('1e2 }', '1e2,"x":{"was":1e2}}')])
})

test('an expression that fails deep inside a value rejects the event', async () => {
  assert.match((await run('map', { user: { id: ['event.missing'] } }, [{ a: 1 }])).rejected[0] ?? '', /^EXPR_MISSING_FIELD: .*missing/)
})

test('merge beside other fields than "fields" is told as a slip', () => {
  for (const merge of ['true', ' false ']) assert.throws(() => new StageTest('map', { merge, feilds: { a: 'event.a' } }), { code: 'CONFIG_VALUE', message: /under "fields"/ })
  assert.doesNotThrow(() => new StageTest('map', { merge: 'event.a', feilds: { a: 'event.a' } }))
})

test('all expressions of a stage see the event as it was', async () => {
  assert.deepEqual((await run('set', { a: 'event.b', b: 'event.a' }, [{ a: 1, b: 2 }])).values, [{ a: 2, b: 1 }])
})

test('set makes missing objects on the way, and rejects an event that can not hold the field', async () => {
  assert.deepEqual((await run('set', { 'a.b.c': 1 }, ['{}'])).texts, ['{"a":{"b":{"c":1}}}'])
  for (const text of ['{"a":5}', '{"a":null}', '{"a":[]}']) {
    const { all } = await run('set', { z: 1, 'a.b': 1 }, [text])
    assert.deepEqual(all, [{ answer: 'reject', code: 'FIELD_TYPE', message: 'a.b can\'t be set: what should hold it is not an object.', text }])
  }
})

test('an expression that fails rejects the event with its own code', async () => {
  assert.match((await run('map', { x: 'event.missing + 1' }, [{ a: 1 }])).rejected[0] ?? '', /^EXPR_MISSING_FIELD: .*missing/)
  assert.match((await run('set', { x: 'event.a / 0.0' }, [{ a: 1 }])).rejected[0] ?? '', /^EXPR_OVERFLOW: /)
})

test('a field that is not there is no error for remove and rename', async () => {
  assert.deepEqual((await run('remove', ['x', 'a.b'], ['{"a":1}'])).texts, ['{"a":1}'])
  assert.deepEqual((await run('rename', { x: 'y' }, ['{"a":1}'])).texts, ['{"a":1}'])
})

test('an event that is no object is rejected by remove and rename', async () => {
  assert.match((await run('remove', ['x'], ['[1]'])).rejected[0] ?? '', /^FIELD_TYPE: remove needs an object/)
  assert.match((await run('rename', { x: 'y' }, ['5'])).rejected[0] ?? '', /^FIELD_TYPE: rename needs an object/)
})

test('a path has backquotes around names with dots, and may begin with event', async () => {
  assert.deepEqual((await run('remove', ['`a.b`', 'event.c'], ['{"a.b":1,"c":2,"d":3}'])).texts, ['{"d":3}'])
  for (const path of ['', '.', 'a.', 'a..b', '`a']) assert.throws(() => new StageTest('remove', [path]), { code: 'CONFIG_VALUE' })
})

test('mask hides a text in each of its ways', async () => {
  const masked = async (config: object, value: JsonValue): Promise<JsonValue> => {
    const { values, rejected } = await run('mask', { fields: 'v', ...config }, [{ v: value }])
    assert.deepEqual(rejected, [])
    return (values[0] as { readonly v: JsonValue }).v // The stage keeps the object.
  }
  assert.equal(await masked({}, 'secret'), '***')
  assert.equal(await masked({ fill: '"' }, 'secret'), '"')
  assert.equal(await masked({ how: 'email' }, 'ana@example.com'), 'a***@example.com')
  assert.equal(await masked({ how: 'email' }, 'no address'), 'n***')
  assert.equal(await masked({ how: 'email' }, '@x.org'), '@***')
  assert.equal(await masked({ how: 'email' }, 'a'), '***')
  assert.equal(await masked({ how: 'keep_last', keep: 2 }, '12345'), '***45')
  assert.equal(await masked({ how: 'keep_first', keep: 2 }, '\u{1f600}\u{1f601}\u{1f602}'), '\u{1f600}\u{1f601}***')
  assert.equal(await masked({ how: 'keep_last', keep: 5 }, '12345'), '***')
  assert.equal(await masked({ how: 'keep_first', keep: 0 }, ''), '***')
})

test('of a field that comes twice the last one counts, and no stale one is left to be read', async () => {
  const text = '{"email":"ana@example.com","o":{"a":"old"},"email":"bo@x.org","o":{"a":"new"}}'
  assert.deepEqual((await run('mask', { fields: ['email', 'o.a'] }, [text])).texts, ['{"email":"***","o":{"a":"***"}}'])
  assert.deepEqual((await run('set', { email: '"none"' }, [text])).texts, ['{"o":{"a":"old"},"email":"none","o":{"a":"new"}}'])
  assert.deepEqual((await run('rename', { email: 'mail', 'o.a': 'b' }, [text])).texts, ['{"mail":"bo@x.org","o":{"b":"new"}}'])
})

test('a field that is renamed to its own name is left alone', async () => {
  const text = '{ "a":1, "a":2}'
  assert.deepEqual((await run('rename', { a: 'a' }, [text])).texts, [text])
})

test('mask hides numbers, true and false as they are written; null and what is missing stay', async () => {
  const masked = async (config: object, raw: string): Promise<string[]> => (await run('mask', { fields: ['v', 'none'], ...config }, [`{"v":${raw} }`])).texts
  assert.deepEqual(await masked({}, '12.50'), ['{"v":"***" }'])
  assert.deepEqual(await masked({ how: 'keep_last' }, '12345678901234567890'), ['{"v":"***7890" }'])
  assert.deepEqual(await masked({ how: 'keep_first', keep: 2 }, '-1.50e3'), ['{"v":"-1***" }'])
  assert.deepEqual(await masked({ how: 'email' }, 'false'), ['{"v":"f***" }'])
  assert.deepEqual(await masked({ how: 'hash', key: 'k' }, '7'), await masked({ how: 'hash', key: 'k' }, '"7"'))
  for (const how of ['redact', 'keep_last', 'keep_first', 'email', 'hash']) assert.deepEqual(await masked({ how, key: 'k' }, 'null'), ['{"v":null }'])
})

test('hash is HMAC-SHA-256 in hex: test case 2 of RFC 4231', async () => {
  const { values } = await run('mask', { fields: 'v', how: 'hash', key: 'Jefe' }, [{ v: 'what do ya want for nothing?' }])
  assert.deepEqual(values, [{ v: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843' }])
  assert.throws(() => new StageTest('mask', { fields: 'v', how: 'hash' }), { code: 'CONFIG_VALUE' })
})

test('an event of which one field can not be masked is rejected as it came', async () => {
  const text = '{"a":"secret","b":[1]}'
  const { all } = await run('mask', { fields: ['a', 'b'], how: 'email' }, [text])
  assert.deepEqual(all.map(one => one.answer === 'reject' && [one.code, one.text]), [['FIELD_TYPE', text]])
})

const name = fc.constantFrom('a', 'b', 'c', 'd e', '__proto__', '')
const json: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>(tie => ({
  value: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.string(), fc.constantFrom(null, true, 0.5), fc.array(tie('value'), { maxLength: 2 }), entries(tie('value'))),
})).value
function entries(value: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> {
  return fc.array(fc.tuple(name, value), { maxLength: 4 }).map(pairs => Object.fromEntries(pairs))
}
const object = entries(json)
const path = fc.array(fc.constantFrom('a', 'b', 'c', 'd e', '__proto__'), { minLength: 1, maxLength: 3 }).map(parts => parts.join('.'))
const change = fc.oneof(
  path.map((at): [string, unknown] => ['set', { [at]: '{"k": [1, "x"]}' }]),
  path.map((at): [string, unknown] => ['remove', [at]]),
  fc.tuple(path, fc.constantFrom('a', 'b', 'new')).map(([at, key]): [string, unknown] => ['rename', { [at]: key }]),
  path.map((at): [string, unknown] => ['mask', { fields: at, how: 'keep_last', keep: 1 }]),
)

test('an edit of text and an edit of a value give the same event, or the same error', async () => {
  await fc.assert(
    fc.asyncProperty(object, change, async (value, [type, config]) => {
      const ofText = await new StageTest(type, config).process([textEvent(JSON.stringify(value))])
      const ofValue = await new StageTest(type, config).process([valueEvent(value)])
      // Fields may stand in another order: JavaScript's objects put names that are whole numbers first.
      assert.deepEqual(ofText.values, ofValue.values)
      assert.deepEqual(ofText.rejected, ofValue.rejected)
    }),
    { numRuns: 500 },
  )
})

test('renames that would lose a value are an error of the config', async () => {
  assert.throws(() => new StageTest('rename', { a: 'b', b: 'a' }), { code: 'CONFIG_VALUE' })
  assert.throws(() => new StageTest('rename', { a: 'c', b: 'c' }), { code: 'CONFIG_VALUE' })
  assert.deepEqual((await run('rename', { a: 'a', 'x.a': 'b', b: 'c' }, ['{"a":1,"b":2,"x":{"a":3}}'])).texts, ['{"a":1,"c":2,"x":{"b":3}}'])
})
