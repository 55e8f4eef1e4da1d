import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registry } from '../../registry.ts'
import { runProgram } from '../program.ts'
import { stubIo } from '../testing.ts'

async function list(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = stubIo()
  const code = await runProgram(['list', ...args], io, '')
  return { code, out: io.stdout.text, err: io.stderr.text }
}

test('all components are listed by kind, each with its summary', async () => {
  const { code, out } = await list()
  assert.equal(code, 0)
  assert.deepEqual(out.split('\n').filter(line => /^\w/.test(line)), ['sources', 'stages', 'sinks', 'formats'])
  for (const kind of ['source', 'stage', 'sink', 'codec'] as const) {
    for (const { type, summary } of registry.all(kind)) assert.ok(out.split('\n').some(line => line.trim().startsWith(type) && line.endsWith(summary)), type)
  }
})

test('a kind is understood in singular and plural', async () => {
  const all = await Promise.all(['format', 'formats', 'codec', 'codecs', 'Formats'].map(kind => list(kind)))
  assert.match(all[0]?.out ?? '', /^formats\n {2}csv/)
  for (const one of all) assert.deepEqual(one, all[0])
})

test('one component is shown with its fields', async () => {
  assert.equal((await list('stage', 'filter')).out, [
    'filter  stage: Keep the events for which a condition holds',
    '',
    '  condition  expression  required',
    '             What must hold for an event to stay',
    '',
    'Short form: filter: <condition>',
    '',
  ].join('\n'))
})

test('fields whose names are for the user to choose have a row for all', async () => {
  assert.match((await list('stage', 'map')).out, /^ {2}merge +boolean.*\n[^]*^ {2}<name> +expression or list of/m)
  assert.match((await list('stage', 'rename')).out, /^ {2}<name> +string/m)
})

test('as JSON a field that holds itself is named by its place', async () => {
  const [map] = JSON.parse((await list('stage', 'map', '--json')).out) as { config: { anyOf: { additionalProperties?: { anyOf: object[] } }[] } }[]
  assert.deepEqual(map?.config.anyOf[1]?.additionalProperties?.anyOf[1], { type: 'array', items: { $ref: '#/anyOf/1/additionalProperties' } })
})

test('as JSON each component has its fields as JSON Schema', async () => {
  const all = JSON.parse((await list('--json')).out) as { kind: string; type: string; summary: string; config: object }[]
  const known = (['source', 'stage', 'sink', 'codec'] as const).flatMap(kind => registry.all(kind))
  assert.deepEqual(all.map(one => one.type), known.map(one => one.type))
  for (const one of all) assert.ok(one.summary.length > 0 && typeof one.config === 'object')
})
