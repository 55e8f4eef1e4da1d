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
