import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Report } from '../engine/index.ts'
import { paint } from './paint.ts'
import { summaryText } from './summary-text.ts'

const report: Report = {
  pipeline: 'flights', events_in: 3_000_000, events_out: { late: 412_004, routes: 312 }, filtered: 2_587_890, dead_lettered: 106, created: 312, in_flight: 0,
  bytes_in: 13 * 1024 * 1024, bytes_out: 99, retries: 0, stages: {}, latency: { p50_seconds: undefined, p99_seconds: undefined }, seconds: 11.23, events_per_second: 267_142, cpu_seconds: 21.3, peak_rss_bytes: 180 * 1024 * 1024,
  workers: 2, decisions: [], bottleneck: 'bottleneck: stage "score" (61 % of the workers\' time); 2 workers', stopped_by: 'end of input', dead_letters: 'out/failed.ndjson',
}
const text = (changes: Partial<Report> = {}): string => summaryText({ ...report, ...changes }, paint(false), path => path)

test('the summary accounts for every event', () => {
  assert.equal(text(), [
    'flights  done in 11.2s',
    '  in            3,000,000 events, 13 MiB',
    '  made                312 by stages: sums, parts, copies',
    '  out             412,004 late',
    '                      312 routes',
    '  filtered      2,587,890 left out or summed up by stages',
    '  dead letters        106 out/failed.ndjson',
    '  267k events/s   21.3s of CPU   180 MiB at most   2 workers',
    '  bottleneck: stage "score" (61 % of the workers\' time); 2 workers',
    '',
  ].join('\n'))
})

test('rows of nothing are left out', () => {
  assert.equal(text({ events_in: 1, events_out: { out: 1 }, filtered: 0, dead_lettered: 0, created: 0, dead_letters: undefined, workers: 1 }).split('\n').slice(0, 3).join('\n'), [
    'flights  done in 11.2s',
    '  in   1 event, 13 MiB',
    '  out  1 out',
  ].join('\n'))
})

test('a run that was stopped says whether anything is left', () => {
  assert.match(text({ stopped_by: 'signal' }), /^flights {2}stopped after 11\.2s, nothing left under way\n/)
  assert.match(text({ stopped_by: 'signal', in_flight: 12 }), /^flights {2}stopped at once after 11\.2s\n[^]*under way +12 not finished\n/)
  assert.match(text({ stopped_by: 'failure' }), /^flights {2}failed after 11\.2s\n/)
})
