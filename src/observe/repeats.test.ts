import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../platform/index.ts'
import type { Notice } from './notices.ts'
import { Repeats, likeness } from './repeats.ts'

const notice = (text: string, more: Partial<Notice> = {}): Notice => ({ level: 'warn', kind: 'message', text, key: likeness(text), ...more })

function bench() {
  const clock = new SimulatedClock()
  const told: string[] = []
  return { clock, told, repeats: new Repeats(({ text, count = 1 }) => told.push(`${count} ${text}`), clock) }
}

test('what repeats is told once, and then counted', async () => {
  const { clock, told, repeats } = bench()
  for (let attempt = 1; attempt <= 1204; attempt++) repeats.take(notice(`attempt ${attempt} failed`))
  assert.deepEqual(told, ['1 attempt 1 failed'])
  await clock.advance(10_000)
  assert.deepEqual(told.slice(1), ['1203 attempt 1204 failed (... 1,203 more of these in the last 10 s)'])
})

test('after a quiet window the next is a first again', async () => {
  const { clock, told, repeats } = bench()
  repeats.take(notice('gone'))
  await clock.advance(10_001)
  repeats.take(notice('gone'))
  assert.deepEqual(told, ['1 gone', '1 gone'])
})

test('events are counted, not notices; another place is another matter', () => {
  const { told, repeats } = bench()
  repeats.take(notice('3 events', { place: 'a', count: 3 }))
  repeats.take(notice('5 events', { place: 'a', count: 5 }))
  repeats.take(notice('7 events', { place: 'a', count: 7 }))
  repeats.take(notice('2 events', { place: 'b', count: 2 }))
  repeats.close()
  assert.deepEqual(told, ['3 3 events', '2 2 events', '12 7 events (... 12 more of these in the last 10 s)'])
})

test('a flood of different texts is bounded: beyond the limit they are counted together', async () => {
  const { clock, told, repeats } = bench()
  for (let at = 0; at < 5000; at++) repeats.take(notice('x', { key: `key ${'abcdefghij'[at % 10]} ${at}` }))
  assert.equal(told.length, 501)
  await clock.advance(10_000)
  assert.equal(told.length, 502)
})

test('what is no error and has no key is always told', () => {
  const { told, repeats } = bench()
  const { key: _key, ...plain } = notice('Reloaded')
  repeats.take(plain)
  repeats.take(plain)
  assert.equal(told.length, 2)
})
