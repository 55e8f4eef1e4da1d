/**
 * Runs the jobs of JOBS.md with Sluice and its peers, file to file, and proves that their outputs are equal.
 *
 *     node bench/pipelines/run.ts [--events N] [--node-events N] [--slow-events N] [--rounds N] [--jobs j1,j2] [--only TEXT] [--no-peers] [--out FILE]
 *
 * Every round runs every system once on every job, in an order that turns from round to round, so that a slow minute of the machine hits all alike.
 * The first output of each system is digested and compared with that of a plain program; later ones must have the same length.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createReadStream } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { digestOf } from '../events/digest.ts'
import { warmMemory } from '../warm-memory.ts'
import { CACHE, inputOf } from './inputs.ts'
import type { Input } from './inputs.ts'
import { measure } from './measure.ts'
import type { Measured } from './measure.ts'
import { describeMachine, summarize, tableOf } from './report.ts'
import type { Results, Row } from './report.ts'
import { JOBS, chooseSystems, titleOf } from './systems.ts'
import type { Files, Job, System } from './systems.ts'

const START_EVENTS = 1000

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '5000000' },
    'node-events': { type: 'string', default: '1000000' },
    'slow-events': { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    jobs: { type: 'string', default: JOBS.join(',') },
    only: { type: 'string', default: '' },
    'no-peers': { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

const events = Number(options.events)
const EVENTS = { fast: events, medium: Math.min(events, Number(options['node-events'])), slow: Math.min(events, Number(options['slow-events'])) }
const folder = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `sluice-bench-${process.pid}`)

/** What one system wrote, per half if it ran on halves. */
interface Output {
  readonly outputs: readonly string[]
  readonly failed: readonly string[]
}

function filesOf(input: Input, system: System): Files[] {
  const paths = system.processes === 2 ? input.halves : [input.path]
  return paths.map((path, part) => ({ input: path, lookup: input.lookup, output: join(folder, `out-${part}.jsonl`), failed: join(folder, `failed-${part}.jsonl`) }))
}

function runOnce(system: System, job: Job, input: Input): { measured: Measured; output: Output } {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  warmMemory(folder)
  const files = filesOf(input, system)
  const measured = measure(files.map(each => system.command(job, each)), folder)
  if (system.name === 'sluice') for (const report of measured.printed) proveCounts(report)
  return { measured, output: { outputs: files.map(file => file.output), failed: files.map(file => file.failed).filter(path => existsSync(path)) } }
}

/** The report must account for every event. */
function proveCounts(text: string): void {
  const report = JSON.parse(text) as { events_in: number; events_out: Record<string, number>; filtered: number; dead_lettered: number } // Printed by `--report json`.
  const out = Object.values(report.events_out).reduce((sum, count) => sum + count, 0)
  if (report.events_in !== out + report.filtered + report.dead_lettered) throw new Error(`events are missing: ${text}`)
}

/** A digest of good and bad lines. Sluice's dead letters are records about the events; only the original of each is compared. */
async function digestOutput({ outputs, failed }: Output, job: Job): Promise<string> {
  const good = await digestOf(...outputs)
  if (job !== 'j3') return `${good.lines} ${good.digest}`
  for (const path of failed) await unwrapDeadLetters(path)
  const bad = await digestOf(...failed)
  return `${good.lines} ${good.digest} ${bad.lines} ${bad.digest}`
}

async function unwrapDeadLetters(path: string): Promise<void> {
  const originals: string[] = []
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const record = JSON.parse(line) as { original?: unknown }
    if (typeof record.original !== 'string') return
    originals.push(record.original)
  }
  writeFileSync(path, originals.map(line => `${line}\n`).join(''))
}

const references = new Map<string, string>()
/** The digest that every system must reach, made by a plain program and kept beside the input. */
async function referenceOf(job: Job, input: Input): Promise<string> {
  const key = `${job === 'j2-module' ? 'j2' : job} ${input.events}`
  const kept = references.get(key)
  if (kept !== undefined) return kept
  const path = join(CACHE, `reference-${key.replace(' ', '-')}.txt`)
  if (!existsSync(path)) {
    const program = join(import.meta.dirname, 'peers/readline.js')
    const plain: System = {
      name: 'reference',
      jobs: JOBS,
      workers: 1,
      processes: 1,
      pace: 'fast',
      command: (_job, files) => ({ argv: [process.execPath, program, key.slice(0, 2), files.input, files.output, files.failed, files.lookup] }),
    }
    writeFileSync(path, await digestOutput(runOnce(plain, job, input).output, job))
  }
  const digest = readFileSync(path, 'utf8')
  references.set(key, digest)
  return digest
}

const lengths = new Map<string, number>()
async function prove(system: System, job: Job, input: Input, output: Output): Promise<void> {
  const key = `${titleOf(system)} ${job} ${input.events}`
  const length = output.outputs.reduce((sum, path) => sum + statSync(path).size, 0)
  const known = lengths.get(key)
  if (known !== undefined) {
    if (known !== length) throw new Error(`${key}: the output has ${length} bytes, it had ${known}`)
    return
  }
  lengths.set(key, length)
  const found = await digestOutput(output, job)
  const expected = await referenceOf(job, input)
  if (found !== expected) throw new Error(`${key}: the output is not what a plain program makes of it: ${found} instead of ${expected}`)
}

/** One measured run; throws where the output is wrong. */
async function row(system: System, job: Job, input: Input, round: number): Promise<Row> {
  await referenceOf(job, input)
  const load_before = Number((loadavg()[0] ?? 0).toFixed(2))
  const { measured, output } = runOnce(system, job, input)
  await prove(system, job, input, output)
  const { seconds, cpu_seconds, peak_rss_bytes } = measured
  return { round, job, system: titleOf(system), events: input.events, bytes: input.bytes, seconds, cpu_seconds, peak_rss_bytes, load_before }
}

async function main(): Promise<void> {
  const { systems, versions, missing } = chooseSystems(!options['no-peers'])
  const jobs = options.jobs.split(',')
  const chosen = systems.filter(system => titleOf(system).includes(options.only))
  const turns = JOBS.filter(job => jobs.includes(job)).flatMap(job => chosen.filter(system => system.jobs.includes(job)).map(system => ({ system, job })))
  const inputs = new Map([START_EVENTS, ...Object.values(EVENTS)].map(count => [count, inputOf(count)]))
  const inputFor = (count: number): Input => inputs.get(count) ?? inputOf(count)
  const rounds = Number(options.rounds)
  const rows: Row[] = []
  const starts: Row[] = []
  for (const line of missing) console.error(`left out: ${line}`)
  for (let round = 0; round < rounds; round++) {
    const shift = Math.floor((round * turns.length) / rounds)
    for (const { system, job } of [...turns.slice(shift), ...turns.slice(0, shift)]) {
      starts.push(await row(system, job, inputFor(START_EVENTS), round))
      const made = await row(system, job, inputFor(EVENTS[system.pace]), round)
      rows.push(made)
      console.error(`round ${round + 1}  ${job.padEnd(9)} ${made.system.padEnd(36)} ${(made.events / made.seconds / 1e6).toFixed(3)} M/s`)
    }
  }
  const order = new Map(turns.map(({ system, job }, index) => [`${job} ${titleOf(system)}`, index]))
  const summary = summarize(rows, starts).sort((a, b) => (order.get(`${a.job} ${a.system}`) ?? 0) - (order.get(`${b.job} ${b.system}`) ?? 0))
  const date = new Date().toISOString().slice(0, 10)
  const notes = ['Rates include start-up.', 'One input in the page cache, memory touched before each turn, outputs digested and equal.', 'A worker of Sluice is a thread beside the main one.']
  const results: Results = { date, machine: describeMachine(folder), versions, missing, notes, summary, rows, starts }
  const path = options.out ?? join(import.meta.dirname, `results/${date}.json`)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `${JSON.stringify(results, null, 1)}\n`)
  console.log(`${tableOf(summary)}\n\n${path}`)
}

try {
  await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
