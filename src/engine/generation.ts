/**
 * One plan with all that it needs open: sinks, sources, workers, and the coordinator over them.
 *
 *     open: sinks -> sources -> workers -> coordinator      close: sources -> workers -> sinks
 *
 * A reload ends one generation and opens the next behind the same cut. Components that are the same in both go over open, as they are.
 */
import type { JsonValue } from '../event/index.ts'
import type { Notice, Tracing } from '../observe/index.ts'
import type { BatchStep } from './adaptive/batch-rule.ts'
import type { InFlightStep } from './adaptive/in-flight.ts'
import { Barriers } from './barriers.ts'
import type { Cut, MemoryCuts } from './checkpoint/index.ts'
import { closeEach, unclosed } from './closing.ts'
import type { Closing } from './closing.ts'
import type { Registry } from './config.ts'
import { Coordinator } from './coordinator.ts'
import type { Before } from './coordinator.ts'
import { Delivery } from './delivery.ts'
import { Hosts } from './hosts.ts'
import type { HostParts, Load } from './hosts.ts'
import type { FromHost, GroupState } from './messages.ts'
import { warning } from './notices.ts'
import { factsOf, openSinks, refusedToDeadLetters } from './open-sinks.ts'
import { openSources } from './open-sources.ts'
import type { Plan } from './plan.ts'
import { joinSources } from './run-state.ts'
import type { RunState } from './run-state.ts'
import type { SinkRunner } from './sink-runner.ts'
import type { Keeping, OpenSource } from './sources.ts'

/** What a generation begins with. */
export interface Handover {
  readonly positions: Readonly<Record<string, JsonValue>>
  readonly marks: Readonly<Record<string, JsonValue>>
  readonly groups: readonly GroupState[]
  /** Components that are open and go on as they are, by id. */
  readonly sources: ReadonlyMap<string, OpenSource>
  readonly sinks: ReadonlyMap<string, SinkRunner>
}

export interface GenerationParts extends HostParts {
  /** Fires when the run is to end at once. */
  readonly now: AbortSignal
  readonly state: RunState | undefined
  /** Cuts of a pipeline without state. */
  readonly cuts: MemoryCuts
  readonly before: Before
  readonly tracing?: Tracing | undefined
  tell(notice: Notice): void
  readonly batched: (step: BatchStep) => void
  readonly limited: (id: string, step: InFlightStep, worker: number) => void
}

export class Generation {
  readonly plan: Plan
  readonly registry: Registry
  readonly sinks: ReadonlyMap<number, SinkRunner>
  readonly sources: readonly OpenSource[]
  readonly coordinator: Coordinator
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
    this.#parts = parts
    this.#hosts = hosts
    this.#delivery = new Delivery(sources, sinks, state === undefined, clock, fail)
    this.coordinator = new Coordinator({
      plan, sources, sinks, clock, before,
      tracing: parts.tracing,
      links: hosts.links,
      crew: hosts.crew,
      landed: flight => this.#delivery.landed(flight),
      released: (level, seq) => this.#barriers?.released(level, seq),
      tell: notice => parts.tell(notice),
      limited: parts.limited,
      batched: parts.batched,
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
    const refused = refusedToDeadLetters(plan, registry, context, () => generation?.coordinator, () => facts, letter => parts.taps?.letter(letter))
    const sinks = await openSinks({ plan, clock: parts.clock, registry, context, marks: from.marks, kept: from.sinks, signal: parts.now, refused, failed: fail, committer: state?.committer })
    const facts = factsOf(sinks)
    const close: Closing[] = [...sinks.values()].filter(({ id }) => !from.sinks.has(id)).map(({ id, sink }) => ({ id, close: () => sink.close('failed') }))
    try {
      const sources = await openSources({ plan, registry, context, positions: from.positions, kept: from.sources, keeping: keepingOf(parts), committer: state?.committer })
      close.unshift(...sources.filter(({ id }) => !from.sources.has(id)).map(({ id, source }) => ({ id, close: () => source.close() })))
      joinSources(state, sources)
      const hosts = new Hosts(parts, (lane, message) => generation?.receive(lane, message))
      close.unshift({ id: 'worker', close: () => hosts.close(false) })
      await hosts.open(from.groups, facts, loadOf(sources))
      generation = new Generation(parts, hosts, sinks, sources, fail)
      if (failing !== undefined) throw failing.error
      return generation
    } catch (error) {
      // What it failed by is what counts.
      await closeEach(close, (id, why) => parts.tell(warning(id, unclosed(why))))
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
    else if (message.kind === 'work') this.#parts.before.meter.worked(message.work, this.plan)
    else if (message.kind === 'trouble') this.#parts.troubles?.heard(lane, message.said)
    else if (message.kind === 'samples') this.#parts.taps?.samples(message.samples)
    else this.coordinator.receive(lane, message)
  }

  /** Worker threads that take pieces; 0 where everything runs on the calling one. */
  get threads(): number {
    return this.#hosts.threads
  }

  /** Bytes in use in the heap of a worker, where it is a thread and has been asked before. */
  heapOf(worker: number): number | undefined {
    return this.#hosts.links[worker]?.heapBytes
  }

  /** True where the number of threads can become this one while everything goes on; else it takes a cut, and another generation. */
  canBecome(threads: number): boolean {
    return this.#hosts.canBecome(threads)
  }

  /** Makes it so many threads. Throws where one can't be started: those that are there go on. */
  become(threads: number): Promise<void> {
    return this.#hosts.become(threads, this.coordinator)
  }

  /** Begins to take cuts, where the pipeline has a state, and can be looked at. */
  async begin(): Promise<void> {
    const { plan, context, taps } = this.#parts
    taps?.at({ plan, registry: this.registry, context, tell: message => this.#hosts.links.forEach(link => link.send(message)) })
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

  /** Closes all; `gently`: stages get the time to close too. Throws the first error that came, once all else is closed: a sink may only then make its output complete. */
  async close(outcome: 'done' | 'stopped' | 'failed', gently: boolean): Promise<void> {
    const errors: unknown[] = []
    const parts: Closing[] = [
      ...this.sources,
      { id: 'worker', close: () => this.#hosts.close(gently) },
      ...[...this.sinks.values()].map(({ id, sink }) => ({ id, close: () => sink.close(outcome) })),
    ]
    await closeEach(parts, (_id, error) => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }
}

function keepingOf({ plan, registry, state }: GenerationParts): Keeping {
  if (state !== undefined) return 'cut'
  return plan.config.sources.some(({ type }) => registry.source(type)?.acks === true) ? 'ack' : 'end'
}

function loadOf(sources: readonly OpenSource[]): Load {
  return { size: totalSize(sources), live: sources.every(({ source }) => source.live === true), lag: sources.reduce((sum, { source }) => sum + (source.lag ?? 0), 0) }
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
