/**
 * Where the time of a run goes, as its coordinating thread sees it. It outlives the generations: a reload changes components and not what was counted.
 *
 *     worker   busy: it has batches before it | held: none, because memory or sinks have no room | idle: none, because sources have nothing
 */
import type { Clock } from '../platform/index.ts'
import { AGE_SECONDS, BATCH_BYTES, BATCH_EVENTS, Distribution, LATENCY_SECONDS, STAGE_SECONDS } from '../observe/index.ts'
import type { BreakerState } from '../base/index.ts'
import type { Histogram, Notice, WorkerFigures } from '../observe/index.ts'
import type { Flight } from './flight.ts'
import type { NodeWork } from './messages.ts'
import type { Plan } from './plan.ts'

/** Pairs of a component and a code at most; the rest are counted together. */
const REJECTS_MAX = 500
const OTHER = '_other'

type Share = 'busy' | 'held' | 'idle'

interface Totals {
  events: number
  bytes: number
  /** Of workers. */
  seconds: number
  /** In which a source was asked. */
  waited: number
  filtered: number
  retries: number
  /** In which a rate limit held calls back. */
  limited: number
  /** Seconds that batches were in it. */
  readonly latency: Distribution
}

/** Adds up the time in which something is under way. */
export class BusyClock {
  readonly #clock: Clock
  #active = 0
  #since = 0
  #total = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  begin(): void {
    if (this.#active++ === 0) this.#since = this.#clock.monotonic()
  }

  end(): void {
    if (--this.#active === 0) this.#total += this.#clock.monotonic() - this.#since
  }

  get seconds(): number {
    return (this.#total + (this.#active > 0 ? this.#clock.monotonic() - this.#since : 0)) / 1000
  }
}

export class Meter {
  readonly #clock: Clock
  readonly #nodes = new Map<string, Totals>()
  readonly #rejects = new Map<string, { readonly id: string; readonly code: string; events: number }>()
  readonly #breakers = new Map<string, BreakerState>()
  readonly #asking = new Map<string, BusyClock>()
  readonly #latency = new Distribution(LATENCY_SECONDS)
  readonly #endToEnd = new Distribution(AGE_SECONDS)
  readonly #batchEvents = new Distribution(BATCH_EVENTS)
  readonly #batchBytes = new Distribution(BATCH_BYTES)
  #workers: { share: Share; readonly ms: Record<Share, number> }[] = []
  /** Of all workers, those that have gone too. */
  readonly #shares: Record<Share, number> = { busy: 0, held: 0, idle: 0 }
  #last: number
  #landed: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#last = this.#landed = clock.monotonic()
  }

  /** What was noted of a component, by its id. */
  of(id: string): Readonly<Totals> {
    return { ...(this.#nodes.get(id) ?? noTotals()), waited: this.#asking.get(id)?.seconds ?? 0 }
  }

  #totals(id: string): Totals {
    let totals = this.#nodes.get(id)
    if (totals === undefined) this.#nodes.set(id, (totals = noTotals()))
    return totals
  }

  /** What a worker did for one batch. */
  worked(work: readonly NodeWork[], plan: Plan): void {
    for (const { node, events, seconds, batches, waits, filtered, retries, limited } of work) {
      const totals = this.#totals(plan.nodes[node]?.id ?? '')
      totals.events += events
      totals.seconds += seconds
      totals.filtered += filtered
      totals.retries += retries
      totals.limited += limited
      if (batches > 0) totals.latency.add(seconds / batches, batches)
      for (const wait of waits) totals.latency.add(wait)
    }
  }

  /** Events that a component gave up. */
  rejected(id: string, code: string, events: number): void {
    const key = `${id} ${code}`
    const known = this.#rejects.get(key) ?? (this.#rejects.size < REJECTS_MAX ? { id, code, events: 0 } : this.#rejects.get(OTHER) ?? { id: OTHER, code: OTHER, events: 0 })
    known.events += events
    this.#rejects.set(known.id === OTHER ? OTHER : key, known)
  }

  get errors(): readonly { readonly id: string; readonly code: string; readonly events: number }[] {
    return [...this.#rejects.values()].map(each => ({ ...each }))
  }

  /** A component has said something: of its breaker, this is where it is known of one that lives on a worker. */
  told({ kind, place = '', fields }: Notice): void {
    const state = fields?.['state']
    if (kind === 'breaker' && (state === 'closed' || state === 'open' || state === 'half-open')) this.#breakers.set(place, state)
  }

  /** What the breaker of a component said last. */
  breaker(id: string): BreakerState {
    return this.#breakers.get(id) ?? 'closed'
  }

  /** What a source delivered. */
  read(id: string, events: number, bytes: number): void {
    const totals = this.#totals(id)
    totals.events += events
    totals.bytes += bytes
    this.#batchEvents.add(events)
    this.#batchBytes.add(bytes)
  }

  /** A source is asked; call what comes back when it has answered. */
  asked(id: string): () => void {
    let clock = this.#asking.get(id)
    if (clock === undefined) this.#asking.set(id, (clock = new BusyClock(this.#clock)))
    clock.begin()
    return () => clock.end()
  }

  /** How it stands with the workers from now on. */
  workers(count: number, shareOf: (worker: number) => Share): void {
    this.#tally()
    while (this.#workers.length < count) this.#workers.push({ share: 'idle', ms: { busy: 0, held: 0, idle: 0 } })
    this.#workers.length = count
    this.#workers.forEach((worker, at) => (worker.share = shareOf(at)))
  }

  #tally(): void {
    const now = this.#clock.monotonic()
    for (const { share, ms } of this.#workers) {
      ms[share] += now - this.#last
      this.#shares[share] += now - this.#last
    }
    this.#last = now
  }

  /** Milliseconds of all workers together, those that have gone included. */
  get shares(): Readonly<Record<Share, number>> {
    this.#tally()
    return { ...this.#shares }
  }

  get workerFigures(): WorkerFigures[] {
    this.#tally()
    return this.#workers.map(({ ms }) => ({ busy_seconds: ms.busy / 1000, held_seconds: ms.held / 1000, idle_seconds: ms.idle / 1000 }))
  }

  /** A batch has landed. */
  landed({ since, ingested }: Pick<Flight, 'since' | 'ingested'>): void {
    this.#landed = this.#clock.monotonic()
    this.#latency.add((this.#landed - since) / 1000)
    this.#endToEnd.add((ingested === undefined ? this.#landed - since : Math.max(0, this.#clock.now() - ingested)) / 1000)
  }

  get latency(): Histogram {
    return this.#latency.figures
  }

  get endToEnd(): Histogram {
    return this.#endToEnd.figures
  }

  /** How large batches were. */
  get batchSizes(): { readonly events: Histogram; readonly bytes: Histogram } {
    return { events: this.#batchEvents.figures, bytes: this.#batchBytes.figures }
  }

  get quietSeconds(): number {
    return (this.#clock.monotonic() - this.#landed) / 1000
  }
}

function noTotals(): Totals {
  return { events: 0, bytes: 0, seconds: 0, waited: 0, filtered: 0, retries: 0, limited: 0, latency: new Distribution(STAGE_SECONDS) }
}
