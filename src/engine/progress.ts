/** Figures of a run for a person who watches. */
import type { Counts } from './counts.ts'
import type { Progress } from './report.ts'
import type { SinkRunner } from './sink-runner.ts'
import type { OpenSource } from './sources.ts'

export interface Progressing {
  readonly sources: readonly OpenSource[]
  readonly sinks: ReadonlyMap<number, SinkRunner>
  readonly counts: Counts
  readonly bytesIn: number
  readonly eventsOut: number
  readonly inFlightBytes: number
  /** Batches under way. */
  readonly flights: number
}

export function progressOf({ sources, sinks, counts, bytesIn, eventsOut, inFlightBytes, flights }: Progressing, seconds: number, stopping: boolean): Progress {
  const sizes = sources.map(({ source }) => source.size)
  const lags = sources.flatMap(({ source }) => source.lag ?? [])
  const busy = [...sinks.values()].filter(sink => sink.backlog > 0).map(sink => `sink "${sink.id}" (${sink.backlog} writes)`)
  return {
    events_in: counts.in,
    events_out: eventsOut,
    filtered: counts.filtered,
    dead_lettered: counts.deadLettered,
    bytes_in: bytesIn,
    bytes_total: sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
    in_flight_bytes: inFlightBytes,
    lag: lags.length === 0 ? undefined : lags.reduce((sum, lag) => sum + lag, 0),
    seconds,
    waiting_for: stopping ? [`${flights} batches`, ...busy].join(', ') : undefined,
  }
}
