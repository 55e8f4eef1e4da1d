import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from './durations.ts'

test('lengths of time are written with their units, largest to smallest or not', () => {
  const cases = { '0': 0, '500ms': 500, '10s': 10_000, ' 1m30s ': 90_000, '1h30m': 5_400_000, '7d': 604_800_000, '1.5s': 1500, '30m1h': 5_400_000, '0s': 0 }
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDuration(text), ms, text)
})

test('what is no length of time is none', () => {
  for (const text of ['', '10', 's', '-1s', '1 s', '10sec', '1.s', '.5s', '1e3s', '10S', 'Infinitys', `${'9'.repeat(400)}d`]) assert.equal(parseDuration(text), undefined, text)
})

test('a length of time is read back from the way it is written', () => {
  fc.assert(fc.property(fc.integer({ min: 60, max: 10_000_000 }), seconds => {
    assert.equal(parseDuration(formatDuration(seconds * 1000)), seconds * 1000)
  }))
  assert.deepEqual([0, 999, 1500, 12_340, 90_000, 86_400_000].map(formatDuration), ['0ms', '999ms', '1.5s', '12.3s', '1m30s', '1d'])
})
