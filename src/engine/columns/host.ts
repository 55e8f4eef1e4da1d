/** The columns of one host: for each source whose events can take them, a runner and the segment that takes what leaves. */
import { SluiceError } from '../../base/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'
import type { BufferPool } from '../buffers.ts'
import type { BlockBuilder, Decoder, PieceMarks, ReadTarget, RecordLines } from '../component.ts'
import type { Counts } from '../counts.ts'
import type { LanesParts, LevelParts } from '../lanes.ts'
import { mergeRows } from '../merge.ts'
import type { SinkRows } from '../sink-encoder.ts'
import type { Node, Plan } from '../plan.ts'
import type { Segment, SegmentOutput } from '../segment.ts'
import { compileColumns } from './compile.ts'
import type { ColumnPlan } from './compile.ts'
import { mergeFast } from './merge-fast.ts'
import { ColumnRunner, ROWS_MAX } from './runner.ts'
import type { ObjectPath } from './runner.ts'
import type { TraceNotes } from '../trace-notes.ts'
import type { WorkClock } from '../work-clock.ts'

export interface ColumnSlot {
  /** Set where traces are noted. */
  readonly traces: TraceNotes | undefined
  readonly segment: Segment
  readonly parts: LevelParts
  readonly counts: Counts
}

interface SinkBlock {
  readonly builder: BlockBuilder
  readonly targetOf: ((marks: PieceMarks) => string) | undefined
}

/** Reads straight to the columns' memory; what does not fit there goes to a place of its own, and takes the object path. */
class ColumnTarget implements ReadTarget {
  bytes: Uint8Array
  readonly #recordMax: number

  constructor(input: Uint8Array, recordMax: number) {
    this.bytes = input
    this.#recordMax = recordMax
  }

  grow(keep: number, atLeast: number): Uint8Array {
    if (atLeast <= this.bytes.length) return this.bytes
    if (keep > this.#recordMax * 2) throw new SluiceError('RECORD_TOO_LONG', `A record does not end within ${this.#recordMax} bytes.`)
    const larger = new Uint8Array(Math.max(atLeast, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, keep))
    this.bytes = larger
    return larger
  }
}

export class SourceColumns {
  readonly slot: ColumnSlot
  /** True while a reader that waits is writing to the columns' memory. */
  busy = false
  readonly #plan: ColumnPlan
  readonly #node: Node
  readonly #decoder: Decoder
  /** Where records are no lines by themselves. */
  readonly #lines: RecordLines | undefined
  /** Their bytes. */
  #taken: Uint8Array | undefined
  readonly #pool: BufferPool
  /** Of the sinks that take blocks. */
  readonly #blocks: ReadonlyMap<number, SinkBlock>
  readonly #work: WorkClock
  #runner: ColumnRunner

  private constructor(plan: ColumnPlan, node: Node, decoder: Decoder, slot: ColumnSlot, runner: ColumnRunner, pool: BufferPool, blocks: ReadonlyMap<number, SinkBlock>, work: WorkClock) {
    this.#blocks = blocks
    this.#work = work
    this.#pool = pool
    this.#plan = plan
    this.#node = node
    this.#decoder = decoder
    this.#lines = decoder.lines?.()
    this.slot = slot
    this.#runner = runner
  }

  /** The columns for a source, or undefined where its events take the object path. */
  static make(plan: Plan, node: Node, decoder: Decoder, lanes: LanesParts, pool: BufferPool, newSlot: () => ColumnSlot): SourceColumns | undefined {
    if (plan.nodes.some(other => other.level === 0 && lanes.waits(other.index))) return undefined
    const blocks = new Map<number, SinkBlock>()
    const columns = compileColumns(plan, node, {
      stage: index => lanes.stage(index),
      plainSink: sink => {
        const encoding = lanes.encodingOf(sink)
        if (encoding?.format !== 'ndjson' || encoding.rows === true) return undefined
        const builder = encoding.block?.()
        if (builder === undefined) return { grouped: encoding.target === undefined ? undefined : encoding }
        // The lines of a block share their key, their time and their headers: records of a log don't.
        if (decoder.lines !== undefined || builder.addLines === undefined) return undefined
        if (encoding.target !== undefined && encoding.targetOf === undefined) return undefined
        blocks.set(sink.index, { builder, targetOf: encoding.targetOf?.bind(encoding) })
        return { grouped: undefined }
      },
    })
    if (columns === undefined) return undefined
    // The others get lines here, and nobody makes blocks of them.
    if (plan.nodes.some(other => other.kind === 'sink' && other.level === 0 && !blocks.has(other.index) && lanes.encodingOf(other)?.block !== undefined)) return undefined
    const slot = newSlot()
    const runner = makeRunner(columns, slot.counts, pool, lanes.work)
    return runner === undefined ? undefined : new SourceColumns(columns, node, decoder, slot, runner, pool, blocks, lanes.work)
  }

  /** A place to read to. */
  target(recordMax: number): ReadTarget {
    return new ColumnTarget(this.#runner.columns.input, recordMax)
  }

  /** Brings bytes to the columns' memory; false where they do not fit. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lines !== undefined) {
      this.#taken = bytes
      return true
    }
    const { input } = this.#runner.columns
    if (end - start > input.length) return false
    if (bytes !== input) input.set(bytes.subarray(start, end))
    else if (start > 0) input.copyWithin(0, start, end)
    return true
  }

  /** What `take` was given: the columns' memory, or the records that become lines there. */
  get bytes(): Uint8Array {
    return this.#taken ?? this.#runner.columns.input
  }

  /** Runs the first `length` bytes of what was taken. `slab` is that memory as a slab; `mark` sets what all events of the piece share. */
  run(length: number, slab: Slab, meta: JsonValue | undefined, marks: PieceMarks, mark: (event: Event) => void, reject: (start: number, end: number, ticket: number, error: unknown, slab: Slab) => void, aside = 0): SegmentOutput {
    this.#refresh()
    this.#runner.setAside(aside)
    const { segment, counts } = this.slot
    const odd: Event[] = []
    const lines = this.#lines
    this.#run(length, slab, meta, {
      line: (start, end, ticket) => {
        const out = {
          event: (event: Event) => {
            event.ticket = ticket
            mark(event)
            odd.push(event)
          },
          reject: (from: number, to: number, error: unknown, of: Slab = slab) => reject(from, to, ticket, error, of),
        }
        if (lines === undefined) void this.#decoder.decode(slab, start, end, meta, out)
        else lines.decode(ticket, out)
      },
      event: (ticket, start, end, text) => lines?.event(ticket, text) ?? new Event(slab, start, end, text),
      bare: (ticket, start, end, value) => {
        const event = lines?.event(ticket, undefined, value) ?? new Event(slab, start, end, undefined, value)
        mark(event)
        return event
      },
      isShared: name => lines?.shared.includes(name) === true,
      hand: (node, events) => {
        for (const event of events) mark(event)
        segment.hand(node, events)
      },
    })
    counts.in += odd.length
    if (odd.length > 0) segment.deliver(this.#node, odd)
    const output = segment.run()
    if (output instanceof Promise) throw new SluiceError('INTERNAL', 'a stage behind columns waits')
    const sinks = mergeFast(this.#runner.take(), output.sinks, mergeRows, this.#pool, this.#blocks)
    return { ...output, sinks: this.#blocks.size === 0 ? sinks : sinks.map(rows => this.#asBlock(rows, marks)) }
  }

  /** Records that are no lines are run in as many parts as they need in the columns' memory. */
  #run(length: number, slab: Slab, meta: JsonValue | undefined, objects: ObjectPath): void {
    const lines = this.#lines
    if (lines === undefined) {
      this.#runner.run(length, objects)
      return
    }
    const { input } = this.#runner.columns
    const { traces } = this.slot
    lines.open(slab, 0, length, meta, traces === undefined ? undefined : headers => traces.carry(headers))
    let rows = 0
    for (let bytes = lines.fill(input, ROWS_MAX); bytes > 0; bytes = lines.fill(input, ROWS_MAX)) rows = this.#runner.run(bytes, objects, rows)
    this.#taken = undefined
  }

  /** The rows of a sink that takes blocks become one, both ways together, in the order of the batch. */
  #asBlock(rows: SinkRows, marks: PieceMarks): SinkRows {
    const block = this.#blocks.get(rows.sink)
    if (block === undefined || rows.ends === undefined) return rows
    const { builder, targetOf } = block
    builder.addLines?.(rows.bytes, rows.ends, rows.rows, marks)
    this.#pool.give(rows.bytes.buffer)
    return { ...rows, target: targetOf?.(marks) ?? '', bytes: builder.finish(), ends: undefined, tickets: undefined, block: true }
  }

  /** A table that was read anew needs dictionaries of its own. */
  #refresh(): void {
    if (this.#runner.current) return
    const bytes = this.#runner.columns.input.slice()
    const runner = makeRunner(this.#plan, this.slot.counts, this.#pool, this.#work)
    if (runner === undefined) throw new SluiceError('COLUMNS_ROOM', 'A table has grown beyond the memory of the columns.')
    runner.columns.input.set(bytes)
    this.#runner = runner
  }
}

function makeRunner(plan: ColumnPlan, counts: Counts, pool: BufferPool, work: WorkClock): ColumnRunner | undefined {
  try {
    return new ColumnRunner(plan, counts, pool, work)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'COLUMNS_ROOM') return undefined
    throw error
  }
}
