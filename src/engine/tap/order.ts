/**
 * Taps: a look at some of the events that go through one place of a pipeline, while it runs.
 *
 *     watcher <--samples-- Taps (coordinating thread) <--bytes-- Sampler (each worker) <--events-- Segment
 *                            |  --------------order------------->   |
 *
 * A tap samples. It gets a small share of a worker's time, so many events and bytes a second, and no more: what is beyond is not looked at. Nobody waits for a watcher:
 * what one can't take is dropped, and counted. While nobody taps, all of it is one flag that is looked at once per step of a batch.
 */

import type { Node, NodeKind, Plan } from '../plan.ts'

export type TapSide = 'before' | 'after'

/** What somebody wants to see. */
export interface TapRequest {
  /** Id of a source, a stage or a sink; `sinks.ID` where a stage has the same; `dead_letters` for what is given up anywhere. */
  readonly component: string
  /** What it is given, or what it hands on. By default what it hands on, and of sinks what they are given. */
  readonly side?: TapSide | undefined
  /** Expression over the event as it is shown: what a `mask` stage hides is hidden from it too. */
  readonly filter?: string | undefined
  /** Events a second, at most. */
  readonly rate?: number | undefined
}

/** The same for workers: as a message, and with all that was left open decided. */
export interface TapOrder {
  readonly tap: number
  readonly kind: TapKind
  readonly component: string
  readonly side: TapSide
  readonly filter: string | undefined
  readonly rate: number
}

export type TapKind = 'source' | 'stage' | 'sink' | 'dead_letters'

/** The name of what no component has: the events that are given up. */
export const DEAD_LETTERS = 'dead_letters'

/** What a worker has seen of one tap since it last told. */
export interface TapSamples {
  readonly tap: number
  /** Lines of JSON, one for each event. */
  readonly bytes: Uint8Array
  /** Events that the filter was asked about. */
  readonly looked: number
}

/** An event as a watcher gets it. */
export interface TapSample {
  readonly component: string
  readonly side: TapSide
  /** Named output of the stage; none for its main one. */
  readonly output?: string
  readonly source: string
  /** Milliseconds since 1970 when it was seen. */
  readonly at: number
  /** Event time, where one is set. */
  readonly time?: number
  /** Not shown where the pipeline hides fields: nobody knows what they were made of. */
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly event?: unknown
  /** True where `event` is a dead letter. */
  readonly dead_letter?: boolean
  /** Bytes of an event that is too large to be shown. */
  readonly too_large?: number
}

export const RATE_DEFAULT = 100
export const RATE_MAX = 1000

/** The node that a tap looks at; undefined where the plan does not have it. */
export function nodeOf({ nodes }: Plan, kind: TapKind, id: string): Node | undefined {
  return nodes.find(node => node.id === id && KINDS[node.kind] === kind)
}

/** What a name stands for, where it stands for anything: a stage or a source before a sink of the same name. */
export function resolveName(plan: Plan, name: string): { readonly kind: TapKind; readonly component: string } | undefined {
  const [, prefix, rest = ''] = /^(source|stage|sink)s\.(.+)$/.exec(name) ?? []
  for (const kind of ['source', 'stage', 'sink'] as const) {
    if (nodeOf(plan, kind, name) !== undefined) return { kind, component: name }
    if (prefix === kind && nodeOf(plan, kind, rest) !== undefined) return { kind, component: rest }
  }
  // They stand among the sinks where sinks are listed.
  return name === DEAD_LETTERS || (prefix === 'sink' && rest === DEAD_LETTERS) ? { kind: 'dead_letters', component: DEAD_LETTERS } : undefined
}

const KINDS: Readonly<Record<NodeKind, TapKind | undefined>> = { source: 'source', stage: 'stage', partition: 'stage', sink: 'sink', relay: undefined, dead_letters: 'dead_letters' }
