import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compile, compileSlots, toJson } from './index.ts'
import { ExprError } from './error.ts'

const scopeOf = (event: unknown) => ({ event, key: undefined, headers: {}, time: undefined, position: null })
const evaluate = (source: string, event: unknown = {}): unknown => toJson(compile(source).evaluate(scopeOf(event)))

test('an integral literal meets a double without complaint', () => {
  assert.equal(evaluate('event.a + 1', { a: 1.5 }), 2.5)
  assert.equal(evaluate('event.a == 1', { a: 1 }), true)
})

test('a missing field is told with its path', () => {
  assert.throws(() => evaluate('event.a.b == 1', { a: {} }), { code: 'EXPR_MISSING_FIELD', message: 'There is no field event.a.b.' })
  assert.throws(() => evaluate('event.a.b', { a: 3 }), { code: 'EXPR_MISSING_FIELD' })
})

test('inherited properties are no fields', () => {
  for (const name of ['constructor', 'toString', 'hasOwnProperty', 'length', '$ns', '$value']) {
    assert.throws(() => evaluate(`event.${name.replace(/\$/g, '')}x == 1 || event.\`${name.replace(/\$/g, '')}\` == 1`, {}), { code: 'EXPR_MISSING_FIELD' })
  }
  assert.throws(() => evaluate('event.__proto__', {}), { code: 'EXPR_MISSING_FIELD' })
  assert.equal(evaluate('event.constructor', JSON.parse('{"constructor":1}')), 1)
  assert.equal(evaluate('event.__proto__', JSON.parse('{"__proto__":2}')), 2)
})

test('an error on one side of && does not matter where the other is false', () => {
  assert.equal(evaluate('event.x > 1 && false'), false)
  assert.equal(evaluate('false && event.x > 1'), false)
  assert.throws(() => evaluate('event.x > 1 && true'), { code: 'EXPR_MISSING_FIELD' })
})

test('mistakes are told before any event comes, with the place and what may have been meant', () => {
  const failure = (source: string, options = {}): ExprError => {
    try {
      compile(source, options)
    } catch (error) {
      if (error instanceof ExprError) return error
    }
    throw new Error(`${source} compiles`)
  }
  assert.deepEqual([failure('event.a +').code, failure('event.a +').offset], ['EXPR_SYNTAX', 9])
  assert.equal(failure('"a" + 1').code, 'EXPR_TYPE')
  assert.equal(failure('event.a.strtsWith("x")').code, 'EXPR_UNKNOWN_FUNCTION')
  assert.equal(failure('event.a.startWith("x")').suggestion, 'startsWith')
  assert.equal(failure('delay > 1').code, 'EXPR_UNKNOWN_NAME')
  assert.equal(failure('event.a + 1', { expect: 'bool' }).code, 'EXPR_TYPE')
  const schema = { type: 'object', properties: { delay: { type: 'number' } } }
  assert.equal(failure('event.dealy > 1', { schema }).suggestion, 'delay')
  assert.equal(failure('('.repeat(1000)).code, 'EXPR_LIMIT')
})

test('an evaluation that costs too much ends', () => {
  const items = Array.from({ length: 2000 }, (_, at) => at)
  assert.throws(() => evaluate('event.items.all(a, event.items.all(b, a + b >= 0))', { items }), { code: 'EXPR_COST' })
})

test('a regular expression takes linear time', () => {
  assert.equal(evaluate('event.s.matches("^(a+)+$")', { s: `${'a'.repeat(5000)}b` }), false)
})

const names = fc.constantFrom('a', 'b', 'constructor', '__proto__', 'x')
const json = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constantFrom(null, true, 1, 2.5, 'a', ''), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(names, tie('value'), { maxKeys: 3 })),
})).value
const expression = fc.letrec<{ node: string }>(tie => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('1', '2.5', '"a"', 'true', 'null', 'event.a', 'event.b', 'event.a.b', 'event.x.a', 'has(event.a)', 'has(event.a.b)', '[1, 2]'),
    fc.tuple(tie('node'), fc.constantFrom('+', '-', '*', '/', '==', '!=', '<', '>=', '&&', '||', 'in', '%'), tie('node')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('node').map(a => `!(${a})`),
    fc.tuple(tie('node'), tie('node'), tie('node')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    tie('node').map(a => `[${a}].map(v, v == 1)`),
    tie('node').map(a => `size(${a})`),
  ),
})).node

function outcome(work: () => unknown): unknown {
  try {
    return toJson(work())
  } catch (error) {
    assert.ok(error instanceof ExprError, String(error))
    return error.code
  }
}

test('expressions over slots mean the same as over events', () => {
  fc.assert(
    fc.property(expression, fc.dictionary(names, json, { maxKeys: 4 }), (source, event) => {
      let compiled: ReturnType<typeof compile>
      try {
        compiled = compile(source)
      } catch (error) {
        assert.ok(error instanceof ExprError)
        return
      }
      const slots = compileSlots(source)
      const value = JSON.parse(JSON.stringify(event)) as Record<string, unknown>
      if (slots === undefined) return
      const read = (slot: number): unknown => slots.paths[slot]?.reduce<unknown>((at, part) => (typeof at === 'object' && at !== null && !Array.isArray(at) && Object.hasOwn(at, part) ? (at as Record<string, unknown>)[part] : undefined), value)
      assert.deepEqual(outcome(() => slots.evaluate(read)), outcome(() => compiled.evaluate(scopeOf(value))))
    }),
    { numRuns: 2000 },
  )
})

test('no text breaks out of the generated code', () => {
  const pieces = fc.constantFrom('event', '.', '"', "'", '`', '\\', '${', '}', '(', ')', '[', ']', ';', '//', '/*', '\n', 'return', 'process', 'this', 'rt', 'K[0]', 'globalThis', '=>', 'a', '1', '+', '\u2028', ',', '?', ':', 'x')
  const global = globalThis as { pwned?: boolean }
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 14 }).map(parts => parts.join('')), source => {
      try {
        compile(source).evaluate(scopeOf({ a: 1 }))
      } catch (error) {
        assert.ok(error instanceof ExprError, `${source}: ${String(error)}`)
      }
      assert.equal(global.pwned, undefined)
    }),
    { numRuns: 5000 },
  )
  for (const text of ['"});globalThis.pwned=true;({"', '\\u2028globalThis.pwned=true', '`${globalThis.pwned=true}`', "'+(globalThis.pwned=true)+'"]) {
    const source = `event[${JSON.stringify(text)}] == ${JSON.stringify(text)} || true`
    assert.equal(evaluate(source, {}), true)
    assert.equal(global.pwned, undefined)
  }
})
