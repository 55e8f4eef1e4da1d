import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PipelineConfig } from '../engine/index.ts'
import { renderDiagnostics } from './diagnostic.ts'
import type { LoadOptions } from './load.ts'
import { load } from './testing.ts'
import type { TestFiles } from './testing.ts'

const SOURCES = 'sources: { in: { file: { path: in.ndjson } } }\n'
const SINKS = 'sinks: { out: discard }\n'

async function configOf(yaml: string, files: TestFiles = {}, options: LoadOptions = {}): Promise<PipelineConfig> {
  const { config, diagnostics } = await load(yaml, files, options)
  assert.equal(renderDiagnostics(diagnostics), '')
  assert.ok(config)
  return config
}

async function codesOf(yaml: string, files: TestFiles = {}): Promise<string[]> {
  return (await load(yaml, files)).diagnostics.map(one => one.code)
}

test('settings that are left out have their defaults, in milliseconds and bytes', async () => {
  const { name, folder, workers, memory, state, checkpointInterval, ordered, batch, stopTimeout } = await configOf(SOURCES + SINKS)
  assert.deepEqual(
    { name, folder, workers, memory, state, checkpointInterval, ordered, batch, stopTimeout },
    { name: 'late', folder: '/pipelines', workers: 'auto', memory: 64 * 2 ** 20, state: undefined, checkpointInterval: 1000, ordered: true, batch: { bytes: 3 * 2 ** 18, events: 100_000, age: 10 }, stopTimeout: 30_000 },
  )
})

test('a component gets the defaults of its fields, in the words of a user', async () => {
  const { sources, stages } = await configOf(`${SOURCES}stages:\n  - dedupe: { key: event.id }\n  - enrich: { table: a.csv, key: event.id }\n${SINKS}`)
  assert.deepEqual(sources, [{ id: 'in', type: 'file', config: { path: 'in.ndjson', format: 'ndjson', follow: false, line_max: '1MiB' } }])
  assert.deepEqual(stages.map(stage => stage.config), [
    { key: 'event.id', window: '10m', keys_max: 100_000 },
    { table: 'a.csv', key: 'event.id', cache: { entries: 1000, age: '1m' }, fields: ['all'] },
  ])
})

test('each stage takes the one before, the first all sources, a sink the last stage', async () => {
  const { stages, sinks } = await configOf(`sources: { a: { file: { path: a } }, b: { file: { path: b } } }\nstages: [filter: event.x > 1, filter: event.x > 2]\nsinks: { one: discard, two: discard }\n`)
  assert.deepEqual(stages.map(({ id, from }) => [id, from]), [['filter', ['a', 'b']], ['filter-2', ['filter']]])
  assert.deepEqual(sinks.map(({ id, from }) => [id, from]), [['one', ['filter-2']], ['two', ['filter-2']]])
})

test('from names sources, stages and outputs, and a sink may be called like the stage that feeds it', async () => {
  const { stages, sinks } = await configOf(`${SOURCES}stages:
  - { id: late, route: { far: event.far, near: true } }
  - { id: all, filter: event.x > 1, from: [late.far, late.near] }
sinks:
  late: { discard: {}, from: [all, in] }
`)
  assert.deepEqual(stages.map(({ id, from }) => [id, from]), [['late', ['in']], ['all', ['late.far', 'late.near']]])
  assert.deepEqual(sinks.map(({ id, from }) => [id, from]), [['late', ['all', 'in']]])
})

test('a bare value stands for the field that matters, unless the fields themselves are given', async () => {
  const { stages } = await configOf(`${SOURCES}stages:
  - map: { id: event.id, merge: event.merge }
  - map: { fields: { id: event.id }, merge: true }
  - partition_by: event.key
${SINKS}`)
  assert.deepEqual(stages.map(({ type, config }) => [type, config]), [
    ['map', { fields: { id: 'event.id', merge: 'event.merge' }, merge: false }],
    ['map', { fields: { id: 'event.id' }, merge: true }],
    ['partition_by', { key: 'event.key' }],
  ])
})

test('numbers, true and null may stand as expressions', async () => {
  const { stages } = await configOf(`${SOURCES}stages:\n  - map: { one: 1, half: 0.50, yes: true, no: null, text: '"a"' }\n${SINKS}`)
  assert.deepEqual(stages[0]?.config, { fields: { one: '1', half: '0.50', yes: 'true', no: 'null', text: '"a"' }, merge: false })
})

test('policies come in milliseconds; sinks retry by themselves, stages that do not wait never do', async () => {
  const { stages, sinks } = await configOf(`${SOURCES}stages:
  - enrich: { table: a, key: event.id }
    retry: { attempts: 0, backoff: 1s }
    breaker: {}
    rate_limit: { events: 5, bytes: 1KiB, per: 1m }
    concurrency: 8
    on_error: pass
  - filter: event.x > 1
${SINKS}`)
  const [enrich, filter] = stages
  assert.deepEqual(enrich?.retry, { attempts: 0, backoff: 1000, factor: 2, backoffMax: 30_000, deadline: 300_000, budget: 0 })
  assert.deepEqual(enrich?.breaker, { failures: 5, cooldown: 10_000, successes: 1 })
  assert.deepEqual(enrich?.rateLimit, { events: 5, bytes: 1024, per: 60_000 })
  assert.deepEqual([enrich?.concurrency, enrich?.onError, filter?.retry, filter?.concurrency], [8, 'pass', undefined, 1])
  assert.equal(sinks[0]?.retry.attempts, 10)
})

test('dead letters are never lost: without a sink of their own they are added to a file', async () => {
  const beside = await configOf(SOURCES + SINKS, {}, { workingFolder: '/pipelines' })
  assert.deepEqual(beside.deadLetters?.config, { mode: 'append', path: '/pipelines/late.dead-letters.ndjson' })
  const { config: withState } = await load(`state: var/state\n${SOURCES}${SINKS}`)
  assert.equal(withState?.state, '/pipelines/var/state')
  assert.deepEqual(withState?.deadLetters?.config, { mode: 'append', path: '/pipelines/var/late.dead-letters.ndjson' })
})

test('with a state, a sink that can not go back to a checkpoint is told', async () => {
  const { diagnostics } = await load(`state: var/state\n${SOURCES}${SINKS}`)
  assert.deepEqual(diagnostics.map(one => [one.severity, one.code, one.line]), [['warning', 'CONFIG_AT_LEAST_ONCE', 3]])
})

test('exactly once that can not be had is told where it is asked for', async () => {
  const { diagnostics } = await load(`delivery: exactly_once\n${SOURCES}sinks: { out: { file: { path: o.ndjson } } }\n`)
  assert.deepEqual(diagnostics.map(one => [one.severity, one.code, one.line]), [['error', 'CONFIG_VALUE', 1]])
})

test('a variable takes the kind that is wanted where it stands alone, and is text within a text', async () => {
  const env = { WORKERS: '2', ORDERED: 'false', DIR: 'data', PRICE: '$5' }
  const config = await configOf(`workers: \${WORKERS}\nordered: \${ORDERED}\nmemory: \${MEMORY:1MiB}\nsources: { in: { file: { path: "\${DIR}/$\${x}-\${PRICE}" } } }\n${SINKS}`, { env })
  assert.deepEqual([config.workers, config.ordered, config.memory], [2, false, 2 ** 20])
  assert.equal((config.sources[0]?.config as { path: string }).path, 'data/${x}-$5') // A file source, as just written.
})

test('options of a format take the kind that is wanted, and what a source sets by itself comes before their defaults', async () => {
  const { sources, sinks } = await configOf('sources: { in: { rows: { width: 7, options: { header: "${HEADER}", columns: [a] } } } }\nsinks: { out: { rows: { options: { width: "${WIDTH}" } } } }', { env: { HEADER: 'false', WIDTH: '3' } })
  assert.deepEqual(sources[0]?.config, { width: 7, format: 'table', options: { header: false, columns: ['a'] } })
  assert.deepEqual(sinks[0]?.config, { path: 'a', format: 'table', options: { width: 3 } })
})

test('a secret file is read beside the file that names it, without its last line end', async () => {
  const config = await configOf(`sources: { in: { http_client: { url: "http://example.org", token: "\${file:token}" } } }\n${SINKS}`, { files: { token: 'hunter2\n' } })
  assert.equal((config.sources[0]?.config as { token: string }).token, 'hunter2') // As above.
})

test('a value never becomes structure', async () => {
  const env = { EVIL: 'a\nsinks: { out: nothing }', MORE: '${WORKERS}' }
  const config = await configOf(`sources: { in: { file: { path: "\${EVIL}\${MORE}" } } }\n${SINKS}`, { env })
  assert.equal((config.sources[0]?.config as { path: string }).path, 'a\nsinks: { out: nothing }${WORKERS}') // As above.
})

test('an included file comes first, and the file that includes it has the last word', async () => {
  const files = {
    'parts/base.yaml': 'include: more.yaml\nmemory: 1MiB\nordered: false\nstages: [filter: event.base]\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: discard }\n',
    'parts/more.yaml': 'memory: 2MiB\nstages: [filter: event.more]\n',
  }
  const config = await configOf('include: [parts/base.yaml]\nordered: true\nstages: [filter: event.own]\nsinks: { extra: discard }\n', { files })
  assert.deepEqual([config.memory, config.ordered], [2 ** 20, true])
  assert.deepEqual(config.stages.map(stage => stage.config), ['event.more', 'event.base', 'event.own'].map(condition => ({ condition })))
  assert.deepEqual(config.sinks.map(sink => sink.id), ['out', 'extra'])
  // Paths of an included file are resolved against its own folder.
  assert.equal((config.sources[0]?.config as { path: string }).path, '/pipelines/parts/in.ndjson') // As above.
})

test('a template puts its stages in place, with values of any kind', async () => {
  const config = await configOf(`templates:
  late:
    parameters: { limit: { type: integer, default: 60 }, by: { type: expression }, columns: { type: list, default: [city] } }
    stages:
      - filter: \${param:by} > \${param:limit}
      - enrich: { table: a.csv, key: event.id, fields: "\${param:columns}" }
  both:
    stages: [{ use: late, with: { by: event.a } }, { use: late, with: { by: event.b, limit: 5, columns: [x, y] } }]
${SOURCES}stages:
  - { id: mine, use: both }
  - { filter: event.end, from: [mine/late, mine/late-2] }
${SINKS}`)
  assert.deepEqual(config.stages.map(({ id, from }) => [id, from]), [
    ['mine/late/filter', ['in']],
    ['mine/late/enrich', ['mine/late/filter']],
    ['mine/late-2/filter', ['mine/late/enrich']],
    ['mine/late-2/enrich', ['mine/late-2/filter']],
    ['filter', ['mine/late/enrich', 'mine/late-2/enrich']],
  ])
  assert.deepEqual(config.stages.map(stage => stage.config).slice(0, 4).filter((_, at) => at % 2 === 0), [{ condition: 'event.a > 60' }, { condition: 'event.b > 5' }])
  assert.deepEqual((config.stages[3]?.config as { fields: unknown }).fields, ['x', 'y']) // An enrich stage, as just written.
})

test('values from the command line replace those of the file, and slips in them are told', async () => {
  const yaml = `memory: 1MiB\nbatch: { events: 5 }\n${SOURCES}${SINKS}`
  const config = await configOf(yaml, {}, { overrides: { memory: '2MiB', 'batch.events': '7', 'sources.in.file.format': 'csv', workers: '0' } })
  assert.deepEqual([config.memory, config.batch.events, config.workers], [2 ** 21, 7, 0])
  const { diagnostics } = await load(yaml, {}, { overrides: { memroy: '2MiB', 'batch.events': 'many' } })
  assert.equal(renderDiagnostics(diagnostics), `--set:1:1  CONFIG_UNKNOWN_FIELD
   1 | memroy=2MiB
     | ~~~~~~
  A pipeline has no section "memroy". Did you mean "memory"?

--set:1:14  CONFIG_VALUE
   1 | batch.events=many
     |              ~~~~
  "batch.events" must be a whole number from 1 to 10000000, not "many".
`)
})

test('aliases that multiply are stopped before they fill the memory', async () => {
  const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x]', ...Array.from({ length: 8 }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(9).fill(`*a${at}`).join(', ')}]`)].join('\n')
  assert.ok((await codesOf(`${bomb}\n${SOURCES}${SINKS}`)).includes('CONFIG_LIMIT'))
})

test('what is nested or included without end is stopped', async () => {
  assert.deepEqual(await codesOf(`a: ${'['.repeat(20_000)}`), ['CONFIG_LIMIT'])
  const files = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`${at}.yaml`, `include: ${at + 1}.yaml\n`]))
  assert.deepEqual(await codesOf(`include: 0.yaml\n${SOURCES}${SINKS}`, { files }), ['CONFIG_LIMIT'])
  const wide = Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`${at}.yaml`, 'ordered: true\n']))
  assert.ok((await codesOf(`include: [${Object.keys(wide).join(', ')}]\n${SOURCES}${SINKS}`, { files: wide })).includes('CONFIG_LIMIT'))
})

test('templates can not multiply stages without end', async () => {
  const doubling = Array.from({ length: 15 }, (_, at) => `  t${at + 1}: { stages: [use: t${at}, use: t${at}] }`).join('\n')
  const yaml = `templates:\n  t0: { stages: [filter: event.x] }\n${doubling}\n${SOURCES}stages: [use: t15]\n${SINKS}`
  assert.ok((await codesOf(yaml)).includes('CONFIG_LIMIT'))
})

test('only so many problems are kept', async () => {
  const { diagnostics } = await load(`${SOURCES}${SINKS}stages:\n${'  - filter: "+"\n'.repeat(500)}`)
  assert.equal(diagnostics.length, 200)
})

test('problems are JSON as they are', async () => {
  const { diagnostics } = await load(`memory: plenty\n${SOURCES}${SINKS}`)
  assert.deepEqual(JSON.parse(JSON.stringify(diagnostics)), [
    {
      severity: 'error', code: 'CONFIG_VALUE', message: '"memory" must be a size such as 64MiB or 4096, not "plenty".', file: 'late.yaml', line: 1, column: 9, length: 6,
      expected: 'a size such as 64MiB or 4096', frame: 'memory: plenty',
    },
  ])
})

test('a file that is not there is a problem like any other', async () => {
  const { config, diagnostics } = await load('', {}, { readText: () => undefined })
  assert.equal(config, undefined)
  assert.equal(renderDiagnostics(diagnostics), 'late.yaml:1:1  CONFIG_FILE\n  late.yaml is not there.\n')
})
