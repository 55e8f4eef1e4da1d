/**
 * Whether a pipeline is well, judged by progress:
 *
 *     starting -> idle (nothing under way) | running (batches land) | waiting (none lands, and there is room) | stalled (none lands, and there is no room)
 *              -> unreachable: a source, a stage that waits or a sink can't have what it needs (its server, its disk) and tries again
 *
 * A source without a connection is no idle one. A sink that is down makes a pipeline wait, and it stays ready as long as there is room; only then is it stalled. Starting the process again would mend neither, so it
 * stays alive in both.
 */
import type { Figures } from './figures.ts'

export type Condition = 'starting' | 'idle' | 'running' | 'unreachable' | 'waiting' | 'stalled' | 'paused' | 'draining'

export interface Health {
  readonly condition: Condition
  readonly live: boolean
  readonly ready: boolean
  readonly started: boolean
  readonly reason: string
}

/** Seconds without a batch that landed, while some are under way. */
const QUIET_MAX = 10
/** Share of the memory beyond which there is no room. */
const FULL = 0.95
/** Seconds that a trouble lasts before it is more than a hiccup. */
const TROUBLE_MIN = 2

export function healthOf(figures: Figures | undefined): Health {
  if (figures === undefined) return { condition: 'starting', live: true, ready: false, started: false, reason: 'components are being opened' }
  const { state, batches, quiet_seconds, in_flight_bytes, memory_bytes } = figures
  const well = { live: true, started: true }
  if (state === 'draining') return { ...well, condition: 'draining', ready: false, reason: 'the pipeline is stopping' }
  if (state === 'paused') return { ...well, condition: 'paused', ready: true, reason: 'sources rest until the pipeline is resumed' }
  const trouble = troubleOf(figures)
  const isFull = in_flight_bytes >= memory_bytes * FULL
  if (trouble !== undefined && !(isFull && quiet_seconds > QUIET_MAX)) return { ...well, condition: 'unreachable', ready: true, reason: trouble }
  if (batches === 0) return { ...well, condition: 'idle', ready: true, reason: 'nothing is under way' }
  if (quiet_seconds <= QUIET_MAX) return { ...well, condition: 'running', ready: true, reason: `${batches} batches are under way` }
  const busiest = figures.sinks.filter(({ backlog }) => backlog > 0).toSorted((a, b) => b.backlog - a.backlog)[0]
  const why = `no batch has landed for ${Math.round(quiet_seconds)} s${busiest === undefined ? '' : `; the sink "${busiest.id}" has ${busiest.backlog} writes before it`}${trouble === undefined ? '' : `; ${trouble}`}`
  return { ...well, condition: isFull ? 'stalled' : 'waiting', ready: !isFull, reason: why }
}

/** Who fails and tries again, and why; undefined where nobody does. */
export function troubleOf({ sources, stages, sinks }: Pick<Figures, 'sources' | 'stages' | 'sinks'>): string | undefined {
  const all = [...sources.map(one => ({ ...one, kind: 'source' })), ...stages.map(one => ({ ...one, kind: 'stage' })), ...sinks.map(one => ({ ...one, kind: 'sink' }))]
  const failing = all.flatMap(({ kind, id, trouble }) => (trouble === undefined || trouble.seconds < TROUBLE_MIN ? [] : [{ kind, id, ...trouble }])).toSorted((a, b) => b.seconds - a.seconds)
  if (failing.length === 0) return undefined
  return failing.map(({ kind, id, attempts, seconds, message }) => `${kind} "${id}" is tried again (${attempts} failed ${attempts === 1 ? 'attempt' : 'attempts'} in ${Math.round(seconds)} s): ${message}`).join('; ')
}
