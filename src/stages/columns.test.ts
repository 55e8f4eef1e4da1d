/** The stages as users write them, over columns and over objects: same bytes, same dead letters, same counts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { CodecDeclaration } from '../engine/index.ts'
import { runPipeline } from '../engine/index.ts'
import { Kept, memoryCodec, memorySink, memorySource, sinkConfig, stageConfig, targetSink, testPipeline, testRegistry } from '../engine/testing.ts'
import { stages } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-stages-'))
after(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'kinds.csv'), 'kind,owner,limit,note\nsensor,ana,25,"a ""b"""\nweb,\u00e9va,1.5,\n"",nobody,0,x\n')

const jsonLines: CodecDeclaration = { ...memoryCodec, decoder: config => ({ columns: true, decode: (slab, from, to, meta, out) => memoryCodec.decoder?.(config).decode(slab, from, to, meta, out) }) }

type Chain = readonly (readonly [type: string, config: unknown])[]

/** `path`: the template of a sink's targets, beside the plain sinks. */
async function run(lines: readonly string[], chain: Chain, columns: boolean, piece: number, path = 'all') {
  const kept = new Kept()
  const registry = { ...testRegistry([memorySource(lines, piece), memorySink(kept), targetSink(kept), ...stages]), codec: () => jsonLines }
  const configs = chain.map(([type, config], at) => stageConfig(`s${at}`, type, at === 0 ? 'in' : `s${at - 1}`, { config }))
  const last = `s${chain.length - 1}`
  const routed = chain.at(-1)?.[0] === 'route'
  const by = (id: string, from: string) => sinkConfig(id, from, { type: 'by_target', config: { path } })
  const sinks = routed
    ? [sinkConfig('out', last), sinkConfig('high', `${last}.high`), sinkConfig('rest', `${last}.rest`), by('by_high', `${last}.high`), by('by_rest', `${last}.rest`)]
    : [sinkConfig('out', last), by('by_out', last)]
  const { events_in, events_out, filtered, dead_lettered, in_flight, stages: figures } = await runPipeline({ ...testPipeline(configs, sinks), folder }, registry, { columns })
  const letters = kept.lines('dead_letters').map(line => {
    const { original, code, stage, reason } = JSON.parse(line) as Record<string, unknown>
    return { original, code, stage, reason }
  })
  const targets = ['by_out', 'by_high', 'by_rest'].map(sink => kept.targets(sink))
  return { out: kept.lines('out'), high: kept.lines('high'), rest: kept.lines('rest'), targets, letters, report: { events_in, events_out, filtered, dead_lettered, in_flight, stages: Object.entries(figures).map(([id, { events, filtered: left }]) => ({ id, events, left })) } }
}

const rare = fc.constantFrom('null', 'true', '[1,"x"]', '{"p":1}', '""', '-0', '1e400', '12345678901234567890', '"\\u0073ensor"', '"\\ud800"', '" x"')
const usually = (usual: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: rare })
const number = usually(fc.constantFrom('1', '25', '26', '2.50', '-17.25', '1e2', '0', '1.5'))
const kind = usually(fc.constantFrom('"sensor"', '"sensor"', '"web"', '"other"', '""'))
const email = usually(fc.constantFrom('"ana@example.com"', '"a"', '"@b"', '"x@y@z"', '"no"', '"\u00e9\u{1f600}@x"'))
const inner = usually(fc.constantFrom('{"p":1}', '{ "p" : "x" , "q":[] }', '{}', '{ }'))
const space = fc.constantFrom('', '', ' ', '\t ')
const member = fc.oneof(
  number.map(of => `"n":${of}`), number.map(of => `"m":${of}`), kind.map(of => `"kind":${of}`), email.map(of => `"email":${of}`), inner.map(of => `"o":${of}`),
  fc.constantFrom('"extra":[1]', '"\\u006e":7', '"limit":null', '"__proto__":1', '"owner":"old"'),
)
const whole = fc.tuple(number, number, kind, email, inner).map(([n, m, k, e, o]) => `{"n":${n},"m":${m},"kind":${k},"email":${e},"o":${o}}`)
const line = fc.oneof(
  { weight: 10, arbitrary: whole },
  { weight: 6, arbitrary: fc.tuple(fc.array(fc.tuple(member, space), { maxLength: 7 }), space).map(([members, end]) => `{${members.map(([text, pad]) => `${pad}${text}${pad}`).join(',')}${end}}`) },
  { weight: 1, arbitrary: fc.constantFrom('5', '[1]', 'null', '"x"', '{', '{"n":1,}', '{"n":01}') },
)

const condition = fc.constantFrom('event.n > 1', 'event.kind == "sensor"', 'has(event.o.p)', 'event.n + 1 > event.m * 2', 'event.kind in ["web", ""]', 'event.o.p == 1', 'event.owner == "ana"', 'size(event.email) > 3', 'event.n', 'event.fresh > 1', 'has(event.fresh)', 'event.row.owner == "ana"', 'event.new.limit == "25"')
const value = fc.constantFrom('event.n', 'event.o', 'event.o.p', 'event.n * 1.8 + 32', 'event.n / event.m', '"text \\" \u00e9"', '7', '-0.0', 'true', 'event.kind + "!"', 'event.limit', 'event.row', 'event.fresh', 'event.fresh + 1', 'event.row.limit', 'event.new.owner', 'event.o.row')
const field = fc.constantFrom('n', 'm', 'kind', 'email', 'o', 'o.p', 'o.q', 'new', 'new.deep', 'owner')
/** What `map` and `set` make of a field: mostly an expression, sometimes a map or a list of them. */
const nested: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof({ depthSize: 'small', maxDepth: 3 }, { weight: 4, arbitrary: value }, { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) }, { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('a', 'b c', '"', '__proto__'), tie('value'), { maxKeys: 3 }) }),
})).value
const made = (of: fc.Arbitrary<string>): fc.Arbitrary<Record<string, unknown>> => fc.tuple(of, fc.oneof({ weight: 3, arbitrary: value }, { weight: 1, arbitrary: nested })).map(([name, to]) => ({ [name]: to }))
const one = (of: fc.Arbitrary<string>, to: fc.Arbitrary<string>): fc.Arbitrary<Record<string, string>> => fc.tuple(of, to).map(([name, text]) => ({ [name]: text }))
const schema = fc.constantFrom<object>(
  { type: 'object', required: ['n'], properties: { n: { type: 'number', minimum: 0, maximum: 30 }, kind: { type: 'string' } } },
  { properties: { o: { type: 'object', properties: { p: { type: ['number', 'string'] } } } }, required: ['o'] },
  { type: 'object', properties: { m: { type: 'integer' } } },
  { properties: { email: { type: ['string', 'null'], minLength: 2 } } },
)
const stage: fc.Arbitrary<readonly [string, unknown]> = fc.oneof(
  condition.map(text => ['filter', { condition: text }] as const),
  fc.tuple(made(fc.constantFrom('n', 'a', 'kind')), made(fc.constantFrom('m', 'b', 'o'))).map(([a, b]) => ['map', { ...a, ...b }] as const),
  made(field).map(fields => ['map', { merge: true, fields }] as const),
  made(field).map(config => ['set', config] as const),
  fc.tuple(one(fc.constantFrom('n', 'o.p'), value), one(fc.constantFrom('m', 'new'), value)).map(([a, b]) => ['set', { ...a, ...b }] as const),
  fc.array(field, { minLength: 1, maxLength: 2 }).map(fields => ['remove', { fields }] as const),
  one(field, fc.constantFrom('fresh', 'm', 'kind', 'p')).map(config => ['rename', config] as const),
  fc.record({ fields: fc.constantFrom<string | string[]>('email', ['email', 'kind'], ['email', 'email'], 'o.p', 'n'), how: fc.constantFrom('redact', 'keep_last', 'keep_first', 'email'), keep: fc.integer({ min: 0, max: 8 }), fill: fc.constantFrom('***', '"', '\u00e9') })
    .map(config => ['mask', config] as const),
  fc.record({ on_missing: fc.constantFrom('null', 'drop', 'reject', 'pass'), key: fc.constantFrom('event.kind', 'event.n', 'event.o.p') })
    .chain(config => fc.constantFrom<object>({ fields: ['owner', 'limit'] }, { as: 'row' }, { as: 'o.row' }, { as: 'new', types: { limit: 'number' } }).map(more => ['enrich', { table: 'kinds.csv', ...config, ...more }] as const)),
  fc.constantFrom<object>({ required: ['n', 'o.p'] }, { types: { n: 'number', 'o.p': 'string', m: 'integer' } }, { ranges: { n: [0, 30], 'o.p': [1, 1] } }, { rules: [{ check: 'event.n > event.m', message: 'n' }, { check: 'event.kind != ""' }] })
    .map(config => ['validate', config] as const),
  schema.map(of => ['validate', { schema: of }] as const),
)
const route = fc.tuple(condition, condition).chain(([high, low]) => fc.constantFrom<object>({ high, rest: low }, { outputs: { high, low }, else: 'rest' }, { high, else: 'rest' }, { high, rest: true }).map(config => ['route', config] as const))
const chain = fc.tuple(fc.array(stage, { minLength: 1, maxLength: 4 }), fc.option(route)).map(([before, last]): Chain => (last === null ? before : [...before, last]))

const path = fc.array(fc.constantFrom(...['event.n', 'event.kind', 'event.o', 'event.o.p', 'event.limit', 'event.row', 'event.fresh', 'event.new.owner', 'event.email', 'string(event.m)', 'has(event.m)'].map(of => `{${of}}`)), { minLength: 1, maxLength: 2 }).map(parts => parts.join('-'))

test('columns and objects make the same of the same events, whatever the stages', async () => {
  const numRuns = Number(process.env['SLUICE_FUZZ_ROUNDS'] ?? 250)
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), chain, fc.integer({ min: 1, max: 20 }), path, async (lines, made, piece, by) => {
      assert.deepEqual(await run(lines, made, true, piece, by), await run(lines, made, false, 5, by))
    }),
    { numRuns },
  )
})

test('job J3 of the benchmark, over columns and over objects', async () => {
  writeFileSync(join(folder, 'devices.csv'), 'device,owner,region\nd1,ana,eu\nd2,bo,us\n')
  const lines = [
    '{"id":"1","ts":1.0,"type":"sensor","temperature":20.50,"humidity":50,"device":{"id":"d1"},"email":"ana@example.com"}',
    '{"id":"2","ts":2,"type":"web","status":200, "device":{"id":"d2"},"email":"\\u0062o@x.org","more":12345678901234567890}',
    '{"id":"3","ts":3,"type":"web","status":200,"device":{"id":"d9"},"email":"c@x.org"}',
    '{"id":"4","ts":4,"type":"sensor","temperature":61,"humidity":50,"device":{"id":"d1"},"email":"d@x.org"}',
    '{"id":5,"ts":5,"type":"web","status":200,"device":{"id":"d1"},"email":"e@x.org"}',
  ]
  const check = 'event.type == "sensor" ? event.temperature >= -50 && event.temperature <= 60 && event.humidity >= 0 && event.humidity <= 100 : event.type == "web" && event.status >= 100 && event.status <= 599'
  const job: Chain = [
    ['validate', { required: ['id', 'ts', 'device.id'], types: { id: 'string', ts: 'number', 'device.id': 'string' }, rules: [{ check, message: 'a value is out of its range' }] }],
    ['enrich', { table: 'devices.csv', key: 'event.device.id', fields: ['owner', 'region'] }],
    ['mask', { fields: 'email', how: 'email' }],
  ]
  for (const columns of [true, false]) {
    const { out, letters } = await run(lines, job, columns, 3)
    assert.deepEqual(out, [
      '{"id":"1","ts":1.0,"type":"sensor","temperature":20.50,"humidity":50,"device":{"id":"d1"},"email":"a***@example.com","owner":"ana","region":"eu"}',
      '{"id":"2","ts":2,"type":"web","status":200, "device":{"id":"d2"},"email":"b***@x.org","more":12345678901234567890,"owner":"bo","region":"us"}',
    ])
    assert.deepEqual(letters.map(({ original, code }) => [original, code]), [[lines[2], 'ENRICH_MISSING'], [lines[3], 'VALIDATE_FAILED'], [lines[4], 'VALIDATE_FAILED']])
  }
})
