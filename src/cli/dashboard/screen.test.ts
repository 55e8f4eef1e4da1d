import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { Figures, StageFigures } from '../../observe/index.ts'
import { NONE, figuresFor } from '../../observe/figures.testing.ts'
import { paint } from '../paint.ts'
import { History } from './history.ts'
import { bar, componentNames, screenLines, sparkline } from './screen.ts'
import type { Looks } from './screen.ts'

const LOOKS: Looks = { columns: 100, rows: 30, unicode: true, paint: paint(false), sorted: false, note: '', keys: 'q quit' }

const STAGE: StageFigures = { id: '', type: 'map', events: 0, busy_seconds: 0, filtered: 0, retries: 0, waits: false, latency: NONE }

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
  const many: Figures = { ...flowing(2), stages: Array.from({ length: 70 }, (_, at) => ({ ...STAGE, id: `a-stage-with-a-long-name-${at}`, busy_seconds: at / 100 })) }
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
  const two = (seconds: number): Figures => ({ ...figuresFor({ seconds }), stages: [{ ...STAGE, id: 'first', busy_seconds: 0.1 * seconds }, { ...STAGE, id: 'second', busy_seconds: 0.8 * seconds }] })
  const order = (sorted: boolean): string[] => screenLines(historyOf(two(1), two(2)), { ...LOOKS, sorted }).flatMap(line => /^stage +(\w+)/.exec(line)?.[1] ?? [])
  assert.deepEqual([order(false), order(true)], [['first', 'second'], ['second', 'first']])
})

test('what keys are about is marked, and the last events of a tap stand below all else', () => {
  const lines = Array.from({ length: 40 }, (_, n) => `event ${n} ${'x'.repeat(200)}`)
  const looks = { ...LOOKS, rows: 24, selected: 'stages.slow', tap: { title: 'events after slow', lines } }
  const shown = screenLines(historyOf(flowing(1), flowing(2)), looks)
  assert.ok(shown.length < 24 && shown.every(line => line.length <= 100))
  assert.match(shown.join('\n'), /^stage  >slow /m)
  assert.doesNotMatch(shown.join('\n'), /^s\w+ +>in/m)
  assert.deepEqual(shown.slice(-9).map(line => line.slice(0, 17).trim()), ['events after slow', ...[33, 34, 35, 36, 37, 38, 39].map(n => `event ${n} xxxxxxxx`), 'q quit'])
  assert.deepEqual(componentNames(historyOf(flowing(1)), false), ['sources.in', 'stages.slow', 'sinks.out'])
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

test('each part shows how long a batch was in it, or a write took, over the last seconds', () => {
  const histogram = (batches: number) => ({ ...NONE, bounds: [0.001, 0.01, 0.1], counts: [0, batches, batches], count: batches, sum: 0 })
  const at = (seconds: number): Figures => figuresFor({ seconds, stage: { events: 1000 * seconds, busy_seconds: 0.1 * seconds, latency: histogram(10 * seconds) }, sink: { latency: { ...histogram(0), count: 3 * seconds } } })
  const text = screenLines(historyOf(at(1), at(2)), { ...LOOKS, columns: 160 }).join('\n')
  assert.match(text, /^stage .* 100 us each, p50 5\.5 ms p99 9\.9 ms$/m)
  assert.match(text, /^sink .*, p50 over 60 s p99 over 60 s$/m)
})

test('what can\'t be reached stands below the state, and a long sentence goes on in the next line, so that a narrow terminal has all of it', () => {
  const trouble = { seconds: 7, attempts: 42, code: 'HTTP_FAILED', message: 'http://127.0.0.1:18080 could not be reached: connect ECONNREFUSED 127.0.0.1:18080' }
  const at = (seconds: number): Figures => figuresFor({ seconds, events_in: seconds, dead_lettered: seconds, stage: { waits: true, busy_seconds: seconds, breaker: 'open', trouble }, workers: [{ busy_seconds: seconds }] })
  const text = screenLines(historyOf(at(1), at(2)), { ...LOOKS, columns: 80, rows: 24 }).join('\n')
  assert.match(text, /^p {2}running, unreachable .*\nstage "slow" is tried again \(42 failed attempts in 7 s\): http:\/\/127\.0\.0\.1:18080\ncould not be reached: connect ECONNREFUSED 127\.0\.0\.1:18080\n/)
  assert.match(text, /^bottleneck: stage "slow" \(waited for 100 % of the time; its breaker holds it\nback\); 1 worker$/m)
  assert.match(text, /^in 2 {3}filtered 0 {3}dead letters 2$/m)
})

test('a note of several lines, as a broken edit has, is shown with its place', () => {
  const note = '12:00:00 \u001b[33mwarning\u001b[39m  Not reloaded, what runs goes on. The pipeline has an error:\np.yaml:5:42  CONFIG_SYNTAX\n   5 |     validate: { ranges: { temperature: [-50, 30 } }\n     |                                                 ^\n  A list has no end.'
  const lines = screenLines(historyOf(flowing(1), flowing(2)), { ...LOOKS, columns: 80, rows: 24, note })
  assert.ok(lines.length < 24)
  assert.deepEqual(lines.slice(-6, -1), stripVTControlCharacters(note).split('\n'))
  assert.ok(screenLines(historyOf(flowing(1), flowing(2)), { ...LOOKS, columns: 80, rows: 24, note: 'x\n'.repeat(100) }).length < 24)
})

test('one that no longer answers is not shown as if it ran', () => {
  const text = screenLines(historyOf(flowing(1), flowing(2)), { ...LOOKS, lost: 'Nothing answers at http://127.0.0.1:1.' }).join('\n')
  assert.match(text, /^p {2}no answer; it was running, as below, 0:02 after its start\. Nothing answers at http:\/\/127\.0\.0\.1:1\.$/m)
  assert.doesNotMatch(text, /^p {2}running/m)
})

test('where only one moment is known, the bottleneck is that since the start', () => {
  const figures = figuresFor({ stage: { busy_seconds: 9 }, workers: [{ busy_seconds: 9.5 }] })
  assert.match(screenLines(historyOf(figures), LOOKS).join('\n'), /^bottleneck: stage "slow" \(90 % of the workers' time\)/m)
})
