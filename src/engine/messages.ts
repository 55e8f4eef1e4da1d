/**
 * What the coordinating thread and a worker say to each other. Bytes travel by transfer; the rest is small.
 */
import type { JsonValue } from '../event/index.ts'
import type { Notice, TroubleSaid } from '../observe/index.ts'
import type { InFlightStep } from './adaptive/in-flight.ts'
import type { Traces } from '../observe/index.ts'
import type { SourceReject } from './component.ts'
import type { CountsRecord } from './counts.ts'
import type { SinkRows } from './sink-encoder.ts'
import type { TapOrder, TapSamples } from './tap/order.ts'
import type { Care } from './work-notes.ts'

/** The memory of one stage for one key group. */
export interface GroupState {
  readonly stage: string
  readonly table: string
  readonly group: number
  readonly bytes: Uint8Array
}

/** A batch on its way to a level: a piece of a source to level 0, frames to a lane of a higher level. */
export type ToHost =
  | {
      readonly kind: 'piece'
      readonly seq: number
      readonly source: number
      readonly from: JsonValue
      readonly data: Uint8Array<ArrayBuffer> | undefined
      readonly request: JsonValue | undefined
      readonly meta: JsonValue | undefined
      readonly key: string | undefined
      readonly headers: Readonly<Record<string, string>> | undefined
      readonly time: number | undefined
      readonly rejects: readonly SourceReject[] | undefined
      /** Buffers of the host's that were read to the end, for it to use again. */
      readonly spare?: readonly ArrayBuffer[]
      /** Set where the batch may have ended a worker. */
      readonly care?: Care
    }
  | { readonly kind: 'frames'; readonly seq: number; readonly level: number; readonly frames: readonly Uint8Array[]; readonly care?: Care }
  | { readonly kind: 'finish'; readonly seq: number; readonly level: number }
  | { readonly kind: 'tick'; readonly seq: number; readonly level: number; readonly now: number }
  | { readonly kind: 'snapshot'; readonly id: number; readonly level: number }
  | { readonly kind: 'close' }
  /** Answered by `samples`, now and then, until it is taken back. */
  | { readonly kind: 'tap'; readonly order: TapOrder }
  | { readonly kind: 'untap'; readonly tap: number }

export type FromHost =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'done'
      readonly seq: number
      readonly level: number
      readonly lane: number
      readonly frames: readonly (Uint8Array<ArrayBuffer> | undefined)[]
      /** Input row of each row in the frames; only where the level has several lanes. */
      readonly order: Uint32Array<ArrayBuffer> | undefined
      readonly sinks: readonly SinkRows[]
      readonly counts: CountsRecord
      /** What nodes did since the host's last answer. */
      readonly work: readonly NodeWork[]
      /** Events that went to the dead letters since then. */
      readonly rejects: readonly Rejects[]
      /** Traces that its events came with; level 0 only. */
      readonly traces: Traces | undefined
      /** Bytes that the source delivered; level 0 only. */
      readonly bytes: number
      /** When a stage of the level wants to be ticked next. */
      readonly wakeAt: number | undefined
      /** The buffer that the piece came in, for its sender to use again. */
      readonly spare: ArrayBuffer | undefined
    }
  /** What nodes that wait did meanwhile, where a batch takes long. */
  | { readonly kind: 'work'; readonly work: readonly NodeWork[] }
  | { readonly kind: 'snapshot'; readonly id: number; readonly level: number; readonly lane: number; readonly groups: readonly GroupState[] }
  | { readonly kind: 'notice'; readonly notice: Notice }
  /** The in-flight limit of a stage has moved. */
  | { readonly kind: 'limited'; readonly id: string; readonly step: InFlightStep }
  /** A component fails on the worker and is tried again, or works. */
  | { readonly kind: 'trouble'; readonly said: TroubleSaid }
  | { readonly kind: 'failed'; readonly error: FailureRecord }
  | { readonly kind: 'samples'; readonly samples: readonly TapSamples[] }
  | { readonly kind: 'closed' }

/** Events that one component gave up, for one reason. */
export interface Rejects {
  readonly id: string
  readonly code: string
  readonly events: number
}

/** What one node of a host did. */
export interface NodeWork {
  readonly node: number
  /** Events that it was given. */
  readonly events: number
  /** Time that it took. */
  readonly seconds: number
  /** Batches that the time went to, where it did not wait. */
  readonly batches: number
  /** Seconds of each wait for the outside: one for each batch. */
  readonly waits: readonly number[]
  /** Events that it left out. */
  readonly filtered: number
  /** Calls that were made again. */
  readonly retries: number
  /** Time in which a rate limit held its calls back. */
  readonly limited: number
}

/** An error, as it crosses threads. */
export interface FailureRecord {
  readonly code: string
  readonly message: string
  readonly place: string | undefined
  readonly stack: string | undefined
}
