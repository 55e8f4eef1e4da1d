/** Figures for tests: a run of ten seconds in which nothing happened, with changes. */
import type { Figures, Histogram, SinkFigures, SourceFigures, StageFigures, WorkerFigures } from './figures.ts'

export interface Changes extends Partial<Omit<Figures, 'sources' | 'stages' | 'sinks' | 'workers'>> {
  readonly source?: Partial<SourceFigures>
  readonly stage?: Partial<StageFigures>
  readonly sink?: Partial<SinkFigures>
  readonly workers?: readonly Partial<WorkerFigures>[]
}

export const NONE: Histogram = { bounds: [0.1, 1], counts: [0, 0], count: 0, sum: 0, p50: undefined, p99: undefined }

export function figuresFor({ source, stage, sink, workers = [], ...rest }: Changes = {}): Figures {
  return {
    pipeline: 'p', generation: 1, state: 'running', seconds: 10, quiet_seconds: 0, events_in: 0, events_out: 0, filtered: 0, created: 0, dead_lettered: 0, errors: [], batches: 0, in_flight_bytes: 0,
    memory_bytes: 1000, latency: { bounds: [0.1, 1], counts: [3, 4], count: 5, sum: 6.5, p50: 0.083, p99: 1 }, end_to_end: NONE, batch_events: NONE, batch_bytes: NONE, adaptive: { workers_auto: false, batch_bytes: undefined, in_flight: [], decisions: [], counts: [] },
    ...rest,
    sources: [{ id: 'in', type: 'memory', events: 0, bytes: 0, waited_seconds: 0, decode_seconds: 0, lag: undefined, ...source }],
    stages: [{ id: 'slow', type: 'map', events: 0, busy_seconds: 0, filtered: 0, retries: 0, waits: false, latency: NONE, ...stage }],
    sinks: [{ id: 'out', type: 'memory', events: 0, bytes: 0, retries: 0, backlog: 0, backlog_bytes: 0, breaker: undefined, busy_seconds: 0, encode_seconds: 0, latency: NONE, ...sink }],
    workers: workers.map(worker => ({ busy_seconds: 0, held_seconds: 0, idle_seconds: 0, ...worker })),
  }
}
