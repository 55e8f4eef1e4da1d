/**
 * Whether `workers: auto` finds the right number: J1 to J3 of bench/pipelines with every number of workers from 1 to one more than there are cores, and with auto.
 *
 *     node bench/adaptive/fixed.ts [--rounds 3] [--events 5000000] [--out FILE]
 *
 * All take turns, in an order that turns too; medians of the run's own throughput are compared. What is measured is the package as it is published.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE, inputOf } from '../pipelines/inputs.ts'
import { warmMemory } from '../warm-memory.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, events: { type: 'string', default: '5000000' }, out: { type: 'string' }, installed: { type: 'string' } },
})
const JOBS = ['j1', 'j2', 'j3'] as const
const folder = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `sluice-fixed-${process.pid}`)

interface Run {
  readonly job: string
  readonly workers: string
  readonly events_per_second: number
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
}

function runOnce(command: string, job: string, workers: string, input: { readonly path: string; readonly lookup: string }): Run {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  warmMemory(folder)
  const env = { ...process.env, INPUT: input.path, LOOKUP: input.lookup, OUTPUT: join(folder, 'out.jsonl'), FAILED: join(folder, 'failed.jsonl') }
  const args = ['run', join(import.meta.dirname, `../pipelines/jobs/${job}.yaml`), '--workers', workers, '--report', 'json', '--quiet']
  const report = JSON.parse(execFileSync(process.execPath, [command, ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as Omit<Run, 'job' | 'workers'> & { readonly events_in: number } // Printed by `--report json`.
  if (report.events_in !== Number(values.events)) throw new Error(`${report.events_in} events were read`)
  return { job, workers, events_per_second: report.events_per_second, cpu_seconds: report.cpu_seconds, peak_rss_bytes: report.peak_rss_bytes }
}

const median = (found: readonly number[]): number => found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN

const command = values.installed ?? installPackage(join(CACHE, 'installed-adaptive'))
const input = inputOf(Number(values.events))
const choices = [...Array.from({ length: cpus().length + 1 }, (_, at) => String(at + 1)), 'auto']
const runs: Run[] = []
for (let round = 0; round < Number(values.rounds); round++) {
  for (const job of JOBS) {
    for (let turn = 0; turn < choices.length; turn++) runs.push(runOnce(command, job, choices[(turn + round) % choices.length] ?? '', input))
  }
}
rmSync(folder, { recursive: true, force: true })
const summary = JOBS.map(job => {
  const of = (workers: string): number => median(runs.filter(run => run.job === job && run.workers === workers).map(run => run.events_per_second))
  const rates = Object.fromEntries(choices.map(workers => [workers, of(workers)]))
  const best = Math.max(...choices.filter(workers => workers !== 'auto').map(of))
  return { job, events_per_second: rates, auto_of_best_fixed: Number((of('auto') / best).toFixed(3)) }
})
const out = values.out ?? join(import.meta.dirname, 'results', `fixed-${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(out, `${JSON.stringify({ machine: cpus()[0]?.model, cores: cpus().length, node: process.version, events: Number(values.events), rounds: Number(values.rounds), summary, runs }, undefined, 1)}\n`)
console.log(JSON.stringify(summary, undefined, 1))
console.log(out)
