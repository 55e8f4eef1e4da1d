import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import * as yaml from 'yaml'
import { pipelineSchema } from './schema.ts'
import { load, registry } from './testing.ts'

const accepts = new Ajv({ strict: false }).compile(pipelineSchema(registry))

test('the schema takes what the loader takes, in every form', async () => {
  for (const text of [
    'filter: event.a > 1', 'filter: { condition: true }', 'map: { a: event.a, b: 1, c: null }', 'map: { fields: { a: event.a }, merge: true }', 'partition_by: event.a',
    '{ id: a, from: [in], on_error: drop, dedupe: { key: event.a, window: 1h30m, keys_max: "${KEYS:5}" } }', 'validate:', 'validate: { schema: { type: object } }',
    'enrich: { table: a.csv, key: event.a, cache: { age: 0 } }', 'route: { a: event.a, b: true }', '{ use: t, with: { a: [1] } }',
  ]) {
    const whole = `workers: \${WORKERS:2}\nmemory: 1048576\ntemplates: { t: { parameters: { a: { type: list } }, stages: [filter: true] } }\nsources: { in: { file: { path: a } } }\nstages:\n  - ${text}\nsinks: { out: discard, other: { discard: {} } }\n`
    assert.deepEqual((await load(whole)).diagnostics.filter(one => one.severity === 'error'), [], text)
    assert.ok(accepts(yaml.parse(whole)), `${text}: ${JSON.stringify(accepts.errors)}`)
  }
  const formats = 'sources: { in: { rows: { options: { header: "${HEADER:true}", columns: [a, "${NAME:b}"], types: { a: number } } } }, web: { http_client: { url: "${URL:http://a}" } } }\nsinks: { out: { rows: { options: { width: 5 } } } }\n'
  assert.deepEqual((await load(formats)).diagnostics.filter(one => one.severity === 'error'), [])
  assert.ok(accepts(yaml.parse(formats)), JSON.stringify(accepts.errors))
})

test('the schema refuses slips that an editor can mark', () => {
  const wrong = [
    'workers: many', 'memory: plenty', 'ordered: 5', 'stage: []', 'stages: [fliter: event.a]', 'stages: [{ filter: event.a, on_eror: drop }]', 'stages: [{ filter: event.a, on_error: dorp }]',
    'stages: [dedupe: { window: 1h }]', 'stages: [dedupe: { key: event.a, window: soon }]', 'stages: [dedupe: { key: event.a, colour: red }]', 'stages: [{ id: late }]', 'sources: { in: discard }',
    'sinks: { out: { file: { path: a, mode: apend } } }', 'sinks: { out: { rows: { options: { colums: [a] } } } }', 'sinks: { out: { rows: { options: { columns: a } } } }', 'sources: { in: { rows: { options: [a] } } }', 'tests: [{ name: a }]',
  ]
  for (const text of wrong) assert.ok(!accepts(yaml.parse(text)), text)
})

test('what the loader refuses for its form alone, the schema mostly refuses too; what it refuses for its meaning it can not', () => {
  const folder = join(import.meta.dirname, 'messages')
  const golden = globSync('*.golden.txt', { cwd: folder }).flatMap(name => readFileSync(join(folder, name), 'utf8').split(/^=== /m).slice(1))
  const forms = golden.filter(one => /CONFIG_(UNKNOWN_FIELD|UNKNOWN_TYPE)/.test(one) && !/\+\+\+|schema\.json|\$\{param|means nothing|parameter|come from everywhere|CONFIG_SYNTAX/.test(one))
  const refused = forms.filter(one => !accepts(yaml.parse(one.slice(one.indexOf('\n') + 1).split('--- told')[0] ?? '')))
  assert.equal(refused.length, forms.length)
  assert.ok(forms.length >= 8)
})
