import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figuresFor } from './figures.testing.ts'
import { healthOf } from './health.ts'

const brief = (...given: Parameters<typeof healthOf>): readonly unknown[] => {
  const { condition, live, ready, started } = healthOf(...given)
  return [condition, live, ready, started]
}

test('a pipeline that is not open yet is alive and not ready', () => {
  assert.deepEqual(brief(undefined), ['starting', true, false, false])
})

test('one with nothing to do is ready, and so is one whose batches land', () => {
  assert.deepEqual(brief(figuresFor({ quiet_seconds: 5000 })), ['idle', true, true, true])
  assert.deepEqual(brief(figuresFor({ batches: 3, quiet_seconds: 2 })), ['running', true, true, true])
  assert.deepEqual(brief(figuresFor({ state: 'paused' })), ['paused', true, true, true])
})

test('a sink that takes nothing does not end readiness while there is room', () => {
  const stuck = { batches: 3, quiet_seconds: 60, sink: { backlog: 3 } }
  assert.deepEqual(brief(figuresFor({ ...stuck, in_flight_bytes: 500 })), ['waiting', true, true, true])
  assert.deepEqual(brief(figuresFor({ ...stuck, in_flight_bytes: 1000 })), ['stalled', true, false, true])
  assert.match(healthOf(figuresFor(stuck)).reason, /no batch has landed for 60 s; the sink "out" has 3 writes before it/)
})

test('one that stops is not ready any more', () => {
  assert.deepEqual(brief(figuresFor({ state: 'draining', batches: 2 })), ['draining', true, false, true])
})

test('a source without a connection is no idle one, and the reason says since when and why', () => {
  const trouble = { seconds: 34, attempts: 12, code: 'REDIS_CONNECT', message: 'Redis at db:6379 could not be reached.' }
  assert.deepEqual(brief(figuresFor({ source: { trouble } })), ['unreachable', true, true, true])
  assert.equal(healthOf(figuresFor({ source: { trouble } })).reason, 'source "in" is tried again (12 failed attempts in 34 s): Redis at db:6379 could not be reached.')
  assert.deepEqual(brief(figuresFor({ source: { trouble: { ...trouble, seconds: 1 } } })), ['idle', true, true, true])
})

test('a sink that can\'t be reached ends readiness only when there is no room left, which says why', () => {
  const trouble = { seconds: 60, attempts: 9, code: 'HTTP_FAILED', message: 'gone' }
  const stuck = { batches: 3, quiet_seconds: 60, sink: { backlog: 3, trouble } }
  assert.deepEqual(brief(figuresFor({ ...stuck, in_flight_bytes: 500 })), ['unreachable', true, true, true])
  assert.deepEqual(brief(figuresFor({ ...stuck, in_flight_bytes: 1000 })), ['stalled', true, false, true])
  assert.match(healthOf(figuresFor({ ...stuck, in_flight_bytes: 1000 })).reason, /3 writes before it; sink "out" is tried again \(9 failed attempts in 60 s\): gone/)
})
