/** Plug-ins in a pipeline's file: on the main thread and in workers, and every way in which one is wrong. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { folderWith, sluice } from '../cli/sluice.ts'

const SHOUT = `import { defineFunction, defineStage, field } from 'sluice'

export const shout = defineStage({
  type: 'shout',
  summary: 'Write a field in capitals',
  config: field.object({ field: field.string(), mark: field.string({ default: '!' }) }),
  shorthand: 'field',
  create: ({ field: name, mark }) => ({
    process(events, out) {
      for (const event of events) {
        const value = event.value as Record<string, unknown>
        if (typeof value[name] !== 'string') throw new TypeError('no text in ' + name)
        event.replace({ ...value, [name]: value[name].toUpperCase() + mark })
        out.emit(event)
      }
    },
  }),
})

export const between = defineFunction({
  type: 'acme.between',
  summary: 'True where a number lies between two others',
  parameters: [{ name: 'value', type: 'number' }, { name: 'low', type: 'number' }, { name: 'high', type: 'number', optional: true }],
  result: 'bool',
  call: (value, low, high) => value >= low && value <= (high ?? Infinity),
})
`

const PIPELINE = `pipeline: loud
plugins: [./shout.ts]
workers: 2
sources: { in: { file: { path: in.ndjson } } }
stages:
  - filter: acme.between(event.n, 10, 989)
  - shout: name
  - filter: acme.between(event.n, 20)
sinks: { out: { file: { path: out.ndjson } } }
dead_letters: { file: { path: failed.ndjson } }
`

function project(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = folderWith(t, {})
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const INPUT = Array.from({ length: 1000 }, (_, n) => `${JSON.stringify({ n, name: `name ${n}` })}\n`).join('')

for (const workers of [0, 2]) {
  test(`a stage and a function of a plug-in run with ${workers} workers`, async t => {
    const folder = project(t, { 'shout.ts': SHOUT, 'p.yaml': PIPELINE.replace('workers: 2', `workers: ${workers}`), 'in.ndjson': INPUT })
    const { code, err } = await sluice(['run', 'p.yaml', '--quiet'], { folder })
    assert.equal(code, 0, err)
    const lines = readFileSync(join(folder, 'out.ndjson'), 'utf8').trim().split('\n')
    assert.equal(lines.length, 970)
    assert.equal(lines[0], '{"n":20,"name":"NAME 20!"}')
  })
}
