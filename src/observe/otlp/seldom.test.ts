import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seldom } from './seldom.ts'

test('what goes on is told at once, and then every ten minutes with how often it happened', () => {
  const told: string[] = []
  let now = 0
  const tell = seldom(text => told.push(text), () => now)
  for (; now < 25 * 60_000; now += 60_000) tell(`connect ECONNREFUSED, attempt ${now / 60_000}`)
  assert.deepEqual(told, ['connect ECONNREFUSED, attempt 0', 'connect ECONNREFUSED, attempt 10 (9 more since it was told last)', 'connect ECONNREFUSED, attempt 20 (9 more since it was told last)'])
  tell('another matter')
  assert.equal(told.at(-1), 'another matter')
})

test('a flood of different texts is forgotten, and told', () => {
  const told: string[] = []
  const tell = seldom(text => told.push(text), () => 0)
  for (let n = 0; n < 1000; n++) tell(`${String.fromCodePoint(97 + (n % 26))}${String.fromCodePoint(97 + Math.floor(n / 26))}`)
  assert.equal(told.length, 1000)
})
