import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTraceparent } from '../observe/index.ts'
import { TraceNotes } from './trace-notes.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const HEADERS = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, tracestate: 'a=1', other: 'kept' }

test('an event is carried on in its trace, under a span of its own', () => {
  const notes = new TraceNotes(Math.random)
  const headers = notes.carry(HEADERS)
  const made = parseTraceparent(headers['traceparent'] ?? '')
  assert.deepEqual([made?.traceId, made?.sampled, headers['tracestate'], headers['other']], [TRACE, true, 'a=1', 'kept'])
  assert.notEqual(made?.spanId, '00f067aa0ba902b7')
  assert.deepEqual(notes.take(2), { events: [{ parent: HEADERS.traceparent, state: 'a=1', span: made?.spanId }], shared: false })
  assert.equal(notes.take(2), undefined, 'each batch has its own')
})

test('what is not sampled, or no trace at all, is left as it is', () => {
  const notes = new TraceNotes(Math.random)
  for (const headers of [{}, { traceparent: 'x' }, { traceparent: `00-${TRACE}-00f067aa0ba902b7-00` }]) assert.equal(notes.carry(headers), headers)
  assert.equal(notes.take(1), undefined)
})

test('a batch shares a trace where its headers are those of all, or where it is one event', () => {
  const notes = new TraceNotes(Math.random)
  notes.carry(HEADERS, true)
  assert.equal(notes.take(50)?.shared, true)
  notes.carry(HEADERS)
  assert.equal(notes.take(1)?.shared, true)
})

test('of a batch with many traces the first hundred have spans; the others go on as they came', () => {
  const notes = new TraceNotes(Math.random)
  const carried = Array.from({ length: 150 }, () => notes.carry(HEADERS))
  assert.equal(carried.filter(headers => headers === HEADERS).length, 50)
  assert.equal(new Set(notes.take(150)?.events.map(({ span }) => span)).size, 100)
})

test('an event that went to the dead letters says so', () => {
  const notes = new TraceNotes(Math.random)
  const [first, second] = [notes.carry(HEADERS), notes.carry(HEADERS)]
  notes.failed(second, 'VALIDATE_FAILED')
  notes.failed({}, 'OTHER')
  notes.failed(HEADERS, 'OTHER')
  assert.deepEqual(notes.take(2)?.events.map(({ span, error }) => [span, error]), [[parseTraceparent(first['traceparent'] ?? '')?.spanId, undefined], [parseTraceparent(second['traceparent'] ?? '')?.spanId, 'VALIDATE_FAILED']])
})

test('an id of zeros is never chosen', () => {
  const values = [0, 0, 0, 0.5]
  const notes = new TraceNotes(() => values.shift() ?? 0.25)
  notes.carry(HEADERS)
  assert.equal(notes.take(1)?.events[0]?.span, '0000000080000000')
})
