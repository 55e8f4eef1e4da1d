/**
 * Where the time of a run goes, as its coordinating thread sees it. It outlives the generations: a reload changes components and not what was counted.
 *
 *     worker   busy: it has batches before it | held: none, because memory or sinks have no room | idle: none, because sources have nothing
 */
import type { Clock } from '../platform/index.ts'
import type { Histogram, WorkerFigures } from '../observe/index.ts'
import type { NodeWork } from './messages.ts'
import type { Plan } from './plan.ts'

/** Seconds; from a batch that passes at once to one that lies for a minute. */
const LATENCY_BOUNDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

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
  readonly #asking = new Map<string, BusyClock>()
  readonly #counts = LATENCY_BOUNDS.map(() => 0)
  #count = 0
  #sum = 0
  #workers: { share: Share; readonly ms: Record<Share, number> }[] = []
  #last: number
  #landed: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#last = this.#landed = clock.monotonic()
  }

  /** What was noted of a component, by its id. */
  of(id: string): Readonly<Totals> {
    return { ...(this.#nodes.get(id) ?? { events: 0, bytes: 0, seconds: 0, waited: 0 }), waited: this.#asking.get(id)?.seconds ?? 0 }
  }

  #totals(id: string): Totals {
    let totals = this.#nodes.get(id)
    if (totals === undefined) this.#nodes.set(id, (totals = { events: 0, bytes: 0, seconds: 0, waited: 0 }))
    return totals
  }

  /** What a worker did for one batch. */
  worked(work: readonly NodeWork[], plan: Plan): void {
    for (const { node, events, seconds } of work) {
      const totals = this.#totals(plan.nodes[node]?.id ?? '')
      totals.events += events
      totals.seconds += seconds
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

  /** What a source delivered. */
  read(id: string, events: number, bytes: number): void {
    const totals = this.#totals(id)
    totals.events += events
    totals.bytes += bytes
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
    for (const { share, ms } of this.#workers) ms[share] += now - this.#last
    this.#last = now
  }

  get workerFigures(): WorkerFigures[] {
    this.#tally()
    return this.#workers.map(({ ms }) => ({ busy_seconds: ms.busy / 1000, held_seconds: ms.held / 1000, idle_seconds: ms.idle / 1000 }))
  }

  /** A batch that was read at `since` has landed. */
  landed(since: number): void {
    this.#landed = this.#clock.monotonic()
    const seconds = (this.#landed - since) / 1000
    this.#count++
    this.#sum += seconds
    for (let at = LATENCY_BOUNDS.length - 1; at >= 0 && seconds <= (LATENCY_BOUNDS[at] ?? 0); at--) this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  get latency(): Histogram {
    return { bounds: LATENCY_BOUNDS, counts: [...this.#counts], count: this.#count, sum: this.#sum }
  }

  get quietSeconds(): number {
    return (this.#clock.monotonic() - this.#landed) / 1000
  }
}
