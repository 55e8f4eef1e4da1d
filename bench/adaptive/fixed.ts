/**
 * Whether `workers: auto` finds the right number: J1 to J3 of bench/pipelines with every number of workers from 1 to one more than there are cores, and with auto, in windows side by
 * side (see bench/windows.ts).
 *
 *     node bench/adaptive/fixed.ts [--starts 3] [--rounds 8] [--events 5000000] [--out FILE]
 *
 * Each process first works alone for some seconds, in which auto may decide. Two processes that do the same differ by some hundredths for as long as they live, so all are started anew
 * several times. Outputs are real files in memory, which are emptied while nobody writes. What is measured is the package as it is published.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE, inputOf } from '../pipelines/inputs.ts'
import { inTurns, median } from '../windows.ts'
import type { Program, Window } from '../windows.ts'

const { values } = parseArgs({
  options: { starts: { type: 'string', default: '3' }, rounds: { type: 'string', default: '8' }, events: { type: 'string', default: '5000000' }, out: { type: 'string' }, installed: { type: 'string' } },
})
const JOBS = ['j1', 'j2', 'j3'] as const
const MILLISECONDS = 2000
const SETTLING = 6000
/** Files of the input; more than are read. */
const FILES = 1000
const PORT = 19_470
const folder = join('/dev/shm', `sluice-fixed-${process.pid}`)
const fixed = Array.from({ length: cpus().length + 1 }, (_, at) => String(at + 1))
const choices = [...fixed, 'auto']

const outputOf = (workers: string): string => join(folder, `out-${workers}.jsonl`)

function begin(command: string, job: string, workers: string, lookup: string): ChildProcess {
  const env = { ...process.env, INPUT: join(folder, 'in', '*.jsonl'), LOOKUP: lookup, OUTPUT: outputOf(workers), FAILED: join(folder, `failed-${workers}.jsonl`) }
  const args = ['run', join(import.meta.dirname, `../pipelines/jobs/${job}.yaml`), '--workers', workers, '--quiet', '--admin', String(PORT + choices.indexOf(workers))]
  return spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
}

function empty(workers: string): void {
  for (const path of [outputOf(workers), join(folder, `failed-${workers}.jsonl`)]) if (existsSync(path)) truncateSync(path)
}

/** What auto says of itself: asked while it works. */
async function stateOfAuto(): Promise<{ readonly workers: number; readonly decisions: readonly unknown[] }> {
  const address = `http://127.0.0.1:${PORT + choices.indexOf('auto')}/v1/pipelines`
  const [{ id }] = (await (await fetch(address)).json()) as [{ readonly id: string }] // The admin server's own form.
  const { workers, adaptive } = (await (await fetch(`${address}/${id}`)).json()) as { readonly workers: number; readonly adaptive: { readonly decisions: readonly unknown[] } }
  return { workers, decisions: adaptive.decisions }
}

const command = values.installed ?? installPackage(join(CACHE, 'installed-adaptive'))
const input = inputOf(Number(values.events))
const found = []
for (const job of JOBS) {
  const windows = new Map<string, Window[]>(choices.map(workers => [workers, []]))
  const autos = []
  for (let start = 0; start < Number(values.starts); start++) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(join(folder, 'in'), { recursive: true })
    for (let file = 0; file < FILES; file++) symlinkSync(input.path, join(folder, 'in', `${file}.jsonl`))
    const programs: Program[] = []
    try {
      for (let turn = 0; turn < choices.length; turn++) {
        const name = choices[(turn + start) % choices.length] as string
        const { pid } = begin(command, job, name, input.lookup)
        if (pid === undefined) throw new Error(`${job} with ${name} could not be started`)
        programs.push({ name, pid, afterwards: () => empty(name) })
        for (let waited = 0; waited < SETTLING; waited += 1000) {
          await sleep(1000)
          empty(name)
        }
        process.kill(pid, 'SIGSTOP')
      }
      for (const [name, more] of await inTurns(programs, { rounds: Number(values.rounds), milliseconds: MILLISECONDS })) windows.get(name)?.push(...more)
      process.kill(programs.find(({ name }) => name === 'auto')?.pid ?? NaN, 'SIGCONT')
      autos.push(await stateOfAuto())
    } finally {
      for (const { pid } of programs) process.kill(pid, 'SIGKILL')
    }
  }
  const rates = Object.fromEntries(choices.map(workers => [workers, median(windows.get(workers)?.map(window => window.bytes_per_second) ?? [])]))
  const best = Math.max(...fixed.map(workers => rates[workers] ?? NaN))
  found.push({ job, bytes_per_second: rates, auto_of_best_fixed: Number(((rates['auto'] ?? NaN) / best).toFixed(3)), autos, windows: Object.fromEntries(windows) })
  console.log(JSON.stringify({ ...found.at(-1), windows: undefined }))
}
rmSync(folder, { recursive: true, force: true })
const out = values.out ?? join(import.meta.dirname, 'results', `fixed-${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(out, `${JSON.stringify({
  machine: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0], starts: Number(values.starts), rounds: Number(values.rounds), milliseconds: MILLISECONDS, jobs: found,
}, undefined, 1)}\n`)
console.log(out)
