/**
 * The embedded log beside a real Apache Kafka, on one machine, in one run: one producer, one partition, acks=all, batches of 64 KiB.
 *
 *     node bench/log/run.ts [--rounds 3] [--records 2000000] [--no-kafka] [--out FILE]
 *
 * Ours acknowledges after fdatasync, and once more without it; Kafka as it comes (no fsync), and with `flush.messages=1`. Kafka's figures are those of its own tools, after a
 * run that warms it up; ours is the package as it is published; end to end, our client talks to both. Each round first measures what the disk itself takes in groups. The systems take turns; the table has medians.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compileProgram, installPackage } from '../package.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, records: { type: 'string', default: '2000000' }, 'no-kafka': { type: 'boolean', default: false }, out: { type: 'string' } },
})
const root = join(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'sluice-bench-log-'))
const most = Number(values.records)
const command = installPackage(join(work, 'installed'))
const program = await compileProgram(join(import.meta.dirname, 'ours.ts'), join(root, '.cache/bench-log'))

interface Row {
  readonly round: number
  readonly system: string
  readonly what: string
  readonly bytes: number
  readonly records: number
  readonly records_per_second: number
  readonly p50_ms?: number
  readonly p95_ms?: number
  readonly p99_ms?: number
  readonly idle_rss_bytes?: number
  readonly first_ack_seconds?: number
  readonly peak_rss_bytes?: number
}
const rows: Row[] = []

function note(row: Row): void {
  rows.push(row)
  const latency = row.p99_ms === undefined ? '' : `  p50 ${row.p50_ms?.toFixed(1)} ms  p99 ${row.p99_ms.toFixed(1)} ms`
  console.error(`round ${row.round}  ${row.system.padEnd(26)} ${row.what.padEnd(10)} ${String(row.bytes).padStart(5)} B  ${(row.records_per_second / 1e6).toFixed(3)} M/s${latency}`)
}

interface Measured {
  readonly seconds: number
  readonly p50?: number
  readonly p95?: number
  readonly p99?: number
  readonly first_ack?: number
  readonly idle_rss_bytes?: number
  readonly peak_rss_bytes: number
}

interface Ours {
  readonly what: string
  /** A folder or a broker. */
  readonly place: string
  readonly records: number
  readonly bytes: number
  readonly durability?: 'fsync' | 'os'
  readonly codec?: 'none' | 'lz4'
}

function ours(round: number, { what, place, records, bytes, durability = 'fsync', codec = 'none' }: Ours): void {
  const text = execFileSync(process.execPath, [program, what, place, String(records), String(bytes), '--durability', durability, '--codec', codec], { encoding: 'utf8' })
  const { seconds, p50, p95, p99, first_ack, idle_rss_bytes, peak_rss_bytes } = JSON.parse(text) as Measured // Printed by ours.ts.
  const latency = p50 === undefined || p95 === undefined || p99 === undefined ? {} : { p50_ms: p50, p95_ms: p95, p99_ms: p99 }
  const start = first_ack === undefined || idle_rss_bytes === undefined ? {} : { first_ack_seconds: first_ack, idle_rss_bytes }
  const system = place.startsWith('kafka:') ? 'kafka, our client' : `sluice, ${durability === 'os' ? 'no fsync' : 'fsync'}${codec === 'none' ? '' : `, ${codec}`}`
  note({ round, system, what, bytes, records, records_per_second: records / seconds, ...latency, ...start, peak_rss_bytes })
}

interface Disk {
  readonly group_bytes: number
  readonly bytes_per_second: number
  readonly p50_ms: number
  readonly p99_ms: number
}

/** What the disk takes in groups, as records of this size with about nine bytes around each. */
function disk(round: number): void {
  const lines = execFileSync(process.execPath, [join(import.meta.dirname, 'disk.ts'), work], { encoding: 'utf8' }).trim().split('\n')
  for (const { group_bytes, bytes_per_second, p50_ms, p99_ms } of lines.map(line => JSON.parse(line) as Disk)) { // Printed by disk.ts.
    for (const bytes of SIZES) note({ round, system: `disk, ${group_bytes >> 10} KiB groups`, what: 'limit', bytes, records: 0, records_per_second: bytes_per_second / (bytes + 9), p50_ms, p99_ms })
  }
}

/** The whole command: a pipeline from the standard input to the log, start-up included. */
function pipeline(round: number, folder: string, records: number, bytes: number): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'p.yaml'), 'pipeline: p\nsources: { in: { generate: { shape: sensor, count: 1 } } }\nsinks: { out: { discard: {} } }\n')
  const event = `${JSON.stringify({ v: 'x'.repeat(bytes - 8) })}\n`
  writeFileSync(join(folder, 'in'), event.repeat(records))
  writeFileSync(join(folder, 'p.yaml'), 'pipeline: p\nsources: { in: { stdin: {} } }\nsinks: { out: { log: { log: ./data, topic: bench, create: { partitions: 1 } } } }\n')
  const begun = performance.now()
  const line = `"${process.execPath}" "${command}" run "${join(folder, 'p.yaml')}" --report json --quiet < "${join(folder, 'in')}"`
  const report = JSON.parse(execFileSync('bash', ['-c', line], { encoding: 'utf8' })) as { readonly events_out: { readonly out: number }; readonly peak_rss_bytes: number } // Printed by `--report json`.
  const seconds = (performance.now() - begun) / 1000
  if (report.events_out.out !== records) throw new Error(`${report.events_out.out} of ${records} records arrived`)
  note({ round, system: 'sluice, fsync', what: 'pipeline', bytes, records, records_per_second: records / seconds, peak_rss_bytes: report.peak_rss_bytes })
}

const script = join(root, 'test/servers/kafka')
const kafka = (...args: string[]): string => execFileSync('bash', [script, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 })

function kafkaProduce(round: number, bootstrap: string, topic: string, records: number, bytes: number, { rate = -1, codec = 'none' } = {}): void {
  const text = kafka(
    'tool', 'org.apache.kafka.tools.ProducerPerformance', '--topic', topic, '--num-records', String(records), '--record-size', String(bytes), '--throughput', String(rate),
    '--command-property', `bootstrap.servers=${bootstrap}`, 'acks=all', 'batch.size=65536', 'linger.ms=5', `compression.type=${codec}`,
  )
  const [last = ''] = text.trim().split('\n').slice(-1)
  const found = /([\d.]+) records\/sec.*?([\d.]+) ms 50th, ([\d.]+) ms 95th, ([\d.]+) ms 99th/.exec(last)
  if (found === null) throw new Error(`Kafka's tool said: ${last}`)
  const system = `${topic.startsWith('fsync') ? 'kafka, fsync per batch' : 'kafka, as it comes'}${codec === 'none' ? '' : `, ${codec}`}`
  if (round > 0) note({ round, system, what: rate < 0 ? 'append' : 'paced', bytes, records, records_per_second: Number(found[1]), p50_ms: Number(found[2]), p95_ms: Number(found[3]), p99_ms: Number(found[4]) })
}

function kafkaRead(round: number, bootstrap: string, topic: string, records: number, bytes: number): void {
  const text = kafka('tool', 'org.apache.kafka.tools.ConsumerPerformance', '--bootstrap-server', bootstrap, '--topic', topic, '--num-records', String(records))
  const fields = (text.trim().split('\n').at(-1) ?? '').split(',').map(field => field.trim())
  note({ round, system: 'kafka, as it comes', what: 'read', bytes, records, records_per_second: Number(fields[9] ?? fields[5]) })
}

function makeTopics(bootstrap: string, names: readonly string[]): void {
  for (const name of names) {
    kafka('tool', 'org.apache.kafka.tools.TopicCommand', '--bootstrap-server', bootstrap, '--create', '--topic', name, '--partitions', '1', ...(name.startsWith('fsync') ? ['--config', 'flush.messages=1'] : []))
  }
}

const SIZES = [100, 1000] as const
/** Records a second, and how many, where latency is measured. */
const RATE = 50_000
const PACED = 250_000
const recordsOf = (bytes: number): number => Math.round((most * 100) / bytes / (bytes > 100 ? 0.5 : 1))

function round(number: number, bootstrap: string | undefined): void {
  disk(number)
  for (const bytes of SIZES) {
    const records = recordsOf(bytes)
    const few = Math.round(records / 4)
    const place = join(work, `r${number}-${bytes}`)
    ours(number, { what: 'append', place, records, bytes })
    ours(number, { what: 'read', place, records, bytes })
    ours(number, { what: 'append', place: join(work, `o${number}-${bytes}`), records, bytes, durability: 'os' })
    ours(number, { what: 'append', place: join(work, `z${number}-${bytes}`), records, bytes, codec: 'lz4' })
    ours(number, { what: 'send', place: join(work, `s${number}-${bytes}`), records: few, bytes })
    pipeline(number, join(work, `p${number}-${bytes}`), records, bytes)
    if (bootstrap !== undefined) {
      const [plain, packed, fsync] = [`plain-${number}-${bytes}`, `packed-${number}-${bytes}`, `fsync-${number}-${bytes}`]
      makeTopics(bootstrap, [plain, packed, fsync])
      kafkaProduce(number, bootstrap, plain, records, bytes)
      kafkaProduce(number, bootstrap, packed, records, bytes, { codec: 'lz4' })
      kafkaProduce(number, bootstrap, fsync, few, bytes)
      kafkaRead(number, bootstrap, plain, records, bytes)
    }
    for (const letter of 'rozsp') rmSync(join(work, `${letter}${number}-${bytes}`), { recursive: true, force: true })
  }
  const paced = { records: PACED, bytes: 100 }
  for (const what of ['paced', 'end']) ours(number, { what, place: join(work, `l${number}`), ...paced })
  ours(number, { what: 'first', place: join(work, `f${number}`), records: 1, bytes: 100 })
  if (bootstrap !== undefined) {
    makeTopics(bootstrap, [`plain-paced-${number}`, `fsync-paced-${number}`])
    kafkaProduce(number, bootstrap, `plain-paced-${number}`, PACED, 100, { rate: RATE })
    kafkaProduce(number, bootstrap, `fsync-paced-${number}`, PACED, 100, { rate: RATE })
    ours(number, { what: 'end', place: `kafka://${bootstrap}`, ...paced })
    kafka('tool', 'org.apache.kafka.tools.TopicCommand', '--bootstrap-server', bootstrap, '--delete', '--topic', 'bench-end')
  }
}

function median(found: readonly number[]): number {
  return found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN
}

function table(): string {
  const lines = ['| system | what | record | records/s | MB/s | p50 ms | p95 ms | p99 ms | peak MB |', '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |']
  for (const [, group] of Map.groupBy(rows, row => `${row.system} ${row.what} ${row.bytes}`)) {
    const { system, what, bytes } = group[0] as Row // A group has at least one.
    const of = (get: (row: Row) => number | undefined, digits: number): string => (get(group[0] as Row) === undefined ? '' : median(group.map(row => get(row) ?? NaN)).toFixed(digits)) // So has this.
    const rate = median(group.map(row => row.records_per_second))
    lines.push(`| ${system} | ${what} | ${bytes} B | ${Math.round(rate).toLocaleString('en')} | ${((rate * bytes) / 1e6).toFixed(1)} | ${of(row => row.p50_ms, 1)} | ${of(row => row.p95_ms, 1)} | ${of(row => row.p99_ms, 1)} | ${of(row => (row.peak_rss_bytes === undefined ? undefined : row.peak_rss_bytes / 1e6), 0)} |`)
  }
  const idle = rows.flatMap(row => row.idle_rss_bytes ?? [])
  const first = rows.flatMap(row => row.first_ack_seconds ?? [])
  return `${lines.join('\n')}\n\nFrom the start of the process to the first ack: ${median(first).toFixed(2)} s; ${(median(idle) / 1e6).toFixed(0)} MB resident when idle.\n`
}

let server: string | undefined
try {
  if (!values['no-kafka']) server = join(work, 'kafka')
  const bootstrap = server === undefined ? undefined : /bootstrap=(\S+)/.exec(kafka('start', server, '--port', '19092'))?.[1]
  if (bootstrap !== undefined) {
    makeTopics(bootstrap, ['plain-warm'])
    kafkaProduce(0, bootstrap, 'plain-warm', Math.round(most / 2), 100)
  }
  for (let number = 1; number <= Number(values.rounds); number++) round(number, bootstrap)
  const result = { machine: cpus()[0]?.model, cores: cpus().length, node: process.version, records: most, rows }
  const out = values.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.json`)
  writeFileSync(out, `${JSON.stringify(result, undefined, 1)}\n`)
  console.log(table())
  console.log(out)
} finally {
  if (server !== undefined) kafka('stop', server)
  rmSync(work, { recursive: true, force: true })
}
