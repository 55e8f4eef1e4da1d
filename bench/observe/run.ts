/**
 * What being watched costs: J1 of bench/pipelines with two workers, over the same file several times, alone and with the admin server, while somebody reads its metrics once
 * a second (Prometheus asks every 15 seconds or so) and its figures four times a second, as a dashboard does.
 *
 *     node bench/observe/run.ts [--rounds 5] [--events 5000000] [--times 10] [--out FILE]
 *
 * The two take turns; medians are compared. The scraper is a process of its own, and its work is not counted in the CPU time, but it shares the machine's cores.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE, inputOf } from '../pipelines/inputs.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, events: { type: 'string', default: '5000000' }, times: { type: 'string', default: '10' }, out: { type: 'string' } } })
const folder = join('/dev/shm', `sluice-observe-${process.pid}`)
const PORT = 19_464

const SCRAPER = `
const ask = async path => { try { return (await (await fetch('http://127.0.0.1:${PORT}' + path)).text()).length } catch { return 0 } }
let [asked, turn] = [0, 0]
setInterval(async () => { if (turn++ % 4 === 0 && await ask('/metrics') > 0) asked++; await ask('/v1/pipelines/watched') }, 250)
process.on('SIGTERM', () => { console.log(asked); process.exit() })
`

interface Run {
  readonly watched: boolean
  /** Of the run itself, as it reports it: throughput is events by this. */
  readonly seconds: number
  /** Of the process: with the loading of the program, and of the server where there is one. */
  readonly process_seconds: number
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
  readonly scrapes: number
}

function output(child: ReturnType<typeof spawn>): Promise<string> {
  let text = ''
  child.stdout?.on('data', (data: Buffer) => (text += data.toString()))
  return new Promise((resolve, reject) => {
    child.on('close', () => resolve(text))
    child.on('error', reject)
  })
}

async function runOnce(command: string, input: string, watched: boolean): Promise<Run> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'in'), { recursive: true })
  for (let time = 0; time < Number(values.times); time++) symlinkSync(input, join(folder, 'in', `${time}.jsonl`))
  const scraper = watched ? spawn(process.execPath, ['-e', SCRAPER], { stdio: ['ignore', 'pipe', 'inherit'] }) : undefined
  const scraped = scraper === undefined ? Promise.resolve('0') : output(scraper)
  // Its own start must not take time from what is measured.
  if (watched) await sleep(1000)
  const env = { ...process.env, INPUT: join(folder, 'in'), FAILED: join(folder, 'failed') }
  const args = ['run', join(import.meta.dirname, 'jobs/watched.yaml'), '--workers', '2', '--report', 'json', '--quiet', ...(watched ? ['--admin', String(PORT)] : [])]
  const begun = performance.now()
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const report = JSON.parse(await output(child)) as { readonly events_in: number; readonly seconds: number; readonly cpu_seconds: number; readonly peak_rss_bytes: number } // Printed by `--report json`.
  const process_seconds = (performance.now() - begun) / 1000
  scraper?.kill()
  if (report.events_in !== Number(values.events) * Number(values.times)) throw new Error(`${report.events_in} events were read`)
  return { watched, seconds: report.seconds, process_seconds, cpu_seconds: report.cpu_seconds, peak_rss_bytes: report.peak_rss_bytes, scrapes: Number(await scraped) }
}

const median = (found: readonly number[]): number => found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN

const command = installPackage(join(CACHE, 'installed'))
const { path: input } = inputOf(Number(values.events))
const runs: Run[] = []
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const watched of round % 2 === 0 ? [false, true] : [true, false]) {
    const run = await runOnce(command, input, watched)
    // The first round warms up.
    if (round > 0) runs.push(run)
  }
}
rmSync(folder, { recursive: true, force: true })
const of = (watched: boolean, value: (run: Run) => number): number => median(runs.filter(run => run.watched === watched).map(value))
const slower = of(true, ({ seconds }) => seconds) / of(false, ({ seconds }) => seconds) - 1
const result = {
  machine: cpus()[0]?.model, cores: cpus().length, node: process.version, events: Number(values.events) * Number(values.times), runs,
  medians: {
    alone_process_seconds: of(false, run => run.process_seconds), watched_process_seconds: of(true, run => run.process_seconds),
    alone_seconds: of(false, ({ seconds }) => seconds), watched_seconds: of(true, ({ seconds }) => seconds), alone_cpu_seconds: of(false, run => run.cpu_seconds), watched_cpu_seconds: of(true, run => run.cpu_seconds), slower,
  },
}
const out = values.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(out, `${JSON.stringify(result, undefined, 1)}\n`)
console.log(JSON.stringify(result.medians, undefined, 1))
console.log(out)
