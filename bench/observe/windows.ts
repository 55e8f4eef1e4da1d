/**
 * The same question as `run.ts`, in windows side by side: three processes run J1 of bench/pipelines with two workers, and two stand still while one works. Two are alone, which
 * tells how exact the answer is. The third draws its dashboard on a terminal of 120x40 and has the admin server; while it works, its metrics and its health are asked for once
 * a second and its figures four times, by this process, which shares the machine's cores as the terminal does.
 *
 *     node bench/observe/windows.ts [--starts 5] [--rounds 12] [--events 5000000] [--out FILE]
 *
 * Two processes that do the same differ by some hundredths for as long as they live, so all are started anew several times.
 * Needs `script` of util-linux for the terminal.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE, inputOf } from '../pipelines/inputs.ts'
import { inTurns, median, relation } from '../windows.ts'
import type { Program, Window } from '../windows.ts'

const { values } = parseArgs({ options: { starts: { type: 'string', default: '5' }, rounds: { type: 'string', default: '12' }, events: { type: 'string', default: '5000000' }, out: { type: 'string' } } })
const PORT = 19_464
const MILLISECONDS = 2000
/** Files of the input; more than are read. */
const FILES = 2000
const folder = join('/dev/shm', `sluice-windows-${process.pid}`)

let asked = 0
async function ask(path: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${PORT}${path}`)
  if (!answer.ok || (await answer.text()) === '') throw new Error(`${path}: ${answer.status}`)
  asked++
}

async function look(until: number): Promise<void> {
  for (let turn = 0; performance.now() + 250 < until; turn++) {
    if (turn % 4 === 0) await Promise.all([ask('/metrics'), ask('/healthz?verbose')])
    await ask('/v1/pipelines/watched')
    await sleep(250)
  }
}

mkdirSync(join(folder, 'in'), { recursive: true })
const { path } = inputOf(Number(values.events))
for (let file = 0; file < FILES; file++) symlinkSync(path, join(folder, 'in', `${file}.jsonl`))
const command = installPackage(join(CACHE, 'installed'))
let drawn = 0
function begin(name: string, more: readonly string[], terminal = false): ChildProcess {
  const env = { ...process.env, INPUT: join(folder, 'in'), FAILED: join(folder, name), TERM: 'xterm-256color' }
  const args = [command, 'run', join(import.meta.dirname, 'jobs/watched.yaml'), '--workers', '2', ...more]
  if (!terminal) return spawn(process.execPath, [...args, '--quiet'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const line = ['stty cols 120 rows 40;', ...[process.execPath, ...args].map(arg => `'${arg}'`), '; :'].join(' ')
  const child = spawn('script', ['-qc', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdout.on('data', (data: Buffer) => (drawn += data.length))
  return child
}

/** The last of the processes that began one another: the shell and `script` are only around it. */
function innermost(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')
  return child === undefined || child === '' ? pid : innermost(Number(child))
}

const NAMES = ['alone', 'again', 'watched'] as const
type Name = (typeof NAMES)[number]
const windows: Record<Name, Window[]> = { alone: [], again: [], watched: [] }
for (let start = 0; start < Number(values.starts); start++) {
  const order = NAMES.map((_, at) => NAMES[(at + start) % NAMES.length] as Name)
  const children = order.map(name => begin(name, name === 'watched' ? ['--admin', String(PORT), '--dashboard'] : [], name === 'watched'))
  try {
    await sleep(5000)
    const programs: readonly Program[] = order.map((name, at) => ({ name, pid: innermost(children[at]?.pid ?? NaN), ...(name === 'watched' ? { meanwhile: look } : {}) }))
    const found = await inTurns(programs, { rounds: Number(values.rounds), milliseconds: MILLISECONDS })
    for (const name of NAMES) windows[name].push(...found.get(name) ?? [])
  } finally {
    for (const child of children) if (child.pid !== undefined && child.exitCode === null) process.kill(innermost(child.pid), 'SIGKILL')
  }
}
rmSync(folder, { recursive: true, force: true })
if (drawn === 0) throw new Error('The dashboard drew nothing.')
const slower = (other: readonly Window[]): number => 1 - relation(other, windows.alone, window => window.bytes_per_second)
const moreCpu = (other: readonly Window[]): number => relation(other, windows.alone, window => window.cpu_seconds_per_gigabyte) - 1
const result = {
  machine: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0], starts: Number(values.starts), rounds: Number(values.rounds), milliseconds: MILLISECONDS,
  bytes_per_second: Object.fromEntries(NAMES.map(name => [name, median(windows[name].map(window => window.bytes_per_second))])),
  asked, drawn_bytes: drawn,
  slower: slower(windows.watched), more_cpu_per_byte: moreCpu(windows.watched),
  /** Of the second that is alone too: what can't be told from nothing. */
  again_slower: slower(windows.again), again_more_cpu_per_byte: moreCpu(windows.again),
  windows,
}
const out = values.out ?? join(import.meta.dirname, 'results', `windows-${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(out, `${JSON.stringify(result, undefined, 1)}\n`)
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
console.log(`slower by ${percent(result.slower)} (nothing: ${percent(result.again_slower)}), CPU time ${percent(result.more_cpu_per_byte)} more (nothing: ${percent(result.again_more_cpu_per_byte)})\n${out}`)
