import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Distribution, STAGE_SECONDS, percentile } from './distribution.ts'

const BOUNDS = [1, 2, 5, 10]

function of(values: readonly number[]): Distribution['figures'] {
  const made = new Distribution(BOUNDS)
  for (const value of values) made.add(value)
  return made.figures
}

test('each bucket counts all values up to its bound, as a naive count does', () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 20, noNaN: true })), values => {
    const { counts, count, sum } = of(values)
    assert.deepEqual(counts, BOUNDS.map(bound => values.filter(value => value <= bound).length))
    assert.equal(count, values.length)
    assert.ok(Math.abs(sum - values.reduce((all, value) => all + value, 0)) < 1e-9 * Math.max(1, sum))
  }))
})

test('a percentile lies in the bucket that holds the value at its place', () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0.001, max: 10, noNaN: true }), { minLength: 1 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (values, share) => {
    const exact = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length - 1e-9) - 1)] ?? 0
    const bound = BOUNDS.findIndex(each => exact <= each)
    const found = percentile(of(values), share) ?? NaN
    assert.ok(found <= (BOUNDS[bound] ?? 0) + 1e-9 && found >= (BOUNDS[bound - 1] ?? 0) - 1e-9, `${found} for ${exact}`)
  }))
})

test('values above all bounds are beyond what can be told, and without values nothing is', () => {
  assert.equal(percentile(of([1, 50, 60]), 0.99), Infinity)
  assert.equal(percentile(of([]), 0.5), undefined)
})

test('since an earlier moment, only what came later counts', () => {
  const made = new Distribution(BOUNDS)
  made.add(1, 100)
  const before = made.figures
  made.add(7, 4)
  assert.equal(percentile(made.figures, 0.5, before), 7.5)
  assert.equal(percentile(before, 0.5, before), undefined)
})

test('the bounds of stages reach from ten microseconds to a minute and rise', () => {
  assert.deepEqual([STAGE_SECONDS[0], STAGE_SECONDS.at(-1)], [0.00001, 60])
  assert.ok(STAGE_SECONDS.every((bound, at) => bound > (STAGE_SECONDS[at - 1] ?? 0)))
})
