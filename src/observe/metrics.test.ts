import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figuresFor } from './figures.testing.ts'
import { Metrics } from './metrics.ts'

async function linesOf(figures: ReturnType<typeof figuresFor> | undefined): Promise<string[]> {
  return (await (await Metrics.make(() => figures)).text()).split('\n')
}

test('every figure is a metric with its help, its type and its labels', async () => {
  const lines = await linesOf(figuresFor({ source: { events: 7, lag: 3 }, stage: { filtered: 3, latency: figuresFor().latency }, sink: { retries: 2, backlog_bytes: 70, breaker: 'open', limited_seconds: 4.5, trouble: { seconds: 12, attempts: 3, code: 'HTTP_STATUS', message: 'gone' } }, workers: [{ busy_seconds: 1.5, heap_bytes: 4096 }], errors: [{ id: 'slow', code: 'STAGE_FAILED', events: 4 }] }))
  for (const line of [
    '# HELP sluice_source_events_total Events that a source delivered.',
    '# TYPE sluice_source_events_total counter',
    'sluice_source_events_total{pipeline="p",source="in",type="memory"} 7',
    'sluice_source_lag_events{pipeline="p",source="in",type="memory"} 3',
    'sluice_sink_retries_total{pipeline="p",sink="out",type="memory"} 2',
    'sluice_worker_heap_bytes{pipeline="p",worker="0"} 4096',
    'sluice_worker_seconds_total{pipeline="p",worker="0",state="busy"} 1.5',
    'sluice_errors_total{pipeline="p",component="slow",code="STAGE_FAILED"} 4',
    'sluice_pipeline_state{pipeline="p",state="running"} 1',
    'sluice_pipeline_latency_seconds_bucket{pipeline="p",le="1"} 4',
    'sluice_pipeline_latency_seconds_bucket{pipeline="p",le="+Inf"} 5',
    'sluice_pipeline_latency_seconds_count{pipeline="p"} 5',
    'sluice_stage_filtered_events_total{pipeline="p",stage="slow",type="map"} 3',
    'sluice_stage_batch_seconds_bucket{pipeline="p",stage="slow",type="map",le="0.1"} 3',
    'sluice_stage_batch_seconds_count{pipeline="p",stage="slow",type="map"} 5',
    'sluice_sink_backlog_bytes{pipeline="p",sink="out",type="memory"} 70',
    'sluice_pipeline_credits_bytes{pipeline="p"} 1000',
    'sluice_sink_breaker_state{pipeline="p",sink="out",type="memory",state="open"} 1',
    'sluice_sink_breaker_state{pipeline="p",sink="out",type="memory",state="closed"} 0',
    'sluice_component_rate_limited_seconds_total{pipeline="p",component="out",type="memory"} 4.5',
    'sluice_component_failing_seconds{pipeline="p",component="out",type="memory",code="HTTP_STATUS"} 12',
  ]) assert.ok(lines.includes(line), line)
  assert.ok(lines.some(line => line.startsWith('nodejs_eventloop_lag_seconds')) && lines.some(line => line.startsWith('process_resident_memory_bytes')))
})

test('what a run has adapted shows: workers, in-flight limits, and how often something was changed', async () => {
  const adaptive = { workers_auto: true, batch_bytes: 4096, in_flight: [{ id: 'out', limit: 12 }], decisions: [], counts: [{ what: 'workers', direction: 'up', count: 3 }] } as const
  const lines = await linesOf({ ...figuresFor({ workers: [{}, {}] }), adaptive })
  for (const line of [
    'sluice_pipeline_workers{pipeline="p"} 2', 'sluice_adaptive_decisions_total{pipeline="p",what="workers",direction="up"} 3', 'sluice_adaptive_in_flight_limit{pipeline="p",component="out"} 12',
    'sluice_adaptive_batch_bytes{pipeline="p"} 4096',
  ]) assert.ok(lines.includes(line), line)
})

test('a lag that nobody knows, and a pipeline that is not open, have no series', async () => {
  assert.ok(!(await linesOf(figuresFor())).some(line => line.startsWith('sluice_source_lag_events{')))
  assert.ok(!(await linesOf(undefined)).some(line => /^sluice_.*\{/.test(line)))
})

test('a metric has no more than 500 series; the others are one', async () => {
  const stage = { type: 'map', events: 1, busy_seconds: 0, filtered: 0, retries: 0, waits: false, latency: { bounds: [0.1, 1], counts: [1, 2], count: 2, sum: 0.5, p50: 0.1, p99: 1 } }
  const lines = await linesOf({ ...figuresFor(), stages: Array.from({ length: 700 }, (_, at) => ({ ...stage, id: `s${at}` })) })
  const series = lines.filter(line => line.startsWith('sluice_stage_events_total{'))
  assert.equal(series.length, 500)
  assert.ok(series.includes('sluice_stage_events_total{pipeline="p",stage="_other",type="_other"} 201'))
  const histograms = lines.filter(line => line.startsWith('sluice_stage_batch_seconds_count{'))
  assert.equal(histograms.length, 100)
  assert.ok(lines.includes('sluice_stage_batch_seconds_bucket{pipeline="p",stage="_other",type="_other",le="1"} 1202'))
})

test('names with quotes and line ends stay one line', async () => {
  const lines = await linesOf({ ...figuresFor(), pipeline: 'a"b\nc\\' })
  assert.ok(lines.includes('sluice_pipeline_generation{pipeline="a\\"b\\nc\\\\"} 1'))
})
