/** What the compiler knows of a chain: this file is checked by tsc, and run to see that the chains can be built. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineSink, defineSource, defineStage, field } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { Pipeline, pipeline } from './pipeline.ts'
import { component, stage } from './use.ts'

interface Flight {
  readonly id: string
  readonly delay: number
  readonly origin: string
}
interface Airport {
  readonly city: string
}

const never = (): never => {
  throw new Error('never opened')
}
const source = defineSource({ type: 'file', summary: '', config: field.object({ path: field.path(), follow: field.boolean({ default: false }), wait: field.duration({ default: '1s' }) }), create: never })
const sink = defineSink({ type: 'file', summary: '', config: field.object({ path: field.template(), rotate: field.optional(field.size()) }), durable: 'flush', create: never, encoding: never })
const score = defineStage({ type: 'score', summary: '', config: field.object({ field: field.expression(), names: field.list(field.string()) }), create: never })
const file = component(source, sink)

/** A validator as any library of the Standard Schema makes it. */
const flightSchema: StandardSchemaV1<unknown, Flight> = {
  '~standard': { version: 1, vendor: 'test', validate: value => ({ value: value as Flight }) }, // The test feeds flights.
}

/** Compiles only if the chain's events are exactly of type `T`. */
function eventsOf<T>() {
  return <P>(chain: P & ([P] extends [Pipeline<infer U>] ? ([T] extends [U] ? ([U] extends [T] ? unknown : never) : never) : never)): P => chain
}

test('the type of the events follows from the schema of the source', () => {
  const flights = pipeline('types').from(file({ path: 'a.ndjson', schema: flightSchema }))
  eventsOf<Flight>()(flights)
  assert.equal(flights.graph.stages.length, 1)
})

test('each step knows the type that the one before leaves', () => {
  const airports = new Map<string, Airport>()
  const flights = pipeline('types').from(file<Flight>({ path: 'a.ndjson' }))
  const late = eventsOf<Flight>()(flights.filter(f => f.delay > 60))
  const from = eventsOf<Flight & { from: Airport | undefined }>()(late.enrich(airports, f => f.origin, (f, from) => ({ ...f, from })))
  const rows = eventsOf<{ flight: string; hours: number; city: string | undefined }>()(from.map(f => ({ flight: f.id, hours: f.delay / 60, city: f.from?.city })))
  eventsOf<string>()(rows.flatMap(row => [row.flight, row.city ?? '']))
  eventsOf<number>()(rows.mapAsync(async row => Promise.resolve(row.hours)))
  assert.equal(flights.graph.stages.length, 5)
})

test('a type guard narrows, and undefined leaves events out', () => {
  const values = pipeline('types').from(file<string | number>({ path: 'a.ndjson' }))
  eventsOf<string>()(values.filter((value): value is string => typeof value === 'string'))
  eventsOf<string>()(values.map(value => (typeof value === 'string' ? value : undefined)))
  const { texts, rest } = values.route({ texts: (value): value is string => typeof value === 'string' })
  eventsOf<string>()(texts)
  eventsOf<string | number>()(rest)
  assert.equal(values.graph.stages.length, 3)
})

test('two sources make a chain of either type', () => {
  const both = pipeline('types').from(file<Flight>({ path: 'a' })).from(file<Airport>({ path: 'b' }))
  eventsOf<Flight | Airport>()(both)
  assert.deepEqual([...both.graph.sources.keys()], ['file', 'file-2'])
})

test('a source without a type gives any JSON value', () => {
  const values = pipeline('types').from(file({ path: 'a' }))
  eventsOf<JsonValue>()(values)
  assert.equal(values.graph.sources.size, 1)
})

test('configs are checked by the compiler', () => {
  const values = pipeline('types').from(file({ path: 'a', wait: '5s' }))
  values.through(stage<JsonValue, Flight>(score, { field: 'event.delay', names: ['a'] })).to(file({ path: 'out/{event.id}', rotate: '1MiB' }))
  // @ts-expect-error a path is text
  file({ path: 1 })
  // @ts-expect-error there is no such field
  file({ paht: 'a' })
  // @ts-expect-error an expression is text, not a function
  component(score)({ field: (event: Flight) => event.delay })
  // @ts-expect-error a flight has no such field
  pipeline('types').from(file<Flight>({ path: 'a' })).filter(f => f.dealy > 60)
  // @ts-expect-error a condition yields a boolean
  pipeline('types').from(file<Flight>({ path: 'a' })).filter(f => f.delay)
  // @ts-expect-error a stage is no sink
  values.to(component(score)({ field: 'event.a' }))
  assert.ok(values instanceof Pipeline)
})
