/**
 * One worker: runs level 0 on the pieces it is given, and its lane of each higher level on the frames it is given.
 *
 * The same host runs on a thread of its own and, with `workers: 0`, on the calling thread; only the way the messages take differs.
 * Pieces may overlap where stages wait. A lane of a higher level works on one message at a time, in the order they came: its stages have memory.
 */
import type { JsonValue } from '../event/index.ts'
import { SluiceError } from '../base/index.ts'
import { Event } from '../event/index.ts'
import type { ComponentContext, Decoder, PieceRead, PieceReader, SourceReject } from './component.ts'
import { closeEach, unclosed } from './closing.ts'
import { SourceColumns } from './columns/host.ts'
import type { Registry, SourceConfig } from './config.ts'
import { BufferPool } from './buffers.ts'
import { Counts } from './counts.ts'
import { ownsLane } from './crew.ts'
import { codeFrom, failureRecord } from './failure.ts'
import { FrameReader, locateFrom, nextRows } from './frame.ts'
import type { LaneMessage } from './lane-journal.ts'
import type { SourceSlab } from './frame.ts'
import { LanesParts } from './lanes.ts'
import type { LevelParts, SinkFacts } from './lanes.ts'
import type { FromHost, GroupState, ToHost } from './messages.ts'
import type { Plan } from './plan.ts'
import { prepareConfig } from './prepare.ts'
import { ReadBuffers } from './read-buffers.ts'
import type { SegmentOutput } from './segment.ts'
import { Segment } from './segment.ts'
import { TraceNotes } from './trace-notes.ts'
import type { WorkNotes } from './work-notes.ts'

export interface HostOptions {
  readonly plan: Plan
  readonly registry: Registry
  /** Number of this host, and how many hosts own lanes: lane i of a keyed level lives on host i. */
  readonly lane: number
  readonly lanes: number
  /** False where it takes no pieces of sources. */
  readonly pieces?: boolean
  readonly context: (id: string) => ComponentContext
  /** Memory of the stages of this host's lanes, from the last checkpoint. */
  readonly restore: readonly GroupState[]
  /** What the opened sinks told, by id. */
  readonly facts: SinkFacts
  /** Bytes that one record may have. */
  readonly recordMax: number
  readonly send: (message: FromHost) => void
  /** False keeps every event on the object path: for tests that compare both. */
  readonly columns?: boolean
  /** Where the host notes what it does, if somebody watches it. */
  readonly notes?: WorkNotes | undefined
}

interface SourceHalf {
  readonly decoder: Decoder
  readonly reader: PieceReader | undefined
}

interface Slot {
  /** Set where traces are noted. */
  readonly traces: TraceNotes | undefined
  readonly segment: Segment
  readonly parts: LevelParts
  readonly counts: Counts
}

/** This host's part of a higher level. */
interface Lane extends Slot {
  /** True where no stage of the level waits. */
  readonly chunked: boolean
  /** Ends with the last message that was taken. */
  tail: Promise<void>
}

/** Events that go through the stages together, where none of them waits: few enough to die young, and to be worked on while they are in the cache. */
const CHUNK = 64

/** How often it is told what stages wait for, where a batch takes longer. */
const WAITS_MS = 1000

/** `counted`: bytes of the source, where the reader says that they are others than those that it read into memory. */
type PieceMessage = Extract<ToHost, { kind: 'piece' }> & { readonly counted?: number | undefined }

export class Host {
  /** What the bytes for sinks leave in. */
  readonly pool = new BufferPool()
  readonly #options: HostOptions
  readonly #sources = new Map<number, SourceHalf>()
  readonly #parts: LanesParts
  /** Level 0 may have several batches under way: each takes a segment of its own, kept for the next. */
  readonly #free: Slot[] = []
  readonly #levels = new Map<number, Lane>()
  readonly #buffers: ReadBuffers
  readonly #columns = new Map<number, SourceColumns>()
  #telling = false
  /** True where no stage of level 0 waits. */
  readonly #chunked: boolean

  constructor(options: HostOptions) {
    this.#options = options
    this.#buffers = new ReadBuffers(options.recordMax)
    this.#parts = new LanesParts(options, this.pool)
    this.#chunked = this.#isChunked(0)
    this.#parts.work.onWait = () => this.#tellWaits()
  }

  /** Tells now and then of what waits, as long as something does. */
  #tellWaits(): void {
    if (this.#telling) return
    this.#telling = true
    setTimeout(() => {
      this.#telling = false
      const { work } = this.#parts
      if (!work.isWaiting) return
      this.#options.send({ kind: 'work', work: work.takeWaiting() })
      this.#tellWaits()
    }, WAITS_MS).unref()
  }

  #isChunked(level: number): boolean {
    return !this.#options.plan.nodes.some(node => node.level === level && this.#parts.waits(node.index))
  }

  /** Builds and opens the components of this host. */
  async open(): Promise<void> {
    const { plan, registry } = this.#options
    const pieces = this.#options.pieces !== false
    for (const index of pieces ? plan.sources : []) {
      const node = plan.nodes[index]
      if (node?.config !== undefined) this.#sources.set(index, sourceHalf(node.config, registry, this.#options.context(node.id)))
    }
    await this.#parts.open()
    if (this.#options.columns !== false) this.#openColumns()
    for (const level of plan.levels) {
      if (ownsLane(level, this.#options.lanes, this.#options.lane)) {
        this.#levels.set(level.index, { ...this.#newSegment(level.index), chunked: this.#isChunked(level.index), tail: Promise.resolve() })
      }
    }
  }

  #openColumns(): void {
    const { plan } = this.#options
    for (const [index, half] of this.#sources) {
      const node = plan.nodes[index]
      if (node === undefined || half.decoder.columns !== true) continue
      const columns = SourceColumns.make(plan, node, half.decoder, this.#parts, this.pool, () => this.#newSegment(0, true))
      if (columns !== undefined) this.#columns.set(index, columns)
    }
  }

  #newSegment(level: number, tickets = false): Slot {
    const counts = new Counts()
    const parts = this.#parts.level(level, counts, tickets)
    const traces = level === 0 && this.#options.plan.config.traced === true ? new TraceNotes(() => this.#options.context('').random()) : undefined
    const segment = new Segment(this.#options.plan, level, parts, counts)
    segment.traces = traces
    return { segment, parts, counts, traces }
  }

  /** Takes a message. Never throws: what goes wrong is sent as `failed`. */
  handle(message: ToHost): void {
    if (message.kind === 'piece') {
      for (const buffer of message.spare ?? []) this.pool.give(buffer)
      return this.#settle(() => this.#piece(message))
    }
    if (message.kind === 'close') return this.#settle(() => this.#close())
    if (message.kind === 'tap') return this.#parts.taps.add(message.order)
    if (message.kind === 'untap') return this.#parts.taps.remove(message.tap)
    const level = this.#levels.get(message.level)
    if (level === undefined) return this.#fail(new SluiceError('INTERNAL', `no lane of level ${message.level} here`))
    level.tail = level.tail.then(() => this.#lane(message, level)).catch((error: unknown) => this.#fail(error))
  }

  #settle(work: () => Promise<void> | undefined): void {
    try {
      work()?.catch((error: unknown) => this.#fail(error))
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#options.send({ kind: 'failed', error: failureRecord(error) })
  }

  async #close(): Promise<void> {
    for (const level of this.#levels.values()) await level.tail
    const { plan, context } = this.#options
    const readers = [...this.#sources].map(([index, { reader }]) => ({ id: plan.nodes[index]?.id ?? '', close: () => reader?.close() }))
    await closeEach(readers, (id, error) => context(id).warn(unclosed(error)))
    await this.#parts.close()
    this.#options.send({ kind: 'closed' })
  }

  #piece(message: PieceMessage): Promise<void> | undefined {
    this.#options.notes?.begin(message.care)
    if (message.request === undefined) {
      const data = message.data ?? new Uint8Array(0)
      const columns = this.#columnsFor(message)
      if (columns?.busy === false && columns.take(data, 0, data.length)) return this.#runColumns(message, columns, data.length, message.from, message.rejects ?? [])
      return this.#decode(message, data, 0, data.length, message.from, message.rejects ?? [])
    }
    const reader = this.#sources.get(message.source)?.reader
    if (reader === undefined) throw new SluiceError('INTERNAL', 'a piece to be read by a source without a reader')
    const columns = this.#columnsFor(message)
    if (columns !== undefined && !columns.busy) return this.#readColumns(message, reader, columns)
    const target = this.#buffers.take()
    const read = reader.read(message.request, target)
    if (read instanceof Promise) {
      return read.then(done => this.#decode(counting(message, done), target.bytes, done.start, done.end, done.from, done.rejects ?? [], () => this.#buffers.give(target)))
    }
    return this.#decode(counting(message, read), target.bytes, read.start, read.end, read.from, read.rejects ?? [], () => this.#buffers.give(target))
  }

  /** With care, every event takes the object path: there it is known by its number. */
  #columnsFor({ source, care }: PieceMessage): SourceColumns | undefined {
    return care === undefined ? this.#columns.get(source) : undefined
  }

  #readColumns(message: PieceMessage, reader: PieceReader, columns: SourceColumns): Promise<void> | undefined {
    const target = columns.target(this.#options.recordMax)
    const go = (read: PieceRead): Promise<void> | undefined => {
      if (target.bytes === columns.bytes && columns.take(target.bytes, read.start, read.end)) {
        return this.#runColumns(counting(message, read), columns, read.end - read.start, read.from, read.rejects ?? [])
      }
      return this.#decode(counting(message, read), target.bytes, read.start, read.end, read.from, read.rejects ?? [])
    }
    const read = reader.read(message.request ?? null, target)
    if (!(read instanceof Promise)) return go(read)
    columns.busy = true
    return read.finally(() => (columns.busy = false)).then(go)
  }

  #runColumns(piece: PieceMessage, columns: SourceColumns, length: number, from: JsonValue, rejects: readonly SourceReject[]): undefined {
    const { slot } = columns
    const message = traced(piece, slot.traces)
    const before = this.#parts.work.switch(message.source)
    const source = this.#options.plan.nodes[message.source]?.id ?? ''
    const slab = new PieceSlab(source, columns.bytes, from, 0, message.meta)
    for (const reject of rejects) this.#rejectRead(slot.segment, slot.counts, source, reject)
    const output = columns.run(length, slab, message.meta, message, event => markEvent(event, message), (start, end, ticket, error, of) => {
      slot.counts.in++
      slot.segment.reject(source, withTicket(new Event(of, start, end, ''), ticket), error)
    }, this.#parts.taps.isActive ? this.#parts.taps.aside() : 0)
    this.#parts.work.switch(before)
    this.#send(message.seq, 0, output, slot, message.counted ?? length, message.data)
    return undefined
  }

  #decode(
    piece: PieceMessage,
    bytes: Uint8Array,
    start: number,
    end: number,
    from: JsonValue,
    rejects: readonly SourceReject[],
    done?: () => void,
  ): Promise<void> | undefined {
    const node = this.#options.plan.nodes[piece.source]
    const half = this.#sources.get(piece.source)
    if (node === undefined || half === undefined) throw new SluiceError('INTERNAL', `no source ${piece.source}`)
    const slot = this.#free.pop() ?? this.#newSegment(0)
    const { traces } = slot
    const message = traced(piece, traces)
    const before = this.#parts.work.switch(message.source)
    let events: Event[] = []
    let ticket = 0
    const deliver = (): void => {
      slot.counts.in += events.length
      slot.segment.deliver(node, events)
      events = []
    }
    const slab = new PieceSlab(node.id, bytes, from, start, message.meta)
    for (const reject of rejects) this.#rejectRead(slot.segment, slot.counts, node.id, reject)
    const waits = half.decoder.decode(slab, start, end, message.meta, {
      event: event => {
        event.ticket = ticket++
        markEvent(event, message)
        if (traces !== undefined && event.headers !== message.headers) event.headers = traces.carry(event.headers)
        events.push(event)
        if (!this.#chunked || events.length < CHUNK || message.care !== undefined) return
        deliver()
        slot.segment.advance()
      },
      reject: (from, to, error, of = slab) => {
        slot.counts.in++
        slot.segment.reject(node.id, withTicket(new Event(of, from, to, ''), ticket), error)
      },
    })
    const run = (): Promise<void> | undefined => {
      deliver()
      const output = slot.segment.run()
      const finish = (made: SegmentOutput): void => {
        this.#send(message.seq, 0, made, slot, message.counted ?? end - start, message.data)
        this.#free.push(slot)
        done?.()
      }
      if (output instanceof Promise) return output.then(finish)
      finish(output)
      return undefined
    }
    try {
      return waits instanceof Promise ? waits.then(run) : run()
    } finally {
      this.#parts.work.switch(before)
    }
  }

  #rejectRead(segment: Segment, counts: Counts, source: string, reject: SourceReject): void {
    counts.in++
    const slab = new PieceSlab(source, reject.original, reject.position, 0, undefined)
    segment.reject(source, new Event(slab, 0, reject.original.length, ''), new SluiceError(codeFrom(reject.code), reject.reason))
  }

  async #lane(message: LaneMessage, level: Lane): Promise<void> {
    switch (message.kind) {
      case 'snapshot': {
        const groups = this.#parts.snapshot(message.level)
        return this.#options.send({ kind: 'snapshot', id: message.id, level: message.level, lane: this.#options.lane, groups })
      }
      case 'finish':
        this.#options.notes?.begin(undefined)
        return this.#send(message.seq, message.level, await level.segment.finish(), level, 0)
      case 'tick':
        this.#options.notes?.begin(undefined)
        return this.#send(message.seq, message.level, await level.segment.tick(message.now), level, 0)
      case 'frames': {
        this.#options.notes?.begin(message.care)
        this.#giveFrames(message.frames, message.care === undefined ? level : { ...level, chunked: false })
        return this.#send(message.seq, message.level, await level.segment.run(), level, 0)
      }
    }
  }

  /** Hands the rows of frames to their nodes, in the order of the batch. Few at a time where no stage waits. */
  #giveFrames(frames: readonly Uint8Array[], { segment, chunked }: Lane): void {
    const readers = frames.map(frame => new FrameReader(frame))
    for (let rows = nextRows(readers, chunked ? CHUNK : Infinity); rows.length > 0; rows = nextRows(readers, CHUNK)) {
      const byNode = new Map<number, Event[]>()
      for (const { event, node } of rows) {
        const events = byNode.get(node)
        if (events === undefined) byNode.set(node, [event])
        else events.push(event)
      }
      for (const [node, events] of byNode) segment.give(node, events)
      if (chunked) segment.advance()
    }
  }

  #send(seq: number, level: number, output: SegmentOutput, slot: Omit<Slot, 'segment'>, bytes: number, data?: Uint8Array<ArrayBuffer>): void {
    this.#options.notes?.done()
    const samples = this.#parts.taps.isActive ? this.#parts.taps.take() : undefined
    if (samples !== undefined) this.#options.send({ kind: 'samples', samples })
    const counts = slot.counts.take()
    this.#options.send({
      kind: 'done',
      seq,
      level,
      lane: this.#options.lane,
      frames: output.frames,
      order: output.order,
      sinks: output.sinks,
      counts,
      traces: slot.traces?.take(counts.in),
      work: this.#parts.work.take(level === 0 && !this.#chunked),
      rejects: this.#parts.work.takeRejects(),
      bytes,
      wakeAt: slot.parts.wakeAt(),
      spare: data?.buffer,
    })
  }
}

/** A slab as a source delivered it: `from` is the position of the byte at `base`. */
class PieceSlab implements SourceSlab {
  readonly source: string
  readonly bytes: Uint8Array
  readonly from: JsonValue
  readonly meta: JsonValue | undefined
  readonly #base: number

  constructor(source: string, bytes: Uint8Array, from: JsonValue, base: number, meta: JsonValue | undefined) {
    this.source = source
    this.bytes = bytes
    this.from = from
    this.meta = meta
    this.#base = base
  }

  origin(start: number): number {
    return start - this.#base
  }

  locate(start: number): JsonValue {
    return locateFrom(this.from, start - this.#base)
  }
}

function sourceHalf(config: SourceConfig, registry: Registry, context: ComponentContext): SourceHalf {
  const declaration = registry.source(config.type)
  if (declaration === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `There is no source of type "${config.type}".`)
  const prepared = prepareConfig(declaration.config, config.config, context)
  const { format, options } = declaration.create(prepared, context).format
  const codec = registry.codec(format)
  if (codec?.decoder === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `Source "${config.id}": the format "${format}" can't be read.`)
  return { decoder: codec.decoder(prepareConfig(codec.config, options, context)), reader: declaration.reader?.(prepared, context) }
}

function counting(message: PieceMessage, { bytes }: PieceRead): PieceMessage {
  return bytes === undefined ? message : { ...message, counted: bytes }
}

/** The piece, whose headers carry a trace of theirs on. */
function traced(message: PieceMessage, traces: TraceNotes | undefined): PieceMessage {
  if (traces === undefined || message.headers === undefined) return message
  return { ...message, headers: traces.carry(message.headers, true) }
}

/** What all records of a piece share. */
function markEvent(event: Event, message: PieceMessage): void {
  if (message.key !== undefined) event.key = message.key
  if (message.headers !== undefined) event.headers = message.headers
  if (message.time !== undefined) event.time = message.time
}

function withTicket(event: Event, ticket: number): Event {
  event.ticket = ticket
  return event
}
