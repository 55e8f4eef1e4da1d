import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValueType } from '@opentelemetry/api'
import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics'
import { figuresFor } from '../figures.testing.ts'
import { Metrics } from '../metrics.ts'
import { metricData, nameOf } from './metric-data.ts'

const KINDS = { double: ValueType.DOUBLE, cumulative: AggregationTemporality.CUMULATIVE, gauge: DataPointType.GAUGE, sum: DataPointType.SUM, histogram: DataPointType.HISTOGRAM } as const

test('names lose what the kind and the unit of a metric say', () => {
  assert.deepEqual(nameOf('sluice_stage_busy_seconds_total', 'counter'), { name: 'sluice.stage.busy', unit: 's' })
  assert.deepEqual(nameOf('sluice_pipeline_in_flight_bytes', 'gauge'), { name: 'sluice.pipeline.in_flight', unit: 'By' })
  assert.deepEqual(nameOf('sluice_source_bytes_total', 'counter'), { name: 'sluice.source.bytes', unit: 'By' })
  assert.deepEqual(nameOf('process_cpu_seconds_total', 'counter'), { name: 'process.cpu', unit: 's' })
})

test('a collector makes the names of /metrics of them again', async () => {
  const metrics = await (await Metrics.make(() => figuresFor({ workers: [{}], errors: [{ id: 'slow', code: 'X', events: 1 }] }))).all()
  const endings: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' }
  for (const { name, type } of metrics.filter(metric => metric.name.startsWith('sluice_'))) {
    const made = nameOf(name, type)
    const text = made.name.replaceAll('.', '_')
    const ending = endings[made.unit] ?? ''
    assert.equal(`${text}${text.endsWith(ending) ? '' : ending}${type === 'counter' ? '_total' : ''}`, name)
  }
  assert.equal(new Set(metrics.map(({ name, type }) => JSON.stringify(nameOf(name, type)))).size, metrics.length, 'no two become one')
})

test('counters, gauges and histograms keep their values and labels', async () => {
  const metrics = await (await Metrics.make(() => figuresFor({ source: { events: 7, lag: 3 } }))).all()
  const made = new Map(metricData(metrics, [1, 0], [2, 0], KINDS).map(metric => [metric.descriptor.name, metric]))
  const events = made.get('sluice.source.events')
  assert.ok(events?.dataPointType === DataPointType.SUM && events.isMonotonic)
  assert.deepEqual(events.dataPoints, [{ startTime: [1, 0], endTime: [2, 0], attributes: { pipeline: 'p', source: 'in', type: 'memory' }, value: 7 }])
  assert.equal(made.get('sluice.source.lag_events')?.dataPoints[0]?.value, 3)
  const latency = made.get('sluice.pipeline.latency')
  assert.ok(latency?.dataPointType === DataPointType.HISTOGRAM)
  assert.deepEqual(latency.dataPoints[0]?.value, { buckets: { boundaries: [0.1, 1], counts: [3, 1, 1] }, count: 5, sum: 6.5 })
  assert.ok(made.get('process.resident_memory') !== undefined && made.get('nodejs.eventloop_lag') !== undefined)
})
