import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Progress } from '../engine/index.ts'
import { paint } from './paint.ts'
import { progressLine, progressLines } from './progress-text.ts'
import type { ProgressView } from './progress-text.ts'

const MIB = 1024 * 1024
const progress: Progress = {
  events_in: 1_864_210, events_out: 412_004, filtered: 1_452_100, dead_lettered: 106,
  bytes_in: 8.1 * MIB, bytes_total: 13 * MIB, in_flight_bytes: 2.1 * MIB, lag: undefined, seconds: 7.2, waiting_for: undefined,
}
const view = (changes: Partial<Progress> = {}, columns = 100): ProgressView => ({
  pipeline: 'flights', progress: { ...progress, ...changes }, eventRate: 265_300, byteRate: 1.2 * MIB, columns, unicode: true, paint: paint(false),
})

test('where the size is known there is a bar, a share and the time that is left', () => {
  assert.deepEqual(progressLines(view()), [
    'flights   ███████████████████▉············    62%   8.1 MiB of 13 MiB   0:07, about 0:04 left',
    '  in 1,864,210   out 412,004   filtered 1,452,100   106 dead letters',
    '  265k events/s   1.2 MiB/s   2.1 MiB under way',
  ])
})

test('where the size is not known there is no bar', () => {
  assert.equal(progressLines(view({ bytes_total: undefined }))[0], 'flights   0:07   8.1 MiB read')
})

test('a terminal without block characters gets a bar of plain ones', () => {
  assert.match(progressLines({ ...view(), unicode: false })[0] ?? '', /^flights {3}#{19}\.{13} {4}62%/)
})

test('what has not happened takes no room', () => {
  assert.equal(progressLines(view({ filtered: 0, dead_lettered: 0 }))[1], '  in 1,864,210   out 412,004')
})

test('while stopping it says what it waits for', () => {
  assert.equal(progressLines(view({ waiting_for: '3 batches at late' }))[3], '  stopping: waiting for 3 batches at late')
})

test('in a log a line tells the same without drawing', () => {
  assert.equal(
    progressLine(view()),
    'flights:  62%  0:07  in 1,864,210  out 412,004  filtered 1,452,100  dead letters 106  265k events/s  2.1 MiB under way',
  )
})

test('no line is ever wider than the terminal, so drawing in place never breaks', () => {
  const figures = fc.record({
    events_in: fc.nat(), events_out: fc.nat(), filtered: fc.nat(), dead_lettered: fc.nat(), bytes_in: fc.nat(), bytes_total: fc.option(fc.nat(), { nil: undefined }),
    in_flight_bytes: fc.nat(), lag: fc.option(fc.nat(), { nil: undefined }), seconds: fc.double({ min: 0, max: 1e6, noNaN: true }), waiting_for: fc.option(fc.string(), { nil: undefined }),
  })
  fc.assert(fc.property(figures, fc.integer({ min: 1, max: 200 }), fc.boolean(), (changes, columns, unicode) => {
    for (const line of progressLines({ ...view(changes, columns), unicode })) assert.ok(line.length <= Math.max(2, columns), JSON.stringify({ line, columns }))
  }))
})
