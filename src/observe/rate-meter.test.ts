import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RateMeter } from './rate-meter.ts'

test('the rate is 0 until two moments are known', () => {
  const meter = new RateMeter()
  assert.equal(meter.rate, 0)
  meter.note(1, 500)
  assert.equal(meter.rate, 0)
})

test('the rate follows the last seconds and forgets what was before', () => {
  const meter = new RateMeter(5)
  for (let second = 0; second <= 10; second++) meter.note(second, second * 100)
  assert.equal(meter.rate, 100)
  for (let second = 11; second <= 20; second++) meter.note(second, 1000)
  assert.equal(meter.rate, 0)
})

test('a steady counter has its rate however often it is noted', () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0.001, max: 0.5, noNaN: true }), { minLength: 2, maxLength: 600 }), fc.integer({ min: 1, max: 1_000_000 }), (steps, perSecond) => {
    const meter = new RateMeter(5)
    let at = 0
    for (const step of steps) meter.note((at += step), at * perSecond)
    assert.ok(Math.abs(meter.rate - perSecond) < perSecond * 1e-6)
  }))
})

test('a moment that does not move on yields no rate', () => {
  const meter = new RateMeter()
  meter.note(3, 10)
  meter.note(3, 20)
  assert.equal(meter.rate, 0)
})
