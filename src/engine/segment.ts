/**
 * Runs the nodes of one level over one batch, on the thread it lives on.
 *
 * Nodes run in the order of the plan; what a node hands on is put into the inbox of its takers. A taker with several feeders gets its rows in the order of
 * the batch (`ticket`), so that the result does not depend on how the input was cut into batches. Sinks and the next level get bytes: sinks an encoded
 * chunk, lanes a frame. Whoever takes an event beside another stage gets a copy, because stages may change what they are given.
 */
import { SluiceError } from '../base/index.ts'
import type { Event } from '../event/index.ts'
import type { Counts } from './counts.ts'
import { codeOf, deadLetter } from './dead-letter.ts'
import { writeFrame } from './frame.ts'
import type { FrameRow, SourceSlab } from './frame.ts'
import { MAIN } from './plan.ts'
import type { Node, Plan } from './plan.ts'
import type { CompiledExpression } from './prepare.ts'
import type { RowEncoder, SinkRows } from './sink-encoder.ts'
import type { StageResult, StageRunner } from './stage-runner.ts'
import type { Sampler } from './tap/sampler.ts'
import type { TraceNotes } from './trace-notes.ts'
import type { WorkClock } from './work-clock.ts'

/** What one level made of one batch: all of it bytes. */
export interface SegmentOutput {
  /** Per lane of the next level, or undefined where it gets nothing. */
  readonly frames: readonly (Uint8Array<ArrayBuffer> | undefined)[]
  /** Input row of each row in the frames; only where the level has several lanes. */
  readonly order: Uint32Array<ArrayBuffer> | undefined
  readonly sinks: readonly SinkRows[]
}

export interface SegmentParts {
  readonly stages: ReadonlyMap<number, StageRunner>
  readonly partitions: ReadonlyMap<number, CompiledExpression>
  /** Encoders of the sinks, and of the dead letters. */
  readonly encoders: ReadonlyMap<number, RowEncoder>
  readonly work: WorkClock
  readonly taps: Sampler
  /** Lanes of the next level. */
  readonly lanes: number
  /** True where this level has several lanes: rows are then put in order across them. */
  readonly numbered: boolean
  /** Which lane owns a partition key. */
  laneOf(partition: string): number
  now(): number
}

export class Segment {
  readonly #plan: Plan
  readonly #nodes: readonly Node[]
  readonly #parts: SegmentParts
  readonly #counts: Counts
  readonly #keyed: boolean
  readonly #level: number
  /** Set where traces are noted. */
  traces: TraceNotes | undefined
  #inboxes = new Map<number, Event[]>()
  #crossing: FrameRow[] = []

  constructor(plan: Plan, level: number, parts: SegmentParts, counts: Counts) {
    this.#plan = plan
    this.#nodes = (plan.levels[level]?.nodes ?? []).map(index => plan.nodes[index] as Node) // The plan's own indices.
    this.#level = level
    this.#keyed = plan.levels[level]?.keyed === true
    this.#parts = parts
    this.#counts = counts
  }

  /** Puts events into a node's inbox, in ticket order, before `run`. */
  give(node: number, events: readonly Event[]): void {
    const inbox = this.#inboxes.get(node)
    if (inbox === undefined) this.#inboxes.set(node, [...events])
    else for (const event of events) inbox.push(event)
  }

  /** Hands out events as if the node had emitted them: what a source delivered. */
  deliver(node: Node, events: Event[]): void {
    this.#pass(node, MAIN, events)
  }

  /** Hands events to a node, on this level or the next. */
  hand(node: number, events: Event[]): void {
    const taker = this.#plan.nodes[node] as Node // The plan's own index.
    this.#hand(taker, events, this.#level)
  }

  /** An event that no stage will see, for the dead letters. */
  reject(stage: string, event: Event, error: unknown, attempts = 1): void {
    this.#counts.deadLettered++
    this.#parts.work.rejected(stage, codeOf(error))
    this.traces?.failed(event.headers, codeOf(error))
    const slab = event.slab as SourceSlab // A slab of the engine may carry `meta`; a test's need not.
    const record = deadLetter(
      this.#plan.config.name,
      { stage, source: event.slab.source, position: event.position, original: originalOf(event), error, attempts, meta: slab.meta },
      this.#parts.now(),
    )
    const letter = event.derive(JSON.parse(JSON.stringify(record)) as never) // A record is JSON.
    this.#look(letter)
    this.#parts.encoders.get(this.#plan.deadLetters)?.add([letter])
  }

  #look(letter: Event): void {
    const { taps } = this.#parts
    if (taps.isActive) taps.look(this.#plan.nodes[this.#plan.deadLetters] as Node, 'before', MAIN, [letter]) // The plan's own index.
  }

  /** Runs all nodes over what was delivered so far; what they make is handed out by the next `run`. Only where no stage waits. */
  advance(): void {
    for (const node of this.#nodes) if (this.#step(node) !== undefined) throw new SluiceError('INTERNAL', `"${node.id}" waits in the middle of a batch`)
  }

  /** Runs all nodes over what was given and delivered. A promise only if a stage waits. */
  run(): SegmentOutput | Promise<SegmentOutput> {
    return this.#runFrom(0)
  }

  /** Ends the input of every stage of this level, in order, each after all that feed it. */
  async finish(): Promise<SegmentOutput> {
    for (const node of this.#nodes) {
      await this.#step(node)
      const runner = this.#parts.stages.get(node.index)
      if (runner !== undefined) this.#spread(node, await runner.finish(this.#keyed))
    }
    return this.#output()
  }

  /** Lets the stages whose time has come hand out, then runs all. */
  async tick(now: number): Promise<SegmentOutput> {
    for (const node of this.#nodes) {
      await this.#step(node)
      const runner = this.#parts.stages.get(node.index)
      const at = runner?.stage.wakeAt?.()
      if (runner !== undefined && at !== undefined && at <= now) this.#spread(node, runner.tick(now))
    }
    return this.#output()
  }

  #runFrom(first: number): SegmentOutput | Promise<SegmentOutput> {
    for (let at = first; at < this.#nodes.length; at++) {
      const waits = this.#step(this.#nodes[at] as Node) // The index is inside the array.
      if (waits !== undefined) return waits.then(() => this.#runFrom(at + 1))
    }
    return this.#output()
  }

  #step(node: Node): Promise<void> | undefined {
    const events = this.#inboxes.get(node.index)
    if (events === undefined || events.length === 0) return undefined
    this.#inboxes.delete(node.index)
    if (node.inputs > 1) events.sort(byTicket)
    if (this.#parts.taps.isActive && node.kind !== 'sink') this.#parts.taps.look(node, 'before', MAIN, events)
    switch (node.kind) {
      case 'stage': {
        const { work } = this.#parts
        const runner = this.#runner(node)
        work.count(node.index, events.length)
        const left = this.#counts.filtered
        const before = work.switch(node.index)
        const result = runner.run(events)
        work.switch(before)
        if (result instanceof Promise) return this.#wait(node, runner, result, left)
        work.did(node.index, this.#counts.filtered - left)
        this.#spread(node, result)
        return undefined
      }
      case 'sink':
        this.#encode(node, events)
        return undefined
      case 'partition':
      case 'relay':
      case 'source':
        this.#pass(node, MAIN, events)
        return undefined
      case 'dead_letters':
        return undefined
    }
  }

  async #wait(node: Node, runner: StageRunner, result: Promise<StageResult>, left: number): Promise<void> {
    const waited = this.#parts.work.wait(node.index)
    const done = await result.finally(waited)
    this.#parts.work.did(node.index, this.#counts.filtered - left, runner.takeRetries())
    this.#spread(node, done)
  }

  #runner(node: Node): StageRunner {
    const runner = this.#parts.stages.get(node.index)
    if (runner === undefined) throw new SluiceError('INTERNAL', `no runner for ${node.id}`)
    return runner
  }

  #spread(node: Node, result: StageResult): void {
    for (const { event, error, attempts } of result.rejected) this.reject(node.id, event, error, attempts)
    for (const [name, events] of result.outputs) this.#pass(node, name, events)
  }

  #pass(node: Node, output: string, events: Event[]): void {
    if (this.#parts.taps.isActive) this.#parts.taps.look(node, 'after', output, events)
    const takers = node.outputs.get(output) ?? []
    if (takers.length === 0) this.#counts.filtered += events.length
    else this.#counts.created += (takers.length - 1) * events.length
    let stages = 0
    for (const index of takers) if (this.#keepsEvents(index)) stages++
    for (const index of takers) {
      const taker = this.#plan.nodes[index] as Node // The plan's own index.
      if (!this.#keepsEvents(index)) this.#encode(taker, events)
      else this.#hand(taker, --stages > 0 ? events.map(event => event.copy()) : events, node.level)
    }
  }

  /** False for a sink that can be served at once: its bytes are made before anybody changes the events. */
  #keepsEvents(index: number): boolean {
    const taker = this.#plan.nodes[index] as Node // The plan's own index.
    return taker.kind !== 'sink' || taker.inputs > 1 || !this.#nodes.includes(taker)
  }

  #hand(taker: Node, events: Event[], level: number): void {
    if (taker.level === level) return this.give(taker.index, events)
    const key = this.#parts.partitions.get(taker.index)
    for (const event of events) {
      if (key !== undefined && !this.#setPartition(taker, event, key)) continue
      this.#crossing.push({ event, node: taker.index })
    }
  }

  #setPartition(taker: Node, event: Event, key: CompiledExpression): boolean {
    try {
      event.partition = partitionText(key(event))
      return true
    } catch (error) {
      this.reject(taker.id, event, error)
      return false
    }
  }

  #encode(sink: Node, events: readonly Event[]): void {
    const { encoders, work, taps } = this.#parts
    if (taps.isActive) taps.look(sink, 'before', MAIN, events)
    const encoder = encoders.get(sink.index)
    if (encoder === undefined) throw new SluiceError('INTERNAL', `no encoder for ${sink.id}`)
    const before = work.switch(sink.index)
    for (const { event, error } of encoder.add(events)) this.reject(sink.id, event, error)
    work.switch(before)
  }

  #output(): SegmentOutput {
    const sinks: SinkRows[] = []
    for (const encoder of this.#parts.encoders.values()) sinks.push(...encoder.take())
    const rows = this.#crossing.sort((a, b) => byTicket(a.event, b.event))
    this.#crossing = []
    const order = this.#parts.numbered && rows.length > 0 ? Uint32Array.from(rows, row => row.event.ticket) : undefined
    return { frames: this.#frames(rows), order, sinks }
  }

  /** Numbers the rows that cross in the order of the batch and sorts them by lane. */
  #frames(rows: readonly FrameRow[]): (Uint8Array<ArrayBuffer> | undefined)[] {
    if (this.#parts.lanes === 0) return []
    const lanes = Array.from({ length: this.#parts.lanes }, () => ({ rows: [] as FrameRow[], tickets: [] as number[] }))
    for (let ticket = 0; ticket < rows.length; ticket++) {
      const row = rows[ticket] as FrameRow // The index is inside the array.
      const { partition } = row.event
      const lane = lanes[partition === undefined ? 0 : this.#parts.laneOf(partition)]
      lane?.rows.push(row)
      lane?.tickets.push(ticket)
    }
    return lanes.map(lane => (lane.rows.length === 0 ? undefined : writeFrame(lane.rows, lane.tickets)))
  }
}

function byTicket(a: Event, b: Event): number {
  return a.ticket - b.ticket
}

/** A partition key as text: equal values give equal text. */
function partitionText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null')
}

/** The source's bytes, or the event's own text where a stage made it. */
function originalOf(event: Event): Uint8Array {
  return event.end > event.start ? event.original : Buffer.from(event.text)
}
