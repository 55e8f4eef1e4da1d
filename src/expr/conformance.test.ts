import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { tests } from '@bufbuild/cel-spec/testdata/conformance.js'
import { runConformance } from './conformance.ts'
import { compile, toJson } from './index.ts'

test('at least 98 of 100 conformance tests that need no messages pass, and the page lists the rest', () => {
  const outcomes = runConformance(tests)
  const failed = outcomes.filter(({ passed }) => !passed).map(({ id }) => id)
  assert.ok(outcomes.length > 1600)
  assert.ok(failed.length <= outcomes.length * 0.02, `${failed.length} of ${outcomes.length} fail`)
  const page = readFileSync(new URL('../../docs/reference/cel.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^- `([\w./ ]+)`$/gm)].map(([, id]) => id)
  assert.deepEqual(new Set(listed), new Set(failed))
  assert.ok(page.includes(`${outcomes.length - failed.length} of ${outcomes.length}`))
})

test('every example of the page yields what the page says', () => {
  const page = readFileSync(new URL('../../docs/reference/cel.md', import.meta.url), 'utf8')
  let count = 0
  for (const [, code = '', event = '', result = ''] of page.matchAll(/^\| `{1,2}(.+?) ?`{1,2} \| `(\{.*\})` \| `(.+)` \|$/gm)) {
    const scope = { event: JSON.parse(event) as unknown, key: undefined, headers: {}, time: undefined, position: null }
    assert.deepEqual(toJson(compile(code.replaceAll('\\|', '|')).evaluate(scope)), JSON.parse(result), code)
    count++
  }
  assert.ok(count > 35, `${count} examples`)
})
