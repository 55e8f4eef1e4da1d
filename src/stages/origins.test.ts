/** What a stage tells of where its fields come from, held against what it does: a value that is seen at a place must have come from a field that is named for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { prepareConfig } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import { stages } from './index.ts'
import type { Path } from './paths.ts'
import { run } from './testing.ts'

function originsOf(type: string, config: unknown, path: Path): readonly Path[] | 'all' {
  const declaration = stages.find(stage => stage.type === type)
  assert.ok(declaration?.origins !== undefined, `${type} tells`)
  const bare = typeof config !== 'object' || Array.isArray(config)
  const given = bare && declaration.shorthand !== undefined ? { [declaration.shorthand]: config } : config
  return declaration.origins(prepareConfig(declaration.config, given, { folder: '/', now: () => 0, random: () => 0 }), path)
}

/** The texts in a value with the paths that lead to them; items of a list have that of the list. */
function leaves(value: JsonValue | undefined, path: Path = []): { readonly path: Path; readonly text: string }[] {
  if (typeof value === 'string') return [{ path, text: value }]
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(item => leaves(item, path)) // Array.isArray does not narrow a readonly array.
  return Object.entries(value).flatMap(([name, of]) => leaves(of, [...path, name]))
}

const covers = (hidden: readonly Path[] | 'all', path: Path): boolean => hidden === 'all' || hidden.some(one => one.every((part, at) => part === path[at]))

/** Every secret that shows in what the stage makes must be hidden before it, once the place where it shows is hidden behind it. */
async function holds(type: string, config: unknown, input: JsonValue): Promise<void> {
  const secrets = leaves(input).filter(({ text }) => text.startsWith('secret'))
  for (const output of (await run(type, config, [input])).values) {
    for (const { path, text } of leaves(output)) {
      for (const secret of secrets) {
        if (!text.includes(secret.text)) continue
        for (let length = 1; length <= path.length; length++) {
          const hidden = originsOf(type, config, path.slice(0, length))
          assert.ok(covers(hidden, secret.path), `${type} ${JSON.stringify(config)}: ${secret.path.join('.')} shows in ${path.join('.')}, for which it names ${JSON.stringify(hidden)}`)
        }
      }
    }
  }
}

const INPUT = { a: 'secret1', b: { c: 'secret2', d: ['secret3', { e: 'secret4' }] }, line: 'k=secret5 m=secret6', json: '{"x":"secret7"}', list: [{ f: 'secret8' }, { f: 'secret9' }] }
const EXPRESSIONS = ['event.a', 'event.b', 'event.b.c', 'event.b.d[1].e', '"x" + event.a', 'event.a + event.b.c', '[event.a, event.line]', '{"z": event.b}', 'event', 'event["a"]', 'event.list.map(one, one.f)', 'has(event.a) ? event.b.c : ""', '1']

const expression = fc.constantFrom(...EXPRESSIONS)
const value = fc.letrec<{ value: unknown }>(tie => ({ value: fc.oneof({ maxDepth: 2 }, expression, fc.array(tie('value'), { maxLength: 2 }), fc.dictionary(fc.constantFrom('p', 'q'), tie('value'), { minKeys: 1, maxKeys: 2 })) })).value
const fields = fc.dictionary(fc.constantFrom('a', 'b', 'x', 'y'), value, { minKeys: 1, maxKeys: 3 })
const paths = fc.dictionary(fc.constantFrom('a', 'b', 'b.c', 'b.new', 'x', 'x.y'), value, { minKeys: 1, maxKeys: 2 })

test('map, set and rename name every field that a value of theirs came from', async () => {
  await fc.assert(
    fc.asyncProperty(fields, paths, fc.dictionary(fc.constantFrom('a', 'b', 'b.c', 'list'), fc.constantFrom('n', 'o', 'p'), { minKeys: 1, maxKeys: 1 }), async (made, set, names) => {
      await holds('map', made, INPUT)
      await holds('map', { merge: true, fields: set }, INPUT)
      await holds('set', set, INPUT)
      await holds('rename', names, INPUT)
    }),
    { numRuns: 150 },
  )
})

for (const [type, config] of [
  ['parse', { format: 'logfmt', field: 'line' }],
  ['parse', { format: 'logfmt', field: 'line', as: 'b.parsed' }],
  ['parse', { format: 'json', field: 'json', merge: true }],
  ['parse', { format: 'json', field: 'json', as: 'a' }],
  ['split', { field: 'list' }],
  ['split', { field: 'list', keep: true }],
  ['split', { field: 'b.d' }],
  ['flatten', {}],
  ['flatten', { separator: '_', depth: 1 }],
  ['filter', 'true'],
  ['route', { low: 'event.a == ""' }],
  ['remove', ['a']],
  ['dedupe', 'event.a'],
  ['sample', 1],
  ['validate', { required: ['a'] }],
  ['mask', { fields: 'a', how: 'keep_last', keep: 3 }],
  ['aggregate', { by: { group: 'event.a' }, values: { least: { fn: 'count' } }, count: 1 }],
] as const) {
  test(`${type} ${JSON.stringify(config)} names every field that a value of its came from`, async () => holds(type, config, INPUT))
}

test('stages of users tell nothing, so that all before them is hidden', () => {
  assert.equal(stages.find(({ type }) => type === 'module')?.origins, undefined)
})

test('every other stage tells', () => {
  assert.deepEqual(stages.filter(({ origins }) => origins === undefined).map(({ type }) => type), ['module'])
})
