import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineStage, field } from '../../engine/index.ts'
import { withDeclarations } from '../extended-registry.ts'
import { loadPipeline } from '../load.ts'
import { FOLDER, load, registry } from '../testing.ts'
import { renderTestResult, runConfigTests } from './run.ts'

const PIPELINE = `pipeline: late
sources:
  flights: { file: { path: flights.ndjson } }
stages:
  - filter: event.delay > 60
sinks:
  late: { file: { path: late.ndjson } }
`

/** What people read of the tests, without files or times. */
async function told(tests: string, pipeline = PIPELINE): Promise<string> {
  const loaded = await load(`${pipeline}tests:\n${tests}`)
  assert.deepEqual(loaded.diagnostics, [])
  return (await runConfigTests(loaded)).map(renderTestResult).join('')
}

test('events go in, and what comes out is compared', async () => {
  assert.equal(
    await told(`  - name: late flights pass
    input: [{ id: 1, delay: 90 }, { id: 2, delay: 5 }]
    expect: { late: [{ delay: 90, id: 1 }] }
  - name: a flight without a delay is a dead letter
    input: { flights: [{ id: 1 }] }
    expect: { late: [], dead_letters: [{ code: EXPR_MISSING_FIELD, stage: filter, original: '{"id":1}' }] }
  - name: enough of them
    input: [{ id: 1, delay: 90 }, { id: 2, delay: 95 }]
    expect: { late: { count: 2, contains: [{ id: 2 }] } }
`),
    'ok      late flights pass\nok      a flight without a delay is a dead letter\nok      enough of them\n',
  )
})

test('what differs is told with what was expected', async () => {
  assert.equal(
    await told(`  - name: wrong in every way
    input: [{ id: 1, delay: 90 }, { id: 2, delay: 95 }, { id: 3 }]
    expect: { late: [{ id: 1, delay: 91 }, { id: 2, delay: 95 }, { id: 9 }] }
  - name: too many
    input: [{ delay: 90 }]
    expect: { late: [] }
  - name: counted
    input: [{ delay: 90 }]
    expect: { late: { count: 2, contains: [{ delay: 1 }] } }
`),
    `failed  wrong in every way  (late.yaml:9)
          dead_letters: event 1 is not expected
            got       {"pipeline":"late","stage":"filter","code":"EXPR_MISSING_FIELD","reason":"There is no field event.delay.","attempts":1,"time":"2026-01-01T00:00:00.000Z","source":"flights","position":{"input":3,"offset":0},"original":"{\\"id\\":3}"}
          late: event 1 differs
            expected  {"id":1,"delay":91}
            got       {"id":1,"delay":90}
          late: event 3 is missing
            expected  {"id":9}
failed  too many  (late.yaml:12)
          late: event 1 is not expected
            got       {"delay":90}
failed  counted  (late.yaml:15)
          late: 1 event, 2 expected
          late: an event is missing
            expected  {"delay":1}
`,
  )
})

test('a text goes through as it is, broken lines included', async () => {
  assert.equal(
    await told(`  - name: broken lines
    input: [{ $text: '{"delay": 90, "x": 1.0}' }, { $text: '{"delay":' }, { $event: { delay: 70, $text: kept }, $key: a }]
    expect: { late: { count: 2 }, dead_letters: [{ code: JSON_SYNTAX, original: '{"delay":' }] }
`),
    'ok      broken lines\n',
  )
})

test('time passes only where a test says so, and takes none', async () => {
  const clocked = withDeclarations(registry, [
    defineStage({
      type: 'clock',
      summary: '',
      config: field.object({}),
      waits: true,
      create: (_config, context) => ({
        process: async (events, out) => {
          for (const event of events) {
            await context.sleep(60_000)
            event.replace({ at: new Date(context.now()).toISOString(), key: event.key ?? null, time: event.time ?? null })
            out.emit(event)
          }
        },
      }),
    }),
  ])
  const yaml = `sources: { in: { file: { path: a } } }
stages: [clock]
sinks: { out: discard }
tests:
  - name: a day
    now: 2026-03-01T12:00:00Z
    input: [{ $event: 1, $key: a, $time: 2026-01-01T00:00:00Z }, { $event: 2, $after: 24h }]
    expect:
      out:
        - { at: 2026-03-01T12:01:00.000Z, key: a, time: 1767225600000 }
        - { at: 2026-03-02T12:01:00.000Z, key: null, time: null }
`
  const loaded = await loadPipeline('late.yaml', clocked, { workingFolder: FOLDER, env: {}, readText: path => (path.endsWith('late.yaml') ? yaml : undefined) })
  assert.deepEqual(loaded.diagnostics, [])
  const [result] = await runConfigTests(loaded)
  assert.equal(renderTestResult(result ?? assert.fail()), 'ok      a day\n')
})

test('a pipeline that never ends is told, not waited for', async () => {
  const endless = withDeclarations(registry, [
    defineStage({
      type: 'endless',
      summary: '',
      config: field.object({}),
      waits: true,
      create: (_config, context) => ({
        process: async () => {
          for (;;) await context.sleep(1000)
        },
      }),
    }),
  ])
  const yaml = 'sources: { in: { file: { path: a } } }\nstages: [endless]\nsinks: { out: discard }\ntests: [{ name: endless, input: [1], expect: {} }]\n'
  const loaded = await loadPipeline('late.yaml', endless, { workingFolder: FOLDER, env: {}, readText: path => (path.endsWith('late.yaml') ? yaml : undefined) })
  const [result] = await runConfigTests(loaded, { movesMax: 50 })
  assert.equal(renderTestResult(result ?? assert.fail()), 'failed  endless  (late.yaml:4)\n          The pipeline waits again and again and does not end.\n')
})

test('tests may stand in a file of their own, and be chosen by name', async () => {
  const files = { 'late.test.yaml': 'tests:\n  - { name: first, input: [], expect: {} }\n  - { name: second, input: [], expect: { late: [] } }\n' }
  const loaded = await load(PIPELINE, { files }, { withTests: true })
  assert.deepEqual(loaded.diagnostics, [])
  assert.deepEqual((await runConfigTests(loaded, { filter: 'sec' })).map(({ name, file, line, passed }) => ({ name, file, line, passed })), [{ name: 'second', file: 'late.test.yaml', line: 3, passed: true }])
  assert.deepEqual((await load(PIPELINE, { files })).tests, [])
  // The file of tests itself stands for the pipeline beside it.
  const all = { ...files, 'late.yaml': PIPELINE }
  const byTests = await loadPipeline('late.test.yaml', registry, { workingFolder: FOLDER, env: {}, readText: path => Object.entries(all).find(([name]) => path.endsWith(`/${name}`))?.[1] })
  assert.deepEqual([byTests.diagnostics, byTests.tests.length, byTests.config?.name], [[], 2, 'late'])
})
