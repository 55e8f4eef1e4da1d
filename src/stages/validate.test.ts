/** `validate`: what each check lets through, and what it says about what it does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StageTest, run } from './testing.ts'

const said = async (config: object, events: readonly (string | object)[]): Promise<string[]> => (await run('validate', config, events.map(one => (typeof one === 'string' ? one : JSON.stringify(one))))).rejected

test('a required field is there, whatever it holds', async () => {
  assert.deepEqual(await said({ required: ['a', 'b.c'] }, [{ a: null, b: { c: 0 } }, { a: 1 }, { b: { c: 1 } }, { a: 1, b: 5 }]), [
    'VALIDATE_FAILED: b.c is missing.', 'VALIDATE_FAILED: a is missing.', 'VALIDATE_FAILED: b.c is missing.',
  ])
})

test('a field of a type is of that type where it is there', async () => {
  const types = { a: 'integer', b: 'array', c: 'object', d: 'null', e: 'boolean', f: 'string', g: 'number' }
  assert.deepEqual(await said({ types }, [{ a: 1, b: [], c: {}, d: null, e: false, f: '', g: 0.5 }, {}]), [])
  assert.deepEqual(await said({ types }, [{ a: 1.5 }, { b: {} }, { c: [] }, { d: 0 }, { e: 0 }, { f: null }, { g: '1' }]), [
    'VALIDATE_FAILED: a must be integer; it is a number.', 'VALIDATE_FAILED: b must be array; it is an object.', 'VALIDATE_FAILED: c must be object; it is an array.',
    'VALIDATE_FAILED: d must be null; it is a number.', 'VALIDATE_FAILED: e must be boolean; it is a number.', 'VALIDATE_FAILED: f must be string; it is null.', 'VALIDATE_FAILED: g must be number; it is a string.',
  ])
})

test('a field in ranges lies between both ends, which belong to it, and is a number where it is there and not null', async () => {
  assert.deepEqual(await said({ ranges: { t: [-5, 5] } }, [{ t: -5 }, { t: 5 }, {}, { t: null }]), [])
  assert.deepEqual(await said({ ranges: { t: [-5, 5] } }, [{ t: 5.1 }, '{"t":1e400}', { t: '3' }]), [
    'VALIDATE_FAILED: t must lie between -5 and 5; it is 5.1.', 'VALIDATE_FAILED: t must lie between -5 and 5; it is Infinity.', 'VALIDATE_FAILED: t must be a number; it is a string.',
  ])
})

test('a range that nothing can lie in, or of another length than two, is an error of the config', () => {
  assert.throws(() => new StageTest('validate', { ranges: { t: [5, -5] } }), { code: 'CONFIG_VALUE' })
  assert.throws(() => new StageTest('validate', { ranges: { t: [1, 2, 3] } }), { code: 'CONFIG_VALUE' })
})

test('a rule that does not hold gives its message; one that can not be evaluated keeps the code of the expression', async () => {
  const rules = [{ check: 'event.a < event.b', message: 'a is not below b' }]
  assert.deepEqual(await said({ rules }, [{ a: 1, b: 2 }, { a: 2, b: 1 }]), ['VALIDATE_FAILED: a is not below b'])
  assert.match((await said({ rules }, [{ a: 1 }]))[0] ?? '', /^EXPR_MISSING_FIELD: a is not below b \(There is no field event.b.*\)$/)
  assert.deepEqual(await said({ rules: [{ check: 'event.a' }] }, [{ a: 5 }]), ['VALIDATE_FAILED: The rule does not hold: event.a'])
})

test('the first check that fails gives the reason: fields, types, ranges, schema, rules', async () => {
  const config = { required: ['a'], types: { a: 'number' }, ranges: { a: [0, 9] }, schema: { properties: { a: { multipleOf: 2 } } }, rules: [{ check: 'event.a != 4', message: 'no 4' }] }
  assert.deepEqual((await said(config, [{}, { a: 'x' }, { a: 10 }, { a: 3 }, { a: 4 }, { a: 2 }])).map(text => text.slice(17, 36)), ['a is missing.', 'a must be number; i', 'a must lie between ', 'a must be multiple ', 'no 4'])
})

test('a JSON Schema says which field is wrong, and what it is', async () => {
  const schema = { type: 'object', required: ['id'], additionalProperties: false, properties: { id: { type: 'string', format: 'uuid' }, 'a/b': { enum: [1, 2] }, list: { items: { type: 'integer' } } } }
  const id = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
  assert.deepEqual(await said({ schema }, [{ id }, { id: 5 }, { id: 'x' }, {}, { id, more: 1 }, { id, 'a/b': 3 }, { id, list: [1, 'x'] }]), [
    'VALIDATE_FAILED: id must be string; it is a number.',
    'VALIDATE_FAILED: id must match format "uuid"; it is a string.',
    'VALIDATE_FAILED: the event must have required property \'id\'; it is an object.',
    'VALIDATE_FAILED: the event must NOT have additional properties: more; it is an object.',
    'VALIDATE_FAILED: a/b must be equal to one of the allowed values: [1,2]; it is a number.',
    'VALIDATE_FAILED: list.1 must be integer; it is a string.',
  ])
})

test('a schema is read by the draft that it names', async () => {
  const tuple = { $schema: 'http://json-schema.org/draft-07/schema#', properties: { a: { items: [{ type: 'number' }] } } }
  assert.equal((await said({ schema: tuple }, [{ a: ['x'] }])).length, 1)
  const prefix = { $schema: 'https://json-schema.org/draft/2020-12/schema', properties: { a: { prefixItems: [{ type: 'number' }] } } }
  assert.equal((await said({ schema: prefix }, [{ a: ['x'] }])).length, 1)
  const dependent = { $schema: 'https://json-schema.org/draft/2019-09/schema', dependentRequired: { a: ['b'] } }
  assert.equal((await said({ schema: dependent }, [{ a: 1 }])).length, 1)
})

test('a pattern of a schema is matched in linear time', async () => {
  const schema = { properties: { a: { type: 'string', pattern: '^(a+)+$' }, b: { pattern: '^b$' } } }
  assert.deepEqual(await said({ schema }, [{ a: 'aaa', b: 'b' }]), [])
  assert.equal((await said({ schema }, [{ b: 'a' }])).length, 1)
  assert.match((await said({ schema }, [{ a: `${'a'.repeat(40)}!` }]))[0] ?? '', /^VALIDATE_FAILED: a must match pattern/)
})

test('a schema that can not be used is an error when the stage opens, and a keyword that nothing reads is told', async () => {
  await assert.rejects(async () => new StageTest('validate', { schema: { type: 'strange' } }).stage.open?.(), { code: 'CONFIG_VALUE', message: /JSON Schema can't be used/ })
  await assert.rejects(async () => new StageTest('validate', { schema: { properties: { a: { pattern: '(?=x)' } } } }).stage.open?.(), { code: 'CONFIG_VALUE' })
  const stage = new StageTest('validate', { schema: { requierd: ['a'] } })
  await stage.stage.open?.()
  assert.match(stage.warnings.join(), /requierd/)
})
