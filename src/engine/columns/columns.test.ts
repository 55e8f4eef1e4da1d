/** Both paths of the engine, on random pipelines and random events: the bytes must be the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rawAt, removeRaw, renameRaw, setRaw } from '../../event/index.ts'
import type { Event } from '../../event/index.ts'
import { SluiceError } from '../../base/index.ts'
import { defineSink, defineStage } from '../component.ts'
import type { CodecDeclaration, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../component.ts'
import * as field from '../fields.ts'
import { runPipeline } from '../run.ts'
import { Kept, memoryCodec, memorySink, memorySource, sinkConfig, stageConfig, targetSink, testPipeline, testRegistry } from '../testing.ts'
import { toJson } from '../../expr/index.ts'

const keep = defineStage({
  type: 'keep',
  summary: 'keep',
  config: field.object({ test: field.expression() }),
  create: ({ test: condition }) => ({
    process: (events, out) => {
      for (const event of events) {
        try {
          const answer = condition(event)
          if (answer === true) out.emit(event)
          else if (answer === false) out.drop(event)
          else out.reject(event, new SluiceError('EXPR_TYPE', 'no bool'))
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
    columns: () => ({ step: 'keep', test: condition }),
  }),
})

const make = defineStage({
  type: 'make',
  summary: 'make',
  config: field.object({ a: field.expression(), b: field.expression() }),
  create: ({ a, b }) => ({
    process: (events, out) => {
      for (const event of events) {
        try {
          // A plain path copies bytes; anything else is written as JSON.stringify would.
          event.edit(`{"a":${valueText(event, a.expression.source, () => a(event))},"b":${valueText(event, b.expression.source, () => b(event))},"c":"x"}`)
          out.emit(event)
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
    columns: () => ({
      step: 'object',
      fields: [['a', { value: 'expression', expression: a }], ['b', { value: 'expression', expression: b }], ['c', { value: 'literal', json: '"x"' }]],
    }),
  }),
})

function valueText(event: Event, source: string, evaluate: () => unknown): string {
  const value = evaluate()
  const path = /^event((?:\.\w+)+)$/.exec(source)?.[1]?.slice(1).split('.')
  if (path !== undefined) return rawAt(event.text, path) ?? 'null'
  if (typeof value === 'number' && !Number.isFinite(value)) throw new SluiceError('EXPR_OVERFLOW', 'not finite')
  return JSON.stringify(toJson(value))
}

const change = defineStage({
  type: 'change',
  summary: 'change',
  config: field.object({}),
  create: () => ({
    process: (events, out) => {
      for (const event of events) {
        const set = setRaw(event.text, ['n'], '1')
        const deep = set === undefined ? undefined : setRaw(set, ['o', 'p'], 'null')
        if (deep === undefined) out.reject(event, new SluiceError('FIELD_TYPE', 'no object'))
        else {
          event.edit(renameRaw(removeRaw(deep, ['s']), ['t'], 'u'))
          out.emit(event)
        }
      }
    },
    columns: () => ({
      step: 'edit',
      edits: [
        { edit: 'set', path: ['n'], value: { value: 'literal', json: '1' } },
        { edit: 'set', path: ['o', 'p'], value: { value: 'literal', json: 'null' } },
        { edit: 'remove', path: ['s'] },
        { edit: 'rename', path: ['t'], key: 'u' },
      ],
    }),
  }),
})

const WIDE = ['a', 'b', 'c', 'd', 'e', 'f']

/** Makes rows of several times the bytes that they came as. */
const widen = defineStage({
  type: 'widen',
  summary: 'widen',
  config: field.object({ n: field.expression(), x: field.expression(), t: field.expression(), s: field.expression() }),
  create: ({ n, x, t, s }) => {
    const fields = [['n', n], ['x', x], ['t', t], ...WIDE.map(name => [name, s] as const)] as const
    return {
      process: (events, out) => {
        for (const event of events) {
          try {
            event.edit(`{${fields.map(([name, of]) => `"${name}":${valueText(event, of.expression.source, () => of(event))}`).join(',')}}`)
            out.emit(event)
          } catch (error) {
            out.reject(event, error)
          }
        }
      },
      columns: () => ({ step: 'object', fields: fields.map(([name, expression]) => [name, { value: 'expression', expression }] as const) }),
    }
  },
})

const stages: readonly StageDeclaration[] = [keep, make, change, widen]
const jsonLines: CodecDeclaration = { ...memoryCodec, decoder: config => ({ columns: true, decode: (slab, from, to, meta, out) => memoryCodec.decoder?.(config).decode(slab, from, to, meta, out) }) }

/** `paths`: a sink by targets for each, beside the plain one. */
async function run(lines: readonly string[], chain: readonly [string, Record<string, unknown>][], columns: boolean, piece: number, paths: readonly string[] = []) {
  const kept = new Kept()
  const registry = testRegistry([memorySource(lines, piece), memorySink(kept), targetSink(kept), ...stages])
  const configs = chain.map(([type, config], at) => stageConfig(`s${at}`, type, at === 0 ? 'in' : `s${at - 1}`, { config }))
  const from = chain.length === 0 ? 'in' : `s${chain.length - 1}`
  const sinks = paths.map((path, at) => sinkConfig(`by${at}`, from, { type: 'by_target', config: { path } }))
  const pipeline = testPipeline(configs, [sinkConfig('out', from), ...sinks])
  const withCodec = { ...registry, codec: () => jsonLines }
  const { events_in, events_out, filtered, dead_lettered, in_flight } = await runPipeline(pipeline, withCodec, { columns })
  const letters = kept.lines('dead_letters').map(line => {
    const { original, code, stage, reason } = JSON.parse(line) as Record<string, unknown>
    return { original, code, stage, reason }
  })
  return { out: kept.lines('out'), targets: sinks.map(({ id }) => kept.targets(id)), letters, report: { events_in, events_out, filtered, dead_lettered, in_flight } }
}

const space = fc.constantFrom('', ' ', '  ', '\t')
const scalar = fc.oneof(
  fc.constantFrom('1', '0', '-0', '1.0', '2.50', '1e2', '1E-2', '12345678901234567890', '0.1', '1e400', '-17.25', '3', '25', '26'),
  fc.constantFrom('true', 'false', 'null', '"sensor"', '"web"', '"a\\u0062"', '"\\n"', '"é😀"', '""', '"\\\\"'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => JSON.stringify(value)),
  fc.string().map(text => JSON.stringify(text)),
)
const value: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }).map(items => `[${items.join(',')}]`) },
  { weight: 2, arbitrary: fc.array(fc.tuple(fc.constantFrom('p', 'q', 'n'), scalar), { maxLength: 3 }).map(items => `{${items.map(([key, of]) => `"${key}":${of}`).join(',')}}`) },
)
const number = fc.constantFrom('1', '25', '26', '2.50', '-17.25', '1e2', '0', '12345678901234567890')
const text = fc.constantFrom('"sensor"', '"sensor"', '"web"', '"abc"', '"é😀"', '"a\\u0062"')
const object = fc.constantFrom('{"p":1}', '{"q":2,"p":1}', '{ }', '{"p" : {"r":1} , "q":3}')
/** Mostly what a field usually holds, so that most rows stay in the columns; sometimes anything. */
const member = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom('n', 'x').chain(name => number.map(of => [name, of] as const)) },
  { weight: 10, arbitrary: fc.constantFrom('t', 's').chain(name => text.map(of => [name, of] as const)) },
  { weight: 4, arbitrary: object.map(of => ['o', of] as const) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('n', 't', 's', 'o', 'u', 'x', '\\u006e', '__proto__', 'constructor', ''), value) },
)
const wholeLine = fc.tuple(number, text, number, text, object).map(([n, t, x, s, o]) => `{"n":${n},"t":${t},"x":${x},"s":${s},"o":${o}}`)
const line = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.tuple(fc.array(fc.tuple(member, space, space), { maxLength: 7 }), space).map(([members, end]) => `{${members.map(([[name, of], a, b]) => `${a}"${name}"${b}:${a}${of}${b}`).join(',')}${end}}${end}`),
  },
  { weight: 14, arbitrary: wholeLine },
  { weight: 1, arbitrary: fc.constantFrom('5', '[1]', '"x"', '{', '{"n":1,}', '{"n" 1}', 'nul', '{"n":01}', '{"n":"\u0001"}', `${'['.repeat(70)}${']'.repeat(70)}`, `{"o":${'{"p":'.repeat(66)}1${'}'.repeat(66)}}`) },
)
const condition = fc.constantFrom(
  'event.n > 1', 'event.t == "sensor"', 'has(event.n)', 'has(event.o.p) && event.o.p == 1', 'event.t == "sensor" && event.n > 1.5 || event.s == "web"', '!(event.n <= 2)',
  'event.n in [1, 25, 26]', 'event.s.startsWith("a")', 'event.n + 1 > event.x * 2', 'event.x', 'event.n == event.x', 'event.t != "web"', 'size(event.s) > 2', 'event.n == 1 ? event.x > 1 : true', 'event.s.contains("b")',
)
const term = fc.constantFrom('event.n', 'event.o', 'event.o.p', 'event.n * 2', 'event.n + event.x', 'event.t', '-event.n / 4', '7', '"lit"', 'event.s + "!"', 'event.a', 'event.b', 'event.u', 'event.n / 0.0')
const stage = fc.oneof(
  condition.map((test): [string, Record<string, unknown>] => ['keep', { test }]),
  fc.tuple(term, term).map(([a, b]): [string, Record<string, unknown>] => ['make', { a, b }]),
  fc.constant<[string, Record<string, unknown>]>(['change', {}]),
)

test('columns and objects make the same bytes out of the same events', async () => {
  const runs = Number(process.env['SLUICE_FUZZ_ROUNDS'] ?? 400)
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.array(stage, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 20 }), async (lines, chain, piece) => {
      assert.deepEqual(await run(lines, chain, true, piece), await run(lines, chain, false, 5))
    }),
    { numRuns: runs },
  )
})

const part = fc.constantFrom(
  '{event.t}', '{event.n}', '{event.o}', '{event.o.p}', '{event.s + "!"}', '{size(event.t)}', '{event.a}', '{string(event.a)}', '{position}', '{position.line}', '{position.offset}', '{event.u}', '{event.x > 1}', '{has(event.n)}',
  '{has(event.o.p)}', '{has(.event.n)}', '{.event.n}', '{event.?n.orValue(0)}', '{event.o.?p.orValue(0)}', '{event["n"]}', '{event.o["p"]}', '{event.n == 1 || event.x > 1}', '{event.n > 1 ? event.t : "none"}', '{event.c}',
  '{string(event.n)}', '{[event.n, event.t]}', '{[1, 2].map(v, v + event.n)}', '{key}', '{7}', '{{n}}', '{ {"a": event.n}.a }', '{event.__proto__}', '{event.constructor}',
)
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map(parts => `out-${parts.join('-')}`)

test('columns and objects send the same events to the same targets', async () => {
  const runs = Number(process.env['SLUICE_FUZZ_ROUNDS'] ?? 200)
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 24 }), fc.array(stage, { maxLength: 3 }), fc.array(path, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 30 }), async (lines, chain, paths, piece) => {
      assert.deepEqual(await run(lines, chain, true, piece, paths), await run(lines, chain, false, piece, paths))
    }),
    { numRuns: runs },
  )
})

// What was computed was -0 there, and 0 once it was text.
test('a target sees numbers that were computed as they are written', async () => {
  const { targets } = await run(['{"n":0}'], [['make', { a: '-event.n / 4', b: '7' }]], true, 1, ['{string(event.a)}'])
  assert.deepEqual(targets, [[['0', ['{"a":0,"b":7,"c":"x"}']]]])
})

// A dot in front of a name leads to the same name.
test('a target that reads all of the event by another name is told by events', async () => {
  const { targets } = await run(['{"n":1,"x":2}', '{"x":2}'], [['keep', { test: 'event.x > 1' }]], true, 2, ['{has(.event.n)}', '{.event}'])
  assert.deepEqual(targets.map(of => of.map(([target]) => target)), [['true', 'false'], ['{"n":1,"x":2}', '{"x":2}']])
})

test('rows of many targets that become more than is made at once come whole, and in their order', async () => {
  // The first can be read by the object path alone, and its target comes first all the same.
  const lines = Array.from({ length: 60 }, (_, n) => (n === 0 ? '{"\\u006e":0,"t":"t0","x":0,"s":"0"}' : n % 10 === 9 ? `{"n":${n}` : JSON.stringify({ n, t: `t${n % 7}`, x: n % 5, s: String(n % 10).repeat(15_000) })))
  const widen: [string, Record<string, unknown>] = ['widen', { n: 'event.n', x: 'event.x', t: 'event.t', s: 'event.s' }]
  // The third has no target for a fifth of them.
  const paths = ['{event.t}', '{event.n > 30}', '{["a", "b", "c", "d"][event.x]}', 'all']
  const came = await run(lines, [widen], true, 60, paths)
  assert.ok(came.out.reduce((sum, { length }) => sum + length, 0) > 1.2 * (3 << 20))
  assert.deepEqual(came, await run(lines, [widen], false, 60, paths))
})

test('a target that is another for each row is asked for each, though it reads no field', async () => {
  for (const path of ['{uuid()}', '{position.offset}', '{position.?offset}', '{position}']) {
    const { targets } = await run(['{"n":1}', '{"n":2}', '{"n":3}'], [], true, 3, [path])
    assert.deepEqual(targets.map(of => of.map(([, lines]) => lines)), [[['{"n":1}'], ['{"n":2}'], ['{"n":3}']]], path)
  }
})

/** A source whose pieces have a key. */
function keyed(source: SourceDeclaration): SourceDeclaration {
  return {
    ...source,
    create: (config, context) => {
      const made = source.create(config, context)
      return { ...made, next: (bytes, signal) => made.next(bytes, signal).then(piece => piece && { ...piece, key: 'k' }) }
    },
  }
}

/** Keeps the blocks that it is given, with their targets. */
function blockSink(blocks: string[]): SinkDeclaration {
  return defineSink({
    type: 'blocks',
    summary: 'blocks',
    config: field.object({}),
    durable: 'write',
    encoding: () => ({
      format: 'ndjson',
      options: {},
      target: ({ key = '' }) => key,
      targetOf: ({ key = '' }) => key,
      block: () => {
        let text = ''
        return {
          add: event => void (text += `${event.text};`),
          addLines: (bytes, ends, rows) => void (text += Buffer.from(bytes.subarray(0, ends[rows - 1])).toString().replaceAll('\n', ';')),
          finish: () => {
            const block = new Uint8Array(Buffer.from(text))
            text = ''
            return block
          },
        }
      },
    }),
    create: () => ({
      open: () => Promise.resolve(),
      write: ({ target, bytes }) => {
        blocks.push(`${target}: ${Buffer.from(bytes).toString()}`)
        return Promise.resolve()
      },
      flush: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  })
}

// Those that took the object path had the key's target, and came in a block of their own behind the others.
test('rows of a batch with a key become one block, in their order, whichever way they took', async () => {
  const lines = ['{"n":1}', '{"n":2,"\\u006e":3}', '{"n":4}', '{"n":0}', '{"\\u006e":5}', '{"n":6}']
  for (const columns of [true, false]) {
    const blocks: string[] = []
    const registry = { ...testRegistry([keyed(memorySource(lines, 6)), memorySink(new Kept()), blockSink(blocks), ...stages]), codec: () => jsonLines }
    await runPipeline(testPipeline([stageConfig('some', 'keep', 'in', { config: { test: 'event.n > 0' } })], [sinkConfig('out', 'some', { type: 'blocks' })]), registry, { columns })
    assert.deepEqual(blocks, [`k: ${lines.filter(line => line !== '{"n":0}').join(';')};`])
  }
})

test('a target sees what the events of a batch share', async () => {
  const kept = new Kept()
  const registry = { ...testRegistry([keyed(memorySource(['{"n":1}', '{"n":2}'], 1)), memorySink(kept), targetSink(kept)]), codec: () => jsonLines }
  await runPipeline(testPipeline([], [sinkConfig('by', 'in', { type: 'by_target', config: { path: '{key}-{event.n}' } })]), registry)
  assert.deepEqual(kept.targets('by'), [['k-1', ['{"n":1}']], ['k-2', ['{"n":2}']]])
})
