import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Progress } from '../engine/index.ts'
import { ProgressDisplay, hasUnicode } from './progress-display.ts'
import { StubStream, screenOf } from './testing.ts'

const at = (seconds: number, events: number): Progress => ({
  events_in: events, events_out: events, filtered: 0, dead_lettered: 0, bytes_in: events * 10, bytes_total: 1000, in_flight_bytes: 0, lag: undefined, seconds, waiting_for: undefined,
})

test('on a terminal the lines are drawn over, and messages stay above them', () => {
  const to = new StubStream({ isTerminal: true })
  const display = new ProgressDisplay('p', to, { live: true, unicode: false })
  display.show(at(1, 10))
  display.print('warning  a line\n')
  display.show(at(2, 20))

  assert.deepEqual(screenOf(to.text), ['warning  a line', 'p   ######..........................    20%   200 B of 1000 B   0:02, about 0:08 left', '  in 20   out 20', '  10 events/s   100 B/s   0 B under way', ''])
  display.clear()
  assert.deepEqual(screenOf(to.text), ['warning  a line', ''])
})

test('nothing is drawn where the output of the pipeline goes to the same terminal', () => {
  const to = new StubStream({ isTerminal: true })
  const display = new ProgressDisplay('p', to, { live: true, unicode: true })
  display.about('numbers', true)
  display.show(at(1, 10))
  display.print('warning  a line\n')
  display.clear()
  assert.equal(to.text, 'warning  a line\n')
})

test('elsewhere one plain line comes per update', () => {
  const to = new StubStream({})
  const display = new ProgressDisplay('p', to, { live: false, unicode: true })
  display.show(at(5, 50))
  display.print('warning  a line\n')
  display.show(at(10, 100))
  display.clear()

  assert.equal(to.text, [
    'p:  50%  0:05  in 50  out 50  filtered 0  dead letters 0  0 events/s  0 B under way',
    'warning  a line',
    'p:  100%  0:10  in 100  out 100  filtered 0  dead letters 0  10 events/s  0 B under way',
    '',
  ].join('\n'))
})

test('block characters are drawn only where the character set has them', () => {
  assert.equal(hasUnicode({ LANG: 'en_US.UTF-8' }), true)
  assert.equal(hasUnicode({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }), false)
  assert.equal(hasUnicode({}), false)
})
