/** What the compiler knows of a chain: this file is checked by tsc, and run to see that the chains can be built. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineSink, defineSource, defineStage, field } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { Pipeline, pipeline } from './pipeline.ts'
import { component, stage } from './use.ts'
import type { StageUse, WrittenConfig } from './use.ts'

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

/** Whether the compiler takes a value of one type where it wants another. */
type Takes<Wanted, Given> = Given extends Wanted ? true : false

type EventsOf<P> = P extends Pipeline<infer U> ? U : never
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

test('the type of the events follows from the schema of the source', () => {
  const flights = pipeline('types').from(file({ path: 'a.ndjson', schema: flightSchema }))
  const same: Same<EventsOf<typeof flights>, Flight> = true
  assert.ok(same)
  assert.equal(flights.graph.stages.length, 1)
})

test('each step knows the type that the one before leaves', () => {
  const airports = new Map<string, Airport>()
  const flights = pipeline('types').from(file<Flight>({ path: 'a.ndjson' }))
  const late = flights.filter(f => f.delay > 60)
  const from = late.enrich(airports, f => f.origin, (f, from) => ({ ...f, from }))
  const rows = from.map(f => ({ flight: f.id, hours: f.delay / 60, city: f.from?.city }))
  const texts = rows.flatMap(row => [row.flight, row.city ?? ''])
  const hours = rows.mapAsync(async row => Promise.resolve(row.hours))
  const same: readonly [
    Same<EventsOf<typeof late>, Flight>,
    Same<EventsOf<typeof from>, Flight & { from: Airport | undefined }>,
    Same<EventsOf<typeof rows>, { flight: string; hours: number; city: string | undefined }>,
    Same<EventsOf<typeof texts>, string>,
    Same<EventsOf<typeof hours>, number>,
  ] = [true, true, true, true, true]
  assert.equal(flights.graph.stages.length, same.length)
})

test('a type guard narrows, and undefined leaves events out', () => {
  const values = pipeline('types').from(file<string | number>({ path: 'a.ndjson' }))
  const narrowed = values.filter((value): value is string => typeof value === 'string')
  const mapped = values.map(value => (typeof value === 'string' ? value : undefined))
  const { texts, rest } = values.route({ texts: (value): value is string => typeof value === 'string' })
  const same: readonly [
    Same<EventsOf<typeof narrowed>, string>,
    Same<EventsOf<typeof mapped>, string>,
    Same<EventsOf<typeof texts>, string>,
    Same<EventsOf<typeof rest>, string | number>,
  ] = [true, true, true, true]
  assert.ok(same.every(one => one))
  assert.equal(values.graph.stages.length, 3)
})

test('two sources make a chain of either type', () => {
  const both = pipeline('types').from(file<Flight>({ path: 'a' })).from(file<Airport>({ path: 'b' }))
  const same: Same<EventsOf<typeof both>, Flight | Airport> = true
  assert.ok(same)
  assert.deepEqual([...both.graph.sources.keys()], ['file', 'file-2'])
})

test('a source without a type gives any JSON value', () => {
  const values = pipeline('types').from(file({ path: 'a' }))
  const same: Same<EventsOf<typeof values>, JsonValue> = true
  assert.ok(same)
  assert.equal(values.graph.sources.size, 1)
})

test('configs are checked by the compiler', () => {
  const values = pipeline('types').from(file({ path: 'a', wait: '5s' }))
  values.through(stage<JsonValue, Flight>(score, { field: 'event.delay', names: ['a'] })).to(file({ path: 'out/{event.id}', rotate: '1MiB' }))
  const flights = pipeline('types').from(file<Flight>({ path: 'a' }))
  const refused: readonly [
    Takes<Parameters<typeof file>[0], { path: number }>,
    Takes<Parameters<typeof file>[0], { paht: string }>,
    Takes<WrittenConfig<typeof score.config>, { field: (event: Flight) => number }>,
    Takes<keyof Parameters<Parameters<typeof flights.filter>[0]>[0], 'dealy'>,
    Takes<Parameters<typeof flights.filter>[0], (event: Flight) => number>,
    Takes<Parameters<typeof flights.to>[0], StageUse<Flight, Flight>>,
  ] = [false, false, false, false, false, false]
  assert.ok(refused.every(one => !one))
  assert.ok(values instanceof Pipeline)
})
