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

test('list, create, try, check and echo know what plug-ins bring', async t => {
  const folder = project(t, { 'shout.ts': SHOUT, 'p.yaml': PIPELINE, 'in.ndjson': INPUT })
  const call = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await sluice(args, { folder })
    assert.equal(code, 0, err)
    return out
  }
  assert.match(await call('list', 'stages', '--plugin', './shout.ts'), /^ {2}shout +Write a field in capitals \(plug-in\)$/m)
  assert.match(await call('list', '--pipeline', 'p.yaml'), /^functions\n {2}acme\.between {2}True where a number lies between two others \(plug-in\)$/m)
  assert.match(await call('list', 'stage', 'shout', '-p', './shout.ts'), /^ {2}mark +string +default "!"$/m)
  assert.match(await call('list', 'function', 'acme.between', '-p', './shout.ts'), /^ {2}high +number +optional$/m)
  const schema = JSON.parse(await call('list', '--schema', '--pipeline', 'p.yaml')) as { definitions: Record<string, { anyOf: { properties?: object }[] }> }
  assert.deepEqual(Object.keys(schema.definitions['stage.shout']?.anyOf[0]?.properties ?? {}), ['field', 'mark'])
  assert.match(await call('create', 'file/shout/stdout', '-p', './shout.ts'), /^plugins: \[\.\/shout\.ts\]$[^]*^ {2}- id: shout$[^]*^ {4}shout:$/m)
  assert.equal(await call('try', 'acme.between(5, 1, 9)', '-p', './shout.ts'), 'true\n')
  await call('check', 'p.yaml')
  assert.match(await call('echo', 'p.yaml'), /^plugins: \[\.\/shout\.ts\] +# p\.yaml:2$/m)
})

test('a pipeline that a command wrote for a plug-in in another folder finds it', async t => {
  const folder = project(t, { 'shout.ts': SHOUT, 'sub/none': '' })
  assert.equal((await sluice(['create', 'generate/shout/stdout', '-p', './shout.ts', '-o', 'sub/made.yaml'], { folder })).code, 0)
  const { code, err } = await sluice(['check', 'sub/made.yaml'], { folder })
  assert.equal(code, 0, err)
})

test('wrong use of what a plug-in brings is told like that of any other component', async t => {
  const folder = project(t, { 'shout.ts': SHOUT, 'p.yaml': PIPELINE.replace('shout: name', 'shout: { field: name, marks: "?" }').replace('acme.between(event.n, 20)', 'acme.between(event.n, "20")').replace('acme.between(event.n, 10, 989)', 'acme.betwen(event.n)') })
  const { code, out } = await sluice(['check', 'p.yaml'], { folder })
  assert.equal(code, 2)
  assert.match(out, /CONFIG_UNKNOWN_FIELD[^]*Did you mean "mark"\?/)
  assert.match(out, /EXPR_UNKNOWN_FUNCTION[^]*Did you mean "acme\.between"\?/)
})

test('what a stage of a plug-in throws goes to the dead letters with its reason, as on_error says', async t => {
  const input = '{"n":50,"name":"a"}\n{"n":51,"name":7}\n{"n":52,"name":"c"}\n'
  const folder = project(t, { 'shout.ts': SHOUT, 'p.yaml': PIPELINE, 'in.ndjson': input })
  const { code, err } = await sluice(['run', 'p.yaml', '--quiet'], { folder })
  assert.equal(code, 0, err)
  const [letter] = readFileSync(join(folder, 'failed.ndjson'), 'utf8').trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual([letter?.['stage'], letter?.['code'], letter?.['reason'], letter?.['original']], ['shout', 'STAGE_FAILED', 'no text in name', '{"n":51,"name":7}'])
})

test('a plug-in that is wrong stops a run before anything is touched', async t => {
  const folder = project(t, { 'shout.ts': SHOUT.replace("type: 'shout'", "type: 'filter'"), 'p.yaml': PIPELINE, 'in.ndjson': INPUT })
  const { code, err } = await sluice(['run', 'p.yaml'], { folder })
  assert.equal(code, 2)
  assert.match(err, /p\.yaml:2:11 {2}PLUGIN_NAME_TAKEN\n {3}2 \| plugins: \[\.\/shout\.ts\]\n/)
  assert.throws(() => readFileSync(join(folder, 'out.ndjson')), { code: 'ENOENT' })
})

test('a stage of a plug-in that loops without end costs the one event, and the run says which', async t => {
  const loop = `import { defineStage, field } from 'sluice'
export default defineStage({
  type: 'loop', summary: 'Loops on seven', config: field.object({}),
  create: () => ({
    process(events, out) {
      for (const event of events) {
        while ((event.value as { n: number }).n === 777) {}
        out.emit(event)
      }
    },
  }),
})
`
  const folder = project(t, { 'loop.ts': loop, 'p.yaml': PIPELINE.replace('./shout.ts', './loop.ts').replace(/stages:[^]*sinks:/, 'stages: [loop]\nstall_timeout: 300ms\nsinks:'), 'in.ndjson': INPUT })
  const { code, err } = await sluice(['run', 'p.yaml'], { folder })
  assert.equal(code, 0, err)
  assert.match(err, /Stage "loop" did not come back for 300 ms/)
  const lines = readFileSync(join(folder, 'out.ndjson'), 'utf8').trim().split('\n').map(line => (JSON.parse(line) as { n: number }).n)
  assert.deepEqual(lines, Array.from({ length: 1000 }, (_, n) => n).filter(n => n !== 777))
  const letter = JSON.parse(readFileSync(join(folder, 'failed.ndjson'), 'utf8')) as Record<string, unknown>
  assert.deepEqual([letter['stage'], letter['code'], letter['original']], ['loop', 'WORKER_KILLED', '{"n":777,"name":"name 777"}'])
})

test('create plugin writes what runs, and overwrites nothing', async t => {
  const folder = project(t, {})
  assert.equal((await sluice(['create', 'plugin', 'my-stages'], { folder })).code, 0)
  const plugin = join(folder, 'my-stages')
  assert.equal((await sluice(['check', 'pipeline.yaml'], { folder: plugin })).code, 0)
  assert.match((await sluice(['run', 'pipeline.yaml', '--quiet', '--workers', '1'], { folder: plugin })).out, /^\{"id":"o-0","customer":"c\.\.\."\}\n/)
  const again = await sluice(['create', 'plugin', 'my-stages'], { folder })
  assert.deepEqual([again.code, /CLI_FILE_EXISTS/.test(again.err)], [2, true])
  assert.match((await sluice(['create', 'plugin', 'My Stages'], { folder })).err, /"My Stages" is no name for a package/)
  assert.match((await sluice(['create', 'plugin'], { folder })).err, /A plug-in needs a name/)
  assert.match((await sluice(['create', 'file//stdout', 'other'], { folder })).err, /"other" is one word too many/)
})

test('a pipeline in TypeScript takes components of a plug-in as they are, and its functions by name, on workers too', async t => {
  const program = `import { file, pipeline, stage } from 'sluice'
import { shout } from './shout.ts'

export default pipeline('loud', { plugins: ['./shout.ts'], workers: 2 })
  .from(file({ path: 'in.ndjson' }))
  .through(stage(shout, { field: 'name' }))
  .to(file({ path: 'out/{acme.between(event.n, 500) ? "high" : "low"}.ndjson' }))
`
  const folder = project(t, { 'shout.ts': SHOUT, 'p.ts': program, 'in.ndjson': INPUT })
  const { code, err } = await sluice(['run', 'p.ts', '--quiet'], { folder })
  assert.equal(code, 0, err)
  assert.equal(readFileSync(join(folder, 'out/low.ndjson'), 'utf8').split('\n')[0], '{"n":0,"name":"NAME 0!"}')
  assert.equal(readFileSync(join(folder, 'out/high.ndjson'), 'utf8').split('\n')[0], '{"n":500,"name":"NAME 500!"}')
  const wrong = project(t, { 'p.ts': program.replace("['./shout.ts']", "['./shouts.ts']"), 'shout.ts': SHOUT })
  assert.match((await sluice(['check', 'p.ts'], { folder: wrong })).out, /PLUGIN_LOAD[^]*\.\/shouts\.ts is not there/)
})
