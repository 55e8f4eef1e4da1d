/** Runs what the pages tell their readers to run. One folder per page; snippets in the order in which they stand. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { parseDocument } from 'yaml'
import { answerToOwnName } from '../../src/own-name.ts'
import { snippetsOf } from './snippets.ts'
import type { Snippet } from './snippets.ts'

const root = join(import.meta.dirname, '../..')
const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: root })]

function sluice(args: readonly string[], folder: string): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'bin/sluice.js'), ...args], { cwd: folder, encoding: 'utf8' })
  return { status, text: `${stdout}${stderr}` }
}

/** Words of a command line, with single quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(match => match[1] ?? match[2] ?? '')
}

/** Exit codes that a reader may meet: done, and done with dead letters where the page asks to be told. */
function runCommand(line: string, folder: string): void {
  const [first = '', ...rest] = words(line)
  if (first === 'npm') return // The test of the package does that.
  if (first === 'mv') return renameSync(join(folder, rest[0] ?? ''), join(folder, rest[1] ?? ''))
  const args = first === 'npx' ? rest.slice(1) : rest
  assert.ok(first === 'sluice' || (first === 'npx' && rest[0] === 'sluice'), `an sh block holds sluice commands and mv only: ${line}`)
  const { status, text } = sluice(args, folder)
  assert.equal(status, args.includes('--fail-on-dead-letters') ? 3 : 0, `${line}\n${text}`)
}

function tryPipeline({ file, text, run }: Snippet, folder: string): void {
  const name = file ?? 'pipeline.yaml'
  writeFileSync(join(folder, name), text)
  for (const command of ['check', ...(run ? ['run'] : [])]) {
    const answer = sluice([command, name], folder)
    assert.equal(answer.status, 0, `sluice ${command}\n${answer.text}`)
  }
}

async function trySnippet(snippet: Snippet, folder: string): Promise<void> {
  const { language, file, expect, text } = snippet
  if (expect !== undefined) return assert.equal(readFileSync(join(folder, expect), 'utf8'), text)
  if (language === 'yaml' && /^pipeline:/m.test(text)) return tryPipeline(snippet, folder)
  if (language === 'yaml') assert.deepEqual(parseDocument(text).errors, [])
  if (language === 'json') for (const line of text.trimEnd().split('\n')) if (!/^[[{]$/.test(text.split('\n')[0] ?? '')) JSON.parse(line)
  if (language === 'sh') for (const line of text.trimEnd().split('\n')) runCommand(line, folder)
  if (file !== undefined) writeFileSync(join(folder, file), text)
  if (language === 'ts' && file !== undefined) await tryModule(file, folder)
}

/** The module must load, and satisfy the compiler. */
async function tryModule(file: string, folder: string): Promise<void> {
  assert.notEqual(await import(join(folder, file)), undefined)
  const typeRoots = [join(root, 'node_modules/@types')]
  const paths = { sluice: [join(root, 'src/index.ts')], 'sluice/*': [join(root, 'src/*/index.ts')] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: { typeRoots, paths }, include: [file, join(root, 'src/**/*.d.ts')] }))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  assert.equal(spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' }).stdout, '')
}

answerToOwnName()
for (const page of pages) {
  const snippets = snippetsOf(readFileSync(join(root, page), 'utf8'))
  if (snippets.length === 0) continue
  test(`what ${page} tells its readers to write and run works`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'))
    t.after(() => rmSync(folder, { recursive: true }))
    for (const snippet of snippets) await t.test(`${snippet.language} in line ${snippet.line}`, () => trySnippet(snippet, folder))
  })
}

test('links between pages lead somewhere', () => {
  for (const page of [...pages, 'ARCHITECTURE.md', 'CHANGELOG.md', 'bench/pipelines/JOBS.md']) {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(/```[\s\S]*?```/g, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^(https?:|#)/.test(target)) continue
      const path = join(root, page, '..', target.replace(/#.*/, ''))
      assert.ok(existsSync(path), `${page}: ${target}`)
    }
  }
})
