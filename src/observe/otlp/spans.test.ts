import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlwaysOnSampler, InMemorySpanExporter, ParentBasedSampler, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { parseTraceparent } from '../tracing.ts'
import type { TracedBatch, Tracing } from '../tracing.ts'
import { SpanIds, Spans } from './spans.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const BATCH: TracedBatch = { pipeline: 'p', source: 'in', type: 'log', position: '{"offset":7}', events: 3, bytes: 99, since: 1_700_000_000_000, stages: [{ id: 'slow', seconds: 0.5 }], traces: undefined }

/** Spans by their names, of what was told. */
async function spansOf(tell: (tracing: Tracing) => void): Promise<ReadableSpan[]> {
  const exporter = new InMemorySpanExporter()
  const ids = new SpanIds()
  const provider = new TracerProvider({ idGenerator: ids, sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }), spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  tell(new Spans(provider.getTracer('test'), ids))
  await provider.forceFlush()
  return exporter.getFinishedSpans()
}

const event = (parent: string, span: string) => ({ parent: `00-${TRACE}-${parent}-01`, state: 'vendor=1', span })
const named = (spans: readonly ReadableSpan[], name: string): ReadableSpan[] => spans.filter(span => span.name === name)

test('a batch is a span from its reading to its landing, and each write one below it', async () => {
  let context = ''
  const spans = await spansOf(tracing => {
    const batch = tracing.batch(BATCH)
    const write = batch.write({ sink: 'out', events: 3, bytes: 50, others: [] })
    context = write.context
    write.end({ attempts: 2, refused: 1 })
    batch.end()
  })
  const [batch] = named(spans, 'batch in')
  const [write] = named(spans, 'send out')
  assert.deepEqual(batch?.startTime, [1_700_000_000, 0])
  assert.equal(batch?.attributes['sluice.stage.slow.seconds'], 0.5)
  assert.equal(batch?.attributes['messaging.batch.message_count'], 3)
  assert.equal(write?.parentSpanContext?.spanId, batch?.spanContext().spanId)
  assert.deepEqual([write?.attributes['sluice.attempts'], write?.status.message], [2, '1 of 3 events were refused'])
  assert.deepEqual(parseTraceparent(context), { traceId: batch?.spanContext().traceId, spanId: write?.spanContext().spanId, sampled: true })
})

test('each event with a trace has a span in it, by the id that it is carried on with, and the batch is linked with all of them', async () => {
  const spans = await spansOf(tracing => tracing.batch({ ...BATCH, traces: { events: [event('00f067aa0ba902b7', 'aaaaaaaaaaaaaaaa'), event('00f067aa0ba902b8', 'bbbbbbbbbbbbbbbb')], shared: false } }).end())
  const [batch] = named(spans, 'batch in')
  const events = named(spans, 'process in')
  assert.notEqual(batch?.spanContext().traceId, TRACE)
  assert.deepEqual(batch?.links.map(({ context }) => context.spanId), ['00f067aa0ba902b7', '00f067aa0ba902b8'])
  assert.deepEqual(events.map(span => [span.spanContext().traceId, span.spanContext().spanId, span.parentSpanContext?.spanId]), [[TRACE, 'aaaaaaaaaaaaaaaa', '00f067aa0ba902b7'], [TRACE, 'bbbbbbbbbbbbbbbb', '00f067aa0ba902b8']])
  assert.deepEqual(events.map(span => [span.links[0]?.context.spanId, span.spanContext().traceState?.get('vendor')]), Array.from({ length: 2 }, () => [batch?.spanContext().spanId, '1']))
})

test('the span of an event that went to the dead letters has failed, that of its batch has not', async () => {
  const spans = await spansOf(tracing => tracing.batch({ ...BATCH, traces: { events: [{ ...event('00f067aa0ba902b7', 'aaaaaaaaaaaaaaaa'), error: 'VALIDATE_FAILED' }, event('00f067aa0ba902b8', 'bbbbbbbbbbbbbbbb')], shared: false } }).end())
  assert.deepEqual(named(spans, 'process in').map(({ status, attributes }) => [status.message, attributes['error.type']]), [['dead letter: VALIDATE_FAILED', 'VALIDATE_FAILED'], [undefined, undefined]])
  assert.equal(named(spans, 'batch in')[0]?.status.message, undefined)
})

test('a batch that shares a trace is part of it', async () => {
  const spans = await spansOf(tracing => {
    const batch = tracing.batch({ ...BATCH, traces: { events: [event('00f067aa0ba902b7', 'aaaaaaaaaaaaaaaa')], shared: true } })
    batch.write({ sink: 'out', events: 3, bytes: 50, others: [] }).end({ attempts: 1, refused: 0 })
    batch.end()
  })
  const [batch] = named(spans, 'process in')
  assert.deepEqual([batch?.spanContext().traceId, batch?.spanContext().spanId, batch?.parentSpanContext?.spanId], [TRACE, 'aaaaaaaaaaaaaaaa', '00f067aa0ba902b7'])
  assert.deepEqual(named(spans, 'send out').map(span => [span.spanContext().traceId, span.parentSpanContext?.spanId]), [[TRACE, 'aaaaaaaaaaaaaaaa']])
  assert.equal(spans.length, 2)
})

test('what has not landed when the run ends has failed, with all that came with it', async () => {
  const spans = await spansOf(tracing => {
    tracing.batch(BATCH).end()
    tracing.batch({ ...BATCH, traces: { events: [event('00f067aa0ba902b7', 'aaaaaaaaaaaaaaaa')], shared: false } })
    if (tracing instanceof Spans) tracing.close()
  })
  const why = 'The run ended before all sinks had taken it.'
  assert.deepEqual(spans.map(({ name, status }) => [name, status.message]), [['batch in', undefined], ['batch in', why], ['process in', why]])
})

test('a write of several batches is linked with the others, and says how it failed', async () => {
  const spans = await spansOf(tracing => {
    const [first, second] = [tracing.batch(BATCH), tracing.batch(BATCH)]
    first.write({ sink: 'out', events: 6, bytes: 100, others: [second] }).end({ attempts: 3, refused: 6, error: Object.assign(new Error('gone'), { code: 'HTTP_STATUS' }) })
    first.end()
    second.end()
  })
  const [write] = named(spans, 'send out')
  assert.equal(write?.links[0]?.context.spanId, named(spans, 'batch in')[1]?.spanContext().spanId)
  assert.deepEqual([write?.status.message, write?.attributes['error.type']], ['gone', 'HTTP_STATUS'])
})
