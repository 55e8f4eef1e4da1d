/** What the author of a component tells the conformance kit of it. */
import type { TestContext } from 'node:test'
import type { CodecDeclaration, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { Behaviour } from './behaviours.ts'

export interface OutsideEvent {
  readonly value: JsonValue
  readonly key?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** A place that a source reads from, made for one test. */
export interface SourceOutside {
  /** The source's config, as a user writes it. */
  readonly config: unknown
  /** What the source is to deliver, in this order. */
  readonly events: readonly OutsideEvent[]
  /** Puts the events there: before the source is opened where it has an end, while it runs where it is live. May wait until they have been taken. */
  put(): Promise<void> | void
  /** Cuts what connects the source with this place, once. The source must get over it by itself. */
  cut?(): Promise<void> | void
}

export interface SourceSubject {
  readonly declaration: SourceDeclaration
  /** Makes a place of its own for a test, in which `count` events will be. Clear up with `t.after`. */
  open(t: TestContext, count: number): Promise<SourceOutside> | SourceOutside
  /** False where the order of the events is not promised. */
  readonly ordered?: boolean
}

/** A place that a sink writes to, made for one test. */
export interface SinkOutside {
  readonly config: unknown
  /** What has arrived, in the order in which it lies there. */
  received(): Promise<readonly OutsideEvent[]> | readonly OutsideEvent[]
  /** Makes the next write fail in a way that another attempt may help. */
  failNext?(): void
  /** From now on refuses for good the events that the function picks. */
  refuse?(picks: (value: JsonValue) => boolean): Promise<void> | void
  cut?(): Promise<void> | void
  /** A config that puts each event where its field `group` ("a" or "b") says, and what has arrived there. */
  readonly targets?: { readonly config: unknown; received(group: string): Promise<readonly OutsideEvent[]> | readonly OutsideEvent[] }
}

export interface SinkSubject {
  readonly declaration: SinkDeclaration
  open(t: TestContext): Promise<SinkOutside> | SinkOutside
  /** Event number `n`, where `{ n, group, text }` is not what the sink takes. */
  event?(n: number): JsonValue
  /** What of an event besides its value arrives at the other side. */
  readonly carries?: readonly ('key' | 'headers')[]
  readonly ordered?: boolean
}

export interface StageSubject {
  readonly declaration: StageDeclaration
  readonly config: unknown
  /** Events that the stage takes: enough to show what it does. */
  readonly input: readonly JsonValue[]
  /** What comes out of its main output, where the author wants it checked. */
  readonly output?: readonly JsonValue[]
  /** Events on which the stage fails. */
  readonly bad?: readonly JsonValue[]
  /** An expression for `partition_by`, for a stage with memory: what its memory is kept by. */
  readonly key?: string
}

export interface Conformance {
  readonly source?: SourceSubject
  readonly stage?: StageSubject
  readonly sink?: SinkSubject
  /** Formats of the same plug-in, which the component needs. */
  readonly formats?: readonly CodecDeclaration[]
  /** The plug-in's module, an absolute path or a file URL: with it, the tests on several workers use threads. Built-in components need none. */
  readonly plugin?: string | URL
  /** Folder against which paths in configs are resolved; the system's folder for temporary files by default. */
  readonly folder?: string
  /** Behaviours that don't apply, each with the reason, which the report shows. */
  readonly except?: Readonly<Partial<Record<Behaviour, string>>>
  /** Milliseconds that a behaviour may take; 30,000 by default. */
  readonly deadline?: number
}
