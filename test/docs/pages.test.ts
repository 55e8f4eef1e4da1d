import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { ERRORS } from '../../src/base/index.ts'
import { outdatedPages } from '../../tools/build-docs.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

test('generated pages are up to date (make docs)', async () => {
  assert.deepEqual(await outdatedPages(), [])
})

test('every error has its anchor', () => {
  const page = read('docs/reference/errors.md')
  for (const code of Object.keys(ERRORS)) assert.ok(page.includes(`\n## ${code}\n`), code)
})

test('every error code named in the docs exists', () => {
  const families = new Set(Object.keys(ERRORS).map(code => code.split('_')[0]))
  for (const path of ['README.md', 'ARCHITECTURE.md', ...globSync('docs/**/*.md', { cwd: root })]) {
    for (const [, code = ''] of read(path).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
      if (families.has(code.split('_')[0])) assert.ok(code in ERRORS, `${path}: ${code}`)
    }
  }
})

test('every package has its row in docs/dependencies.md, and every row its package', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>> // Our own file.
  const workspace = JSON.parse(read('tools/runtime/package.json')) as { optionalDependencies: Record<string, string> } // Our own file.
  const needed = Object.keys({ ...dependencies, ...devDependencies, ...workspace.optionalDependencies }).sort()
  const rows = read('docs/dependencies.md').split('\n').filter(line => line.startsWith('| `'))
  const told = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(match => match[1] ?? '')).sort()
  assert.deepEqual(told, needed)
})

test('the architecture names every room', () => {
  const map = read('ARCHITECTURE.md')
  const rooms = new Set(globSync('src/*/**/*.ts', { cwd: root }).map(path => path.split('/')[1] ?? ''))
  for (const room of rooms) assert.ok(map.includes(`\`src/${room}\``), room)
})
