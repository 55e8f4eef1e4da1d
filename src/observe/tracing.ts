/**
 * What a run tells of its batches, for traces. Whoever runs a pipeline with none of this pays nothing: each place asks whether it is there, once per batch.
 *
 *     batch    from its reading until every sink has taken it: one span, with a link to each event of it that came with a trace
 *     event    one that came with a sampled `traceparent`: a span of its own in that trace; what leaves carries this span on
 *     write    one call of a sink: a span below the batch's; an HTTP request carries it on
 *
 * Where all events of a batch share one trace (an HTTP request, a single message), the batch's span is part of that trace.
 */

/** The name of the header, and of its companion with what vendors add. */
export const TRACEPARENT = 'traceparent'
export const TRACESTATE = 'tracestate'

export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

/** An event that came with a trace. */
export interface TracedEvent {
  /** Its `traceparent`, and its `tracestate`. */
  readonly parent: string
  readonly state: string | undefined
  /** Id of the span that stands for it here: what it is carried on with. */
  readonly span: string
  /** Code of the reason why it went to the dead letters, if the first level gave it up. */
  readonly error?: string
}

/** Events of one batch that came with a trace. */
export interface Traces {
  readonly events: readonly TracedEvent[]
  /** True where one trace is that of all events of the batch. */
  readonly shared: boolean
}

export interface TracedBatch {
  readonly pipeline: string
  readonly source: string
  readonly type: string
  /** Where it lies at the source, as JSON. */
  readonly position: string
  readonly events: number
  readonly bytes: number
  /** When it was read, in milliseconds since 1970. */
  readonly since: number
  readonly stages: readonly { readonly id: string; readonly seconds: number }[]
  readonly traces: Traces | undefined
}

export interface TracedWrite {
  readonly sink: string
  readonly events: number
  readonly bytes: number
  /** Of the other batches whose events it holds. */
  readonly others: readonly BatchTrace[]
}

export interface Tracing {
  /** The first level has answered for a batch. */
  batch(batch: TracedBatch): BatchTrace
}

export interface BatchTrace {
  /** A sink is about to be called. */
  write(write: TracedWrite): WriteTrace
  /** Every sink has taken it. */
  end(): void
}

export interface WriteTrace {
  /** Its `traceparent`. */
  readonly context: string
  end(outcome: { readonly attempts: number; readonly refused: number; readonly error?: unknown }): void
}

const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/

/** Reads a `traceparent` (W3C Trace Context); undefined where it is none. Of a version that is not known yet, what is known of it is read. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const [, traceId, spanId, flags] = FORM.exec(text) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined || (text.startsWith('00') && text.length !== 55)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function traceparentOf({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}
