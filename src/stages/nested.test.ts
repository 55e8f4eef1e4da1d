/** Maps and lists of expressions, from a pipeline's file to the JSON Schema for editors. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { Kept, memoryCodec, memorySink, memorySource, testRegistry } from '../engine/testing.ts'
import { loadPipeline, pipelineSchema } from '../pipeline/index.ts'
import { stages } from './index.ts'

const registry = testRegistry([memorySource([], 1), memorySink(new Kept()), memoryCodec, ...stages])

async function problems(stage: string): Promise<string[]> {
  const text = `sources: { in: memory }\nstages:\n  - ${stage}\nsinks: { out: memory }\n`
  const { diagnostics } = await loadPipeline('/p/a.yaml', registry, { readText: path => (path === '/p/a.yaml' ? text : undefined), env: {} })
  return diagnostics.filter(one => one.severity === 'error').map(one => `${one.code} ${one.line}:${one.column} ${one.message}`)
}

test('a file may have maps and lists of expressions where map and set take one', async () => {
  for (const stage of ['map: { user: { id: event.a, tags: [event.b, "\'x\'", 1, null, [true]] }, none: {}, empty: [] }', 'map: { merge: true, fields: { a: [event.b] } }', 'set: { a.b: { c: event.d } }', 'map: { a: 1 }']) assert.deepEqual(await problems(stage), [], stage)
})

test('a file may name the output of else, and what is wrong in a route is told at its place', async () => {
  const take = async (of: string): Promise<string[]> => problems(`{ id: r, route: ${of} }\n  - { from: [r.ontime, r.late], filter: event.a }`)
  assert.deepEqual(await take('{ outputs: { late: event.d > 15 }, else: ontime }'), [])
  assert.deepEqual(await take('{ late: event.d > 15, else: ontime }'), [])
  assert.deepEqual(await take('{ ontime: event.d > 15, late: event.d < 5, else: true }'), [])
  assert.deepEqual(await take('{ late: event.d > 15, else: true }'), ['CONFIG_REFERENCE 4:14 "r" has no output "ontime".'])
  assert.deepEqual(await take('{ outputs: { late: event.d >, early: event.d < }, else: ontime }'), ['EXPR_SYNTAX 3:49 Expected an expression, found the end.', 'EXPR_SYNTAX 3:67 Expected an expression, found the end.'])
})

test('what is wrong deep inside a value is told at its place', async () => {
  assert.deepEqual(await problems('map: { user: { tags: [event.a, event.b +] } }'), ['EXPR_SYNTAX 3:45 Expected an expression, found the end.'])
  assert.match((await problems('map: { merge: true, feilds: { a: event.a } }'))[0] ?? '', /^CONFIG_VALUE 3:\d+ "map": map: with "merge" the fields stand under "fields"/)
})

test('the JSON Schema tells values that hold values by reference', () => {
  const schema = pipelineSchema(registry)
  const accepts = new Ajv({ strict: false }).compile(schema)
  const of = (stage: unknown): boolean => accepts({ sources: { in: 'memory' }, stages: [stage], sinks: { out: 'memory' } })
  assert.ok(of({ map: { user: { id: 'event.a', tags: ['event.b', 1, [null, { a: true }]] } } }))
  assert.ok(of({ set: { a: { b: ['event.c'] } } }))
  assert.ok(!of({ filter: { a: ['event.c'] } }))
  assert.ok(JSON.stringify(schema).length < 200_000)
})
