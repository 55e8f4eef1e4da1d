/** Whatever is written, the loader answers: with a config, or with problems that stand at a place of the text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makePlan } from '../engine/index.ts'
import { renderDiagnostics } from './diagnostic.ts'
import { echoPipeline } from './echo.ts'
import { load, registry } from './testing.ts'

const VALID = `pipeline: late-flights
memory: \${MEMORY:32MiB}
templates:
  late:
    parameters: { limit: { type: integer, default: 60 } }
    stages:
      - filter: event.delay > \${param:limit}
sources:
  flights: { file: { path: "data/*.ndjson", format: csv } }
stages:
  - validate: { schema: flight.schema.json, rules: [{ check: event.delay < 600, message: 'too "late"' }] }
  - use: late
    with: { limit: 90 }
  - id: way
    route:
      far: |
        event.origin == "SFO"
          && event.delay > 100
      near: true
  - from: [way.far, way.near]
    enrich: { table: airports.csv, key: event.origin, cache: { age: 5m } }
    retry: { attempts: 3 }
  - map: { id: event.id, hours: "event.delay / 60.0" }
sinks:
  out: { file: { path: "out/{event.id}.ndjson" } }
  none: discard
dead_letters: { file: { path: failed.ndjson } }
tests:
  - name: nothing in, nothing out
    input: []
    expect: { out: [] }
`

/** Pieces that stumble in their own ways. */
const PIECES = ['', ' ', '\n', '\t', '{', '}', '[', ']', ':', '- ', '&a ', '*a', '!x ', '"', "'", '|', '>', '${', '${A', '${param:x}', '$${', 'null', '~', '0x1', '1e999', '---\n', '#', '%', '__proto__', 'é', '\u{1F600}', '\u0000', '<<: *a', 'from: way']

const mutation = fc.oneof(
  fc.record({ at: fc.nat(VALID.length), remove: fc.nat(12), insert: fc.constantFrom(...PIECES) }),
  // A line that is moved, doubled or lost.
  fc.record({ line: fc.nat(40), to: fc.nat(40), keep: fc.boolean() }),
)

function mutate(text: string, change: { at: number; remove: number; insert: string } | { line: number; to: number; keep: boolean }): string {
  if ('at' in change) return text.slice(0, change.at) + change.insert + text.slice(change.at + change.remove)
  const lines = text.split('\n')
  const [line = ''] = change.keep ? [lines[change.line % lines.length]] : lines.splice(change.line % lines.length, 1)
  lines.splice(change.to % (lines.length + 1), 0, line)
  return lines.join('\n')
}

async function answers(text: string): Promise<void> {
  const result = await load(text)
  const errors = result.diagnostics.filter(one => one.severity === 'error')
  assert.equal(result.config === undefined, errors.length > 0, renderDiagnostics(result.diagnostics))
  const lines = text.split('\n')
  for (const { file, line, column, length, message } of result.diagnostics) {
    if (file !== 'late.yaml') continue
    assert.ok(line >= 1 && line <= lines.length, `line ${line}: ${message}`)
    assert.ok(column >= 1 && column <= (lines[line - 1] ?? '').length + 1, `column ${column}: ${message}`)
    assert.ok(length >= 1, message)
  }
  renderDiagnostics(result.diagnostics)
  echoPipeline(result)
  // What the loader lets through, the engine can plan.
  if (result.config !== undefined) makePlan(result.config, registry)
}

test('the pipeline that is mutated below is right', async () => {
  const { config, diagnostics } = await load(VALID)
  assert.equal(renderDiagnostics(diagnostics), '')
  assert.deepEqual(config?.stages.map(stage => stage.id), ['validate', 'late/filter', 'way', 'enrich', 'map'])
})

test('a damaged pipeline gives a config or problems at their places, and never a crash', async () => {
  await fc.assert(fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async changes => answers(changes.reduce(mutate, VALID))), { numRuns: 600 })
})

test('any text at all gives a config or problems at their places', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom(...PIECES, 'a', 'sources', 'stages', 'sinks', 'filter', '\n  '), { maxLength: 40 }), async pieces => answers(pieces.join(''))), { numRuns: 400 })
})
