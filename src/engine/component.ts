/**
 * What a source, a stage, a sink and a codec are: one declaration each.
 *
 * From a declaration come the config's type, defaults and validation, the JSON Schema for editors, `sluice list`, `sluice create`, the
 * reference page and the plan. Plug-ins use the same calls as the built-in components.
 *
 * Life of every component: `create` (checks its config; no I/O, no timers) -> `open` (may do I/O) -> work -> `close`. `close` is called exactly once,
 * also after a failed `open`.
 */
import type { ErrorCode } from '../base/index.ts'
import type { Event, JsonValue, Slab } from '../event/index.ts'
import type { Field, ValueOf } from './fields.ts'
import type { FunctionTable } from '../expr/index.ts'
import type { CompiledExpression, CompiledTemplate } from './prepare.ts'
import type { Trouble } from '../observe/index.ts'
import type { InFlightStep } from './adaptive/in-flight.ts'

/** A documented example of a component: shown on its reference page and run by the tests. */
export interface Example {
  readonly title: string
  /** The component's config as a user writes it, without the type name. */
  readonly config: unknown
  /** Stages only: events that go in, and what comes out of the main output. */
  readonly input?: readonly unknown[]
  readonly output?: readonly unknown[]
}

interface Declaration<K extends string, F extends Field<unknown>> {
  readonly kind: K
  /** Name in a pipeline: `filter`, `file`. */
  readonly type: string
  /** One sentence. */
  readonly summary: string
  /** A few paragraphs for the reference page. */
  readonly description?: string
  readonly config: F
  /** The field that a bare value stands for: `filter: event.a > 1` means `filter: { condition: event.a > 1 }`. */
  readonly shorthand?: string
  /** True where the code is a user's: a plug-in, or a function in a file. Workers that run it are watched. Set by who loads it. */
  readonly foreign?: boolean
  readonly examples?: readonly Example[]
  /** True where `open` without a position or mark reads, writes, creates and takes over nothing: whether what it connects to is there is found out by opening it. */
  readonly opensQuietly?: boolean
  /** Finds out whether what the component connects to is there, where `open` does more than that. Throws where it is not. */
  probe?(config: ValueOf<F>, context: ComponentContext): Promise<void>
}

/** What every component is given besides its config. */
export interface ComponentContext {
  /** The component's id in the pipeline. */
  readonly id: string
  /** Folder against which relative paths are resolved. */
  readonly folder: string
  /** Milliseconds since 1970. Tests move it by hand. */
  now(): number
  /** At least 0, below 1. */
  random(): number
  /** Resolves after `ms` milliseconds on the pipeline's clock; rejects with ABORTED when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Tells the operator something. What comes again with the same `key`, or the same text, is counted and not told each time. */
  warn(message: string, key?: string): void
  /** Where a component that connects again by itself says that it has failed, and that it works again. What it throws it need not tell: the engine sees that. */
  readonly trouble?: Trouble | undefined
  /** For the engine: told when the in-flight limit of the component has moved. */
  readonly limited?: ((step: InFlightStep) => void) | undefined
  /** Fires when the pipeline stops at once; a drain does not fire it. */
  readonly signal: AbortSignal
  /** Functions of plug-ins, for the expressions that a component compiles. */
  readonly functions?: FunctionTable | undefined
  /** True where the pipeline keeps checkpoints: what a sink writes may be taken back until `committed` is called. */
  readonly keeps?: boolean
}

// ---------------------------------------------------------------------------------------------------------------- sources

export interface SourceDeclaration<F extends Field<unknown> = Field<unknown>> extends Declaration<'source', F> {
  /** True where the source waits for an answer to what it handed in (an HTTP client, a broker): positions are then made durable soon. */
  readonly acks?: boolean
  /** True for a source that comes back at a position after a restart. One that does not reads anew or goes on with what arrives. */
  readonly replays?: boolean
  /** The source's format where its config does not say; `undefined` in the config's `format` field means this. */
  create(config: ValueOf<F>, context: ComponentContext): Source
  /** Name of the ground on which what this source consumed can be committed together with outputs (see `Committer`); undefined where it can't. */
  ground?(config: ValueOf<F>, context: ComponentContext): string | undefined
  /** The half that runs on the worker: reads a piece that was only described. */
  reader?(config: ValueOf<F>, context: ComponentContext): PieceReader
}

/**
 * Runs on the coordinating thread. Hands out pieces in the source's order; a piece is a run of whole records.
 * The positions are the source's own: any JSON, handed back to `open` after a restart and to `commit` when all up to it is durable.
 */
export interface Source {
  /** True while more may come without end; a source with an end is read to it and, beside others with an end, in the order of declaration. */
  readonly live: boolean
  /** How the bytes of the pieces become events. */
  readonly format: FormatChoice
  /** Bytes in all, where known. For the progress bar. */
  readonly size?: number | undefined
  /** Opens at the start, or right behind `position`. Throws where that place is gone (a shorter file), naming it. `committer`: of the run, where it has one. */
  /** Events that are there and were not handed out yet, as far as the source knows. */
  readonly lag?: number | undefined
  open(position: JsonValue | undefined, committer?: Committer): Promise<void>
  /** What a committer is to keep beside the cut, such as the offsets of a group; undefined: nothing. */
  consumed?(position: JsonValue): JsonValue | undefined
  /**
   * The next piece, or undefined at the end. Never called again before the last call has answered. `bytes` is the size to aim at.
   * Waits where nothing is there yet; the signal ends the wait (undefined then means: no more, stopping).
   */
  next(bytes: number, signal: AbortSignal): Promise<Piece | undefined>
  /** Everything up to `position` is durable at every sink or in the dead letters. */
  commit?(position: JsonValue): void | Promise<void>
  /** True while no piece can be had at once: the engine may use the pause to hand on what it holds. */
  close(): Promise<void>
}

/** A codec's name with its options, as JSON: it crosses threads. */
export interface FormatChoice {
  readonly format: string
  readonly options: JsonValue
}

export interface Piece {
  /** Position behind this piece. */
  readonly position: JsonValue
  /** What `Slab.locate` adds an offset to: `{ path, offset }`, `{ request }`... `offset`, if a number, grows by the place in the slab. */
  readonly from: JsonValue
  /** What this piece costs in memory: about the length of its data. */
  readonly bytes: number
  /** Whole records, or nothing where `request` tells the worker what to read. It is copied before `next` is called again, and may then be used again. */
  readonly data?: Uint8Array
  /** Handed to the `reader` on the worker. */
  readonly request?: JsonValue
  /** What the codec needs beside the bytes (the header of a CSV file). */
  readonly meta?: JsonValue
  /** Pieces with one number go to one worker, which may keep what they share (a decoded row group). Order does not depend on it. */
  readonly affinity?: number
  /** Key and headers of all records of the piece, where the source has them. */
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds since 1970; event time of all records of the piece. */
  readonly time?: number
  /** Milliseconds since 1970: when the first of the records was taken in, by whoever had it before or by the source itself; what is end to end is measured from then. */
  readonly ingested?: number | undefined
  /** Records that never became part of the data, for the dead letters (a line over the limit). */
  readonly rejects?: readonly SourceReject[]
}

export interface SourceReject {
  readonly position: JsonValue
  readonly code: string
  readonly reason: string
  /** The bytes, or their beginning where they are too many. */
  readonly original: Uint8Array
}

/** The worker's half of a source. */
export interface PieceReader {
  /**
   * Reads what `request` describes into `target`, growing it where needed. Synchronous where it can be.
   * Answers which part of `target.bytes` holds whole records, and what `offset` in `from` means its first byte.
   */
  read(request: JsonValue, target: ReadTarget): PieceRead | Promise<PieceRead>
  close(): void | Promise<void>
}
export interface ReadTarget {
  /** Where to read to. Its length is what fits. */
  readonly bytes: Uint8Array
  /** A larger place with the same first `keep` bytes. Throws RECORD_TOO_LONG beyond the limit of a record. */
  grow(keep: number, atLeast: number): Uint8Array
}
export interface PieceRead {
  readonly start: number
  readonly end: number
  /** How many bytes of the source this was, where it is not what stands between start and end: they are counted against its `size`. */
  readonly bytes?: number
  readonly from: JsonValue
  readonly rejects?: readonly SourceReject[]
}

// ----------------------------------------------------------------------------------------------------------------- stages

export interface StageDeclaration<F extends Field<unknown> = Field<unknown>> extends Declaration<'stage', F> {
  /** `keyed`: remembers something between events, through `context.state` only; such a stage runs per key or on one owner. */
  readonly memory?: 'none' | 'keyed'
  /**
   * True where `process` waits for the outside: the stage then takes `concurrency`, `retry`, `breaker` and `rate_limit`. A function where that depends on the config, which
   * it is given in the user's words.
   */
  readonly waits?: boolean | ((config: Readonly<Record<string, unknown>>) => boolean)
  /** Names of further outputs, for `from: stage.output`. */
  outputs?(config: Record<string, unknown>): readonly string[]
  /**
   * The JSON Schema of the events that leave, given that of those that come (undefined where unknown): expressions behind the stage are checked against it.
   * Without this, a schema that the stage's own config names holds behind it, else nothing is known there.
   */
  eventSchema?(config: Record<string, unknown>, incoming: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, unknown>> | undefined
  /** Paths of fields that the stage hides: nobody who taps the pipeline sees them, at any place. */
  hides?(config: ValueOf<F>): readonly (readonly string[])[]
  /**
   * Paths of fields of the input out of which the field at `path` of the output is made, or out of which a field around or inside of it is; `all` where that can't be
   * told, as without this. So that what a later stage hides is not seen before it under another name.
   */
  origins?(config: ValueOf<F>, path: readonly string[]): readonly (readonly string[])[] | 'all'
  create(config: ValueOf<F>, context: StageContext): Stage
}

export interface StageContext extends ComponentContext {
  /** What the stage remembers. Only where the declaration says `memory: 'keyed'`. */
  readonly state: State
}

/**
 * Answers every event handed in exactly once, in order: `emit`, `to`, `split`, `absorb`, `drop` or `reject`. One that is not answered, or twice, is a fault
 * of the stage: STAGE_ANSWERS. `process` returns a promise only if it waits for the outside.
 */
export interface Stage {
  open?(): Promise<void>
  process(events: readonly Event[], out: Output): void | Promise<void>
  /**
   * What the stage means in terms of columns, if it can be said: the engine then runs it over bytes. Asked once, after `open`. `process` must mean exactly the same:
   * it gets every row that columns can't settle.
   */
  columns?(): ColumnStep | undefined
  /** The input has ended: hand out what is held back with `out.produce`. */
  finish?(out: Output): void | Promise<void>
  /** When the stage wants `tick` to be called next (milliseconds on the clock), or undefined. Asked after every `process` and `tick`. */
  wakeAt?(): number | undefined
  /** The time asked for by `wakeAt` has come: hand out with `out.produce`. Results then depend on time, which the docs of the stage must say. */
  tick?(now: number, out: Output): void
  close?(): void | Promise<void>
}

/** A stage as columns see it. */
export type ColumnStep =
  /** Keeps the rows for which the condition holds, drops the others. */
  | { readonly step: 'keep'; readonly test: CompiledExpression }
  /** Lets rows pass that satisfy every check; the object path decides about the others. */
  | { readonly step: 'require'; readonly checks: readonly ColumnCheck[] }
  /** Changes fields of the event, in this order. No two concern the same field. */
  | { readonly step: 'edit'; readonly edits: readonly ColumnEdit[] }
  /** Makes a new object of these fields. */
  | { readonly step: 'object'; readonly fields: readonly (readonly [name: string, value: ColumnValue])[] }
  /** Sends a row to the output of the first condition that holds; to `otherwise` (MAIN where undefined) if none does. */
  | { readonly step: 'route'; readonly cases: readonly { readonly output: string; readonly test: CompiledExpression }[]; readonly otherwise: string | undefined }
  /** Looks a text up in a table and sets fields from what it finds; rows without a hit are for the object path. */
  | { readonly step: 'look_up'; readonly key: CompiledExpression; readonly table: LookUpTable; readonly sets: readonly LookUpSet[] }

export type ColumnCheck =
  | { readonly check: 'test'; readonly test: CompiledExpression }
  /** The field is there and is of one of these kinds. */
  | { readonly check: 'kind'; readonly path: readonly string[]; readonly kinds: readonly ('null' | 'boolean' | 'number' | 'string' | 'object' | 'array')[]; /** True where it may be missing. */ readonly optional: boolean }
  /** If the field is a number, it lies within these bounds. */
  | { readonly check: 'range'; readonly path: readonly string[]; readonly minimum: number; readonly maximum: number }

export type ColumnValue =
  | { readonly value: 'expression'; readonly expression: CompiledExpression }
  /** JSON text. */
  | { readonly value: 'literal'; readonly json: string }
  | { readonly value: 'mask'; readonly path: readonly string[]; readonly fill: string; readonly first?: number; readonly last?: number; readonly from?: string; readonly each?: boolean }

export type ColumnEdit =
  | { readonly edit: 'set'; readonly path: readonly string[]; readonly value: ColumnValue }
  | { readonly edit: 'remove'; readonly path: readonly string[] }
  | { readonly edit: 'rename'; readonly path: readonly string[]; readonly key: string }

/** Rows by key, each a map from column to JSON text. Replaced as a whole when the table is read anew: `version` then changes. */
export interface LookUpTable {
  readonly version: number
  entries(): Iterable<readonly [key: string, row: Readonly<Record<string, string>>]>
}
/** `column` undefined: the whole row as an object. */
export interface LookUpSet {
  readonly path: readonly string[]
  readonly column: string | undefined
}

export interface Output {
  /** Hands the event on (itself, or one derived from it). */
  emit(event: Event): void
  /** Hands the event to a named output. */
  to(name: string, event: Event): void
  /** Hands on any number of events made from this one. */
  split(event: Event, parts: readonly Event[]): void
  /** Takes the event in (into a sum, a window); it counts as filtered. */
  absorb(event: Event): void
  /** A new event that answers none: a sum, a window. Order: after what was emitted before. */
  produce(event: Event): void
  /** Leaves the event out, on purpose. */
  drop(event: Event): void
  /** The event failed: dead letter, or what the stage's `on_error` says. `error` may be a SluiceError (its code is kept) or any error. */
  reject(event: Event, error: unknown): void
}

/** A stage's memory: tables by key. The engine snapshots and restores it, cut by key groups; a stage holds nothing else between events. */
export interface State {
  /**
   * The table called `name`. At most `keysMax` keys (rounded up to a multiple of 256, a share for each key group); when a key group is full, its key that was
   * longest without `get` or `set` is forgotten. Values must survive structured clone. What `get` returns may be changed in place if `set` is called after.
   */
  table<V>(name: string, options: { readonly keysMax: number }): StateTable<V>
}
export interface StateTable<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
  /** Entries in an order that does not depend on the number of workers only if the values tell it: sort before you hand them out. */
  entries(): IterableIterator<readonly [string, V]>
  readonly size: number
}

// ------------------------------------------------------------------------------------------------------------------ sinks

export interface SinkDeclaration<F extends Field<unknown> = Field<unknown>> extends Declaration<'sink', F> {
  /** `write`: what was written is durable when `write` has answered. `flush`: only when `flush` has. */
  readonly durable: 'write' | 'flush'
  /** True where `open(mark)` takes back all that came after the mark: the sink is then exactly once. */
  readonly marks?: boolean
  /** True for a config with which a run that begins anew replaces what the last one wrote. */
  readonly replaces?: (config: Readonly<Record<string, unknown>>) => boolean
  /**
   * What the worker makes of events: a format, and for path templates the name of the target of each event. `facts` is what the opened sink told; undefined
   * while a config is only checked.
   */
  encoding(config: ValueOf<F>, context: ComponentContext, facts?: JsonValue): SinkEncoding
  /** Name of the ground on which this sink's output can be committed together with that of others; undefined where it can't. */
  ground?(config: ValueOf<F>, context: ComponentContext): string | undefined
  /** Opens the ground of that name for a pipeline. */
  committer?(ground: string, pipeline: string, context: ComponentContext): Committer
  create(config: ValueOf<F>, context: ComponentContext): Sink
}

/**
 * A ground on which all sinks of a pipeline write in one transaction, with the positions and the memory of stages: exactly once.
 *
 *     open -> (writes of sinks -> commit)* -> close        what is not committed was never there
 */
export interface Committer {
  /** Takes over from an older run of the pipeline, whose open transaction is aborted. Answers the committed cuts, oldest first, from the last full one on. */
  open(): Promise<readonly Uint8Array[]>
  /** Commits what was written since the last time, with a cut. After a full one, the cuts before it may be forgotten. */
  commit(cut: Uint8Array, full: boolean, consumed: readonly JsonValue[]): Promise<void>
  close(): Promise<void>
}

export interface SinkEncoding extends FormatChoice {
  /** Groups the output: a chunk holds events of one target only. Throws for a target that must not be (a path that climbs out). */
  target?(event: Event): string
  /** The template that `target` is made by, where it looks at nothing else of an event: rows are then told apart without making events of them. */
  readonly template?: CompiledTemplate
  /** True where `write` answers per row, and so wants to know where each row ends. */
  readonly rows?: boolean
  /** Makes one block of the events of a batch and target, where a line for each is not what the sink takes. The format must then be `ndjson`. */
  block?(): BlockBuilder
  /** Target of events that the columns made, for a sink that takes blocks: it can depend on what the piece's events share alone. */
  targetOf?(marks: PieceMarks): string
}
/** Puts the events of one batch and target into one block, on the worker. */
export interface BlockBuilder {
  /** Throws where the event has no form here; those before it stay. */
  add(event: Event): void
  /** The same for events that are JSON lines: line `row` ends before `ends[row]`. Absent: the sink takes no columns. */
  addLines?(lines: Uint8Array, ends: ArrayLike<number>, rows: number, marks: PieceMarks): void
  /** The block, in memory of its own. The builder begins anew. */
  finish(): Uint8Array<ArrayBuffer>
}
/** What all events of a piece share. */
export interface PieceMarks {
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>> | undefined
  readonly time: number | undefined
}

/**
 * Runs on the coordinating thread. `write` is called in the pipeline's order, and not again before it has answered (unless `concurrency` is above 1).
 * An error thrown by `write` means nothing of the chunk was taken; `retry` on it says whether another attempt may help, and `stops` that the run must end, with no event given up.
 */
export interface Sink {
  /** How many `write` calls may be under way at once; 1 by default. `auto`: as many as the other side takes, by round-trip times and refusals. */
  readonly concurrency?: number | 'auto'
  /** True where few large writes are better than many small ones: chunks for one target are put together, up to the pipeline's `batch`. */
  readonly gathers?: boolean
  /** Least milliseconds between two checkpoints, for a sink whose every mark costs something for good: an object of its own. */
  readonly cutsEvery?: number
  /** True where a chunk's bytes are not looked at once its `write` has resolved: they are then used again for other chunks. */
  readonly borrows?: boolean
  /** Opens anew, or goes back to `mark`, the last one that `flush` returned and a checkpoint kept. */
  open(mark: JsonValue | undefined, committer?: Committer): Promise<void>
  /** What the workers' half must know of the sink once it is open, such as the number of partitions. */
  facts?(): JsonValue
  write(chunk: SinkChunk, signal: AbortSignal): Promise<readonly RowAnswer[] | void>
  /** Makes durable all that was written, and returns the mark for it. */
  flush(): Promise<JsonValue | undefined>
  /** The last mark is in a checkpoint: what it stands for may be shown to readers. Positions are committed after this. Answers the mark from then on. */
  committed?(): Promise<JsonValue | undefined>
  /** `done`: the input ended and all is flushed. `stopped`: more may come at the next start. `failed`: leave things for a person to look at. */
  close(outcome: 'done' | 'stopped' | 'failed'): Promise<void>
}
export interface SinkChunk {
  /** Counts the sink's chunks in the pipeline's order, from 0. A chunk that is tried again keeps its number. */
  readonly number: number
  readonly target: string
  readonly bytes: Uint8Array
  readonly rows: number
  /** Where each row ends in `bytes`; only if the encoding asks for `rows`. */
  readonly ends: Uint32Array | undefined
  /** `traceparent` of this write, where it is traced: for a request that can carry it on. */
  readonly trace?: string | undefined
  /** What of the input was being worked on when the rows came out: each range once, in order. A stage with memory may have held events back from ranges before. */
  readonly input?: readonly InputRange[]
}
/** A piece of a source: from where its first record lies up to the position behind it. */
export interface InputRange {
  readonly source: string
  /** `Piece.from`. */
  readonly from: JsonValue
  /** `Piece.position`. */
  readonly position: JsonValue
}
/** An answer for one row; rows without one are ok. */
export interface RowAnswer {
  readonly row: number
  readonly answer: 'retry' | 'reject'
  readonly reason: string
  /** What the registry calls it; SINK_RETRY and SINK_REJECTED where nothing is said. */
  readonly code?: ErrorCode | undefined
  /** With `retry`: milliseconds that the other side asks to be left alone for, at least. */
  readonly after?: number | undefined
}

// ----------------------------------------------------------------------------------------------------------------- codecs

/** How bytes become events and events bytes. Registered by name: `format: csv`. */
export interface CodecDeclaration<F extends Field<unknown> = Field<unknown>> extends Declaration<'codec', F> {
  /** Cuts a stream of bytes into slabs of whole records. Absent: this format can't be read. */
  framer?(config: ValueOf<F>): Framer
  /** Makes events of a slab. A record that can't be read goes to `reject` (start and end are its place in the slab). Absent: can't be read. */
  decoder?(config: ValueOf<F>): Decoder
  /** Makes bytes of events, each with its line end. Absent: can't be written. */
  encoder?(config: ValueOf<F>): Encoder
}
/** Bounded: a record over `recordMax` bytes is handed out as a reject and skipped. */
export interface Framer {
  /** Takes bytes and hands out what became whole, which holds until the next call. `position` is the place of the first byte in the stream. */
  push(bytes: Uint8Array, position: number): readonly Frame[]
  /** The stream has ended: the last record may come without a line end. */
  end(): readonly Frame[]
  /** Bytes held back. */
  readonly held: number
}
export interface Frame {
  readonly data: Uint8Array
  /** Place of the first byte in the stream, and of the byte behind the last one that was used up. */
  readonly start: number
  readonly end: number
  readonly meta?: JsonValue
  readonly rejects?: readonly { readonly start: number; readonly end: number; readonly code: string; readonly reason: string; readonly original: Uint8Array }[]
}
export interface Decoder {
  /** True where a slab is JSON lines, none too long for the columns, so that stages can run over them. */
  readonly columns?: boolean
  /** Where records are no lines by themselves: what brings them to the columns as lines. */
  lines?(): RecordLines
  decode(slab: Slab, from: number, to: number, meta: JsonValue | undefined, out: DecodeOutput): void | Promise<void>
}
/**
 * Brings the records of a piece to the columns as lines, one each, and knows by their numbers what belongs to them beside their text: position, key, headers, time.
 *
 *     open -> (fill -> the lines are run)* -> fill answers 0        records are numbered from 0 over all of a piece
 */
export interface RecordLines {
  /** Begins with the records in `slab.bytes[from, to)`. What was said of others is forgotten. `carry`, where given, is asked for the headers of each record with a `traceparent`. */
  open(slab: Slab, from: number, to: number, meta: JsonValue | undefined, carry?: (headers: Readonly<Record<string, string>>) => Readonly<Record<string, string>>): void
  /** Writes the next lines, at most `rows`, each ended by a newline; answers how many bytes, and 0 behind the last. A record that is no object on one line becomes a line that is none. */
  fill(into: Uint8Array, rows: number): number
  /** The event of a record, with the text or the value that it has by now. */
  event(record: number, text: string | undefined, value?: JsonValue): Event
  /** Fields of their positions that all records of a piece have in common. */
  readonly shared: readonly string[]
  /** A record whose line could not be read, as the object path sees it: one call to `out`. */
  decode(record: number, out: DecodeOutput): void
}
export interface DecodeOutput {
  event(event: Event): void
  /** `slab`: where start and end lie, if not in the one that was handed in. */
  reject(start: number, end: number, error: unknown, slab?: Slab): void
}
export interface Encoder {
  /** The event's text for this format, with its line end. Throws where the event has no form in it. */
  encode(event: Event): string | Uint8Array
}

/** True where a stage of this config waits for the outside. */
export function stageWaits({ waits }: StageDeclaration, config: unknown): boolean {
  if (typeof waits !== 'function') return waits === true
  return typeof config === 'object' && config !== null && waits(config as Readonly<Record<string, unknown>>) // A config is a map.
}

export { defineCodec, defineSink, defineSource, defineStage } from './define.ts'
