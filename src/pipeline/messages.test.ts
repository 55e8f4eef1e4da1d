/**
 * What a person reads of each kind of mistake, letter by letter. The cases stand in messages/*.golden.txt: a pipeline, files beside it behind `+++`, and behind
 * `---` what is told. Sources and sinks are added where a case is not about them.
 *
 *     node src/pipeline/messages.test.ts --write        writes the files anew; read the difference before you keep it
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERRORS } from '../base/index.ts'
import { renderDiagnostics } from './diagnostic.ts'
import { load } from './testing.ts'

const FOLDER = join(import.meta.dirname, 'messages')
const FILES = globSync('*.golden.txt', { cwd: FOLDER }).sort().map(name => join(FOLDER, name))
const ENV = { WORKERS: 'hunter2', CONDITION: 'event.hunter2 >', URL: 'http://user:hunter2@example.org' }

interface Case {
  readonly title: string
  /** The pipeline and the files beside it, as written. */
  readonly given: string
  readonly told: string
}

function casesOf(file: string): Case[] {
  return readFileSync(file, 'utf8').split(/^=== /m).slice(1).map(text => {
    const end = text.indexOf('\n')
    const [given = '', told = ''] = text.slice(end + 1).split(/^--- told\n/m)
    return { title: text.slice(0, end), given, told }
  })
}

const cases = (): Case[] => FILES.flatMap(casesOf)

async function tell(given: string): Promise<string> {
  const [own = '', ...others] = given.split(/^\+\+\+ /m)
  const files = Object.fromEntries(others.map(text => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]))
  const whole = /^(-|#)|^pipeline: (one|empty)/.test(own)
  const ends = [['sources', 'sources: { in: { file: { path: in.ndjson } } }\n'], ['sinks', 'sinks: { out: { discard: {} } }\n']] as const
  const added = ends.filter(([key]) => !whole && !new RegExp(`^${key}:`, 'm').test(own)).map(([, text]) => text)
  return renderDiagnostics((await load(own + added.join(''), { files, env: ENV })).diagnostics)
}

if (process.argv.includes('--write')) {
  for (const file of FILES) {
    const written: string[] = []
    for (const { title, given } of casesOf(file)) written.push(`=== ${title}\n${given}--- told\n${await tell(given)}`)
    writeFileSync(file, written.join(''))
  }
} else {
  for (const { title, given, told } of cases()) {
    test(`tells of ${title}`, async () => {
      assert.equal(await tell(given), told)
    })
  }
}

test('no message ever shows a value from the environment', async () => {
  for (const { given } of cases()) assert.ok(!(await tell(given)).includes('hunter2'))
})

test('every mistake has a code that can be explained', () => {
  const codes = new Set(cases().flatMap(one => [...one.told.matchAll(/^\S+:\d+:\d+ {2}(?:warning )?([A-Z_]+)$/gm)].map(match => match[1] ?? '')))
  assert.deepEqual([...codes].filter(code => !Object.hasOwn(ERRORS, code)), [])
  assert.ok(codes.size >= 15)
})
