/**
 * Proves that the tests guard: takes one guarding line away at a time, in a copy of the tree, and sees that the test named for it fails.
 *
 *     node tools/mutate-guards.ts                 all guards; exits 1 if one is not guarded
 *     node tools/mutate-guards.ts barriers 6      only those whose file or invariant says so
 *     node tools/mutate-guards.ts --list          the table alone
 *
 * A test that fails for another reason proves nothing: each named test is first seen to pass in the untouched copy, and a mutation that keeps a file from loading
 * fails under the file's name and not under the test's, so that it counts as not guarded. The work tree is never written to.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { GUARDS } from './mutate-table.ts'
import type { Guard, GuardTest } from './mutate-table.ts'

const ROOT = join(import.meta.dirname, '..')
const COPIED = ['src', 'test', 'bin', 'tools', 'schema', 'package.json', 'tsconfig.json']
/** Milliseconds after which a test counts as hanging, which is a failure too: in the untouched copy, and then this much beyond what it took there. */
const LIMIT = 60_000
const PATIENCE = 8_000

type Outcome = 'failed' | 'passed' | 'hangs' | 'missing'

interface Row {
  readonly guard: Guard
  readonly verdict: 'guarded' | 'SURVIVED' | 'NO MATCH' | 'BROKEN'
  readonly note: string
}

function makeCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), 'sluice-guards-'))
  for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Runs one test of one file by its name, and tells what became of it. */
function runTest(root: string, { file, name }: GuardTest, most: number): Promise<Outcome> {
  const pattern = `(^| )${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`
  const args = ['--test-reporter=tap', '--test-force-exit', `--test-name-pattern=${pattern}`, file]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], detached: true, env: { ...process.env, NODE_TEST_CONTEXT: undefined } })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  // The whole group, because a test may have started processes of its own.
  const limit = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    resolve('hangs')
  }, most)
  child.on('close', () => {
    clearTimeout(limit)
    resolve(outcomeIn(out, name))
  })
  return promise
}

function keyOf({ file, name }: GuardTest): string {
  return `${file} ${name}`
}

/** What a report in the form of TAP says of a test. */
export function outcomeIn(tap: string, name: string): Outcome {
  for (const line of tap.split('\n')) {
    const match = /^ *(not )?ok \d+ - (.*?)(?: # ([A-Z]+).*)?$/.exec(line)
    if (match?.[2]?.replace(/\\(.)/g, '$1') !== name || match[3] !== undefined) continue
    return match[1] === undefined ? 'passed' : 'failed'
  }
  return 'missing'
}

/** Answers the text with the guarding line taken away; undefined where the line is not there, or not there once. */
export function mutated(text: string, { find, replace }: Pick<Guard, 'find' | 'replace'>): string | undefined {
  const at = text.indexOf(find)
  if (at < 0 || text.includes(find, at + 1)) return undefined
  return text.slice(0, at) + replace + text.slice(at + find.length)
}

async function tryGuard(copy: string, guard: Guard, usual: ReadonlyMap<string, number>): Promise<Row> {
  const path = join(copy, guard.file)
  const text = readFileSync(path, 'utf8')
  const changed = mutated(text, guard)
  if (changed === undefined) return { guard, verdict: 'NO MATCH', note: `the text to be replaced stands not once in ${guard.file}` }
  writeFileSync(path, changed)
  try {
    const notes: string[] = []
    let verdict: Row['verdict'] = 'guarded'
    for (const test of guard.tests) {
      const outcome = await runTest(copy, test, PATIENCE + 3 * (usual.get(keyOf(test)) ?? 0))
      if (outcome === 'hangs') notes.push('the test hangs')
      if (outcome === 'missing') notes.push(`no such test, or the file did not load: ${test.file}`)
      if (outcome === 'passed') notes.push(`"${test.name}" passes`)
      if (outcome === 'missing') verdict = 'BROKEN'
      else if (outcome === 'passed' && verdict === 'guarded') verdict = 'SURVIVED'
    }
    return { guard, verdict, note: notes.join('; ') }
  } finally {
    writeFileSync(path, text)
  }
}

/** Does the work of a list in as many copies at once as there are cores. */
async function inCopies<T, R>(copies: readonly string[], list: readonly T[], work: (copy: string, one: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(list.length)
  let next = 0
  await Promise.all(copies.map(async copy => {
    for (let at = next++; at < list.length; at = next++) results[at] = await work(copy, list[at] as T) // The index is inside the list.
  }))
  return results
}

function wanted(words: readonly string[]): Guard[] {
  if (words.length === 0) return [...GUARDS]
  return GUARDS.filter(({ file, invariant }) => words.some(word => String(invariant) === word || (/\D/.test(word) && file.includes(word))))
}

function show({ guard, verdict, note }: Row): void {
  const first = guard.find.trim().split('\n')[0] ?? ''
  console.log(`${verdict.padEnd(9)} ${String(guard.invariant ?? '').padStart(2)}  ${guard.file.replace('src/', '').padEnd(34)} ${first.slice(0, 80).padEnd(80)} ${guard.why}${note === '' ? '' : ` (${note})`}`)
}

async function main(args: readonly string[]): Promise<void> {
  const guards = wanted(args.filter(arg => !arg.startsWith('--')))
  if (args.includes('--list')) return guards.forEach(guard => show({ guard, verdict: 'guarded', note: '' }))
  const started = performance.now()
  const copies = Array.from({ length: Math.min(availableParallelism(), 4) }, makeCopy)
  try {
    const tests = [...new Map(guards.flatMap(guard => guard.tests).map(test => [keyOf(test), test])).values()]
    const before = await inCopies(copies, tests, async (copy, test) => {
      const begun = performance.now()
      return { outcome: await runTest(copy, test, LIMIT), took: performance.now() - begun }
    })
    const failing = tests.filter((_, at) => before[at]?.outcome !== 'passed')
    const usual = new Map(tests.map((test, at) => [keyOf(test), before[at]?.took ?? 0]))
    for (const { file, name } of failing) console.log(`The test does not pass before anything is changed: ${file}: ${name}`)
    const rows = await inCopies(copies, guards, (copy, guard) => tryGuard(copy, guard, usual))
    rows.forEach(show)
    const open = rows.filter(({ verdict }) => verdict !== 'guarded')
    console.log(`${rows.length - open.length} of ${rows.length} guarded by ${tests.length} tests, in ${Math.round((performance.now() - started) / 1000)} s`)
    if (open.length > 0 || failing.length > 0) process.exitCode = 1
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true })
  }
}

if (import.meta.main) await main(process.argv.slice(2))
