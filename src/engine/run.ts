/**
 * Runs a pipeline from start to end: builds its parts, opens them, drives the coordinator, and closes everything in order.
 *
 *     build (no I/O) -> open state, sinks, hosts, sources -> read -> finish -> flush -> last cut -> close
 *
 * A drain (the first signal) ends the reading and lets everything under way land. A stop at once (the second) leaves what is under way to the next start.
 */
import { availableParallelism } from 'node:os'
import { SluiceError } from '../base/index.ts'
import { systemClock, systemRandom } from '../platform/index.ts'
import type { Clock } from '../platform/index.ts'
import { Barriers } from './barriers.ts'
import type { ComponentContext } from './component.ts'
import type { PipelineConfig, Registry } from './config.ts'
import { Coordinator } from './coordinator.ts'
import { ALONE, crewOf, ownsNothing, runsForeignCode, wantsApart } from './crew.ts'
import type { Crew } from './crew.ts'
import { Delivery } from './delivery.ts'
import { Host } from './host.ts'
import { InlineLink, ThreadLink } from './links.ts'
import type { Link } from './links.ts'
import type { FromHost, GroupState } from './messages.ts'
import type { SinkFacts } from './lanes.ts'
import { factsOf, openSinks, refusedToDeadLetters } from './open-sinks.ts'
import { openSources } from './open-sources.ts'
import { makePlan } from './plan.ts'
import { WatchedLink } from './watched-link.ts'
import type { Plan } from './plan.ts'
import type { Progress, Report } from './report.ts'
import { joinSources, openState } from './run-state.ts'
import type { Keeping } from './sources.ts'
import type { RunState } from './run-state.ts'

export interface RunOptions {
  /** Begins a drain when it fires. */
  readonly signal?: AbortSignal
  /** Ends the run at once when it fires. */
  readonly stopNow?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  /** Milliseconds; 500 by default. */
  readonly progressInterval?: number
  readonly clock?: Clock
  readonly random?: () => number
  readonly onWarning?: (place: string, message: string) => void
  /** False keeps every event on the object path: for tests that compare both. Without threads only. */
  readonly columns?: boolean
  /** How a worker thread starts; without it everything runs on this thread. */
  readonly thread?: ThreadStart
}

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

/** Runs a pipeline. Resolves with the report; throws what made it fail. */
export async function runPipeline(config: PipelineConfig, registry: Registry, options: RunOptions = {}): Promise<Report> {
  const plan = makePlan(config, registry)
  const run = new Run(plan, registry, options)
  return run.go()
}

/** Bytes that one record may have. */
export const RECORD_MAX = 16 * 1024 * 1024

/** What a component is given, on whatever thread it lives. */
export function contextFor(
  config: PipelineConfig,
  clock: Clock,
  random: () => number,
  signal: AbortSignal,
  warn: (place: string, message: string, key?: string) => void,
  functions?: Registry['functions'],
): (id: string) => ComponentContext {
  return id => ({
    id,
    folder: config.folder,
    now: () => clock.now(),
    random,
    sleep: (ms, of) => clock.sleep(ms, of ?? signal),
    warn: (message, key) => warn(id, message, key),
    signal,
    functions,
  })
}

class Run {
  readonly #plan: Plan
  readonly #registry: Registry
  readonly #options: RunOptions
  readonly #clock: Clock
  readonly #now = new AbortController()
  readonly #drain = new AbortController()
  readonly #started: number
  readonly #cpu = process.cpuUsage()
  #links: Link[] = []
  #crew: Crew = ALONE
  /** Worker threads; 0 where everything runs on this one. */
  #threads = 0
  #closed = 0
  #gone: (() => void) | undefined
  #failing: unknown

  constructor(plan: Plan, registry: Registry, options: RunOptions) {
    this.#plan = plan
    this.#registry = registry
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#started = this.#clock.monotonic()
  }

  async go(): Promise<Report> {
    const { config } = this.#plan
    const context = contextFor(config, this.#clock, this.#options.random ?? systemRandom, this.#now.signal, (place, message) => this.#warn(place, message), this.#registry.functions)
    const state = await openState(config, this.#registry, context, message => this.#warn('state', message))
    try {
      return await this.#withState(state, context)
    } finally {
      await state?.log.close()
    }
  }

  #warn(place: string, message: string): void {
    this.#options.onWarning?.(place, message)
  }

  async #withState(state: RunState | undefined, context: (id: string) => ComponentContext): Promise<Report> {
    // A sink can fail or refuse rows only once it is written to, which nothing does before the coordinator stands.
    let coordinator: Coordinator | undefined
    const fail = (error: unknown): void => (coordinator === undefined ? void (this.#failing ??= error) : coordinator.fail(error))
    const refuse = refusedToDeadLetters(this.#plan, this.#registry, context, () => coordinator, () => facts)
    const sinks = await openSinks(this.#plan, this.#registry, context, state?.marks ?? {}, this.#now.signal, refuse, fail, state?.committer)
    const facts = factsOf(sinks)
    let outcome: 'done' | 'stopped' | 'failed' = 'failed'
    try {
      const sources = await openSources(this.#plan, this.#registry, context, state?.positions ?? {}, this.#keeping(state), state?.committer)
      joinSources(state, sources)
      try {
        await this.#openHosts(state?.groups ?? [], facts, context, totalSize(sources), message => coordinator?.receive(message.from, message.message))
        const delivery = new Delivery(sources, sinks, state === undefined, this.#clock, fail)
        let barriers: Barriers | undefined
        coordinator = new Coordinator({
          plan: this.#plan,
          links: this.#links,
          crew: this.#crew,
          sources,
          sinks,
          clock: this.#clock,
          landed: flight => delivery.landed(flight),
          released: (level, seq) => barriers?.released(level, seq),
          warn: (place, message) => this.#warn(place, message),
        })
        const counts = coordinator.counts
        if (state !== undefined) {
          barriers = new Barriers({ plan: this.#plan, log: state.log, links: this.#links, crew: this.#crew, sources, sinks, clock: this.#clock, coordinator, counters: () => ({ ...counts }) })
        }
        this.#onSnapshot = message => barriers?.snapshot(message)
        if (this.#failing !== undefined) throw this.#failing
        outcome = await this.#drive(coordinator, delivery, barriers)
        return this.#report(coordinator, sinks, outcome)
      } finally {
        for (const source of sources) await source.source.close()
        await this.#closeHosts(outcome !== 'failed' && !this.#now.signal.aborted)
      }
    } finally {
      for (const sink of sinks.values()) await sink.sink.close(this.#now.signal.aborted ? 'stopped' : outcome)
    }
  }

  #keeping(state: RunState | undefined): Keeping {
    if (state !== undefined) return 'cut'
    return this.#plan.config.sources.some(({ type }) => this.#registry.source(type)?.acks === true) ? 'ack' : 'end'
  }

  #onSnapshot: ((message: Extract<FromHost, { kind: 'snapshot' }>) => void) | undefined

  async #drive(coordinator: Coordinator, delivery: Delivery, barriers: Barriers | undefined): Promise<'done' | 'stopped'> {
    const stopProgress = this.#showProgress(coordinator)
    const undo = this.#listen(coordinator)
    try {
      await barriers?.begin()
      barriers?.every(this.#plan.config.checkpointInterval)
      await coordinator.read(this.#drain.signal)
      const stopped = this.#drain.signal.aborted
      // What stages hold back stays in the checkpoint when the run is to go on; it comes out when the input ended, or when nothing would keep it.
      if (!stopped || barriers === undefined) await coordinator.finish()
      barriers?.stop()
      coordinator.stop()
      if (barriers === undefined) await delivery.flush()
      else await barriers.cut()
      coordinator.check()
      return stopped ? 'stopped' : 'done'
    } catch (error) {
      if (!this.#now.signal.aborted) throw error
      return 'stopped'
    } finally {
      barriers?.stop()
      coordinator.stop()
      delivery.stop()
      undo()
      stopProgress()
    }
  }

  /** Wires the signals: the drain's deadline, and the stop at once. */
  #listen(coordinator: Coordinator): () => void {
    const { signal, stopNow } = this.#options
    let cancel: (() => void) | undefined
    const now = (why: SluiceError): void => {
      this.#now.abort(why)
      this.#drain.abort(why)
      coordinator.fail(why)
    }
    const drain = (): void => {
      this.#drain.abort(signal?.reason)
      const { stopTimeout } = this.#plan.config
      cancel = this.#clock.timer(stopTimeout, () => now(new SluiceError('STOP_TIMEOUT', `Not everything had landed ${stopTimeout} ms after the stop.`)))
      coordinator.look()
    }
    const atOnce = (): void => now(new SluiceError('ABORTED', 'Stopped at once.'))
    if (signal?.aborted === true) drain()
    else signal?.addEventListener('abort', drain)
    if (stopNow?.aborted === true) atOnce()
    else stopNow?.addEventListener('abort', atOnce)
    return () => {
      cancel?.()
      signal?.removeEventListener('abort', drain)
      stopNow?.removeEventListener('abort', atOnce)
    }
  }

  #showProgress(coordinator: Coordinator): () => void {
    const { onProgress, progressInterval = 500 } = this.#options
    if (onProgress === undefined) return () => undefined
    let cancel: () => void
    const show = (): void => {
      onProgress(coordinator.progress(this.#clock.monotonic() - this.#started, this.#drain.signal.aborted))
      cancel = this.#clock.timer(progressInterval, show)
    }
    cancel = this.#clock.timer(progressInterval, show)
    return () => cancel()
  }

  async #openHosts(
    restore: readonly GroupState[],
    facts: SinkFacts,
    context: (id: string) => ComponentContext,
    size: number | undefined,
    receive: (message: { from: number; message: FromHost }) => void,
  ): Promise<void> {
    const { workers } = this.#plan.config
    const { stallTimeout = 0 } = this.#plan.config
    const watched = stallTimeout > 0 && runsForeignCode(this.#plan.config, this.#registry)
    const threads = workers === 'auto' ? Math.max(autoWorkers(size), watched && this.#plan.config.plugins !== undefined ? 1 : 0) : workers
    const listen = (lane: number) => (message: FromHost) => this.#receive(lane, message, receive)
    if (threads === 0 || this.#options.thread === undefined) {
      const link = new InlineLink()
      const host = new Host({ plan: this.#plan, registry: this.#registry, lane: 0, lanes: 1, context, restore, facts, recordMax: RECORD_MAX, send: listen(0), columns: this.#options.columns !== false })
      this.#links = [link]
      await host.open()
      link.connect(message => host.handle(message), buffer => host.pool.give(buffer))
      return
    }
    const { url, data } = this.#options.thread
    this.#threads = threads
    const crew = crewOf(this.#plan, threads, watched && wantsApart(this.#plan, this.#registry))
    this.#crew = crew
    const ready = Array.from({ length: crew.total }, () => Promise.withResolvers<void>())
    this.#links = ready.map(({ resolve, reject }, lane) => {
      const start: HostData = { lane, lanes: crew.lanes, pieces: lane >= crew.first, restore, facts, start: data }
      const listener = (message: FromHost): void => {
        if (message.kind === 'ready') resolve()
        else if (message.kind === 'failed') reject(this.#failure(message))
        listen(lane)(message)
      }
      if (!watched) return new ThreadLink(url, start, listener)
      return new WatchedLink({
        url, listener, clock: this.#clock, limit: stallTimeout, start: notes => ({ ...start, notes }), nameOf: node => this.#plan.nodes[node]?.id ?? '',
        restarts: ownsNothing(this.#plan, crew, lane),
      })
    })
    await Promise.all(ready.map(({ promise }) => promise))
  }

  #failure(message: Extract<FromHost, { kind: 'failed' }>): Error {
    return Object.assign(new Error(message.error.message), { code: message.error.code })
  }

  #receive(from: number, message: FromHost, receive: (message: { from: number; message: FromHost }) => void): void {
    if (message.kind === 'snapshot') return this.#onSnapshot?.(message)
    if (message.kind === 'closed') {
      this.#closed++
      if (this.#closed === this.#links.length) this.#gone?.()
      return
    }
    receive({ from, message })
  }

  async #closeHosts(gently: boolean): Promise<void> {
    if (gently) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#gone = resolve
      for (const link of this.#links) link.send({ kind: 'close' })
      await promise
    }
    for (const link of this.#links) await link.terminate()
  }

  #report(coordinator: Coordinator, sinks: ReadonlyMap<number, { id: string; totals: { events: number; bytes: number; retries: number } }>, outcome: 'done' | 'stopped' | 'failed'): Report {
    const seconds = (this.#clock.monotonic() - this.#started) / 1000
    const cpu = process.cpuUsage(this.#cpu)
    const out = this.#plan.sinks.map(index => sinks.get(index)).filter(sink => sink !== undefined)
    const { in: read, filtered, created, deadLettered } = coordinator.counts
    return {
      pipeline: this.#plan.config.name,
      events_in: read,
      events_out: Object.fromEntries(out.map(sink => [sink.id, sink.totals.events])),
      filtered,
      dead_lettered: deadLettered,
      created,
      in_flight: read + created - filtered - deadLettered - out.reduce((sum, sink) => sum + sink.totals.events, 0),
      bytes_in: coordinator.bytesIn,
      bytes_out: out.reduce((sum, sink) => sum + sink.totals.bytes, 0),
      retries: out.reduce((sum, sink) => sum + sink.totals.retries, 0),
      seconds,
      events_per_second: seconds > 0 ? Math.round(read / seconds) : 0,
      cpu_seconds: (cpu.user + cpu.system) / 1e6,
      peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
      workers: this.#threads,
      stopped_by: outcome === 'done' ? 'end of input' : outcome === 'stopped' ? 'signal' : 'failure',
      dead_letters: deadLettered > 0 ? deadLettersPath(this.#plan) : undefined,
    }
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

function deadLettersPath(plan: Plan): string | undefined {
  const config = plan.config.deadLetters?.config
  const path = typeof config === 'object' && config !== null && 'path' in config ? config.path : undefined
  return typeof path === 'string' ? path : undefined
}
