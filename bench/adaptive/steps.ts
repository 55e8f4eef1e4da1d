/**
 * A load that steps from 1x to 4x and back to 1x, for a pipeline with `workers: auto`: how soon throughput follows, how many workers there are, whether all events come out
 * once and in order.
 *
 *     node bench/adaptive/steps.ts [--work burn | wait] [--seconds 20] [--out FILE]
 *
 * `burn`: a stage that computes for 0.4 ms an event; 1x is a quarter of what one worker does on this machine at best, so that 4x is more than one does beside all else. That needs
 * a machine which does nothing else. `wait`: a stage that waits for 20 ms, one call at a time for each batch; 1x is two fifths of a call at a time, 4x more than one and a half. Events are written to the pipeline's standard input at a steady rate,
 * whether it takes them or not. Throughput follows a step when the rate of the last second at the sink is within a tenth of the rate of the load.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Figures } from '../../src/observe/index.ts'
import { burn } from './jobs/burn.ts'

const { values } = parseArgs({ options: { work: { type: 'string', default: 'burn' }, seconds: { type: 'string', default: '20' }, out: { type: 'string' } } })
const PORT = 19_467
const TICK_MS = 20
const LOOK_MS = 250
/** Milliseconds of a worker that an event takes, and which share of them 1x is. */
const [WORK_MS, SHARE] = values.work === 'wait' ? [20, 0.4] : [0.4, 0.25]
const FACTORS = [1, 4, 1] as const
const WITHIN = 0.1

interface Look {
  readonly seconds: number
  readonly offered: number
  readonly out: number
  readonly workers: number
  readonly in_flight_bytes: number
  /** Events a second over the last second. */
  rate: number
}

/** Turns of the work that take so long, on a machine that has warmed up. */
function calibrate(ms: number): number {
  const turns = 100
  let best = Infinity
  for (let round = 0; round < 300; round++) {
    const began = performance.now()
    burn(String(round), turns)
    best = Math.min(best, performance.now() - began)
  }
  return Math.round((ms / best) * turns)
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-adaptive-'))
const output = join(folder, 'out.ndjson')
const turns = values.work === 'wait' ? 0 : calibrate(WORK_MS)
const rate = (SHARE * 1000) / WORK_MS
const child = spawn(process.execPath, [join(import.meta.dirname, '../../bin/sluice.js'), 'run', join(import.meta.dirname, values.work === 'wait' ? 'jobs/waits.yaml' : 'jobs/steps.yaml'), '--report', 'json', '--quiet', '--admin', String(PORT)], {
  env: { ...process.env, OUTPUT: output, FAILED: join(folder, 'failed.ndjson') }, stdio: ['pipe', 'pipe', 'inherit'],
})
let printed = ''
child.stdout.on('data', (data: Buffer) => (printed += data.toString()))
const ended = new Promise(resolve => child.on('close', resolve))

async function figures(): Promise<Figures | undefined> {
  const answer = await fetch(`http://127.0.0.1:${PORT}/v1/pipelines/steps`).catch(() => undefined)
  return answer?.ok === true ? ((await answer.json()) as Figures) : undefined // Its own answer.
}

while ((await figures()) === undefined) await new Promise(resolve => setTimeout(resolve, 50))

const started = performance.now()
const phase = Number(values.seconds) * 1000
const looks: Look[] = []
let offered = 0
let decisions: Figures['adaptive']['decisions'] = []

const factorAt = (ms: number): number => FACTORS[Math.min(FACTORS.length - 1, Math.floor(ms / phase))] ?? 1
let due = 0
let last = started
const feed = setInterval(() => {
  const now = performance.now()
  due += ((now - last) / 1000) * rate * factorAt(now - started)
  last = now
  let lines = ''
  for (; due >= 1; due--) lines += `{"id":${offered++},"turns":${turns}}\n`
  if (lines !== '') child.stdin.write(lines)
}, TICK_MS)

async function look(): Promise<void> {
  const now = await figures()
  const ms = performance.now() - started
  if (now === undefined) return
  decisions = now.adaptive.decisions
  const out = now.sinks.find(({ id }) => id === 'out')?.events ?? 0
  const before = looks.findLast(({ seconds }) => seconds <= ms / 1000 - 1)
  const made: Look = { seconds: ms / 1000, offered, out, workers: now.workers.length, in_flight_bytes: now.in_flight_bytes, rate: 0 }
  if (before !== undefined) made.rate = (out - before.out) / (made.seconds - before.seconds)
  looks.push(made)
}

while (performance.now() - started < phase * FACTORS.length) {
  await look()
  await new Promise(resolve => setTimeout(resolve, LOOK_MS))
}
clearInterval(feed)
child.stdin.end()
await ended
const report = JSON.parse(printed) as { readonly events_in: number; readonly events_out: Readonly<Record<string, number>>; readonly dead_lettered: number; readonly in_flight: number; readonly cpu_seconds: number; readonly peak_rss_bytes: number } // Printed by `--report json`.
const ids = readFileSync(output, 'utf8').split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { readonly id: number }).id) // Written by the job.
const isWhole = ids.length === offered && ids.every((id, at) => id === at)
rmSync(folder, { recursive: true, force: true })

const steps = FACTORS.map((factor, at) => {
  const [from, to] = [(at * phase) / 1000, ((at + 1) * phase) / 1000]
  const within = looks.filter(({ seconds }) => seconds >= from && seconds < to)
  const wanted = rate * factor
  const reached = within.find(each => each.seconds >= from + 1 && Math.abs(each.rate - wanted) <= WITHIN * wanted)
  const second = within.slice(Math.floor(within.length / 2))
  return {
    factor, offered_per_second: wanted, followed_after_seconds: reached === undefined ? null : Number((reached.seconds - from).toFixed(2)),
    workers_at_end: within.at(-1)?.workers, workers_most: Math.max(...within.map(({ workers }) => workers)), rate_second_half: Math.round(second.reduce((sum, each) => sum + each.rate, 0) / second.length),
  }
})
const result = {
  work: values.work, machine: cpus()[0]?.model, cores: cpus().length, load_average: loadavg()[0], node: process.version, seconds_per_step: phase / 1000, work_ms_per_event: WORK_MS, offered, out: ids.length, each_once_in_order: isWhole,
  report, steps, decisions, looks,
}
const path = values.out ?? join(import.meta.dirname, 'results', `steps-${values.work}-${new Date().toISOString().slice(0, 10)}.json`)
writeFileSync(path, `${JSON.stringify(result, undefined, 1)}\n`)
console.log(JSON.stringify({ offered, out: ids.length, each_once_in_order: isWhole, steps, decisions: decisions.map(({ from, to, why }) => `${from} -> ${to}: ${why}`) }, undefined, 1))
console.log(path)
if (!isWhole) process.exitCode = 1
