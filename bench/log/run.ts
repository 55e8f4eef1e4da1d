/**
 * The embedded log beside a real Apache Kafka, on one machine, in one run: one producer, one partition, acks=all, batches of 64 KiB.
 *
 *     node bench/log/run.ts [--rounds 3] [--records 2000000] [--no-kafka] [--out FILE]
 *
 * Ours acknowledges after fdatasync. Kafka runs twice: as it comes (no fsync), and with `flush.messages=1`. Its figures are those of its own tools, after a run
 * that warms it up. The systems take turns; the table has medians.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, records: { type: 'string', default: '2000000' }, 'no-kafka': { type: 'boolean', default: false }, out: { type: 'string' } },
})
const root = join(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'sluice-bench-log-'))
const most = Number(values.records)

interface Row {
  readonly round: number
  readonly system: string
  readonly what: string
  readonly bytes: number
  readonly records: number
  readonly records_per_second: number
  readonly p50_ms?: number
  readonly p99_ms?: number
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
  readonly p99?: number
  readonly first_ack: number
  readonly peak_rss_bytes: number
}

function ours(round: number, what: string, folder: string, records: number, bytes: number): void {
  const text = execFileSync(process.execPath, [join(import.meta.dirname, 'ours.ts'), what, folder, String(records), String(bytes)], { encoding: 'utf8' })
  const { seconds, p50, p99, first_ack, peak_rss_bytes } = JSON.parse(text) as Measured // Printed by ours.ts.
  const latency = p50 === undefined || p99 === undefined ? {} : { p50_ms: p50, p99_ms: p99 }
  note({ round, system: 'sluice, fsync', what, bytes, records, records_per_second: records / seconds, ...latency, ...(what === 'first' ? { first_ack_seconds: first_ack } : {}), peak_rss_bytes })
}

/** The whole command: a pipeline from the standard input to the log, start-up included. */
function pipeline(round: number, folder: string, records: number, bytes: number): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'p.yaml'), 'pipeline: p\nsources: { in: { generate: { shape: sensor, count: 1 } } }\nsinks: { out: { discard: {} } }\n')
  const line = `${JSON.stringify({ v: 'x'.repeat(bytes - 8) })}\n`
  writeFileSync(join(folder, 'in'), line.repeat(records))
  writeFileSync(join(folder, 'p.yaml'), 'pipeline: p\nsources: { in: { stdin: {} } }\nsinks: { out: { log: { log: ./data, topic: bench, create: { partitions: 1 } } } }\n')
  const begun = performance.now()
  const command = `"${process.execPath}" "${join(root, 'bin/sluice.js')}" run "${join(folder, 'p.yaml')}" --report json --quiet < "${join(folder, 'in')}"`
  const report = JSON.parse(execFileSync('bash', ['-c', command], { encoding: 'utf8' })) as { readonly events_out: { readonly out: number }; readonly peak_rss_bytes: number } // Printed by `--report json`.
  const seconds = (performance.now() - begun) / 1000
  if (report.events_out.out !== records) throw new Error(`${report.events_out.out} of ${records} records arrived`)
  note({ round, system: 'sluice, fsync', what: 'pipeline', bytes, records, records_per_second: records / seconds, peak_rss_bytes: report.peak_rss_bytes })
}

const script = join(root, 'test/servers/kafka')
const kafka = (...args: string[]): string => execFileSync('bash', [script, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 })

function kafkaProduce(round: number, bootstrap: string, topic: string, records: number, bytes: number, rate = -1): void {
  const text = kafka(
    'tool', 'org.apache.kafka.tools.ProducerPerformance', '--topic', topic, '--num-records', String(records), '--record-size', String(bytes), '--throughput', String(rate),
    '--command-property', `bootstrap.servers=${bootstrap}`, 'acks=all', 'batch.size=65536', 'linger.ms=5',
  )
  const [last = ''] = text.trim().split('\n').slice(-1)
  const found = /([\d.]+) records\/sec.*?([\d.]+) ms 50th, ([\d.]+) ms 95th, ([\d.]+) ms 99th/.exec(last)
  if (found === null) throw new Error(`Kafka's tool said: ${last}`)
  const system = topic.startsWith('fsync') ? 'kafka, fsync per batch' : 'kafka, as it comes'
  if (round > 0) note({ round, system, what: rate < 0 ? 'append' : 'paced', bytes, records, records_per_second: Number(found[1]), p50_ms: Number(found[2]), p99_ms: Number(found[4]) })
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
const recordsOf = (bytes: number): number => Math.round((most * 100) / bytes / (bytes > 100 ? 0.5 : 1))

function round(number: number, bootstrap: string | undefined): void {
  for (const bytes of SIZES) {
    const records = recordsOf(bytes)
    const folder = join(work, `r${number}-${bytes}`)
    ours(number, 'append', folder, records, bytes)
    ours(number, 'read', folder, records, bytes)
    ours(number, 'send', join(work, `s${number}-${bytes}`), Math.round(records / 4), bytes)
    pipeline(number, join(work, `p${number}-${bytes}`), records, bytes)
    if (bootstrap !== undefined) {
      makeTopics(bootstrap, [`plain-${number}-${bytes}`, `fsync-${number}-${bytes}`])
      kafkaProduce(number, bootstrap, `plain-${number}-${bytes}`, records, bytes)
      kafkaProduce(number, bootstrap, `fsync-${number}-${bytes}`, Math.round(records / 4), bytes)
      kafkaRead(number, bootstrap, `plain-${number}-${bytes}`, records, bytes)
    }
  }
  ours(number, 'paced', join(work, `l${number}`), 250_000, 100)
  ours(number, 'first', join(work, `f${number}`), 1, 100)
  if (bootstrap !== undefined) {
    makeTopics(bootstrap, [`plain-paced-${number}`])
    kafkaProduce(number, bootstrap, `plain-paced-${number}`, 250_000, 100, 50_000)
  }
}

function median(found: readonly number[]): number {
  return found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN
}

function table(): string {
  const lines = ['| system | what | record | records/s | MB/s | p50 ms | p99 ms | peak MB |', '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |']
  for (const [, group] of Map.groupBy(rows, row => `${row.system} ${row.what} ${row.bytes}`)) {
    const { system, what, bytes } = group[0] as Row // A group has at least one.
    const of = (get: (row: Row) => number | undefined, digits: number): string => (get(group[0] as Row) === undefined ? '' : median(group.map(row => get(row) ?? NaN)).toFixed(digits)) // So has this.
    const rate = median(group.map(row => row.records_per_second))
    lines.push(`| ${system} | ${what} | ${bytes} B | ${Math.round(rate).toLocaleString('en')} | ${((rate * bytes) / 1e6).toFixed(1)} | ${of(row => row.p50_ms, 1)} | ${of(row => row.p99_ms, 1)} | ${of(row => (row.peak_rss_bytes === undefined ? undefined : row.peak_rss_bytes / 1e6), 0)} |`)
  }
  const first = rows.flatMap(row => row.first_ack_seconds ?? [])
  return `${lines.join('\n')}\n\nFrom the start of the process to the first ack: ${median(first).toFixed(2)} s.\n`
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
