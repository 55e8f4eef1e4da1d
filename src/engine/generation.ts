/**
 * One plan with all that it needs open: sinks, sources, workers, and the coordinator over them.
 *
 *     open: sinks -> sources -> workers -> coordinator      close: sources -> workers -> sinks
 *
 * A reload ends one generation and opens the next behind the same cut. Components that are the same in both go over open, as they are.
 */
import { availableParallelism } from 'node:os'
import type { JsonValue } from '../event/index.ts'
import type { Notice } from '../observe/index.ts'
import type { Clock } from '../platform/index.ts'
import { Barriers } from './barriers.ts'
import type { Cut, MemoryCuts } from './checkpoint/index.ts'
import type { ComponentContext } from './component.ts'
import type { Registry } from './config.ts'
import { RECORD_MAX } from './context.ts'
import { Coordinator } from './coordinator.ts'
import type { Before } from './coordinator.ts'
import { ALONE, crewOf, hasForeignLanes, ownsNothing, runsForeignCode, wantsApart } from './crew.ts'
import type { Crew } from './crew.ts'
import { Delivery } from './delivery.ts'
import { Host } from './host.ts'
import type { SinkFacts } from './lanes.ts'
import { LaneJournal } from './lane-journal.ts'
import { InlineLink, ThreadLink } from './links.ts'
import type { Link } from './links.ts'
import type { FromHost, GroupState } from './messages.ts'
import { factsOf, openSinks, refusedToDeadLetters } from './open-sinks.ts'
import { openSources } from './open-sources.ts'
import type { Plan } from './plan.ts'
import { joinSources } from './run-state.ts'
import type { RunState } from './run-state.ts'
import type { SinkRunner } from './sink-runner.ts'
import type { Keeping, OpenSource } from './sources.ts'
import { WatchedLink } from './watched-link.ts'

/** The module that a worker thread runs, and what it needs to make the same plan there. */
export interface ThreadStart {
  readonly url: URL
  readonly data: unknown
}

/** What a worker thread is started with. */
export interface HostData {
  readonly lane: number
  readonly lanes: number
  readonly restore: readonly GroupState[]
  readonly facts: SinkFacts
  /** False for a thread that owns lanes only. */
  readonly pieces: boolean
  readonly start: unknown
  /** Memory to note what it does in, and how often to beat, in milliseconds: where the worker is watched. */
  readonly notes?: { readonly memory: SharedArrayBuffer; readonly every: number }
}

/** What a generation begins with. */
export interface Handover {
  readonly positions: Readonly<Record<string, JsonValue>>
  readonly marks: Readonly<Record<string, JsonValue>>
  readonly groups: readonly GroupState[]
  /** Components that are open and go on as they are, by id. */
  readonly sources: ReadonlyMap<string, OpenSource>
  readonly sinks: ReadonlyMap<string, SinkRunner>
}

export interface GenerationParts {
  readonly plan: Plan
  readonly registry: Registry
  readonly clock: Clock
  readonly context: (id: string) => ComponentContext
  /** Fires when the run is to end at once. */
  readonly now: AbortSignal
  readonly state: RunState | undefined
  /** Cuts of a pipeline without state. */
  readonly cuts: MemoryCuts
  readonly before: Before
  readonly columns: boolean
  readonly thread: ThreadStart | undefined
  tell(notice: Notice): void
}

export class Generation {
  readonly plan: Plan
  readonly registry: Registry
  readonly sinks: ReadonlyMap<number, SinkRunner>
  readonly sources: readonly OpenSource[]
  readonly coordinator: Coordinator
  /** Worker threads; 0 where everything runs on the calling one. */
  readonly threads: number
  readonly #parts: GenerationParts
  readonly #hosts: Hosts
  readonly #delivery: Delivery
  #barriers: Barriers | undefined

  private constructor(parts: GenerationParts, hosts: Hosts, sinks: ReadonlyMap<number, SinkRunner>, sources: readonly OpenSource[], fail: (error: unknown) => void) {
    const { plan, clock, state, before } = parts
    this.plan = plan
    this.registry = parts.registry
    this.sinks = sinks
    this.sources = sources
    this.threads = hosts.threads
    this.#parts = parts
    this.#hosts = hosts
    this.#delivery = new Delivery(sources, sinks, state === undefined, clock, fail)
    this.coordinator = new Coordinator({
      plan, sources, sinks, clock, before,
      links: hosts.links,
      crew: hosts.crew,
      landed: flight => this.#delivery.landed(flight),
      released: (level, seq) => this.#barriers?.released(level, seq),
      tell: notice => parts.tell(notice),
    })
    if (state !== undefined) this.#barriers = this.#makeBarriers()
  }

  /** Opens all that is not handed over open. Where something fails, what was opened here is closed again. */
  static async open(parts: GenerationParts, from: Handover): Promise<Generation> {
    const { plan, registry, context, state } = parts
    // A sink can fail or refuse rows only once it is written to, which nothing does before the coordinator stands.
    let generation: Generation | undefined
    let failing: { readonly error: unknown } | undefined
    const fail = (error: unknown): void => (generation === undefined ? void (failing ??= { error }) : generation.coordinator.fail(error))
    const refused = refusedToDeadLetters(plan, registry, context, () => generation?.coordinator, () => facts)
    const sinks = await openSinks({ plan, clock: parts.clock, registry, context, marks: from.marks, kept: from.sinks, signal: parts.now, refused, failed: fail, committer: state?.committer })
    const facts = factsOf(sinks)
    const close: (() => Promise<void>)[] = [...sinks.values()].filter(({ id }) => !from.sinks.has(id)).map(({ sink }) => () => sink.close('failed'))
    try {
      const sources = await openSources({ plan, registry, context, positions: from.positions, kept: from.sources, keeping: keepingOf(parts), committer: state?.committer })
      close.unshift(...sources.filter(({ id }) => !from.sources.has(id)).map(({ source }) => () => source.close()))
      joinSources(state, sources)
      const hosts = new Hosts(parts, (lane, message) => generation?.receive(lane, message))
      close.unshift(() => hosts.close(false))
      await hosts.open(from.groups, facts, totalSize(sources))
      generation = new Generation(parts, hosts, sinks, sources, fail)
      if (failing !== undefined) throw failing.error
      return generation
    } catch (error) {
      for (const each of close) await each()
      throw error
    }
  }

  #makeBarriers(): Barriers {
    const { plan, clock, state, cuts } = this.#parts
    const { coordinator, sources, sinks } = this
    return new Barriers({ plan, clock, sources, sinks, coordinator, log: state?.log ?? cuts, aside: state?.aside ?? {}, tell: notice => this.#parts.tell(notice), links: this.#hosts.links, crew: this.#hosts.crew, counters: () => ({ ...coordinator.counts }) })
  }

  /** Takes a host's answer. */
  receive(lane: number, message: FromHost): void {
    if (message.kind === 'snapshot') this.#barriers?.snapshot(message)
    else this.coordinator.receive(lane, message)
  }

  /** Begins to take cuts, where the pipeline has a state. */
  async begin(): Promise<void> {
    await this.#barriers?.begin()
    this.#barriers?.every(Math.max(this.plan.config.checkpointInterval, ...[...this.sinks.values()].map(({ sink }) => sink.cutsEvery ?? 0)))
  }

  /** Takes the last cut, and nothing more happens by itself. Everything that was read must have landed. */
  async lastCut(): Promise<void> {
    this.stop()
    if (this.#barriers === undefined) await this.#delivery.flush()
    else await this.#barriers.cut()
    this.coordinator.check()
  }

  /** The last cut, for the next generation: taken also where the pipeline keeps nothing. */
  async cutForNext(): Promise<Cut | undefined> {
    const { state, cuts } = this.#parts
    await this.#delivery.flush()
    this.#barriers ??= this.#makeBarriers()
    await this.lastCut()
    return (state?.log ?? cuts).last
  }

  /** Cancels all timers. */
  stop(): void {
    this.#barriers?.stop()
    this.coordinator.stop()
    this.#delivery.stop()
  }

  async closeHosts(gently: boolean): Promise<void> {
    await this.#hosts.close(gently)
  }

  /** Closes all; `gently`: stages get the time to close too. */
  async close(outcome: 'done' | 'stopped' | 'failed', gently: boolean): Promise<void> {
    try {
      for (const { source, asking } of this.sources) {
        await asking.end()
        await source.close()
      }
      await this.#hosts.close(gently)
    } finally {
      for (const { sink } of this.sinks.values()) await sink.close(outcome)
    }
  }
}

function keepingOf({ plan, registry, state }: GenerationParts): Keeping {
  if (state !== undefined) return 'cut'
  return plan.config.sources.some(({ type }) => registry.source(type)?.acks === true) ? 'ack' : 'end'
}

/** The workers of a generation. */
class Hosts {
  links: Link[] = []
  crew: Crew = ALONE
  threads = 0
  readonly #parts: GenerationParts
  readonly #receive: (lane: number, message: FromHost) => void
  #closed = 0
  #gone: (() => void) | undefined
  #isOver = false

  constructor(parts: GenerationParts, receive: (lane: number, message: FromHost) => void) {
    this.#parts = parts
    this.#receive = receive
  }

  async open(restore: readonly GroupState[], facts: SinkFacts, size: number | undefined): Promise<void> {
    const { plan, registry, context, columns, thread, clock } = this.#parts
    const { workers, stallTimeout = 0 } = plan.config
    const watched = stallTimeout > 0 && runsForeignCode(plan.config, registry)
    const threads = workers === 'auto' ? Math.max(autoWorkers(size), watched && plan.config.plugins !== undefined ? 1 : 0) : workers
    const listen = (lane: number) => (message: FromHost) => this.#take(lane, message)
    if (threads === 0 || thread === undefined) {
      const link = new InlineLink()
      const host = new Host({ plan, registry, lane: 0, lanes: 1, context, restore, facts, recordMax: RECORD_MAX, send: listen(0), columns })
      this.links = [link]
      await host.open()
      link.connect(message => host.handle(message), buffer => host.pool.give(buffer))
      return
    }
    this.threads = threads
    const crew = crewOf(plan, threads, watched && wantsApart(plan, registry))
    this.crew = crew
    const ready = Array.from({ length: crew.total }, () => Promise.withResolvers<void>())
    this.links = ready.map(({ resolve, reject }, lane) => {
      const start: HostData = { lane, lanes: crew.lanes, pieces: lane >= crew.first, restore, facts, start: thread.data }
      const listener = (message: FromHost): void => {
        if (message.kind === 'ready') resolve()
        else if (message.kind === 'failed') reject(Object.assign(new Error(message.error.message), { code: message.error.code }))
        listen(lane)(message)
      }
      if (!watched) return new ThreadLink(thread.url, start, listener)
      const journal = !ownsNothing(plan, crew, lane) && hasForeignLanes(plan, registry) ? new LaneJournal(restore) : undefined
      return new WatchedLink({
        url: thread.url, listener, journal, clock, limit: stallTimeout, start: (notes, groups = restore) => ({ ...start, restore: groups, notes }), nameOf: node => plan.nodes[node]?.id ?? '',
        restarts: journal !== undefined || ownsNothing(plan, crew, lane),
      })
    })
    await Promise.all(ready.map(({ promise }) => promise))
  }

  #take(lane: number, message: FromHost): void {
    if (this.#isOver) return
    if (message.kind !== 'closed') return this.#receive(lane, message)
    this.#closed++
    if (this.#closed === this.links.length) this.#gone?.()
  }

  async close(gently: boolean): Promise<void> {
    if (this.#isOver) return
    if (gently) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#gone = resolve
      for (const link of this.links) link.send({ kind: 'close' })
      await promise
    }
    this.#isOver = true
    for (const link of this.links) await link.terminate()
  }
}

/** Below this, starting a thread costs more than it gives. */
const SMALL_INPUT = 4 * 1024 * 1024

/** Workers for `auto`: one per core, none for an input that is known to be small. */
function autoWorkers(size: number | undefined): number {
  return size !== undefined && size < SMALL_INPUT ? 0 : availableParallelism()
}

/** Bytes in all sources, where each knows its size. */
function totalSize(sources: readonly { readonly source: { readonly size?: number | undefined } }[]): number | undefined {
  let total = 0
  for (const { source } of sources) {
    if (source.size === undefined) return undefined
    total += source.size
  }
  return total
}
