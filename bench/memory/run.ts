/**
 * Whether memory stays the same however long the input is: J2 of bench/pipelines over what the generator streams to standard input, once 100 MB and once 10 GB.
 *
 *     node bench/memory/run.ts [--rounds 3] [--small 100] [--large 10000] [--out FILE]
 *
 * Sizes in MB. Memory is the most that the process held, as the system counts it. Short and long inputs take turns; medians are compared. The package is measured as it is published.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, small: { type: 'string', default: '100' }, large: { type: 'string', default: '10000' }, out: { type: 'string' } } })
/** Bytes of an event, about. */
const EVENT = 247
const folder = mkdtempSync(join(tmpdir(), 'sluice-memory-'))
const out = values.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.json`)

interface Run {
  readonly megabytes: number
  readonly workers: number
  readonly events: number
  readonly bytes: number
  readonly seconds: number
  readonly peak_rss_bytes: number
  readonly load_before: number
}

/** What is read of the report. */
interface Report {
  readonly events_in: number
  readonly bytes_in: number
  readonly seconds: number
  readonly peak_rss_bytes: number
}

function pipelineWith(workers: number): string {
  const stages = readFileSync(join(import.meta.dirname, '../pipelines/jobs/j2.yaml'), 'utf8').match(/^stages:\n(?: .*\n)+/m)?.[0]
  if (stages === undefined) throw new Error('bench/pipelines/jobs/j2.yaml has no stages')
  const path = join(folder, `workers-${workers}.yaml`)
  writeFileSync(path, `pipeline: memory\nsources: { in: { stdin: { format: ndjson } } }\n${stages}sinks: { out: { stdout: {} } }\nworkers: ${workers}\n`)
  return path
}

/** How a process ended, in words; undefined where all went well. */
async function failureOf(child: ChildProcess): Promise<string | undefined> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null] // As documented.
  return code === 0 ? undefined : `ended with ${code ?? signal}`
}

/** The generator and the pipeline, which puts its report into a file. */
async function run(sluice: string, megabytes: number, workers: number): Promise<Run> {
  const [load = 0] = loadavg()
  const wanted = Math.round((megabytes * 1e6) / EVENT)
  const report = join(folder, 'report.json')
  const path = pipelineWith(workers)
  const generator = spawn(process.execPath, [join(import.meta.dirname, '../events/generate.ts'), '--n', String(wanted)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pipeline = spawn(process.execPath, [sluice, 'run', path, '--report-file', report, '--quiet'], { stdio: [generator.stdout, 'ignore', 'inherit'] })
  // The pipeline has the other end of the pipe; this one would keep it from ending, and read from it in the next turn.
  generator.stdout.destroy()
  const failures = await Promise.all([failureOf(generator), failureOf(pipeline)])
  if (failures.some(failure => failure !== undefined)) throw new Error(`the generator ${failures[0] ?? 'ended'}, the pipeline ${failures[1] ?? 'ended'}`)
  const { events_in: events, bytes_in: bytes, seconds, peak_rss_bytes } = JSON.parse(readFileSync(report, 'utf8')) as Report
  if (events !== wanted) throw new Error(`${events} of ${wanted} events came`)
  return { megabytes, workers, events, bytes, seconds, peak_rss_bytes, load_before: load }
}

function median(found: readonly number[]): number {
  return found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN
}

try {
  const sluice = installPackage(join(folder, 'installed'))
  const runs: Run[] = []
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const workers of [1, 2]) {
      for (const megabytes of [Number(values.small), Number(values.large)]) {
        const measured = await run(sluice, megabytes, workers)
        runs.push(measured)
        console.log(JSON.stringify(measured))
      }
    }
    mkdirSync(join(out, '..'), { recursive: true })
    writeFileSync(out, `${JSON.stringify({ machine: cpus()[0]?.model, cores: cpus().length, node: process.version, runs }, undefined, 1)}\n`)
  }
  for (const workers of [1, 2]) {
    const [small = NaN, large = NaN] = [values.small, values.large].map(size => median(runs.filter(one => one.workers === workers && one.megabytes === Number(size)).map(one => one.peak_rss_bytes)))
    console.log(`${workers} workers: ${(small / 1e6).toFixed(0)} MB for ${values.small} MB, ${(large / 1e6).toFixed(0)} MB for ${values.large} MB: ${(large / small).toFixed(2)} times`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
