/**
 * Runs a plan: reads the sources, hands pieces to workers, keeps the order, feeds the sinks, and knows what is done.
 *
 * One thread owns all of it; nothing here is shared. Every batch is a `Flight` with a number, in the order of reading. A level may finish
 * flights in any order; they are released in theirs (unless the pipeline gave order up), so that sinks and stages with memory see the source's order.
 *
 *     reading --credits--> level 0 (any worker) --in order--> lanes of level 1 --in order--> ... --> sinks --> landed
 *
 * Memory: the sum of the charges of all flights stays below the pipeline's `memory`, plus one piece per source.
 */
import { SluiceError, untilAborted } from '../base/index.ts'
import type { Clock } from '../platform/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { Notice } from '../observe/index.ts'
import { BatchRule } from './adaptive/batch-rule.ts'
import type { BatchStep } from './adaptive/batch-rule.ts'
import type { InFlightStep } from './adaptive/in-flight.ts'
import type { Tracing } from '../observe/index.ts'
import { BufferPool } from './buffers.ts'
import type { Counts } from './counts.ts'
import type { Crew } from './crew.ts'
import { failureError } from './failure.ts'
import { Flight } from './flight.ts'
import { Gate } from './gate.ts'
import type { Link } from './links.ts'
import { mergeFrames, mergeSinks } from './merge.ts'
import type { FromHost } from './messages.ts'
import type { Meter } from './meter.ts'
import type { Plan } from './plan.ts'
import { progressOf } from './progress.ts'
import type { Progress } from './report.ts'
import type { SinkRows } from './sink-encoder.ts'
import type { SinkRunner } from './sink-runner.ts'
import type { OpenSource } from './sources.ts'
import { tracedBatch } from './traced-batch.ts'
import { spent } from './work-clock.ts'
import { WorkerLoads } from './worker-loads.ts'
import { deadLetters } from './notices.ts'

/** Batches under way at most: enough to keep all busy; more would only lie in memory. Sinks that take many writes at once get as many more. */
const FLIGHTS_MAX = 24
const WRITES_USUAL = 16

/** Bytes of a piece at most: it must fit the columns, with a long last line. */
const PIECE_MAX = 768 * 1024

/** What the generations before have counted. */
export interface Before {
  readonly counts: Counts
  readonly bytesIn: number
  /** Events of sinks that are gone, without the dead letters. */
  readonly eventsOut: number
  readonly meter: Meter
}

export interface CoordinatorParts {
  readonly plan: Plan
  readonly links: readonly Link[]
  readonly crew: Crew
  readonly sources: readonly OpenSource[]
  /** By index of the sink's node; the dead letters included. */
  readonly sinks: ReadonlyMap<number, SinkRunner>
  readonly clock: Clock
  readonly before: Before
  readonly tracing?: Tracing | undefined
  /** A batch has been taken by every sink. */
  landed(flight: Flight): void
  /** A level has passed a batch on: time for a barrier to follow it. */
  released(level: number, seq: number): void
  tell(notice: Notice): void
  /** Sources are asked for batches of another size. */
  batched(step: BatchStep): void
  /** The in-flight limit of a stage on a worker has moved. */
  limited(id: string, step: InFlightStep, worker: number): void
}

export class Coordinator {
  readonly counts: Counts
  /** Bytes that sources delivered. */
  bytesIn: number
  /** Bytes that flights hold. */
  inFlightBytes = 0
  readonly #parts: CoordinatorParts
  readonly #flights = new Map<number, Flight>()
  readonly #gate = new Gate()
  /** What pieces travel in. */
  readonly #pool = new BufferPool()
  readonly #loads: WorkerLoads
  /** Per level: the next flight to be released. */
  readonly #cursors: number[]
  /** Without order: the flights that were released before their turn. */
  readonly #early = new Set<number>()
  readonly #wakes = new Map<number, () => void>()
  readonly #batch: BatchRule
  #seq = 0
  #failure: unknown
  /** Ends the wait for sources: one that waits for events would else keep a run that has failed from ending. */
  readonly #failing = new AbortController()
  #stopped = false
  /** While set, nothing behind this flight is released: a barrier is passing. */
  #hold: number | undefined

  constructor(parts: CoordinatorParts) {
    this.#parts = parts
    this.#loads = new WorkerLoads(parts.crew)
    const { bytes, latency } = parts.plan.config.batch
    this.#batch = new BatchRule({ most: Math.min(bytes, PIECE_MAX), latency })
    this.counts = parts.before.counts
    this.bytesIn = parts.before.bytesIn
    this.#cursors = parts.plan.levels.map(() => 0)
    this.#look()
  }

  /** Number of the last flight; -1 before the first. */
  get lastSeq(): number {
    return this.#seq - 1
  }

  /** Events that sinks have taken, those that a reload took away included; the dead letters are not among them. */
  get eventsOut(): number {
    const { plan, sinks, before } = this.#parts
    return plan.sinks.reduce((sum, index) => sum + (sinks.get(index)?.totals.events ?? 0), before.eventsOut)
  }

  get flights(): number {
    return this.#flights.size
  }

  /** The next flight that the level will release. */
  cursor(level: number): number {
    return this.#cursors[level] ?? 0
  }

  /** Keeps back everything behind `seq` until called with undefined. Only needed where order was given up. */
  hold(seq: number | undefined): void {
    this.#hold = seq
    if (seq === undefined) for (let level = 0; level < this.#cursors.length; level++) this.#advance(level)
  }

  /** Reads all sources to their ends, until `drain` ends their waits, or until `pause` fires: then they may be read on. What was read may still be under way. */
  async read(drain: AbortSignal, pause?: AbortSignal): Promise<void> {
    const live = this.#parts.sources.filter(source => source.source.live)
    const ending = this.#parts.sources.filter(source => !source.source.live)
    const chain = async (): Promise<void> => {
      for (const source of ending) await this.#readSource(source, drain, pause)
    }
    await Promise.all([chain(), ...live.map(source => this.#readSource(source, drain, pause))])
  }

  /** Ends the input of every level with memory: what stages hold back comes out. */
  async finish(): Promise<void> {
    for (const level of this.#parts.plan.levels.slice(1)) {
      const flight = this.#launch(level.index, undefined, undefined, 0)
      this.#toLanes(flight, lane => ({ kind: 'finish', seq: flight.seq, level: level.index, lane }))
      await this.drained()
    }
  }

  /** Resolves when nothing is under way. Throws what made the pipeline fail. */
  drained(): Promise<void> {
    return this.until(() => this.#flights.size === 0)
  }

  /** Resolves when the condition holds, which is asked whenever something changes (`look`). Throws what made the pipeline fail. */
  async until(condition: () => boolean): Promise<void> {
    await this.#gate.until(() => this.#failure !== undefined || condition())
    this.check()
  }

  /** Throws what made the pipeline fail, if something did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  fail(error: unknown): void {
    this.#failure ??= error
    this.#failing.abort()
    this.#gate.look()
  }

  /** Looks again at what is waited for: something outside has changed. */
  look(): void {
    this.#gate.look()
  }

  /** Batches that wait for a worker, or are being worked on by one. */
  get waiting(): number {
    return this.#loads.waiting
  }

  /** Pieces go to the workers of this crew from now on: one more, or one less at its end, which still answers what it was given. Those that own lanes stay. */
  crewed(crew: Crew): void {
    this.#loads.crew = crew
    this.#look()
    this.#gate.look()
  }

  /** Resolves when a worker has answered all that it was given. Throws what made the pipeline fail. */
  answered(worker: number): Promise<void> {
    return this.until(() => this.#loads.of(worker) === 0)
  }

  /** Figures for a person who watches. `ms` is the time since the start. */
  progress(ms: number, stopping: boolean): Progress {
    const { counts, bytesIn, eventsOut, inFlightBytes, flights } = this
    return progressOf({ ...this.#parts, counts, bytesIn, eventsOut, inFlightBytes, flights }, ms / 1000, stopping)
  }

  /** Cancels the timers. */
  stop(): void {
    this.#stopped = true
    for (const cancel of this.#wakes.values()) cancel()
    this.#wakes.clear()
  }

  async #readSource(open: OpenSource, drain: AbortSignal, pause: AbortSignal | undefined): Promise<void> {
    const isOver = (): boolean => drain.aborted || pause?.aborted === true
    const leaving = pause === undefined ? this.#failing.signal : AbortSignal.any([pause, this.#failing.signal])
    while (!isOver()) {
      await this.#gate.until(() => this.#failure !== undefined || isOver() || this.#hasRoom())
      this.check()
      if (isOver()) return
      const asked = open.asking.ask(this.#batch.bytes, drain)
      const answered = this.#parts.before.meter.asked(open.id)
      const answer = await untilAborted(asked, leaving).finally(answered)
      // Paused: what the source brings is taken by the next reading.
      if (answer === undefined) return
      open.asking.taken()
      const { piece } = answer
      if (piece === undefined) return
      const flight = this.#launch(0, open.node, piece.position, piece.bytes)
      flight.since = this.#parts.clock.monotonic()
      flight.ingested = piece.ingested
      flight.input = { source: open.id, from: piece.from, position: piece.position }
      open.track(flight)
      this.#toWorker({
        kind: 'piece',
        seq: flight.seq,
        source: open.node,
        from: piece.from,
        data: piece.data === undefined ? undefined : this.#copy(piece.data),
        request: piece.request,
        meta: piece.meta,
        key: piece.key,
        headers: piece.headers,
        time: piece.time,
        rejects: piece.rejects,
      }, piece.affinity)
    }
  }

  /** The source may use its own array again as soon as it is asked for more. */
  #copy(data: Uint8Array): Uint8Array<ArrayBuffer> {
    const copy = this.#pool.take(data.length)
    copy.set(data)
    return copy
  }

  get #flightsMax(): number {
    let most = FLIGHTS_MAX
    for (const { concurrency } of this.#parts.sinks.values()) most += Math.max(0, concurrency - WRITES_USUAL)
    return most
  }

  #hasRoom(): boolean {
    if (this.#flights.size > 0 && this.inFlightBytes >= this.#parts.plan.config.memory) return false
    if (this.#flights.size >= this.#flightsMax) return false
    return this.#loads.hasRoom
  }

  #launch(level: number, source: number | undefined, position: JsonValue | undefined, bytes: number): Flight {
    const flight = new Flight(this.#seq++, level, source, position, bytes, landed => this.#land(landed))
    this.#flights.set(flight.seq, flight)
    this.inFlightBytes += bytes
    // The levels below have nothing to do for it; the barrier that may follow it must know that.
    for (let below = 0; below < level; below++) this.#advance(below)
    return flight
  }

  #toWorker(message: Parameters<Link['send']>[0], affinity: number | undefined): void {
    const worker = this.#loads.take(affinity)
    this.#look()
    this.#parts.links[worker]?.send(message)
  }

  /** Sends a message to every lane of the flight's level. */
  #toLanes(flight: Flight, message: (lane: number) => Parameters<Link['send']>[0]): void {
    const lanes = this.#lanes(flight.level)
    flight.waiting = lanes
    flight.done = false
    flight.outputs = []
    for (let lane = 0; lane < lanes; lane++) this.#toLane(lane, message(lane))
  }

  #toLane(lane: number, message: Parameters<Link['send']>[0]): void {
    this.#loads.takeLane(lane)
    this.#look()
    this.#parts.links[lane]?.send(message)
  }

  /** Tells the meter what the workers have before them now. */
  #look(): void {
    const { plan, before } = this.#parts
    const isHeld = this.#flights.size > 0 && (this.inFlightBytes >= plan.config.memory || this.#flights.size >= this.#flightsMax)
    before.meter.workers(this.#loads.crew.total, at => (this.#loads.of(at) > 0 ? 'busy' : isHeld ? 'held' : 'idle'))
  }

  #lanes(level: number): number {
    return this.#parts.plan.levels[level]?.keyed === true ? this.#loads.crew.lanes : 1
  }

  /** Takes a host's answer. */
  receive(from: number, message: FromHost): void {
    switch (message.kind) {
      case 'done':
        return this.#levelDone(from, message)
      case 'limited':
        return this.#parts.limited(message.id, message.step, from)
      case 'notice':
        return this.#parts.tell(message.notice)
      case 'failed':
        return this.fail(failureError(message.error))
      case 'ready':
      case 'snapshot':
      case 'samples':
      case 'trouble':
      case 'work':
      case 'closed':
        return
    }
  }

  #levelDone(from: number, message: Extract<FromHost, { kind: 'done' }>): void {
    const flight = this.#flights.get(message.seq)
    if (flight === undefined) return this.fail(new SluiceError('INTERNAL', `an answer for batch ${message.seq}, which is not under way`))
    this.counts.add(message.counts)
    const { before: { meter }, plan } = this.#parts
    meter.worked(message.work, plan)
    for (const { id, code, events } of message.rejects) this.#gaveUp(id, code, events)
    if (message.level === 0) meter.read(plan.nodes[flight.source ?? -1]?.id ?? '', message.counts.in, message.bytes)
    if (message.level === 0 && this.#parts.tracing !== undefined) flight.trace = this.#parts.tracing.batch(tracedBatch(plan, this.#parts.clock, flight, message))
    if (message.spare !== undefined) this.#pool.give(message.spare)
    if (message.level === 0) {
      this.#loads.done(from)
      this.bytesIn += message.bytes
      this.#batched(this.#batch.worked(message.bytes, spent(message.work) * 1000))
    } else this.#loads.laneDone(from)
    flight.outputs.push(message)
    this.#wake(message.level, message.wakeAt)
    if (flight.waiting > 1) {
      flight.waiting--
      return this.#look()
    }
    flight.waiting = 0
    flight.done = true
    flight.outputs.sort((a, b) => a.lane - b.lane)
    this.#charge(flight)
    this.#advance(message.level)
    this.#look()
    this.#gate.look()
  }

  #batched(step: BatchStep | undefined): void {
    if (step !== undefined) this.#parts.batched(step)
  }

  /** What a flight holds is now what the level made of it. */
  #charge(flight: Flight): void {
    let bytes = 0
    for (const output of flight.outputs) {
      for (const frame of output.frames) bytes += frame?.length ?? 0
      for (const rows of output.sinks) bytes += rows.bytes.length + rows.origins.reduce((sum, origin) => sum + origin.length, 0)
    }
    this.inFlightBytes += bytes - flight.charge
    flight.charge = bytes
  }

  /** Releases all flights whose turn it is at this level. */
  #advance(level: number): void {
    for (let seq = this.#cursors[level] ?? 0; ; seq++) {
      if (this.#early.delete(seq)) {
        this.#cursors[level] = seq + 1
        this.#parts.released(level, seq)
        continue
      }
      const flight = this.#flights.get(seq)
      if (flight === undefined) break
      if (this.#hold !== undefined && seq > this.#hold) break
      if (flight.entry > level) {
        this.#cursors[level] = seq + 1
        this.#parts.released(level, seq)
        continue
      }
      if (flight.level !== level || !flight.done) break
      this.#cursors[level] = seq + 1
      this.#release(flight)
      this.#parts.released(level, seq)
    }
    if (!this.#parts.plan.config.ordered && this.#parts.plan.levels.length === 1) this.#releaseEarly()
  }

  #releaseEarly(): void {
    for (const flight of [...this.#flights.values()]) {
      if (!flight.done || this.#early.has(flight.seq) || (this.#hold !== undefined && flight.seq > this.#hold)) continue
      this.#early.add(flight.seq)
      this.#release(flight)
    }
  }

  /** Hands a level's output on: bytes to the sinks, frames to the next level. */
  #release(flight: Flight): void {
    const { outputs } = flight
    flight.outputs = []
    flight.done = false
    const merged = mergeSinks(outputs)
    for (const { lane, sinks } of outputs) for (const rows of sinks) this.#lend(rows, lane, flight, merged.includes(rows))
    for (const rows of merged) this.write(rows, flight)
    const next = flight.level + 1
    if (next >= this.#parts.plan.levels.length) return flight.close()
    const frames = mergeFrames(outputs, this.#lanes(next))
    flight.level = next
    flight.waiting = frames.filter(some => some.length > 0).length
    if (flight.waiting === 0) {
      flight.done = true
      return this.#advanceLater(next)
    }
    frames.forEach((some, lane) => {
      if (some.length > 0) this.#toLane(lane, { kind: 'frames', seq: flight.seq, level: next, frames: some })
    })
  }

  /** Sends the bytes of a chunk back to the lane that made them: at once where they were copied, else when the flight has landed. */
  #lend({ sink, bytes, shared }: SinkRows, lane: number, flight: Flight, used: boolean): void {
    if (shared === true) return
    if (!used) this.#parts.links[lane]?.giveBack(bytes)
    else if (this.#parts.sinks.get(sink)?.sink.borrows === true) flight.lent.push({ lane, bytes })
  }

  #advanceLater(level: number): void {
    queueMicrotask(() => {
      this.#advance(level)
      this.#gate.look()
    })
  }

  /** A sink gave up events. */
  refused(id: string, codes: readonly string[]): void {
    this.counts.deadLettered += codes.length
    for (const code of codes) this.#gaveUp(id, code, 1)
  }

  #gaveUp(id: string, code: string, events: number): void {
    this.#parts.before.meter.rejected(id, code, events)
    this.#parts.tell(deadLetters(id, code, events))
  }

  /** Gives rows to a sink on behalf of a flight. */
  write(rows: SinkRows, flight: Flight): void {
    const sink = this.#parts.sinks.get(rows.sink)
    if (sink === undefined) return this.fail(new SluiceError('INTERNAL', `no sink ${rows.sink}`))
    flight.open++
    sink.write(rows, flight)
  }

  #land(flight: Flight): void {
    this.#flights.delete(flight.seq)
    this.inFlightBytes -= flight.charge
    for (const { lane, bytes } of flight.lent) this.#parts.links[lane]?.giveBack(bytes)
    if (flight.source !== undefined) {
      this.#parts.before.meter.landed(flight)
      this.#batched(this.#batch.landed(this.#parts.clock.monotonic() - flight.since))
    }
    flight.trace?.end()
    this.#parts.landed(flight)
    this.#look()
    this.#gate.look()
  }

  /** Arms the timer for the stages of a level that hand out by time. */
  #wake(level: number, at: number | undefined): void {
    this.#wakes.get(level)?.()
    this.#wakes.delete(level)
    if (at === undefined || this.#stopped) return
    const wait = Math.max(0, at - this.#parts.clock.now())
    this.#wakes.set(level, this.#parts.clock.timer(wait, () => this.#tick(level)))
  }

  #tick(level: number): void {
    this.#wakes.delete(level)
    if (this.#stopped || this.#failure !== undefined) return
    const flight = this.#launch(level, undefined, undefined, 0)
    const now = this.#parts.clock.now()
    this.#toLanes(flight, () => ({ kind: 'tick', seq: flight.seq, level, now }))
  }
}
