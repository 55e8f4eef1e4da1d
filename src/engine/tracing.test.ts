/** What a run tells a tracer, and what events carry on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../base/index.ts'
import { parseTraceparent } from '../observe/index.ts'
import type { TracedBatch, TracedWrite, Tracing } from '../observe/index.ts'
import type { CodecDeclaration, SinkChunk, SinkDeclaration, SourceDeclaration } from './component.ts'
import { defineSink } from './component.ts'
import * as field from './fields.ts'
import { runPipeline } from './run.ts'
import { ONE_TRY, memoryCodec, memorySource, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from './testing.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`

type Told =
  | { readonly told: 'batch'; readonly batch: TracedBatch }
  | { readonly told: 'write'; readonly write: TracedWrite }
  | { readonly told: 'written'; readonly attempts: number; readonly refused: number; readonly error: unknown }
  | { readonly told: 'landed' }

/** Keeps what it is told, in order. */
function recorder(): { readonly told: Told[]; readonly tracing: Tracing } {
  const told: Told[] = []
  const tracing: Tracing = {
    batch: batch => {
      told.push({ told: 'batch', batch })
      return {
        write: write => {
          told.push({ told: 'write', write })
          return { context: `of write ${told.length}`, end: ({ attempts, refused, error }) => told.push({ told: 'written', attempts, refused, error }) }
        },
        end: () => told.push({ told: 'landed' }),
      }
    },
  }
  return { told, tracing }
}

/** Events leave as the `traceparent` that they have then. */
const codec: CodecDeclaration = { ...memoryCodec, encoder: () => ({ encode: event => `${event.headers['traceparent'] ?? 'none'}\n` }) }

/** Events whose field `trace` says so come with a trace in their own headers. */
const own: CodecDeclaration = {
  ...codec,
  decoder: config => ({
    decode: (slab, from, to, meta, out) => memoryCodec.decoder?.(config).decode(slab, from, to, meta, {
      ...out,
      event: event => {
        if (objectOf(event)['trace'] === true) event.headers = { traceparent: PARENT }
        out.event(event)
      },
    }),
  }),
}

/** All of a piece come with these headers. */
function sourceWith(lines: readonly string[], piece: number, headers: Readonly<Record<string, string>>): SourceDeclaration {
  const plain = memorySource(lines, piece)
  return { ...plain, create: (config, context) => {
    const source = plain.create(config, context)
    return { ...source, next: async (bytes, signal) => {
      const read = await source.next(bytes, signal)
      return read === undefined ? undefined : { ...read, headers }
    } }
  } }
}

function sinkOf(chunks: SinkChunk[], fails = 0): SinkDeclaration {
  let left = fails
  return defineSink({
    type: 'memory', summary: 'Keeps chunks', config: field.object({}), durable: 'write',
    encoding: () => ({ format: 'ndjson', options: {} }),
    create: () => ({
      open: () => Promise.resolve(),
      write: chunk => {
        chunks.push(chunk)
        return left-- > 0 ? Promise.reject(new SluiceError('HTTP_STATUS', 'Not now.', { retry: true })) : Promise.resolve()
      },
      flush: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  })
}

const linesOf = (chunks: readonly SinkChunk[]): string[] => chunks.flatMap(({ bytes }) => Buffer.from(bytes).toString().trim().split('\n'))
const batchesOf = (told: readonly Told[]): TracedBatch[] => told.flatMap(each => (each.told === 'batch' ? [each.batch] : []))

test('a batch is told of when it was worked on, then its writes, and then that it has landed', async () => {
  const { told, tracing } = recorder()
  const chunks: SinkChunk[] = []
  const keep = testStage('keep', () => ({ process: (events, out) => events.forEach(event => out.emit(event)) }))
  const config = testPipeline([stageConfig('keep', 'keep', 'in')], [sinkConfig('out', 'keep', { retry: { ...ONE_TRY, attempts: 3 } })])
  await runPipeline(config, testRegistry([memorySource(['{"n":1}', '{"n":2}'], 2), keep, sinkOf(chunks, 1)]), { tracing })
  assert.deepEqual(told.map(each => each.told), ['batch', 'write', 'written', 'landed'])
  const [batch] = batchesOf(told)
  assert.deepEqual([batch?.pipeline, batch?.source, batch?.events, batch?.position, batch?.stages.map(({ id }) => id), batch?.traces], ['test', 'in', 2, '{"line":0,"offset":0}', ['keep'], undefined])
  assert.ok(Math.abs((batch?.since ?? 0) - Date.now()) < 60_000)
  assert.deepEqual(told[2], { told: 'written', attempts: 2, refused: 0, error: undefined })
  assert.deepEqual(chunks.map(({ trace }) => trace), ['of write 2', 'of write 2'], 'each attempt carries the trace of the write')
})

test('headers that all events of a piece share make the trace that of the batch', async () => {
  const { told, tracing } = recorder()
  const chunks: SinkChunk[] = []
  const config = { ...testPipeline([], [sinkConfig('out', 'in')]), traced: true }
  await runPipeline(config, { ...testRegistry([sourceWith(['{"n":1}', '{"n":2}', '{"n":3}'], 2, { traceparent: PARENT }), sinkOf(chunks)]), codec: () => codec }, { tracing })
  const traces = batchesOf(told).map(batch => batch.traces)
  assert.deepEqual(traces.map(each => [each?.shared, each?.events.length]), [[true, 1], [true, 1]])
  const [first, second] = traces.map(each => `00-${TRACE}-${each?.events[0]?.span}-01`)
  assert.deepEqual(linesOf(chunks), [first, first, second])
})

test('events with headers of their own carry a span each, and those without none', async () => {
  const { told, tracing } = recorder()
  const chunks: SinkChunk[] = []
  const odd = testStage('odd', () => ({ process: (events, out) => events.forEach(event => (objectOf(event)['bad'] === true ? out.reject(event, new SluiceError('FIELD_TYPE', 'bad')) : out.emit(event))) }))
  const config = { ...testPipeline([stageConfig('odd', 'odd', 'in')], [sinkConfig('out', 'odd')]), traced: true }
  const lines = ['{"trace":true}', '{"trace":false}', '{"trace":true,"bad":true}', '{"trace":true}']
  await runPipeline(config, { ...testRegistry([memorySource(lines, 10), odd, sinkOf(chunks)]), codec: () => own }, { tracing })
  const traces = batchesOf(told)[0]?.traces
  assert.deepEqual([traces?.shared, traces?.events.map(({ parent, error }) => [parent, error])], [false, [[PARENT, undefined], [PARENT, 'FIELD_TYPE'], [PARENT, undefined]]])
  const spans = traces?.events.map(({ span }) => `00-${TRACE}-${span}-01`) ?? []
  assert.deepEqual(linesOf(chunks).filter(line => !line.startsWith('{')).slice(0, 3), [spans[0], 'none', spans[2]])
})

test('where nobody traces, headers go on as they came', async () => {
  const chunks: SinkChunk[] = []
  const registry = { ...testRegistry([sourceWith(['{"n":1}'], 1, { traceparent: PARENT }), sinkOf(chunks)]), codec: () => codec }
  await runPipeline(testPipeline([], [sinkConfig('out', 'in')]), registry)
  assert.deepEqual([linesOf(chunks), chunks[0]?.trace, parseTraceparent(linesOf(chunks)[0] ?? '')?.spanId], [[PARENT], undefined, '00f067aa0ba902b7'])
})
