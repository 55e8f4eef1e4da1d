/** Both paths of the engine, on random pipelines and random events: the bytes must be the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rawAt, removeRaw, renameRaw, setRaw } from '../../event/index.ts'
import type { Event } from '../../event/index.ts'
import { SluiceError } from '../../base/index.ts'
import { defineSink, defineStage } from '../component.ts'
import type { CodecDeclaration, SinkDeclaration, StageDeclaration } from '../component.ts'
import * as field from '../fields.ts'
import { runPipeline } from '../run.ts'
import { Kept, memoryCodec, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry } from '../testing.ts'
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

const stages: readonly StageDeclaration[] = [keep, make, change]
const jsonLines: CodecDeclaration = { ...memoryCodec, decoder: config => ({ columns: true, decode: (slab, from, to, meta, out) => memoryCodec.decoder?.(config).decode(slab, from, to, meta, out) }) }

/** Keeps the bytes of each target apart, and the order in which targets came. */
function groupingSink(targets: Map<string, string>): SinkDeclaration {
  return defineSink({
    type: 'grouping',
    summary: 'grouping',
    config: field.object({ path: field.template() }),
    durable: 'write',
    encoding: ({ path }) => ({ format: 'ndjson', options: {}, target: event => path(event), template: path }),
    create: () => ({
      open: () => Promise.resolve(),
      write: ({ target, bytes, rows }) => {
        const text = Buffer.from(bytes).toString()
        assert.equal(text.split('\n').length, rows + 1)
        targets.set(target, (targets.get(target) ?? '') + text)
        return Promise.resolve()
      },
      flush: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  })
}

async function run(lines: readonly string[], chain: readonly [string, Record<string, unknown>][], columns: boolean, piece: number, path?: string): Promise<{ out: string[]; targets: [string, string][]; letters: unknown[]; report: unknown }> {
  const kept = new Kept()
  const targets = new Map<string, string>()
  const registry = testRegistry([memorySource(lines, piece), memorySink(kept), groupingSink(targets), ...stages])
  const configs = chain.map(([type, config], at) => stageConfig(`s${at}`, type, at === 0 ? 'in' : `s${at - 1}`, { config }))
  const from = chain.length === 0 ? 'in' : `s${chain.length - 1}`
  const pipeline = testPipeline(configs, [path === undefined ? sinkConfig('out', from) : sinkConfig('out', from, { type: 'grouping', config: { path } })])
  const withCodec = { ...registry, codec: () => jsonLines }
  const { events_in, events_out, filtered, dead_lettered, in_flight } = await runPipeline(pipeline, withCodec, { columns })
  const letters = kept.lines('dead_letters').map(line => {
    const { original, code, stage, reason } = JSON.parse(line) as Record<string, unknown>
    return { original, code, stage, reason }
  })
  return { out: kept.lines('out'), targets: [...targets], letters, report: { events_in, events_out, filtered, dead_lettered, in_flight } }
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

const part = fc.constantFrom('{event.t}', '{event.n}', '{event.o.p}', '{event.s + "!"}', '{size(event.t)}', '{event.a}', '{position}', '{event.u}', '{event.x > 1}', '{has(event.n)}', '{event.c}', '{string(event.n)}')

test('columns and objects send the same events to the same targets', async () => {
  const runs = Number(process.env['SLUICE_FUZZ_ROUNDS'] ?? 300)
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 24 }), fc.array(stage, { maxLength: 3 }), fc.array(part, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 30 }), async (lines, chain, parts, piece) => {
      const path = `out-${parts.join('-')}`
      assert.deepEqual(await run(lines, chain, true, piece, path), await run(lines, chain, false, piece, path))
    }),
    { numRuns: runs },
  )
})
