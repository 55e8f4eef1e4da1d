/** A pipeline's figures as Prometheus metrics, by its conventions: base units, `_total` for what only grows. Figures of the process itself are the client library's. */
import type { Metric, Registry } from 'prom-client'
import { together } from './distribution.ts'
import type { Figures, Histogram, SinkFigures } from './figures.ts'
import type { PlainMetric } from './otlp/metric-data.ts'

/** Series of one metric at most; the rest become one, `_other`, so that no pipeline floods who reads them. A histogram is some twenty series. */
const SERIES_MAX = 500
const HISTOGRAMS_MAX = 100
const OTHER = '_other'

type Labels = Readonly<Record<string, string>>

interface Series {
  readonly labels: Labels
  readonly value: number
  readonly metricName?: string
}

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly values: (figures: Figures) => readonly Series[]
}

interface Named {
  readonly id: string
  readonly type: string
}

/** One series for each component. */
function each<T extends Named>(list: readonly T[], label: string, of: (item: T) => number | undefined): readonly Series[] {
  const all = list.flatMap(item => {
    const value = of(item)
    return value === undefined ? [] : [{ labels: { [label]: item.id, type: item.type }, value }]
  })
  return capped(all, SERIES_MAX, rest => ({ labels: { [label]: OTHER, type: OTHER }, value: rest.reduce((sum, { value }) => sum + value, 0) }))
}

/** One histogram for each component. */
function eachHistogram<T extends Named>(name: string, list: readonly T[], label: string, of: (item: T) => Histogram): Series[] {
  const all = list.map(item => ({ labels: { [label]: item.id, type: item.type }, histogram: of(item) }))
  const some = capped(all, HISTOGRAMS_MAX, rest => ({ labels: { [label]: OTHER, type: OTHER }, histogram: rest.map(each => each.histogram).reduce(together) }))
  return some.flatMap(({ labels, histogram: made }) => histogram(name, made, labels))
}

function capped<T>(all: readonly T[], most: number, restOf: (rest: readonly T[]) => T): readonly T[] {
  return all.length <= most ? all : [...all.slice(0, most - 1), restOf(all.slice(most - 1))]
}

const one = (value: number): Series[] => [{ labels: {}, value }]

function histogram(name: string, { bounds, counts, count, sum }: Histogram, labels: Labels = {}): Series[] {
  const bucket = (le: string, value: number): Series => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })
  return [
    ...bounds.map((bound, at) => bucket(String(bound), counts[at] ?? 0)), bucket('+Inf', count),
    { metricName: `${name}_sum`, labels, value: sum }, { metricName: `${name}_count`, labels, value: count },
  ]
}

function breakers(label: string, of: readonly (Named & Pick<SinkFigures, 'breaker'>)[]): Series[] {
  const some = of.filter(({ breaker }) => breaker !== undefined).slice(0, HISTOGRAMS_MAX)
  return some.flatMap(({ id, type, breaker }) => (['closed', 'open', 'half-open'] as const).map(state => ({ labels: { [label]: id, type, state }, value: state === breaker ? 1 : 0 })))
}

/** What has a rate limit. */
function limited({ stages, sinks }: Figures): Series[] {
  const some = [...stages, ...sinks].flatMap(({ id, type, limited_seconds: value }) => (value === undefined ? [] : [{ labels: { component: id, type }, value }]))
  return some.slice(0, SERIES_MAX)
}

/** What can't do its work and tries again. */
function failing({ sources, stages, sinks }: Figures): Series[] {
  const some = [...sources, ...stages, ...sinks].flatMap(({ id, type, trouble }) => (trouble === undefined ? [] : [{ labels: { component: id, type, code: trouble.code }, value: trouble.seconds }]))
  return some.slice(0, SERIES_MAX)
}

const STATES = ['running', 'paused', 'draining'] as const

const FAMILIES: readonly Family[] = [
  { name: 'sluice_source_events_total', help: 'Events that a source delivered.', type: 'counter', values: ({ sources }) => each(sources, 'source', ({ events }) => events) },
  { name: 'sluice_source_bytes_total', help: 'Bytes that a source delivered.', type: 'counter', values: ({ sources }) => each(sources, 'source', ({ bytes }) => bytes) },
  { name: 'sluice_source_wait_seconds_total', help: 'Time in which a source was asked and had not answered.', type: 'counter', values: ({ sources }) => each(sources, 'source', item => item.waited_seconds) },
  { name: 'sluice_source_decode_seconds_total', help: 'Time that workers took to decode a source.', type: 'counter', values: ({ sources }) => each(sources, 'source', item => item.decode_seconds) },
  { name: 'sluice_source_lag_events', help: 'Events that a source knows of and has not handed out.', type: 'gauge', values: ({ sources }) => each(sources, 'source', ({ lag }) => lag) },
  { name: 'sluice_stage_events_total', help: 'Events that a stage was given.', type: 'counter', values: ({ stages }) => each(stages, 'stage', ({ events }) => events) },
  { name: 'sluice_stage_busy_seconds_total', help: 'Time that a stage took, over all workers.', type: 'counter', values: ({ stages }) => each(stages, 'stage', item => item.busy_seconds) },
  { name: 'sluice_stage_filtered_events_total', help: 'Events that a stage left out, or took in, on purpose.', type: 'counter', values: ({ stages }) => each(stages, 'stage', ({ filtered }) => filtered) },
  { name: 'sluice_stage_retries_total', help: 'Calls of a stage that waits which were made again.', type: 'counter', values: ({ stages }) => each(stages.filter(({ waits }) => waits), 'stage', ({ retries }) => retries) },
  { name: 'sluice_stage_breaker_state', help: '1 for the state that the breaker of a stage is in; with several workers, what one of them said last.', type: 'gauge', values: ({ stages }) => breakers('stage', stages) },
  { name: 'sluice_stage_batch_seconds', help: 'Time that a batch was in a stage.', type: 'histogram', values: ({ stages }) => eachHistogram('sluice_stage_batch_seconds', stages, 'stage', ({ latency }) => latency) },
  { name: 'sluice_sink_events_total', help: 'Events that a sink took.', type: 'counter', values: ({ sinks }) => each(sinks, 'sink', ({ events }) => events) },
  { name: 'sluice_sink_bytes_total', help: 'Bytes that a sink took.', type: 'counter', values: ({ sinks }) => each(sinks, 'sink', ({ bytes }) => bytes) },
  { name: 'sluice_sink_retries_total', help: 'Writes that were tried again.', type: 'counter', values: ({ sinks }) => each(sinks, 'sink', ({ retries }) => retries) },
  { name: 'sluice_sink_backlog_writes', help: 'Writes that wait for a sink or are under way.', type: 'gauge', values: ({ sinks }) => each(sinks, 'sink', ({ backlog }) => backlog) },
  { name: 'sluice_sink_backlog_bytes', help: 'Bytes of the writes that wait for a sink or are under way.', type: 'gauge', values: ({ sinks }) => each(sinks, 'sink', item => item.backlog_bytes) },
  { name: 'sluice_sink_write_seconds', help: 'Time that a write took, with all its attempts.', type: 'histogram', values: ({ sinks }) => eachHistogram('sluice_sink_write_seconds', sinks, 'sink', ({ latency }) => latency) },
  { name: 'sluice_sink_breaker_state', help: '1 for the state that the breaker of a sink is in.', type: 'gauge', values: ({ sinks }) => breakers('sink', sinks) },
  { name: 'sluice_sink_busy_seconds_total', help: 'Time in which a write or a flush of a sink was under way.', type: 'counter', values: ({ sinks }) => each(sinks, 'sink', item => item.busy_seconds) },
  { name: 'sluice_sink_encode_seconds_total', help: 'Time that workers took to encode for a sink.', type: 'counter', values: ({ sinks }) => each(sinks, 'sink', item => item.encode_seconds) },
  {
    name: 'sluice_worker_seconds_total',
    help: 'How the time of a worker went: busy, held (what was made has not been taken), idle (sources have nothing).',
    type: 'counter',
    values: ({ workers }) => workers.flatMap((worker, at) => (['busy', 'held', 'idle'] as const).map(state => ({ labels: { worker: String(at), state }, value: worker[`${state}_seconds`] }))),
  },
  {
    name: 'sluice_worker_heap_bytes',
    help: 'Bytes in use in the heap of a worker thread.',
    type: 'gauge',
    values: ({ workers }) => workers.flatMap(({ heap_bytes: value }, at) => (value === undefined ? [] : [{ labels: { worker: String(at) }, value }])),
  },
  {
    name: 'sluice_errors_total',
    help: 'Events that went to the dead letters, by the component that gave them up and the code of the reason.',
    type: 'counter',
    values: ({ errors }) => errors.map(({ id, code, events }) => ({ labels: { component: id, code }, value: events })),
  },
  { name: 'sluice_component_failing_seconds', help: 'How long a source, a stage or a sink can\'t do its work and tries again; no series where all is well.', type: 'gauge', values: failing },
  { name: 'sluice_component_rate_limited_seconds_total', help: 'Time for which its rate limit held a stage or a sink back; of a stage, over all workers.', type: 'counter', values: limited },
  { name: 'sluice_pipeline_filtered_events_total', help: 'Events that stages left out or took in on purpose.', type: 'counter', values: ({ filtered }) => one(filtered) },
  { name: 'sluice_pipeline_created_events_total', help: 'Events that stages made beyond those that came in.', type: 'counter', values: ({ created }) => one(created) },
  { name: 'sluice_pipeline_dead_letters_total', help: 'Events that went to the dead letters.', type: 'counter', values: figures => one(figures.dead_lettered) },
  { name: 'sluice_pipeline_batches', help: 'Batches under way.', type: 'gauge', values: ({ batches }) => one(batches) },
  { name: 'sluice_pipeline_in_flight_bytes', help: 'Bytes that batches under way hold.', type: 'gauge', values: figures => one(figures.in_flight_bytes) },
  { name: 'sluice_pipeline_memory_limit_bytes', help: 'Bytes that batches under way may hold.', type: 'gauge', values: figures => one(figures.memory_bytes) },
  { name: 'sluice_pipeline_credits_bytes', help: 'Bytes that sources may still read before a batch must land.', type: 'gauge', values: figures => one(Math.max(0, figures.memory_bytes - figures.in_flight_bytes)) },
  { name: 'sluice_pipeline_batch_events', help: 'Events of a batch that a source delivered.', type: 'histogram', values: figures => histogram('sluice_pipeline_batch_events', figures.batch_events) },
  { name: 'sluice_pipeline_batch_bytes', help: 'Bytes of a batch that a source delivered.', type: 'histogram', values: figures => histogram('sluice_pipeline_batch_bytes', figures.batch_bytes) },
  { name: 'sluice_pipeline_workers', help: 'Workers that there are.', type: 'gauge', values: ({ workers }) => one(workers.length) },
  {
    name: 'sluice_adaptive_decisions_total', help: 'Changes of the number of workers, of the size of batches and of in-flight limits, made by the pipeline itself or by order.', type: 'counter',
    values: ({ adaptive }) => adaptive.counts.map(({ what, direction, count }) => ({ labels: { what, direction }, value: count })),
  },
  {
    name: 'sluice_adaptive_batch_bytes', help: 'Bytes that sources are asked for at a time, where that is less than what the config says, or was.', type: 'gauge',
    values: ({ adaptive }) => (adaptive.batch_bytes === undefined ? [] : one(adaptive.batch_bytes)),
  },
  {
    name: 'sluice_adaptive_in_flight_limit', help: 'Requests that a component with `concurrency: auto` may have under way, over all workers.', type: 'gauge',
    values: ({ adaptive }) => adaptive.in_flight.slice(0, SERIES_MAX).map(({ id, limit }) => ({ labels: { component: id }, value: limit })),
  },
  { name: 'sluice_pipeline_quiet_seconds', help: 'Time since a batch was last taken by all sinks.', type: 'gauge', values: figures => one(figures.quiet_seconds) },
  { name: 'sluice_pipeline_generation', help: 'Counts the configs that have run, from 1.', type: 'gauge', values: ({ generation }) => one(generation) },
  { name: 'sluice_pipeline_state', help: '1 for the state that the pipeline is in.', type: 'gauge', values: ({ state }) => STATES.map(name => ({ labels: { state: name }, value: name === state ? 1 : 0 })) },
  { name: 'sluice_pipeline_end_to_end_seconds', help: 'Time from when a batch was first taken in, by a log, a broker or a source, until every sink had taken it.', type: 'histogram', values: figures => histogram('sluice_pipeline_end_to_end_seconds', figures.end_to_end) },
  { name: 'sluice_pipeline_latency_seconds', help: 'Time from the reading of a batch until every sink had taken it.', type: 'histogram', values: ({ latency }) => histogram('sluice_pipeline_latency_seconds', latency) },
]

/** All metrics of a pipeline, for their reference. */
export function metricFamilies(figures: Figures): readonly { readonly name: string; readonly help: string; readonly type: string; readonly labels: readonly string[] }[] {
  return FAMILIES.map(({ name, help, type, values }) => ({ name, help, type, labels: Object.keys(values(figures)[0]?.labels ?? {}).filter(label => label !== 'le') }))
}

/** Metrics of one process. The library is loaded with the first. */
export class Metrics {
  readonly #registry: Registry

  private constructor(registry: Registry) {
    this.#registry = registry
  }

  /** `figures` is asked whenever somebody reads; what it does not know yet is left out. */
  static async make(figures: () => Figures | undefined): Promise<Metrics> {
    const { Registry, collectDefaultMetrics } = await import('prom-client')
    const registry = new Registry()
    // Ten looks a second are enough for the delay of the event loop.
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
    for (const { name, help, type, values } of FAMILIES) {
      const get = async (): Promise<object> => {
        const now = figures()
        const pipeline = now?.pipeline ?? ''
        return { name, help, type, aggregator: 'sum', values: now === undefined ? [] : values(now).map(({ labels, ...rest }) => ({ ...rest, labels: { pipeline, ...labels } })) }
      }
      registry.registerMetric({ name, get, collect: undefined, reset: () => undefined, remove: () => undefined } as unknown as Metric) // The library asks a metric for nothing but this.
    }
    return new Metrics(registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All metrics as they are now, for whoever writes them in another form. */
  all(): Promise<readonly PlainMetric[]> {
    return this.#registry.getMetricsAsJSON() as unknown as Promise<readonly PlainMetric[]> // What the library's own types call an object.
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
