/** The kit finds what is wrong: components that break one promise each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { defineSink, defineSource, defineStage, field } from '../engine/index.ts'
import type { Sink, Source, Stage, StageDeclaration } from '../engine/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { BEHAVIOUR_NAMES, connectorConformance } from './index.ts'
import type { Behaviour } from './index.ts'
import { Bench } from './runs.ts'
import { sinkChecks } from './sink-behaviours.ts'
import { sourceChecks } from './source-behaviours.ts'
import type { Check } from './source-behaviours.ts'
import { stageChecks } from './stage-behaviours.ts'
import type { Conformance } from './subject.ts'

/** Names of the behaviours that a component does not have. */
async function failing(t: TestContext, spec: Conformance, names: readonly Behaviour[] = BEHAVIOUR_NAMES): Promise<Behaviour[]> {
  const checks: Partial<Record<Behaviour, Check>> = spec.source !== undefined ? sourceChecks(spec.source) : spec.sink !== undefined ? sinkChecks(spec.sink) : spec.stage !== undefined ? stageChecks(spec.stage) : {}
  const failed: Behaviour[] = []
  for (const name of names) {
    const check = checks[name]
    if (check === undefined) continue
    // Skipping would skip this test.
    const context = { skip: () => undefined, diagnostic: () => undefined, after: t.after.bind(t) } as unknown as TestContext // All that the kit uses of it.
    await check(new Bench(context, spec)).catch(() => failed.push(name))
  }
  return failed
}

type SourceChange = (source: Source, lines: readonly string[]) => Partial<Source>

function sourceOf(change: SourceChange = () => ({})): Conformance {
  const outsides = new Map<string, string[]>()
  let count = 0
  const declaration = defineSource({
    type: 'test_lines',
    summary: 'Lines of a test',
    config: field.object({ name: field.string() }),
    replays: true,
    create: ({ name }): Source => {
      let at = 0
      const lines = (): readonly string[] => outsides.get(name) ?? []
      const source: Source = {
        live: false,
        format: { format: 'ndjson', options: {} },
        open: position => {
          at = typeof position === 'number' ? position : 0
          return Promise.resolve()
        },
        next: bytes => {
          const from = at
          at = Math.min(lines().length, at + Math.max(1, Math.floor(bytes / 64)))
          if (from === at) return Promise.resolve(undefined)
          const data = new Uint8Array(Buffer.from(lines().slice(from, at).map(line => `${line}\n`).join('')))
          return Promise.resolve({ position: at, from: { offset: from }, bytes: data.length, data })
        },
        close: () => Promise.resolve(),
      }
      return { ...source, ...change(source, lines()) }
    },
  })
  return {
    source: {
      declaration,
      open: (_t, wanted) => {
        const name = `outside ${count++}`
        const events = Array.from({ length: wanted }, (_, n) => ({ value: { n } }))
        return { config: { name }, events, put: () => void outsides.set(name, events.map(({ value }) => JSON.stringify(value))) }
      },
    },
  }
}

type SinkChange = (sink: Sink, kept: JsonValue[]) => Partial<Sink>

function sinkOf(change: SinkChange = () => ({})): Conformance {
  const outsides = new Map<string, JsonValue[]>()
  let count = 0
  const declaration = defineSink({
    type: 'test_list',
    summary: 'A list of a test',
    config: field.object({ name: field.string() }),
    durable: 'write',
    marks: true,
    encoding: () => ({ format: 'ndjson', options: {} }),
    create: ({ name }): Sink => {
      const kept = outsides.get(name) ?? []
      const sink: Sink = {
        open: mark => Promise.resolve(void kept.splice(typeof mark === 'number' ? mark : 0)),
        write: ({ bytes }) => Promise.resolve(void kept.push(...Buffer.from(bytes).toString('utf8').trimEnd().split('\n').map(line => JSON.parse(line) as JsonValue))), // Lines of JSON.
        flush: () => Promise.resolve(kept.length),
        close: () => Promise.resolve(),
      }
      return { ...sink, ...change(sink, kept) }
    },
  })
  return {
    sink: {
      declaration,
      open: () => {
        const name = `outside ${count++}`
        const kept: JsonValue[] = []
        outsides.set(name, kept)
        return { config: { name }, received: () => kept.map(value => ({ value })) }
      },
    },
  }
}

function stageOf(create: () => Stage, more: Partial<StageDeclaration> = {}): Conformance {
  const declaration = defineStage({ type: 'test_stage', summary: 'A stage of a test', config: field.object({}), ...more, create })
  return { stage: { declaration, config: {}, input: Array.from({ length: 24 }, (_, n) => ({ n })) } }
}

const numberOf = (event: Event): number => (event.value as { readonly n: number }).n // Made by `stageOf`.

test('a source, a sink and a stage that keep their promises have all behaviours', async t => {
  assert.deepEqual(await failing(t, sourceOf()), [])
  assert.deepEqual(await failing(t, sinkOf()), [])
  assert.deepEqual(await failing(t, stageOf(() => ({ process: (events, out) => events.forEach(event => out.emit(event)) }))), [])
})

test('a source that begins anew instead of going on is found out', async t => {
  assert.deepEqual(await failing(t, sourceOf(source => ({ open: () => source.open(undefined) }))), ['checkpoint_capture'])
})

test('a source whose last piece goes missing is found out', async t => {
  const failed = await failing(t, sourceOf((source, lines) => ({ next: async (bytes, signal) => {
    const piece = await source.next(bytes, signal)
    return piece !== undefined && Number(piece.position) >= lines.length ? undefined : piece
  } })))
  assert.ok(failed.includes('stream_sequential') && failed.includes('at_least_once_delivery'), String(failed))
})

test('a source that says less than its data costs is found out', async t => {
  assert.deepEqual(await failing(t, sourceOf(source => ({ next: async (bytes, signal) => {
    const piece = await source.next(bytes, signal)
    return piece === undefined ? undefined : { ...piece, bytes: 1 }
  } }))), ['receive_batch_count'])
})

test('a source that shares its place with others is found out', async t => {
  let at = 0
  const failed = await failing(t, sourceOf((_source, lines) => ({ next: () => {
    const data = lines[at] === undefined ? undefined : new Uint8Array(Buffer.from(`${lines[at]}\n`))
    return Promise.resolve(data === undefined ? undefined : { position: ++at, from: {}, bytes: data.length, data })
  } })))
  assert.ok(failed.includes('stream_isolated'), String(failed))
})

test('a source that never closes is found out, and does not hold up the rest', async t => {
  const endless = sourceOf(() => ({ close: () => new Promise(() => undefined) }))
  assert.deepEqual(await failing(t, { ...endless, deadline: 20 }, ['open_close']), ['open_close'])
})

test('a sink that forgets, doubles, turns around or does not go back is found out', async t => {
  const everyOther = (): SinkChange => {
    let writes = 0
    return sink => ({ write: (chunk, signal) => (++writes % 2 === 0 ? Promise.resolve() : sink.write(chunk, signal)) })
  }
  assert.ok((await failing(t, sinkOf(everyOther()))).includes('send_batches'))
  const twice = await failing(t, sinkOf(sink => ({ write: async (chunk, signal) => {
    await sink.write(chunk, signal)
    await sink.write(chunk, signal)
  } })))
  assert.ok(twice.includes('send_batch'))
  const turned = await failing(t, sinkOf((_sink, kept) => ({ write: ({ bytes }) => Promise.resolve(void kept.unshift(...Buffer.from(bytes).toString('utf8').trimEnd().split('\n').map(line => JSON.parse(line) as JsonValue))) }))) // Lines of JSON.
  assert.ok(turned.includes('stream_sequential'))
  assert.deepEqual(await failing(t, sinkOf(() => ({ open: () => Promise.resolve() }))), ['checkpoint_capture'])
})

test('a stage that forgets to answer, depends on batches, or makes events without an origin is found out', async t => {
  const silent = await failing(t, stageOf(() => ({ process: (events, out) => events.slice(1).forEach(event => out.emit(event)) })))
  assert.ok(silent.includes('send_batch') && silent.includes('send_batch_count'), String(silent))
  const first = await failing(t, stageOf(() => ({ process: (events, out) => events.forEach((event, at) => (at === 0 ? out.emit(event) : out.drop(event))) })))
  assert.deepEqual(first, ['send_batches', 'send_batch_count'])
  const blank = await failing(t, stageOf(() => ({ process: (events, out) => events.forEach(event => out.split(event, [new Event(event.slab, 0, 0, undefined, event.value)])) })))
  assert.deepEqual(blank, ['metadata'])
})

test('a stage that keeps its memory outside of its state is found out', async t => {
  let sum = 0
  const shared = await failing(t, stageOf(() => ({ process: (events, out) => events.forEach(event => {
    event.replace({ sum: (sum += numberOf(event)) })
    out.emit(event)
  }) })))
  assert.ok(shared.includes('stream_sequential') && shared.includes('stream_isolated'), String(shared))
  const own = await failing(t, stageOf(() => {
    let inside = 0
    return { process: (events, out) => events.forEach(event => {
      event.replace({ sum: (inside += numberOf(event)) })
      out.emit(event)
    }) }
  }, { memory: 'keyed' }))
  assert.deepEqual(own, ['checkpoint_capture'])
})

test('a slip in the list of exceptions is told at once', () => {
  assert.throws(() => connectorConformance({ ...sinkOf(), except: { send_batchs: 'a slip' } as object }), /names the behaviour "send_batchs", which does not exist\. Did you mean "send_batch"\?/)
  assert.throws(() => connectorConformance({ ...sinkOf(), except: { receive_batch_count: 'not its kind' } }), /is not asked of a sink/)
  assert.throws(() => connectorConformance({}), /takes one of "source", "stage" and "sink", not 0/)
})
