/**
 * What being watched costs: J1 of bench/pipelines with two workers, over the same file several times: alone; with the admin server, while somebody reads its metrics once
 * a second (Prometheus asks every 15 seconds or so) and its figures four times a second, as a dashboard does; and with traces of every batch and metrics once a second sent
 * by OTLP to somebody who takes them and looks at nothing.
 *
 *     node bench/observe/run.ts [--rounds 5] [--events 5000000] [--times 10] [--out FILE]
 *
 * They take turns; medians are compared. Who reads or takes is a process of its own, and its work is not counted in the CPU time, but it shares the machine's cores.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { installPackage } from '../package.ts'
import { CACHE, inputOf } from '../pipelines/inputs.ts'
import { warmMemory } from '../warm-memory.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, events: { type: 'string', default: '5000000' }, times: { type: 'string', default: '10' }, out: { type: 'string' } } })
const folder = join('/dev/shm', `sluice-observe-${process.pid}`)
const PORT = 19_464

type Kind = 'alone' | 'watched' | 'sent'

const RECEIVER = `
let taken = 0
require('node:http').createServer((request, response) => {
  taken++
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
}).listen(${PORT})
process.on('SIGTERM', () => { console.log(taken); process.exit() })
`
const SCRAPER = `
const ask = async path => { try { return (await (await fetch('http://127.0.0.1:${PORT}' + path)).text()).length } catch { return 0 } }
let [asked, turn] = [0, 0]
setInterval(async () => { if (turn++ % 4 === 0 && await ask('/metrics') > 0) asked++; await ask('/v1/pipelines/watched') }, 250)
process.on('SIGTERM', () => { console.log(asked); process.exit() })
`

interface Run {
  readonly kind: Kind
  /** Of the run itself, as it reports it: throughput is events by this. */
  readonly seconds: number
  /** Of the process: with the loading of the program, and of the server where there is one. */
  readonly process_seconds: number
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
  /** Looks at the metrics, or exports that were taken. */
  readonly asked: number
}

function output(child: ReturnType<typeof spawn>): Promise<string> {
  let text = ''
  child.stdout?.on('data', (data: Buffer) => (text += data.toString()))
  return new Promise((resolve, reject) => {
    child.on('close', () => resolve(text))
    child.on('error', reject)
  })
}

async function runOnce(command: string, input: string, kind: Kind): Promise<Run> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'in'), { recursive: true })
  warmMemory(folder)
  for (let time = 0; time < Number(values.times); time++) symlinkSync(input, join(folder, 'in', `${time}.jsonl`))
  const other = kind === 'alone' ? undefined : spawn(process.execPath, ['-e', kind === 'watched' ? SCRAPER : RECEIVER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const asked = other === undefined ? Promise.resolve('0') : output(other)
  // Its own start must not take time from what is measured.
  if (other !== undefined) await sleep(1000)
  const sends = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${PORT}`, OTEL_METRIC_EXPORT_INTERVAL: '1000' }
  const env = { ...process.env, INPUT: join(folder, 'in'), FAILED: join(folder, 'failed'), ...(kind === 'sent' ? sends : {}) }
  const args = ['run', join(import.meta.dirname, 'jobs/watched.yaml'), '--workers', '2', '--report', 'json', '--quiet', ...(kind === 'watched' ? ['--admin', String(PORT)] : [])]
  const begun = performance.now()
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const report = JSON.parse(await output(child)) as { readonly events_in: number; readonly seconds: number; readonly cpu_seconds: number; readonly peak_rss_bytes: number } // Printed by `--report json`.
  const process_seconds = (performance.now() - begun) / 1000
  other?.kill()
  if (report.events_in !== Number(values.events) * Number(values.times)) throw new Error(`${report.events_in} events were read`)
  return { kind, seconds: report.seconds, process_seconds, cpu_seconds: report.cpu_seconds, peak_rss_bytes: report.peak_rss_bytes, asked: Number(await asked) }
}

const median = (found: readonly number[]): number => found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN

const KINDS: readonly Kind[] = ['alone', 'watched', 'sent']
const command = installPackage(join(CACHE, 'installed'))
const { path: input } = inputOf(Number(values.events))
const runs: Run[] = []
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
    const run = await runOnce(command, input, kind)
    // The first round warms up.
    if (round > 0) runs.push(run)
  }
}
rmSync(folder, { recursive: true, force: true })
const of = (kind: Kind, value: (run: Run) => number): number => median(runs.filter(run => run.kind === kind).map(value))
const slower = (kind: Kind): number => of(kind, ({ seconds }) => seconds) / of('alone', ({ seconds }) => seconds) - 1
const result = {
  machine: cpus()[0]?.model, cores: cpus().length, node: process.version, events: Number(values.events) * Number(values.times), runs,
  medians: Object.fromEntries(KINDS.map(kind => [kind, {
    process_seconds: of(kind, run => run.process_seconds), seconds: of(kind, ({ seconds }) => seconds), cpu_seconds: of(kind, run => run.cpu_seconds), peak_rss_bytes: of(kind, run => run.peak_rss_bytes), slower: slower(kind),
  }])),
}
const out = values.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(out, `${JSON.stringify(result, undefined, 1)}\n`)
console.log(JSON.stringify(result.medians, undefined, 1))
console.log(out)
