/**
 * The metrics of `/metrics` as OpenTelemetry's: the same figures, read when an export is due, so that nothing is counted twice and nothing is counted for it alone.
 *
 * Names are those that a collector makes the Prometheus names of again: `sluice_stage_busy_seconds_total` is `sluice.stage.busy` in seconds, a sum that only grows.
 */
import type { HrTime, ValueType } from '@opentelemetry/api'
import type { AggregationTemporality, DataPointType, MetricData } from '@opentelemetry/sdk-metrics'

/** What the client library for Prometheus tells of a metric. */
export interface PlainMetric {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly values: readonly PlainValue[]
}
interface PlainValue {
  readonly labels: Readonly<Record<string, string | number | undefined>>
  readonly value: number
  readonly metricName?: string
}

/** The values behind the library's types, which can't be imported as types alone. */
export interface Kinds {
  readonly double: ValueType
  readonly cumulative: AggregationTemporality
  readonly gauge: DataPointType.GAUGE
  readonly sum: DataPointType.SUM
  readonly histogram: DataPointType.HISTOGRAM
}

const UNITS: readonly (readonly [ending: string, unit: string])[] = [['_seconds', 's'], ['_bytes', 'By']]

/** The name and the unit of a metric. The names of the process have one part before them, ours two: that of the component stands for no metric by itself. */
export function nameOf(name: string, type: string): { readonly name: string; readonly unit: string } {
  const text = type === 'counter' ? name.replace(/_total$/, '') : name
  const [ending = '', unit = ''] = UNITS.find(([its]) => text.endsWith(its)) ?? []
  const front = text.startsWith('sluice_') ? 2 : 1
  const parts = text.slice(0, text.length - ending.length).split('_')
  const all = parts.length > front ? parts : text.split('_')
  return { name: [...all.slice(0, front), all.slice(front).join('_')].filter(part => part !== '').join('.'), unit }
}

export function metricData(metrics: readonly PlainMetric[], since: HrTime, now: HrTime, kinds: Kinds): MetricData[] {
  return metrics.flatMap((metric): MetricData[] => {
    const { name, help, type, values } = metric
    if (values.length === 0) return []
    const descriptor = { ...nameOf(name, type), description: help, valueType: kinds.double }
    const base = { descriptor, aggregationTemporality: kinds.cumulative }
    const point = <T>(labels: PlainValue['labels'], value: T) => ({ startTime: since, endTime: now, attributes: attributesOf(labels), value })
    switch (type) {
      case 'counter':
        return [{ ...base, dataPointType: kinds.sum, isMonotonic: true, dataPoints: values.map(({ labels, value }) => point(labels, value)) }]
      case 'gauge':
        return [{ ...base, dataPointType: kinds.gauge, dataPoints: values.map(({ labels, value }) => point(labels, value)) }]
      case 'histogram':
        return [{ ...base, dataPointType: kinds.histogram, dataPoints: histogramsOf(metric).map(({ labels, ...value }) => point(labels, value)) }]
      default:
        return []
    }
  })
}

function attributesOf(labels: PlainValue['labels']): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])))
}

interface Made {
  readonly labels: PlainValue['labels']
  readonly buckets: { readonly boundaries: number[]; readonly counts: number[] }
  count: number
  sum: number
}

/** Puts the series of a histogram together again. Their counts add up from bucket to bucket; here each bucket has its own. */
function histogramsOf({ name, values }: PlainMetric): Made[] {
  const made = new Map<string, Made & { last: number }>()
  for (const { labels: { le, ...labels }, value, metricName } of values) {
    const key = JSON.stringify(labels)
    let histogram = made.get(key)
    if (histogram === undefined) made.set(key, (histogram = { labels, buckets: { boundaries: [], counts: [] }, count: 0, sum: 0, last: 0 }))
    if (metricName === `${name}_sum`) histogram.sum = value
    else if (metricName === `${name}_count`) histogram.count = value
    else {
      if (le !== '+Inf') histogram.buckets.boundaries.push(Number(le))
      histogram.buckets.counts.push(value - histogram.last)
      histogram.last = value
    }
  }
  return [...made.values()].map(({ labels, buckets, count, sum }) => ({ labels, buckets, count, sum }))
}
