/**
 * The workers of a generation: threads, or a host on this thread. Starts them, and changes their number while everything goes on.
 *
 *     more:   start -> ready -> pieces come            fewer:   no more pieces -> all answered -> close -> gone
 *
 * Whoever owns a lane by key stays as long as its generation, because the keys are cut by the number of workers. Changes are made one after the other.
 */
import { availableParallelism } from 'node:os'
import type { Clock } from '../platform/index.ts'
import type { ComponentContext } from './component.ts'
import type { Registry } from './config.ts'
import { RECORD_MAX } from './context.ts'
import type { Coordinator } from './coordinator.ts'
import { ALONE, crewOf, hasForeignLanes, ownsNothing, runsForeignCode, wantsApart } from './crew.ts'
import type { Crew } from './crew.ts'
import { Host } from './host.ts'
import { LaneJournal } from './lane-journal.ts'
import type { SinkFacts } from './lanes.ts'
import { InlineLink, ThreadLink } from './links.ts'
import type { Link, Listener } from './links.ts'
import type { FromHost, GroupState } from './messages.ts'
import type { Plan } from './plan.ts'
import type { Taps } from './tap/taps.ts'
import type { Troubles } from './troubles.ts'
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

export interface HostParts {
  readonly plan: Plan
  readonly registry: Registry
  readonly clock: Clock
  readonly context: (id: string) => ComponentContext
  readonly columns: boolean
  readonly thread: ThreadStart | undefined
  /** What somebody looks at. */
  readonly taps?: Taps | undefined
  /** What fails on a worker and is tried again. */
  readonly troubles?: Troubles | undefined
  /** Threads to begin with, instead of what the config says. */
  readonly threads?: number | undefined
  /** Most workers that `auto` takes. */
  readonly cores?: number | undefined
}

/** The workers of a generation. */
export class Hosts {
  readonly links: Link[] = []
  crew: Crew = ALONE
  readonly #parts: HostParts
  readonly #receive: (lane: number, message: FromHost) => void
  readonly #watched: boolean
  /** What ends the wait for the last word of a worker. */
  readonly #gone = new Map<number, () => void>()
  #facts: SinkFacts = {}
  #changing: Promise<void> = Promise.resolve()
  #isThreaded = false
  /** Resolves when all workers have been ended: who waits for one of them then waits in vain. */
  readonly #over = Promise.withResolvers<void>()
  #isOver = false

  constructor(parts: HostParts, receive: (lane: number, message: FromHost) => void) {
    const { plan, registry } = parts
    this.#parts = parts
    this.#receive = receive
    this.#watched = (plan.config.stallTimeout ?? 0) > 0 && runsForeignCode(plan.config, registry)
  }

  get threads(): number {
    return this.#isThreaded ? this.crew.total - this.crew.first : 0
  }

  async open(restore: readonly GroupState[], facts: SinkFacts, load: Load): Promise<void> {
    const { plan, registry, context, columns, thread } = this.#parts
    const { workers } = plan.config
    const { cores = availableParallelism() } = this.#parts
    const threads = this.#parts.threads ?? (workers === 'auto' ? Math.max(autoWorkers(load, cores), this.#watched && plan.config.plugins !== undefined ? 1 : 0) : workers)
    this.#facts = facts
    if (threads === 0 || thread === undefined) {
      const link = new InlineLink()
      const host = new Host({ plan, registry, lane: 0, lanes: 1, context, restore, facts, recordMax: RECORD_MAX, send: message => this.#take(0, message), columns })
      this.links.push(link)
      await host.open()
      link.connect(message => host.handle(message), buffer => host.pool.give(buffer))
      this.#tap(link)
      return
    }
    this.crew = crewOf(plan, threads, this.#watched && wantsApart(plan, registry))
    this.#isThreaded = true
    await Promise.all(Array.from({ length: this.crew.total }, (_, lane) => this.#start(thread, lane, restore)))
  }

  /** Starts the worker of a number, and adds its link. Resolves once it stands. */
  #start(thread: ThreadStart, lane: number, restore: readonly GroupState[]): Promise<void> {
    const { clock } = this.#parts
    const { crew } = this
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const start: HostData = { lane, lanes: crew.lanes, pieces: lane >= crew.first, restore, facts: this.#facts, start: thread.data }
    let isReady = false
    const listener = (message: FromHost): void => {
      if (message.kind === 'ready') {
        isReady = true
        resolve()
      } else if (message.kind === 'failed' && !isReady) return reject(Object.assign(new Error(message.error.message), { code: message.error.code }))
      this.#take(lane, message)
    }
    const link = this.#watched ? this.#watch(thread, lane, restore, start, listener, clock) : new ThreadLink(thread.url, start, listener)
    this.links[lane] = link
    this.#tap(link)
    return promise
  }

  #tap(link: Link): void {
    for (const order of this.#parts.taps?.orders ?? []) link.send({ kind: 'tap', order })
  }

  #watch(thread: ThreadStart, lane: number, restore: readonly GroupState[], start: HostData, listener: Listener, clock: Clock): Link {
    const { plan, registry } = this.#parts
    const ownsNone = ownsNothing(plan, this.crew, lane)
    const journal = !ownsNone && hasForeignLanes(plan, registry) ? new LaneJournal(restore) : undefined
    return new WatchedLink({
      url: thread.url, listener, journal, clock, limit: plan.config.stallTimeout ?? 0, start: (notes, groups = restore) => ({ ...start, restore: groups, notes }), nameOf: node => plan.nodes[node]?.id ?? '',
      restarts: journal !== undefined || ownsNone,
    })
  }

  /** Lanes by key are cut by the number of workers; everything else lives on the first one, which stays. */
  canBecome(threads: number): boolean {
    return this.#isThreaded && threads >= 1 && !this.#parts.plan.levels.some(({ keyed }) => keyed)
  }

  /** One change at a time. */
  become(threads: number, coordinator: Coordinator): Promise<void> {
    const change = this.#changing.then(() => this.#become(threads, coordinator))
    this.#changing = change.catch(() => undefined)
    return change
  }

  async #become(threads: number, coordinator: Coordinator): Promise<void> {
    const { thread } = this.#parts
    if (this.#isOver || thread === undefined) return
    const { first } = this.crew
    let failure: { readonly error: unknown } | undefined
    // One after the other, so that one that can't be started leaves those before it as they are.
    while (this.links.length < first + threads && failure === undefined) {
      const lane = this.links.length
      failure = await Promise.race([this.#start(thread, lane, []), this.#over.promise]).then(() => undefined, (error: unknown) => ({ error }))
      if (this.#isOver) return
      if (failure === undefined) this.#crewed(lane + 1, coordinator)
      else await this.links.pop()?.terminate()
    }
    if (failure !== undefined) throw failure.error
    // Those that are to go get no more pieces from here on, and go when they have answered those that they have.
    this.#crewed(first + threads, coordinator)
    while (this.links.length > first + threads) await this.#retire(coordinator)
  }

  #crewed(total: number, coordinator: Coordinator): void {
    this.crew = { ...this.crew, total }
    coordinator.crewed(this.crew)
  }

  /** Ends the last worker. */
  async #retire(coordinator: Coordinator): Promise<void> {
    const lane = this.links.length - 1
    await coordinator.answered(lane)
    const link = this.links[lane]
    if (link !== undefined) await this.#closed(link, lane)
    // The run may have ended meanwhile, and this one with all others.
    if (this.#isOver) return
    this.links.pop()
    await link?.terminate()
    this.#parts.troubles?.ended(lane)
  }

  /** Asks a worker to close, and waits for its last word. */
  async #closed(link: Link, lane: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#gone.set(lane, resolve)
    link.send({ kind: 'close' })
    await Promise.race([promise, this.#over.promise])
    this.#gone.delete(lane)
  }

  #take(lane: number, message: FromHost): void {
    if (this.#isOver) return
    if (message.kind === 'closed') this.#gone.get(lane)?.()
    else this.#receive(lane, message)
  }

  async close(gently: boolean): Promise<void> {
    if (this.#isOver) return
    if (gently) {
      await this.#changing
      await Promise.all(this.links.map((link, lane) => this.#closed(link, lane)))
    }
    this.#isOver = true
    this.#over.resolve()
    for (const [lane, link] of this.links.entries()) {
      await link.terminate()
      this.#parts.troubles?.ended(lane)
    }
  }
}

/** Below this, starting a thread costs more than it gives. */
const SMALL_INPUT = 4 * 1024 * 1024

/** What is known of the sources before anything is read. */
export interface Load {
  /** Bytes, where each source knows its size. */
  readonly size: number | undefined
  /** True where all sources wait for what comes. */
  readonly live: boolean
  /** Events that are there already, as far as sources know. */
  readonly lag: number
}

/** Below this a live source has no backlog to speak of. */
const SMALL_LAG = 100_000

/** Workers that `auto` begins with: none for an input that is known to be small, one where nothing waits yet and the load will tell, else one per core. */
function autoWorkers({ size, live, lag }: Load, cores: number): number {
  if (size !== undefined && size < SMALL_INPUT) return 0
  return live && lag < SMALL_LAG ? 1 : cores
}
