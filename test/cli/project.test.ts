/** What is made for people: new projects, new pipelines, completion. All of it must work as it comes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { registry } from '../../src/registry.ts'
import { folderWith, sluice } from './sluice.ts'

test('a new project passes its check, its tests, and runs', async t => {
  const folder = folderWith(t, {})
  const made = await sluice(['init', 'orders'], { folder })
  assert.equal(made.code, 0)
  assert.equal(made.err, `Wrote to orders:
  pipeline.yaml
  pipeline.test.yaml
  data/orders.ndjson
  README.md
  .gitignore
  .sluice/pipeline.schema.json

Next:
  cd orders
  sluice run pipeline.yaml
  sluice test pipeline.yaml
`)
  const project = join(folder, 'orders')
  assert.deepEqual(await sluice(['check', 'pipeline.yaml'], { folder: project }), { code: 0, out: '', err: 'ok  orders: 1 source, 3 stages, 2 sinks\n' })
  assert.deepEqual(await sluice(['test', 'pipeline.yaml'], { folder: project }), {
    code: 0,
    out: 'ok      an order of a hundred or more is large\nok      an order without a customer fails\n',
    err: '2 tests passed\n',
  })
  assert.equal((await sluice(['run', '-q', 'pipeline.yaml'], { folder: project })).code, 0)
  const lines = (name: string): number => readFileSync(join(project, 'out', name), 'utf8').trimEnd().split('\n').length
  assert.deepEqual([lines('large.ndjson'), lines('small.ndjson'), lines('failed.ndjson')], [3, 3, 2])
})

test('a project is not written over another, not even in part', async t => {
  const folder = folderWith(t, { 'README.md': 'mine' })
  const { code, err } = await sluice(['init'], { folder })
  assert.equal(code, 2)
  assert.match(err, /^error CLI_FILE_EXISTS {2}.+README\.md is there already; nothing was written\./)
  assert.deepEqual(readdirSync(folder), ['README.md'])
})

test('what create writes passes check, for every component there is', async t => {
  const folder = folderWith(t, {})
  const shapes = [
    ...registry.all('source').map(({ type }) => `${type}//discard`),
    ...registry.all('stage').map(({ type }) => `generate/${type}/discard`),
    ...registry.all('sink').map(({ type }) => `generate//${type}`),
    'file,generate/filter,map,filter,route/file,stdout',
  ]
  const names = await Promise.all(shapes.map(async (shape, at) => {
    const name = `p${at}.yaml`
    assert.equal((await sluice(['create', shape, '-o', name], { folder })).code, 0, shape)
    return name
  }))
  // Files that the samples name; a check may look for them.
  for (const name of ['airports.csv', 'score.ts']) if (!existsSync(join(folder, name))) writeFileSync(join(folder, name), name.endsWith('.ts') ? 'export default (value: unknown) => value\n' : 'iata,city\nJFK,New York\n')
  const { code, out } = await sluice(['check', '--format', 'json', ...names], { folder })
  const { diagnostics } = JSON.parse(out) as { diagnostics: { severity: string; file: string; message: string }[] }
  assert.deepEqual(diagnostics.filter(one => one.severity === 'error').map(one => `${shapes[names.indexOf(one.file)]}: ${one.message}`), [])
  assert.equal(code, 0)
})

test('the comments of a created pipeline may be taken away one by one', async t => {
  const folder = folderWith(t, {})
  const { out } = await sluice(['create', 'generate/filter/stdout'], { folder })
  const lines = out.split('\n')
  const optional = lines.flatMap((line, at) => (/^\s*#\w+: \S/.test(line) && !line.startsWith('#state') ? [at] : []))
  assert.ok(optional.length >= 5)
  const names = optional.map(at => {
    const name = `without-${at}.yaml`
    writeFileSync(join(folder, name), lines.map((line, place) => (place === at ? line.replace('#', '') : line)).join('\n'))
    return name
  })
  const checked = await sluice(['check', ...names], { folder })
  assert.equal(checked.code, 0, checked.out)
})

test('the completion of bash completes commands, options and words', async () => {
  const { out } = await sluice(['completion', 'bash'])
  const complete = (...words: string[]): string => {
    const line = words.map(word => `'${word}'`).join(' ')
    return execFileSync('bash', ['-c', `${out}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _sluice; echo "\${COMPREPLY[@]}"`], { encoding: 'utf8' }).trim()
  }
  assert.equal(complete('sluice', 'ex'), 'explain')
  assert.equal(complete('sluice', 'run', '--wo'), '--workers')
  assert.equal(complete('sluice', 'list', 'so'), 'sources')
  assert.equal(complete('sluice', 'explain', 'STATE_LO'), 'STATE_LOCKED')
})

test('the completions of zsh and fish know every command and option', async () => {
  for (const shell of ['zsh', 'fish']) {
    const { code, out } = await sluice(['completion', shell])
    assert.equal(code, 0)
    for (const word of ['run', 'check', 'explain', 'fail-on-dead-letters', 'input-dead-letters', 'sources', 'STATE_LOCKED']) assert.ok(out.includes(word), `${shell}: ${word}`)
  }
})

test('a pipeline is shown with the origin of each value and without its secrets', async t => {
  const folder = folderWith(t, { 'p.yaml': 'pipeline: p\nsources: { in: { generate: { count: 3 } } }\nstages:\n  - mask: { fields: [id], how: hash, key: "${MASK_KEY}" }\nsinks: { out: { discard: {} } }\n' })
  const { code, out, err } = await sluice(['echo', 'p.yaml', '--set', 'workers=3'], { folder, env: { MASK_KEY: 'do-not-show' } })
  assert.equal(code, 0)
  assert.equal(err, '')
  assert.doesNotMatch(out, /do-not-show/)
  assert.match(out, /^workers: 3 +# --set$/m)
  assert.match(out, /^ +count: 3 +# p\.yaml:2$/m)
  assert.match(out, /^memory: 64MiB +# default$/m)
})

test('failing config tests exit with 1 and say what was expected', async t => {
  const folder = folderWith(t, {
    'p.yaml': 'pipeline: p\nsources: { in: { generate: { count: 3 } } }\nstages: [{ filter: event.n > 1 }]\nsinks: { out: { discard: {} } }\n',
    'p.test.yaml': 'tests:\n  - { name: large ones stay, input: [{ n: 2 }], expect: { out: [{ n: 2 }] } }\n  - { name: wrong on purpose, input: [{ n: 2 }], expect: { out: [{ n: 3 }] } }\n',
    'bare.yaml': 'pipeline: p\nsources: { in: { generate: { count: 3 } } }\nsinks: { out: { discard: {} } }\n',
  })
  const { code, out, err } = await sluice(['test', 'p.yaml'], { folder })
  assert.equal(code, 1)
  assert.match(out, /^ok {6}large ones stay\nfailed {2}wrong on purpose {2}\(p\.test\.yaml:3\)\n/)
  assert.equal(err, '1 test passed, 1 failed\n')
  assert.equal((await sluice(['test', 'p.yaml', '--filter', 'large'], { folder })).code, 0)
  assert.match((await sluice(['test', 'p.yaml', '--filter', 'nothing like it'], { folder })).err, /No test has "nothing like it" in its name/)
  assert.match((await sluice(['test', 'bare.yaml'], { folder })).err, /^warning {2}bare\.yaml has no tests\. Write them beside it: bare\.test\.yaml\n/)
})

test('a pipeline in TypeScript is tested by the file beside it, called by either name', async t => {
  const folder = folderWith(t, {
    'late.ts': "import { file, pipeline } from 'sluice'\nexport default pipeline('late').from(file<{ readonly delay: number }>({ path: 'in.ndjson' })).filter(event => event.delay > 60).to(file({ path: 'out.ndjson' }))\n",
    'late.test.yaml': 'tests:\n  - name: only late ones\n    input: [{ delay: 90 }, { delay: 5 }]\n    expect: { file: [{ delay: 90 }] }\n',
  })
  for (const name of ['late.ts', 'late.test.yaml']) {
    const { code, out } = await sluice(['test', name], { folder })
    assert.equal(code, 0, name)
    assert.match(out, /^ok +only late ones/)
  }
})
