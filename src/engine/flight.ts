/**
 * A batch under way, from the moment it is read until every sink has taken it.
 *
 *     level 0 done -> released in order -> lanes of level 1 ... -> last level released -> all writes answered: landed
 *
 * `open` counts what is still to come: one for the levels, and one for each write that a sink has not answered.
 */
import type { JsonValue } from '../event/index.ts'
import type { BatchTrace } from '../observe/index.ts'
import type { InputRange } from './component.ts'
import type { SinkRows } from './sink-encoder.ts'

export interface LaneOutput {
  readonly lane: number
  readonly frames: readonly (Uint8Array<ArrayBuffer> | undefined)[]
  /** Input row of each row in the frames; only where a level has several lanes. */
  readonly order: Uint32Array | undefined
  readonly sinks: readonly SinkRows[]
}

export class Flight {
  readonly seq: number
  /** Index of the source's node; undefined for the end of the input and for ticks. */
  readonly source: number | undefined
  readonly position: JsonValue | undefined
  /** Level that it starts at: 0 for what a source delivered. */
  readonly entry: number
  /** Bytes of memory that it holds. */
  charge: number
  /** When it was read, on the clock that only goes forward. */
  since = 0
  /** When its first event was taken in, in milliseconds since 1970, where its source knows. */
  ingested: number | undefined
  /** What is told of it to a tracer, where there is one. */
  trace: BatchTrace | undefined
  /** What of the input it is; undefined for the end of the input and for ticks. */
  input: InputRange | undefined
  open = 1
  /** The level it is on, and how many lanes have still to answer. */
  level: number
  waiting = 0
  done = false
  outputs: LaneOutput[] = []
  /** Bytes that sinks look at until the flight has landed, and the lane that made them. */
  readonly lent: { readonly lane: number; readonly bytes: Uint8Array<ArrayBuffer> }[] = []
  readonly #landed: (flight: Flight) => void

  constructor(seq: number, entry: number, source: number | undefined, position: JsonValue | undefined, charge: number, landed: (flight: Flight) => void) {
    this.seq = seq
    this.entry = entry
    this.level = entry
    this.source = source
    this.position = position
    this.charge = charge
    this.#landed = landed
  }

  /** One thing less to wait for. */
  close(): void {
    this.open--
    if (this.open === 0) this.#landed(this)
  }
}
