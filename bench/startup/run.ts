/**
 * How long `sluice` takes to start: to print its version, to evaluate an expression, and from `sluice run` to the first event on standard output.
 *
 *     node bench/startup/run.ts [--rounds 15] [--out FILE]
 *
 * Calls take turns, so that a change of the machine's pace meets all of them alike. One call of each warms up the caches and is not counted.
 * The package is measured as it is published. `node` is the floor: an empty program on the same Node.js. The load of the machine stands beside the figures: other work makes all of them slower.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, out: { type: 'string' } } })
const rounds = Number(values.rounds)
const folder = mkdtempSync(join(tmpdir(), 'sluice-startup-'))
const sluice = installPackage(join(folder, 'installed'))

const pipeline = join(folder, 'pipeline.yaml')
writeFileSync(join(folder, 'in.ndjson'), '{"a":1}\n')
const source = `  in: { file: { path: in.ndjson } }`
writeFileSync(pipeline, `pipeline: startup\nsources:\n${source}\nstages:\n  - filter: event.a > 0\n  - map: { b: event.a + 1 }\nsinks:\n  out: { stdout: {} }\n`)

interface Call {
  readonly name: string
  readonly args: readonly string[]
  /** `end`: when the process has ended; `output`: when its first byte arrives. */
  readonly until: 'end' | 'output'
  /** Milliseconds, where there is a promise. */
  readonly limit?: number
}
const calls: readonly Call[] = [
  { name: 'node', args: ['-e', '0'], until: 'end' },
  { name: 'sluice --version', args: [sluice, '--version'], until: 'end', limit: 80 },
  { name: 'sluice --help', args: [sluice, '--help'], until: 'end' },
  { name: "sluice try '1 + 1'", args: [sluice, 'try', '1 + 1'], until: 'end' },
  { name: 'sluice check', args: [sluice, 'check', pipeline], until: 'end' },
  { name: 'sluice run to the first event, workers: 0', args: [sluice, 'run', '--quiet', '--workers', '0', pipeline], until: 'output', limit: 250 },
  { name: 'sluice run to the first event, workers: 1', args: [sluice, 'run', '--quiet', '--workers', '1', pipeline], until: 'output', limit: 250 },
  { name: 'sluice run to the first event', args: [sluice, 'run', '--quiet', pipeline], until: 'output', limit: 250 },
]

/** Milliseconds of one call. */
function time({ args, until, name }: Call): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    let first: number | undefined
    let problems = ''
    child.stdout.once('data', () => (first = performance.now() - start))
    child.stdout.resume()
    child.stderr.on('data', chunk => (problems += String(chunk)))
    child.on('error', reject)
    child.on('close', code => {
      if (code !== 0) return reject(new Error(`${name} ended with ${code}: ${problems}`))
      if (until === 'output' && first === undefined) return reject(new Error(`${name} wrote nothing`))
      resolve(until === 'end' ? performance.now() - start : (first ?? NaN))
    })
  })
}

const round = (value: number): number => Math.round(value * 10) / 10

const loadBefore = loadavg()[0]
try {
  const times = new Map<string, number[]>(calls.map(call => [call.name, []]))
  for (let turn = 0; turn <= rounds; turn++) {
    for (const call of calls) {
      const took = await time(call)
      if (turn > 0) times.get(call.name)?.push(took)
    }
  }
  const results = calls.map(({ name, limit }) => {
    const sorted = (times.get(name) ?? []).sort((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)] ?? NaN
    return { name, median_ms: round(median), least_ms: round(sorted[0] ?? NaN), most_ms: round(sorted.at(-1) ?? NaN), ...(limit === undefined ? {} : { limit_ms: limit, kept: median < limit }) }
  })
  console.table(results)
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, load_before: loadBefore, load_after: loadavg()[0] }
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify({ rounds, machine, results }, null, 2)}\n`)
} finally {
  rmSync(folder, { recursive: true })
}
