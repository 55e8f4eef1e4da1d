/**
 * Memory on a backlog: so many rows from a real Kafka into one object after the other, and into a hundred at once by a value of the row, on a real S3 server.
 *
 *     node bench/kafka-to-s3/memory.ts [--rows 1000000] [--targets 1,100] [--compression zstd,gzip,parquet] [--source] [--out FILE]
 *
 * The topic is filled with 20,000 different rows of 1,200 bytes again and again. What counts is the most memory (resident set) that the process held; it is sampled too, so that growth would be seen.
 * `--source` runs the checkout instead of the package.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { BatchWriter, openLog } from '../../src/log/index.ts'
import { installPackage } from '../package.ts'
import { rowOf } from './rows.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' }, targets: { type: 'string', default: '1,100' }, compression: { type: 'string', default: 'zstd' },
    source: { type: 'boolean', default: false }, out: { type: 'string' },
  },
})
const rows = Number(values.rows)
const root = join(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'sluice-bench-memory-'))
const PARTITIONS = 4
const TOPIC = 'orders'
const POOL = 20_000
const SHOPS = 100
const BATCH = 256 * 1024
/** Samples that are kept of a run. */
const SAMPLES = 20
const EVERY = 200

const script = (name: string, ...args: string[]): ReadonlyMap<string, string> => {
  const printed = execFileSync('bash', [join(root, 'test/servers', name), ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return new Map(printed.trim().split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

/** Answers how many rows were written: whole batches. */
async function fill(place: string): Promise<number> {
  const batches: { readonly bytes: Buffer; readonly count: number }[] = []
  const writer = new BatchWriter({ bytes: BATCH * 2 })
  const keep = (): void => void batches.push({ count: writer.count, bytes: Buffer.from(writer.finish()) })
  for (let number = 0; number < POOL; number++) {
    writer.add(Buffer.from(`customer-${number % 1000}`), Buffer.from(`${rowOf(number).slice(0, -1)},"shop":"s${number % SHOPS}"}`), [], Date.UTC(2026, 0, 1) + number)
    if (writer.bytes >= BATCH) keep()
  }
  const log = await openLog(place)
  await log.admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }])
  const producer = log.producer()
  let written = 0
  for (let at = 0; written < rows; at++) {
    const { bytes = Buffer.alloc(0), count = 0 } = batches[at % batches.length] ?? {}
    await producer.append(TOPIC, at % PARTITIONS, Buffer.from(bytes))
    written += count
  }
  await producer.close()
  await log.close()
  return written
}

/** Kilobytes as the kernel tells them. */
function memoryOf(pid: number): { readonly now: number; readonly peak: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0)
    return { now: of('VmRSS'), peak: of('VmHWM') }
  } catch {
    return undefined
  }
}

/** User and system time in seconds: fields 14 and 15, in hundredths. */
function cpuOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

interface Run {
  readonly targets: number
  readonly compression: string
  readonly events_out: number
  readonly seconds: number
  /** Up to the last sample. */
  readonly cpu_seconds: number
  readonly peak_mb: number
  /** At even distances over the run. */
  readonly samples_mb: readonly number[]
}

async function run(targets: number, compression: string, bootstrap: string, s3: ReadonlyMap<string, string>): Promise<Run> {
  const prefix = `t${targets}-${compression}`
  const folder = join(work, prefix)
  mkdirSync(folder)
  const ending = compression === 'parquet' ? 'parquet' : `ndjson.${compression === 'gzip' ? 'gz' : 'zst'}`
  const key = targets === 1 ? `${prefix}/rows.${ending}` : `${prefix}/shop={event.shop}/rows.${ending}`
  writeFileSync(join(folder, 'pipeline.yaml'), `pipeline: orders
sources: { orders: { log: { log: "kafka://${bootstrap}", topic: ${TOPIC}, until: end } } }
stages: [ { filter: 'event.status != "test"' } ]
sinks: { out: { s3: { endpoint: "${s3.get('endpoint')}", bucket: ${s3.get('bucket')}, access_key: ${s3.get('access_key')}, secret_key: "${s3.get('secret_key')}", key: "${key}" } } }
state: ./state
`)
  const begun = performance.now()
  const child = spawn(process.execPath, [command, 'run', join(folder, 'pipeline.yaml'), '--report', 'json', '--quiet'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  let code: number | null | undefined
  const ended = new Promise<void>(resolve => child.on('close', status => {
    code = status
    resolve()
  }))
  const seen: number[] = []
  let peak = 0
  let cpu = 0
  while (code === undefined) {
    const memory = memoryOf(child.pid ?? 0)
    if (memory !== undefined && memory.now > 0) seen.push(memory.now)
    peak = Math.max(peak, memory?.peak ?? 0)
    cpu = Math.max(cpu, cpuOf(child.pid ?? 0))
    await Promise.race([ended, wait(EVERY)])
  }
  if (code !== 0) throw new Error(`${prefix} ended with ${code}`)
  const report = JSON.parse(printed.slice(printed.indexOf('{'))) as { readonly events_out: { readonly out: number } } // Printed by `--report json`.
  rmSync(join(work, 's3/data', s3.get('bucket') ?? '', prefix), { recursive: true })
  const samples = Array.from({ length: SAMPLES }, (_, at) => Math.round(((seen[Math.floor((at * seen.length) / SAMPLES)] ?? 0) * 1024) / 1e6))
  return { targets, compression, events_out: report.events_out.out, seconds: (performance.now() - begun) / 1000, cpu_seconds: cpu, peak_mb: Math.round((peak * 1024) / 1e6), samples_mb: samples }
}

const command = values.source ? join(root, 'bin/sluice.js') : installPackage(join(work, 'installed'))
const results: Run[] = []
try {
  const bootstrap = script('kafka', 'start', join(work, 'kafka'), '--port', '19292').get('bootstrap') ?? ''
  const s3 = script('s3', 'start', join(work, 's3'), '--port', '17170')
  const written = await fill(`kafka://${bootstrap}`)
  for (const compression of values.compression.split(',')) {
    for (const targets of values.targets.split(',').map(Number)) {
      const result = await run(targets, compression, bootstrap, s3)
      results.push(result)
      console.log(JSON.stringify(result))
    }
  }
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify({ machine: cpus()[0]?.model, cores: cpus().length, node: process.version, rows: written, results }, undefined, 1)}\n`)
} finally {
  for (const name of ['kafka', 's3']) script(name, 'stop', join(work, name))
  rmSync(work, { recursive: true, force: true })
}
