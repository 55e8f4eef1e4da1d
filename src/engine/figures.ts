/** Puts together what a run says of itself. */
import type { Figures } from '../observe/index.ts'
import { stageWaits } from './component.ts'
import type { Counts } from './counts.ts'
import type { Generation } from './generation.ts'
import type { Meter } from './meter.ts'
import type { Troubles } from './troubles.ts'

export function figuresOf(generation: Generation, meter: Meter, counts: Counts, troubles: Troubles, at: Pick<Figures, 'generation' | 'state' | 'seconds' | 'adaptive'>): Figures {
  const { plan, coordinator, sinks, sources, registry } = generation
  const { config } = plan
  return {
    ...at,
    pipeline: config.name,
    quiet_seconds: meter.quietSeconds,
    sources: sources.map(({ id, source }) => {
      const { events, bytes, seconds, waited } = meter.of(id)
      return { id, type: config.sources.find(each => each.id === id)?.type ?? '', events, bytes, waited_seconds: waited, decode_seconds: seconds, lag: source.lag, trouble: troubles.figures(id) }
    }),
    stages: config.stages.map(({ id, type, config: own, breaker, rateLimit }) => {
      const declaration = registry.stage(type)
      const { events, seconds, filtered, retries, latency, limited } = meter.of(id)
      return { id, type, events, busy_seconds: seconds, filtered, retries, latency: latency.figures, waits: declaration !== undefined && stageWaits(declaration, own), breaker: breaker === undefined ? undefined : meter.breaker(id), limited_seconds: rateLimit === undefined ? undefined : limited, trouble: troubles.figures(id) }
    }),
    sinks: [...sinks.values()].map(({ id, totals, backlog, backlogBytes, breaker, busy, latency, limitedSeconds }) => {
      const type = id === 'dead_letters' ? (config.deadLetters?.type ?? '') : (config.sinks.find(each => each.id === id)?.type ?? '')
      return { id, type, ...totals, backlog, backlog_bytes: backlogBytes, breaker, latency: latency.figures, busy_seconds: busy.seconds, encode_seconds: meter.of(id).seconds, limited_seconds: limitedSeconds, trouble: troubles.figures(id) }
    }),
    workers: meter.workerFigures.map((worker, at) => ({ ...worker, heap_bytes: generation.heapOf(at) })),
    events_in: counts.in,
    events_out: coordinator.eventsOut,
    filtered: counts.filtered,
    created: counts.created,
    dead_lettered: counts.deadLettered,
    errors: meter.errors,
    batches: coordinator.flights,
    in_flight_bytes: coordinator.inFlightBytes,
    memory_bytes: config.memory,
    latency: meter.latency,
    end_to_end: meter.endToEnd,
    batch_events: meter.batchSizes.events,
    batch_bytes: meter.batchSizes.bytes,
  }
}
