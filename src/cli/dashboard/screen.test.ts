import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Figures } from '../../observe/index.ts'
import { figuresFor } from '../../observe/figures.testing.ts'
import { paint } from '../paint.ts'
import { History, percentile } from './history.ts'
import { bar, screenLines, sparkline } from './screen.ts'
import type { Looks } from './screen.ts'

const LOOKS: Looks = { columns: 100, rows: 30, unicode: true, paint: paint(false), sorted: false, note: '', keys: 'q quit' }

/** A history of figures that are a second apart. */
function historyOf(...all: readonly Figures[]): History {
  const history = new History()
  all.forEach((figures, at) => history.add(at * 1000, figures))
  return history
}

const flowing = (seconds: number): Figures => figuresFor({
  seconds, events_in: 1000 * seconds, dead_lettered: 10 * seconds, batches: 2, in_flight_bytes: 500, errors: [{ id: 'slow', code: 'STAGE_FAILED', events: 10 * seconds }],
  source: { events: 1000 * seconds, bytes: 102_400 * seconds, waited_seconds: 0.1 * seconds, lag: 42 }, stage: { events: 1000 * seconds, busy_seconds: 0.9 * seconds },
  sink: { events: 990 * seconds, bytes: 2048 * seconds, busy_seconds: 0.2 * seconds }, workers: [{ busy_seconds: 0.95 * seconds, idle_seconds: 0.05 * seconds }],
})

test('the screen shows what flows, what is busy, and what is wrong', () => {
  const text = screenLines(historyOf(flowing(1), flowing(2), flowing(3)), LOOKS).join('\n')
  assert.match(text, /^p  running  0:03 +500 B of 1000 B under way$/m)
  assert.match(text, /^source +in +memory .* 1\.00k\/s +waited +10 % .* 100 KiB\/s, 42 behind$/m)
  assert.match(text, /^stage +slow +map .* 1\.00k\/s +busy +90 % .* 900 us each$/m)
  assert.match(text, /^sink +out +memory .* 990\/s +busy +20 % /m)
  assert.match(text, /^bottleneck: stage "slow" \(90 % of the workers' time\); 1 worker$/m)
  assert.match(text, /^worker 0 .* busy +95 % +held +0 % +idle +5 %$/m)
  assert.match(text, /^dead letters of slow: 30 STAGE_FAILED$/m)
})

test('no line is wider than the terminal and no screen higher, whatever their size', () => {
  const many: Figures = { ...flowing(2), stages: Array.from({ length: 70 }, (_, at) => ({ id: `a-stage-with-a-long-name-${at}`, type: 'module', events: at, busy_seconds: at / 100, waits: false })) }
  for (const [columns, rows] of [[80, 24], [200, 60], [40, 10], [20, 5]] as const) {
    for (const figures of [flowing(2), many]) {
      const lines = screenLines(historyOf(flowing(1), figures), { ...LOOKS, columns, rows, note: 'A note that is rather long: '.repeat(10) })
      assert.ok(lines.length < rows, `${lines.length} lines of ${rows}`)
      for (const line of lines) assert.ok(line.length <= columns, `${line.length} of ${columns}: ${line}`)
    }
  }
})

test('without Unicode and colours only plain characters are used', () => {
  const text = screenLines(historyOf(flowing(1), flowing(2)), { ...LOOKS, unicode: false }).join('\n')
  assert.ok([...text].every(character => character === '\n' || (character >= ' ' && character <= '~')), text)
})

test('stages are sorted by the time that they take where that is asked for', () => {
  const two = (seconds: number): Figures => ({ ...figuresFor({ seconds }), stages: [{ id: 'first', type: 'map', events: 0, busy_seconds: 0.1 * seconds, waits: false }, { id: 'second', type: 'map', events: 0, busy_seconds: 0.8 * seconds, waits: false }] })
  const order = (sorted: boolean): string[] => screenLines(historyOf(two(1), two(2)), { ...LOOKS, sorted }).flatMap(line => /^stage +(\w+)/.exec(line)?.[1] ?? [])
  assert.deepEqual([order(false), order(true)], [['first', 'second'], ['second', 'first']])
})

test('before anything is known, that is said', () => {
  assert.deepEqual(screenLines(new History(), LOOKS), ['Waiting for the pipeline.'])
  assert.deepEqual(screenLines(new History(), { ...LOOKS, note: 'Nothing answers.' }), ['Nothing answers.'])
})

test('a sparkline is as high as its greatest value, and a bar as long as its share', () => {
  assert.equal(sparkline([0, 1, 4, 8], 6, true), '   ▁▄█')
  assert.equal(sparkline([0, 0], 2, false), '  ')
  assert.equal(bar(0.5, 4, false), '##..')
  assert.equal(bar(7, 4, true), '████')
})

test('a percentile is the bound that the share stayed below, of what was added since', () => {
  const histogram = (counts: number[], count: number) => ({ bounds: [0.1, 1, 10], counts, count, sum: 0 })
  assert.equal(percentile(histogram([5, 9, 10], 10), undefined, 0.5), 0.1)
  assert.equal(percentile(histogram([5, 9, 10], 10), undefined, 0.99), 10)
  assert.equal(percentile(histogram([5, 9, 10], 11), undefined, 0.99), Infinity)
  assert.equal(percentile(histogram([5, 9, 10], 10), histogram([5, 5, 5], 5), 0.5), 1)
  assert.equal(percentile(histogram([0, 0, 0], 0), undefined, 0.5), undefined)
})
