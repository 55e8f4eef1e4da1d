import assert from 'node:assert/strict'
import test from 'node:test'
import { problemsOf } from './check-text.ts'

test('clean text has no problems', () => {
  assert.deepEqual(problemsOf('src/base/a.ts', "// Any company may do as anyone likes.\nexport const many: string = 'any'\n"), [])
})

test('a file of more than 500 lines is refused, data and lock files are not', () => {
  const long = 'x\n'.repeat(501)
  assert.match(problemsOf('src/base/a.ts', long).join(), /has 501 lines/)
  assert.deepEqual(problemsOf('examples/a/data.csv', long), [])
  assert.deepEqual(problemsOf('src/base/a.ts', 'x\n'.repeat(500)), [])
})

test('each forbidden text is named with its line', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['src/a.ts', 'const a: any = 1', /^src\/a\.ts:2 {2}says `any`/],
    ['src/a.ts', 'f(a as any)', /says `any`/],
    ['src/a.ts', '// @ts-ignore', /switches a check off/],
    ['src/a.ts', '// oxlint-disable-next-line', /switches a check off/],
    ['docs/a.md', 'TODO: say more', /unfinished/],
    ['README.md', 'see /root/x', /path of one machine/],
    ['Makefile', 'curl https://registry.npmjs.org', /names a package registry/],
    ['package-lock.json', '"resolved": "https:', /download addresses/],
  ]
  for (const [path, line, expected] of cases) assert.match(problemsOf(path, `\n${line}\n`).join('\n'), expected, line)
})
