/**
 * Runs a pipeline from start to end: opens its parts, drives them, and closes everything in order.
 *
 *     build (no I/O) -> open state, sinks, sources, hosts -> read -> finish -> flush -> last cut -> close
 *                                                          ^     |
 *                                                          +-----+ another config: see `reload.ts`
 *
 * A drain (the first signal) ends the reading and lets everything under way land. A stop at once (the second) leaves what is under way to the next start.
 */
import { SluiceError } from '../base/index.ts'
import { bottleneckText, processFigures, troubleOf } from '../observe/index.ts'
import type { Figures, Histogram, Notice, Tell, Tracing } from '../observe/index.ts'
import { systemClock, systemRandom } from '../platform/index.ts'
import type { Clock } from '../platform/index.ts'
import { MemoryCuts } from './checkpoint/index.ts'
import { closeEach, unclosed } from './closing.ts'
import type { Closing } from './closing.ts'
import type { ComponentContext } from './component.ts'
import type { PipelineConfig, Registry } from './config.ts'
import { RECORD_MAX, contextFor } from './context.ts'
import { Counts } from './counts.ts'
import { Generation } from './generation.ts'
import type { GenerationParts, Handover } from './generation.ts'
import type { ThreadStart } from './hosts.ts'
import { Decisions } from './adaptive/decisions.ts'
import { Scaler } from './adaptive/scaler.ts'
import type { Rescaling } from './adaptive/scaler.ts'
import { figuresOf } from './figures.ts'
import { Host } from './host.ts'
import { Meter } from './meter.ts'
import { makeSink } from './open-sinks.ts'
import { makeSource } from './open-sources.ts'
import { makePlan } from './plan.ts'
import type { Plan } from './plan.ts'
import { checkChange, differenceOf, sinkNames } from './reload.ts'
import type { Difference, ReloadOutcome, ReloadRequest, RunControl, Waiting } from './reload.ts'
import type { Percentiles, Progress, Report } from './report.ts'
import { groundOf, openState } from './run-state.ts'
import type { RunState } from './run-state.ts'
import { reloaded, started, stopped, warning } from './notices.ts'
import { Troubles } from './troubles.ts'

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
  /** Told all that an operator may want to know, warnings included; what repeats comes as often as it happens, see `Repeats`. */
  readonly onNotice?: Tell
  /** False keeps every event on the object path: for tests that compare both. Without threads only. */
  readonly columns?: boolean
  /** How a worker thread starts; without it everything runs on this thread. */
  readonly thread?: ThreadStart
  /** Takes what the run is told while it goes on, such as another config. */
  readonly control?: RunControl
  /** Most workers that `auto` may take; one for each core by default. */
  readonly cores?: number
  /** Is told of batches and writes, for traces. */
  readonly tracing?: Tracing | undefined
}

/** Runs a pipeline. Resolves with the report; throws what made it fail. */
export async function runPipeline(config: PipelineConfig, registry: Registry, options: RunOptions = {}): Promise<Report> {
  const plan = makePlan(config, registry)
  const run = new Run(plan, registry, options)
  return run.go()
}

type Outcome = 'done' | 'stopped' | 'failed'

/** What is added up over the generations of a run. */
interface Gone {
  events: Map<string, number>
  bytes: number
  retries: number
}

class Run {
  readonly #options: RunOptions
  readonly #clock: Clock
  readonly #now = new AbortController()
  readonly #drain = new AbortController()
  readonly #started: number
  readonly #cpu = process.cpuUsage()
  readonly #counts = new Counts()
  readonly #meter: Meter
  readonly #cuts = new MemoryCuts()
  readonly #troubles: Troubles
  readonly #decisions: Decisions
  readonly #scaler: Scaler
  /** Of sinks that a reload took away. */
  readonly #gone: Gone = { events: new Map(), bytes: 0, retries: 0 }
  #plan: Plan
  #registry: Registry
  #thread: ThreadStart | undefined
  #generation: Generation | undefined
  /** Counts the configs that have run. */
  #number = 1

  constructor(plan: Plan, registry: Registry, options: RunOptions) {
    this.#plan = plan
    this.#registry = registry
    this.#options = options
    this.#thread = options.thread
    this.#clock = options.clock ?? systemClock
    this.#started = this.#clock.monotonic()
    this.#meter = new Meter(this.#clock)
    this.#troubles = new Troubles(this.#clock, notice => this.#tell(notice))
    this.#decisions = new Decisions(this.#clock, notice => this.#tell(notice))
    this.#scaler = new Scaler({ clock: this.#clock, meter: this.#meter, counts: this.#counts, cores: options.cores, hasThreads: options.thread !== undefined, note: change => this.#decisions.note(change) })
    options.control?.watch(() => this.#figures(), workers => this.#scaler.scale(workers))
  }

  async go(): Promise<Report> {
    const { config } = this.#plan
    this.#tell({ level: 'info', kind: 'start', text: 'The pipeline starts: its parts are opened.' })
    const state = await openState(config, this.#registry, this.#context(config, this.#registry), message => this.#warn('state', message))
    try {
      return await this.#withState(state)
    } finally {
      this.#options.control?.end()
      this.#options.control?.taps.end()
      await state?.log.close()
    }
  }

  #context(config: PipelineConfig, registry: Registry): (id: string) => ComponentContext {
    return contextFor(config, this.#clock, this.#options.random ?? systemRandom, this.#now.signal, (place, message, key) => this.#warn(place, message, key), registry.functions, this.#troubles, (id, step) => this.#decisions.limited(id, step))
  }

  #warn(place: string, message: string, key?: string): void {
    this.#tell(warning(place, message, key))
  }

  #tell(notice: Notice): void {
    this.#meter.told(notice)
    if (notice.level === 'warn' && (notice.kind === 'message' || notice.kind === 'retry_begun')) this.#options.onWarning?.(notice.place ?? '', notice.text)
    this.#options.onNotice?.({ pipeline: this.#plan.config.name, ...notice })
  }

  async #withState(state: RunState | undefined): Promise<Report> {
    const { positions = {}, marks = {}, groups = [] } = state ?? {}
    const first: Handover = { positions, marks, groups, sources: new Map(), sinks: new Map() }
    const generation = await Generation.open(this.#parts(state, this.#plan, this.#registry, this.#thread, 0), first)
    this.#generation = generation
    let outcome: Outcome = 'failed'
    try {
      this.#tell(started(this.#plan.config, generation.threads))
      outcome = await this.#drive(generation, state)
      const report = this.#report(outcome)
      this.#tell(stopped(report))
      return report
    } finally {
      await this.#generation?.close(this.#now.signal.aborted ? 'stopped' : outcome, outcome !== 'failed' && !this.#now.signal.aborted)
    }
  }

  #parts(state: RunState | undefined, plan: Plan, registry: Registry, thread: ThreadStart | undefined, bytesIn: number): GenerationParts {
    const eventsOut = [...this.#gone.events].reduce((sum, [id, count]) => (id === 'dead_letters' ? sum : sum + count), 0)
    return {
      plan, registry, thread, state,
      clock: this.#clock,
      context: this.#context(plan.config, registry),
      now: this.#now.signal,
      cuts: this.#cuts,
      before: { counts: this.#counts, bytesIn, eventsOut, meter: this.#meter },
      columns: this.#options.columns !== false,
      taps: this.#options.control?.taps,
      troubles: this.#troubles,
      threads: this.#scaler.threadsFor(plan.config),
      cores: this.#options.cores,
      tracing: this.#options.tracing,
      tell: notice => this.#tell(notice),
      batched: step => this.#decisions.batched(step),
      limited: (id, step, worker) => this.#decisions.limited(id, step, worker),
    }
  }

  async #drive(first: Generation, state: RunState | undefined): Promise<'done' | 'stopped'> {
    const stopProgress = this.#showProgress()
    const undo = this.#listen()
    let generation = first
    try {
      await generation.begin()
      for (let waiting = await this.#read(generation); waiting !== undefined; waiting = await this.#read(generation)) {
        generation = 'threads' in waiting ? await this.#rescale(generation, state, waiting) : await this.#change(generation, state, waiting)
      }
      this.#scaler.end()
      this.#options.control?.end()
      await generation.coordinator.drained()
      const stopped = this.#drain.signal.aborted
      // What stages hold back stays in the checkpoint when the run is to go on; it comes out when the input ended, or when nothing would keep it.
      if (!stopped || state === undefined) await generation.coordinator.finish()
      await generation.lastCut()
      return stopped ? 'stopped' : 'done'
    } catch (error) {
      if (!this.#now.signal.aborted) throw error
      return 'stopped'
    } finally {
      this.#scaler.end()
      this.#generation?.stop()
      undo()
      stopProgress()
    }
  }

  /** Reads until the input ends, the pipeline is to stop, or somebody asks for another config, which is answered. */
  async #read(generation: Generation): Promise<Waiting | Rescaling | undefined> {
    const { control } = this.#options
    const { coordinator } = generation
    this.#scaler.begin(generation)
    for (;;) {
      const pause = new AbortController()
      const interrupt = (): void => {
        pause.abort()
        coordinator.look()
      }
      control?.listen(interrupt)
      this.#scaler.listen(interrupt)
      const drain = this.#drain.signal
      if (control?.isPaused === true) await coordinator.until(() => drain.aborted || pause.signal.aborted)
      else await coordinator.read(drain, pause.signal)
      if (drain.aborted) return undefined
      const waiting = control?.take() ?? this.#scaler.take()
      // Without a request it was a pause, or the end of one; else the input has ended.
      if (waiting !== undefined || !pause.signal.aborted) return waiting
    }
  }

  /** Puts another config in place of the one that runs; answers the generation that goes on. */
  async #change(old: Generation, state: RunState | undefined, { request, resolve, reject }: Waiting): Promise<Generation> {
    const before = this.#plan.config
    let difference: Difference = { kept: [], restarted: [], added: [], removed: [] }
    const answer = (outcome: ReloadOutcome['outcome'], error?: SluiceError): void => {
      const made: ReloadOutcome = { outcome, generation: this.#number, difference, error }
      this.#tell(reloaded(made))
      resolve(made)
    }
    try {
      let plan: Plan
      try {
        plan = this.#check(request)
        const shares = state?.committer !== undefined || before.folder !== plan.config.folder || JSON.stringify(before.plugins) !== JSON.stringify(plan.config.plugins)
        difference = differenceOf(before, plan.config, shares)
      } catch (error) {
        answer('refused', asError(error))
        return old
      }
      if (!(await this.#landed(old))) {
        answer('late', new SluiceError('RELOAD_LATE', `Not everything had landed after ${before.stopTimeout} ms; the config that ran goes on.${this.#trouble}`))
        return old
      }
      const failure = await this.#switch(old, state, plan, request, difference)
      answer(failure === undefined ? 'switched' : 'rolled_back', failure)
      return this.#generation ?? old
    } catch (error) {
      reject(asError(error))
      throw error
    }
  }

  /** Goes on with another number of threads, everything else kept as it is; answers the generation that goes on. */
  async #rescale(old: Generation, state: RunState | undefined, { resolve, reject }: Rescaling): Promise<Generation> {
    try {
      if (!(await this.#landed(old))) {
        resolve('late')
        return old
      }
      const { config } = this.#plan
      const failure = await this.#switch(old, state, this.#plan, { config, registry: this.#registry }, differenceOf(config, config, false))
      this.#scaler.begin(this.#generation ?? old)
      if (failure === undefined) resolve('changed')
      else reject(failure)
      return this.#generation ?? old
    } catch (error) {
      reject(error)
      throw error
    }
  }

  /** Plans the new config and makes all of its components, which does no I/O. Throws what is wrong with it. */
  #check({ config, registry }: ReloadRequest): Plan {
    checkChange(this.#plan.config, config)
    const plan = makePlan(config, registry)
    const context = this.#context(config, registry)
    const [now, then] = [groundOf(this.#plan.config, this.#registry, context), groundOf(config, registry, context)]
    if (now?.ground.name !== then?.ground.name || now?.consumed !== then?.consumed) {
      throw new SluiceError('RELOAD_NEEDS_RESTART', 'Output and consumed offsets would be committed in another place: stop the pipeline and start it again for that.')
    }
    for (const index of plan.sources) makeSource(plan, index, registry, context)
    for (const index of [...plan.sinks, plan.deadLetters]) {
      const node = plan.nodes[index]
      if (node !== undefined) makeSink(node, registry, context(node.id))
    }
    // Makes the stages of all levels.
    void new Host({ plan, registry, context, lane: 0, lanes: 1, restore: [], facts: {}, recordMax: RECORD_MAX, send: () => undefined })
    return plan
  }

  /** What does not let anything land, as far as that is known. */
  get #trouble(): string {
    const figures = this.#figures()
    const trouble = figures === undefined ? undefined : troubleOf(figures)
    return trouble === undefined ? '' : ` Until this works, only a stop and a start bring another config: ${trouble}`
  }

  /** False where not everything landed within the time that a stop may take. */
  async #landed({ coordinator, plan }: Generation): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const cancel = this.#clock.timer(plan.config.stopTimeout, () => resolve(false))
    try {
      return await Promise.race([coordinator.drained().then(() => true), promise])
    } finally {
      cancel()
    }
  }

  /** Answers why the old config had to be taken up again, if it had to. Throws where that failed too. */
  async #switch(old: Generation, state: RunState | undefined, plan: Plan, { registry, thread }: ReloadRequest, difference: Difference): Promise<SluiceError | undefined> {
    const cut = await old.cutForNext()
    const kept = new Set(difference.kept)
    const sources = old.sources.filter(({ id }) => kept.has(id))
    const sinkName = sinkNames(old.plan.config, plan.config)
    const sinks = [...old.sinks.values()].filter(({ id }) => kept.has(sinkName(id)))
    const { positions = {}, marks = {}, groups = [] } = cut ?? {}
    const handover: Handover = { positions, marks, groups, sources: new Map(sources.map(source => [source.id, source])), sinks: new Map(sinks.map(sink => [sink.id, sink])) }
    await old.closeHosts(true)
    const gone = old.sources.filter(({ id }) => !kept.has(id))
    const closed = [...old.sinks.values()].filter(({ id }) => !kept.has(sinkName(id)))
    // What sources may bring now lies behind the cut, and what sinks were given is durable: one that can't be closed holds up nothing.
    const parts: Closing[] = [...gone, ...closed.map(({ id, sink }) => ({ id, close: () => sink.close('stopped') }))]
    await closeEach(parts, (id, error) => this.#warn(id, unclosed(error)))
    for (const { id } of [...gone, ...old.plan.config.stages]) this.#troubles.forget(id)
    for (const { id, totals } of closed) {
      this.#troubles.forget(id)
      this.#gone.events.set(id, (this.#gone.events.get(id) ?? 0) + totals.events)
      this.#gone.bytes += totals.bytes
      this.#gone.retries += totals.retries
    }
    const { bytesIn } = old.coordinator
    // Until the next one stands, only what goes over open is there to be closed.
    this.#generation = undefined
    try {
      this.#generation = await Generation.open(this.#parts(state, plan, registry, thread ?? this.#thread, bytesIn), handover)
      this.#plan = plan
      this.#registry = registry
      this.#thread = thread ?? this.#thread
      if (plan !== old.plan) this.#number++
      await this.#generation.begin()
      return undefined
    } catch (error) {
      if (this.#generation !== undefined) throw error
      return await this.#rollBack(state, bytesIn, handover, error)
    }
  }

  async #rollBack(state: RunState | undefined, bytesIn: number, handover: Handover, why: unknown): Promise<SluiceError> {
    this.#scaler.rollBack()
    try {
      this.#generation = await Generation.open(this.#parts(state, this.#plan, this.#registry, this.#thread, bytesIn), handover)
    } catch (error) {
      const left: Closing[] = [...handover.sources.values(), ...[...handover.sinks.values()].map(({ id, sink }) => ({ id, close: () => sink.close('failed') }))]
      await closeEach(left, (id, unable) => this.#warn(id, unclosed(unable)))
      throw new SluiceError('RELOAD_FAILED', `The new config could not be opened (${asError(why).message}), nor the old one again: ${asError(error).message}`, { cause: error })
    }
    await this.#generation.begin()
    return asError(why)
  }

  /** Wires the signals: the drain's deadline, and the stop at once. */
  #listen(): () => void {
    const { signal, stopNow } = this.#options
    let cancel: (() => void) | undefined
    const now = (why: SluiceError): void => {
      this.#now.abort(why)
      this.#drain.abort(why)
      this.#generation?.coordinator.fail(why)
    }
    const drain = (): void => {
      this.#drain.abort(signal?.reason)
      const { stopTimeout } = this.#plan.config
      cancel = this.#clock.timer(stopTimeout, () => now(new SluiceError('STOP_TIMEOUT', `Not everything had landed ${stopTimeout} ms after the stop.`)))
      this.#generation?.coordinator.look()
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

  #showProgress(): () => void {
    const { onProgress, progressInterval = 500 } = this.#options
    if (onProgress === undefined) return () => undefined
    let cancel: () => void
    const show = (): void => {
      const coordinator = this.#generation?.coordinator
      if (coordinator !== undefined) onProgress(coordinator.progress(this.#clock.monotonic() - this.#started, this.#drain.signal.aborted))
      cancel = this.#clock.timer(progressInterval, show)
    }
    cancel = this.#clock.timer(progressInterval, show)
    return () => cancel()
  }

  /** Undefined while no config is open. */
  #figures(): Figures | undefined {
    const generation = this.#generation
    if (generation === undefined) return undefined
    const state = this.#drain.signal.aborted ? 'draining' : this.#options.control?.isPaused === true ? 'paused' : 'running'
    return figuresOf(generation, this.#meter, this.#counts, this.#troubles, { generation: this.#number, state, seconds: (this.#clock.monotonic() - this.#started) / 1000,
      adaptive: { workers_auto: this.#scaler.isAuto, batch_bytes: this.#decisions.batchBytes, in_flight: this.#decisions.inFlightLimits, decisions: this.#decisions.list, counts: this.#decisions.counts },
    })
  }

  #report(outcome: Outcome): Report {
    const seconds = (this.#clock.monotonic() - this.#started) / 1000
    const cpu = process.cpuUsage(this.#cpu)
    const { sinks, coordinator, threads } = this.#generation as Generation // It was driven to its end.
    const out = this.#plan.sinks.map(index => sinks.get(index)).filter(sink => sink !== undefined)
    const events = new Map(this.#gone.events)
    events.delete('dead_letters')
    for (const { id, totals } of out) events.set(id, (events.get(id) ?? 0) + totals.events)
    const sum = (of: 'bytes' | 'retries'): number => out.reduce((total, sink) => total + sink.totals[of], this.#gone[of])
    const { in: read, filtered, created, deadLettered } = this.#counts
    const figures = this.#figures()
    return {
      pipeline: this.#plan.config.name,
      events_in: read,
      events_out: Object.fromEntries(events),
      filtered,
      dead_lettered: deadLettered,
      created,
      in_flight: [...events.values()].reduce((left, count) => left - count, read + created - filtered - deadLettered),
      bytes_in: coordinator.bytesIn,
      bytes_out: sum('bytes'),
      retries: sum('retries'),
      seconds,
      events_per_second: seconds > 0 ? Math.round(read / seconds) : 0,
      cpu_seconds: (cpu.user + cpu.system) / 1e6,
      peak_rss_bytes: processFigures().peak_rss_bytes,
      workers: threads,
      decisions: this.#decisions.list,
      stopped_by: outcome === 'done' ? 'end of input' : outcome === 'stopped' ? 'signal' : 'failure',
      bottleneck: outcome === 'failed' || figures === undefined ? undefined : bottleneckText(figures),
      ...timesOf(figures),
      dead_letters: deadLettered > 0 ? deadLettersPath(this.#plan) : undefined,
    }
  }
}

function timesOf(figures: Figures | undefined): Pick<Report, 'stages' | 'latency'> {
  const percentiles = (of: Histogram | undefined): Percentiles => ({ p50_seconds: of?.p50, p99_seconds: of?.p99 })
  const stages = figures?.stages.map(({ id, events, filtered, busy_seconds, latency }) => [id, { events, filtered, busy_seconds, ...percentiles(latency) }] as const) ?? []
  return { stages: Object.fromEntries(stages), latency: percentiles(figures?.latency) }
}

function asError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  return new SluiceError('RELOAD_FAILED', error instanceof Error ? error.message : String(error), { cause: error })
}

function deadLettersPath(plan: Plan): string | undefined {
  const config = plan.config.deadLetters?.config
  const path = typeof config === 'object' && config !== null && 'path' in config ? config.path : undefined
  return typeof path === 'string' ? path : undefined
}
