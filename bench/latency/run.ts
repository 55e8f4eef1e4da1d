/**
 * What a stage adds to the time from the reading of a batch until every sink has taken it, at 100,000 events a second: a pipeline without stages and one with five take
 * turns. The histograms are those that the pipeline itself keeps (`sluice_pipeline_latency_seconds`), read from its admin server when most has gone through.
 *
 *     node bench/latency/run.ts [--rounds 5] [--out FILE]
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE } from '../pipelines/inputs.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, out: { type: 'string' } } })
const PORT = 19_465
const EVENTS = 1_000_000
const STAGES = { none: 0, five: 5 } as const
type Job = keyof typeof STAGES

interface Histogram {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
}

interface Run {
  readonly job: Job
  readonly events_per_second: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly latency: Histogram
}

/** Within a bucket values are taken to lie evenly. */
function percentile({ bounds, counts, count }: Histogram, share: number): number {
  const wanted = share * count
  const at = counts.findIndex(below => below >= wanted)
  if (at < 0) return Infinity
  const [from, to] = [bounds[at - 1] ?? 0, bounds[at] ?? 0]
  const [before, below] = [counts[at - 1] ?? 0, counts[at] ?? 0]
  return (from + ((wanted - before) / (below - before)) * (to - from)) * 1000
}

async function runOnce(command: string, folder: string, job: Job): Promise<Run> {
  const env = { ...process.env, FAILED: join(folder, 'failed.ndjson') }
  const child = spawn(process.execPath, [command, 'run', join(import.meta.dirname, `jobs/${job}.yaml`), '--workers', '1', '--quiet', '--admin', String(PORT)], { env, stdio: 'ignore' })
  const ended = new Promise(resolve => child.on('close', resolve))
  interface Seen { readonly events_in: number; readonly seconds: number; readonly latency: Histogram }
  let last: Seen | undefined
  for (let isOver = false; !isOver;) {
    isOver = await Promise.race([ended.then(() => true), sleep(500).then(() => false)])
    const answer = isOver ? undefined : await fetch(`http://127.0.0.1:${PORT}/v1/pipelines/${job}`).catch(() => undefined)
    if (answer?.ok === true) last = (await answer.json()) as Seen // Its own answer.
  }
  if (last === undefined || last.events_in < EVENTS * 0.8) throw new Error(`only ${last?.events_in ?? 0} events were seen to go through`)
  const { latency } = last
  return { job, events_per_second: last.events_in / last.seconds, p50_ms: percentile(latency, 0.5), p99_ms: percentile(latency, 0.99), latency }
}

const median = (found: readonly number[]): number => found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN

const folder = mkdtempSync(join(tmpdir(), 'sluice-latency-'))
const runs: Run[] = []
try {
  const command = installPackage(join(CACHE, 'installed'))
  for (let round = 0; round < Number(values.rounds); round++) for (const job of ['none', 'five'] as const) runs.push(await runOnce(command, folder, job))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const of = (job: Job, value: (run: Run) => number): number => median(runs.filter(run => run.job === job).map(value))
const medians = {
  none: { events_per_second: of('none', run => run.events_per_second), p50_ms: of('none', run => run.p50_ms), p99_ms: of('none', run => run.p99_ms) },
  five: { events_per_second: of('five', run => run.events_per_second), p50_ms: of('five', run => run.p50_ms), p99_ms: of('five', run => run.p99_ms) },
  p99_ms_per_stage: (of('five', run => run.p99_ms) - of('none', run => run.p99_ms)) / STAGES.five,
}
const out = values.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(out, `${JSON.stringify({ machine: cpus()[0]?.model, cores: cpus().length, node: process.version, medians, runs }, undefined, 1)}\n`)
console.log(JSON.stringify(medians, undefined, 1))
console.log(out)
