/**
 * Spans of batches, events and writes, made with OpenTelemetry's tracer.
 *
 * An event that came with a trace is carried on under a span id that a worker chose for it; its span is made here, with that very id. Made only for what is sampled, and
 * handed to a queue with a limit: where the receiver is slower than the pipeline, spans are dropped and nothing waits.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, createTraceState, trace } from '@opentelemetry/api'
import type { Attributes, Context, Link, Span, SpanContext, Tracer } from '@opentelemetry/api'
import { RandomIdGenerator } from '@opentelemetry/sdk-trace'
import { parseTraceparent, traceparentOf } from '../tracing.ts'
import type { BatchTrace, TracedBatch, TracedEvent, TracedWrite, Tracing, WriteTrace } from '../tracing.ts'

/** Stages whose times a batch's span tells at most. */
const STAGES_MAX = 50

/** Makes ids at random, but for a span whose id was chosen before. */
export class SpanIds extends RandomIdGenerator {
  #chosen: string | undefined

  constructor() {
    super()
    const random = this.generateSpanId
    this.generateSpanId = () => {
      const id = this.#chosen ?? random()
      this.#chosen = undefined
      return id
    }
  }

  choose(id: string): void {
    this.#chosen = id
  }
}

export class Spans implements Tracing {
  readonly #tracer: Tracer
  readonly #ids: SpanIds
  /** Batches that have not landed: as many as the pipeline has under way. */
  readonly #open = new Set<BatchSpan>()

  constructor(tracer: Tracer, ids: SpanIds) {
    this.#tracer = tracer
    this.#ids = ids
  }

  /** The run is over: what has not landed will not. */
  close(): void {
    for (const batch of [...this.#open]) batch.end('The run ended before all sinks had taken it.')
  }

  batch({ pipeline, source, type, position, events, bytes, since, stages, traces }: TracedBatch): BatchTrace {
    const times = stages.slice(0, STAGES_MAX).map(({ id, seconds }) => [`sluice.stage.${id}.seconds`, seconds] as const)
    const attributes: Attributes = {
      'sluice.pipeline': pipeline, 'sluice.source': source, 'sluice.source.type': type, 'sluice.position': position, 'sluice.bytes': bytes,
      'messaging.operation.type': 'process', 'messaging.batch.message_count': events, ...Object.fromEntries(times),
    }
    const traced = traces?.events.flatMap(event => parentOf(event) ?? []) ?? []
    const [only] = traced
    if (traces?.shared === true && only !== undefined) {
      return this.#opened(failedWith(only.event, this.#start(`process ${source}`, { attributes, since, parent: only.parent, id: only.event.span })), [])
    }
    const span = this.#start(`batch ${source}`, { attributes, since, links: traced.map(({ parent }) => ({ context: parent })) })
    const links = [{ context: span.spanContext() }]
    const each = { 'sluice.pipeline': pipeline, 'sluice.source': source, 'messaging.operation.type': 'process' }
    return this.#opened(span, traced.map(({ parent, event }) => failedWith(event, this.#start(`process ${source}`, { attributes: each, since, parent, id: event.span, links }))))
  }

  #opened(span: Span, events: readonly Span[]): BatchSpan {
    const batch = new BatchSpan(this.#tracer, span, events, () => this.#open.delete(batch))
    this.#open.add(batch)
    return batch
  }

  #start(name: string, { attributes, since, parent, id, links = [] }: { attributes: Attributes; since: number; parent?: SpanContext; id?: string; links?: Link[] }): Span {
    if (id !== undefined) this.#ids.choose(id)
    const context: Context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
    return this.#tracer.startSpan(name, { kind: SpanKind.CONSUMER, startTime: since, attributes, links }, context)
  }
}

function parentOf(event: TracedEvent): { readonly event: TracedEvent; readonly parent: SpanContext } | undefined {
  const parsed = parseTraceparent(event.parent)
  if (parsed === undefined) return undefined
  const { traceId, spanId, sampled } = parsed
  const state = event.state === undefined ? {} : { traceState: createTraceState(event.state) }
  return { event, parent: { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true, ...state } }
}

/** An event that went to the dead letters has failed, whatever becomes of its batch. */
function failedWith({ error }: TracedEvent, span: Span): Span {
  return error === undefined ? span : span.setStatus({ code: SpanStatusCode.ERROR, message: `dead letter: ${error}` }).setAttribute('error.type', error)
}

class BatchSpan implements BatchTrace {
  readonly span: Span
  readonly #tracer: Tracer
  readonly #events: readonly Span[]
  readonly #ended: () => void

  constructor(tracer: Tracer, span: Span, events: readonly Span[], ended: () => void) {
    this.#tracer = tracer
    this.span = span
    this.#events = events
    this.#ended = ended
  }

  write({ sink, events, bytes, others }: TracedWrite): WriteTrace {
    const links = others.flatMap(other => (other instanceof BatchSpan ? [{ context: other.span.spanContext() }] : []))
    const attributes = { 'sluice.sink': sink, 'sluice.bytes': bytes, 'messaging.operation.type': 'send', 'messaging.batch.message_count': events }
    const span = this.#tracer.startSpan(`send ${sink}`, { kind: SpanKind.PRODUCER, attributes, links }, trace.setSpan(ROOT_CONTEXT, this.span))
    const { traceId, spanId, traceFlags } = span.spanContext()
    return {
      context: traceparentOf({ traceId, spanId, sampled: (traceFlags & 1) === 1 }),
      end: ({ attempts, refused, error }) => {
        span.setAttributes({ 'sluice.attempts': attempts, 'sluice.refused': refused })
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
        else if (refused > 0) span.setStatus({ code: SpanStatusCode.ERROR, message: `${refused} of ${events} events were refused` })
        if (error instanceof Error && 'code' in error) span.setAttribute('error.type', String(error.code))
        span.end()
      },
    }
  }

  /** `why`: why it has not landed. */
  end(why?: string): void {
    for (const span of [this.span, ...this.#events]) {
      if (why !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: why })
      span.end()
    }
    this.#ended()
  }
}
