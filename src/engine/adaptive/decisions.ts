/** What a run has changed by itself or by order, newest last. Bounded: an old run does not grow; what was forgotten is still counted. */
import type { Clock } from '../../platform/index.ts'
import type { Decision, Decided, Notice } from '../../observe/index.ts'
import type { BatchStep } from './batch-rule.ts'
import type { InFlightStep } from './in-flight.ts'

/** Decisions that are kept. */
const KEPT_MAX = 100

/** In-flight limits move many times a second: only what differs so much from what was noted last is a decision. The size of batches moves by more, and matters less. */
const NOTED_FACTOR = 1.5

export type Change = Omit<Decision, 'at'>

export class Decisions {
  readonly #clock: Clock
  readonly #tell: (notice: Notice) => void
  readonly #kept: Decision[] = []
  readonly #counts = new Map<string, Decided>()
  /** Of in-flight limits, by component: what was noted last. */
  readonly #limits = new Map<string, number>()
  /** Of in-flight limits, by component: what they are, by worker. */
  readonly #inFlight = new Map<string, Map<number, number>>()
  /** Of batches: what was noted last, and what it is. */
  #bytes: number | undefined
  #batchBytes: number | undefined

  constructor(clock: Clock, tell: (notice: Notice) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  note(change: Change): void {
    const decision: Decision = { at: this.#clock.now(), ...change }
    this.#kept.push(decision)
    if (this.#kept.length > KEPT_MAX) this.#kept.shift()
    const direction = change.to > change.from ? 'up' : 'down'
    const counted = this.#counts.get(`${change.what} ${direction}`) ?? { what: change.what, direction, count: 0 }
    this.#counts.set(`${change.what} ${direction}`, { ...counted, count: counted.count + 1 })
    this.#tell({
      level: change.what === 'workers' ? 'info' : 'debug', kind: 'scale', text: decisionText(change), ...(change.of === undefined ? {} : { place: change.of }), key: change.what,
      fields: { what: change.what, from: change.from, to: change.to, by: change.by, ...change.figures },
    })
  }

  /** An in-flight limit is this now: noted where it has moved far since it was noted last. */
  limit(of: string, limit: number, why: string, figures: Decision['figures']): void {
    const from = this.#limits.get(of)
    if (from === undefined) return void this.#limits.set(of, limit)
    if (limit < from * NOTED_FACTOR && limit > from / NOTED_FACTOR) return
    this.#limits.set(of, limit)
    this.note({ what: 'in_flight', of, from, to: limit, why, by: 'controller', figures })
  }

  /** Sources are asked for batches of this size: noted where it has moved far since it was noted last. */
  batched({ from: before, bytes, why, work, latency }: BatchStep): void {
    const from = (this.#bytes ??= before)
    this.#batchBytes = bytes
    if (bytes < from * NOTED_FACTOR ** 3 && bytes > from / NOTED_FACTOR ** 3) return
    this.#bytes = bytes
    this.note({ what: 'batch', of: undefined, from, to: bytes, why, by: 'controller', figures: { work_ms: work, ...(latency > 0 ? { latency_ms: latency } : {}) } })
  }

  /** Bytes that sources are asked for; undefined where nothing has moved it yet. */
  get batchBytes(): number | undefined {
    return this.#batchBytes
  }

  /** The in-flight limit of a component, on the coordinating thread or a worker, has moved: limits of all workers are added up. */
  limited(id: string, { limit, why, rtt, shortest }: InFlightStep, worker = -1): void {
    const all = this.#inFlight.get(id) ?? new Map<number, number>()
    this.#inFlight.set(id, all.set(worker, limit))
    this.limit(id, this.inFlightLimit(id) ?? limit, why, { rtt_ms: rtt, shortest_rtt_ms: shortest })
  }

  /** Requests that a component may have under way; undefined where nothing has moved it yet, or it is not adapted. */
  inFlightLimit(id: string): number | undefined {
    const all = this.#inFlight.get(id)
    return all === undefined ? undefined : [...all.values()].reduce((sum, limit) => sum + limit, 0)
  }

  get inFlightLimits(): readonly { readonly id: string; readonly limit: number }[] {
    return [...this.#inFlight.keys()].map(id => ({ id, limit: this.inFlightLimit(id) ?? 0 }))
  }

  get list(): readonly Decision[] {
    return [...this.#kept]
  }

  get counts(): readonly Decided[] {
    return [...this.#counts.values()]
  }
}

const NAMES: Readonly<Record<Decision['what'], string>> = { workers: 'workers', batch: 'bytes in a batch', in_flight: 'requests under way' }

function decisionText({ what, from, to, why }: Change): string {
  return `${NAMES[what]}: ${from} -> ${to} (${why})`
}
