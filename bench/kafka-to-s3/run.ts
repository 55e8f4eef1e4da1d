/**
 * Rows of 1,200 bytes from a real Kafka through JSON into compressed JSON lines on a real S3 server: Sluice as it is published, beside a straightforward Node program.
 *
 *     node bench/kafka-to-s3/run.ts [--rows 1000000] [--rounds 3] [--compression gzip,zstd] [--level N] [--only sluice|node] [--source] [--profile DIR] [--out FILE]
 *
 * Both leave out the rows of tests and write the others; what they wrote is read back, unpacked and digested, and must be the same rows. What counts are rows per CPU second of
 * the process itself (user and system, start-up and compression included): the servers share the machine, so seconds on the clock are only reported. Systems take turns.
 * `--source` runs the checkout instead of the package, and `--profile` lets Node profile both, for work on them. Each compresses as it does unless told otherwise: the Node program with
 * zlib's levels (gzip 6, zstd 3), Sluice with its own (4 and 1). `--level` gives both the same.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { installPackage } from '../package.ts'
import { freePorts } from '../../test/servers/ports.ts'
import { measure } from '../pipelines/measure.ts'
import { warmMemory } from '../warm-memory.ts'
import { LineDigest } from './line-digest.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' }, compression: { type: 'string', default: 'gzip,zstd' }, only: { type: 'string' },
    level: { type: 'string' }, source: { type: 'boolean', default: false }, profile: { type: 'string' }, out: { type: 'string' },
  },
})
const rows = Number(values.rows)
const root = join(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'sluice-bench-s3-'))
const PARTITIONS = 4
const TOPIC = 'orders'

interface Row {
  readonly round: number
  readonly system: string
  readonly compression: string
  readonly rows: number
  readonly rows_per_cpu_second: number
  readonly cpu_seconds: number
  readonly seconds: number
  readonly peak_rss_bytes: number
  readonly stored_bytes: number
  readonly objects: number
  readonly load_before: number
}
type Compression = 'gzip' | 'zstd'
interface Servers {
  readonly bootstrap: string
  readonly s3: ReadonlyMap<string, string>
}
interface System {
  readonly name: string
  argv(prefix: string, compression: Compression, servers: Servers): readonly string[]
}

const script = (name: string, ...args: string[]): ReadonlyMap<string, string> => {
  const printed = execFileSync('bash', [join(root, 'test/servers', name), ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return new Map(printed.trim().split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

const ENDINGS = { gzip: 'gz', zstd: 'zst' } as const

/** Exactly once, as the pipeline is by default with a state. */
function pipeline(prefix: string, compression: Compression, { bootstrap, s3 }: Servers): string {
  const folder = join(work, prefix)
  mkdirSync(folder, { recursive: true })
  const text = `pipeline: orders
sources: { orders: { log: { log: "kafka://${bootstrap}", topic: ${TOPIC}, until: end } } }
stages: [ { filter: 'event.status != "test"' } ]
sinks: { out: { s3: { endpoint: "${s3.get('endpoint')}", bucket: ${s3.get('bucket')}, access_key: "\${S3_KEY}", secret_key: "\${S3_SECRET}", key: "${prefix}/rows.ndjson.${ENDINGS[compression]}", size: 32MiB${values.level === undefined ? '' : `, level: ${values.level}`} } } }
state: ./state
`
  writeFileSync(join(folder, 'pipeline.yaml'), text)
  return join(folder, 'pipeline.yaml')
}

const command = values.source ? join(root, 'bin/sluice.js') : installPackage(join(work, 'installed'))
const profile = values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profile]
const SYSTEMS: readonly System[] = [
  { name: 'sluice', argv: (prefix, compression, servers) => [process.execPath, ...profile, command, 'run', pipeline(prefix, compression, servers), '--report', 'json', '--quiet'] },
  {
    name: 'node',
    argv: (prefix, compression, { bootstrap, s3 }) => [process.execPath, ...profile, join(import.meta.dirname, 'peers/node.js'), bootstrap, TOPIC, String(rows), s3.get('endpoint') ?? '', s3.get('bucket') ?? '', prefix, compression, ...(values.level === undefined ? [] : [values.level])],
  },
]

/** Every object below a prefix, unpacked and digested. The server keeps objects as files. */
function stored(folder: string, prefix: string): { readonly digest: string; readonly lines: number; readonly bytes: number; readonly objects: number } {
  const digest = new LineDigest()
  let bytes = 0
  const names = readdirSync(join(folder, prefix)).filter(name => name.endsWith('.gz') || name.endsWith('.zst'))
  for (const name of names) {
    const packed = readFileSync(join(folder, prefix, name))
    bytes += packed.length
    digest.add(name.endsWith('.gz') ? gunzipSync(packed) : zstdDecompressSync(packed))
  }
  return { digest: digest.text, lines: digest.lines, bytes, objects: names.length }
}

/** For the memory of a turn and for what it leaves in the page cache. */
function warm(): void {
  if (!existsSync('/dev/shm')) return
  const folder = mkdtempSync('/dev/shm/sluice-bench-')
  try {
    warmMemory(folder, 3e9)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function median(found: readonly number[]): number {
  return found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN
}

function table(all: readonly Row[]): string {
  const lines = ['| compression | system | rows per CPU second | rows/s | peak MB | stored MB |', '| --- | --- | ---: | ---: | ---: | ---: |']
  const rates = new Map<string, number>()
  for (const [name, group] of Map.groupBy(all, row => `${row.compression} | ${row.system}`)) {
    const of = (get: (row: Row) => number): number => median(group.map(get))
    rates.set(name, of(row => row.rows_per_cpu_second))
    const rate = (value: number): string => Math.round(value).toLocaleString('en')
    lines.push(`| ${name} | ${rate(of(row => row.rows_per_cpu_second))} | ${rate(of(row => row.rows / row.seconds))} | ${(of(row => row.peak_rss_bytes) / 1e6).toFixed(0)} | ${(of(row => row.stored_bytes) / 1e6).toFixed(1)} |`)
  }
  for (const compression of ['gzip', 'zstd']) {
    const times = (rates.get(`${compression} | sluice`) ?? NaN) / (rates.get(`${compression} | node`) ?? NaN)
    if (!Number.isNaN(times)) lines.push('', `${compression}: ${times.toFixed(2)} times the rows per CPU second of the Node program.`)
  }
  return lines.join('\n')
}

const results: Row[] = []
const out = values.out ?? join(import.meta.dirname, 'results', `${new Date().toISOString().slice(0, 10)}.json`)
try {
  const kafka = script('kafka', 'start', join(work, 'kafka'), '--port', String(await freePorts(2)))
  const servers: Servers = { bootstrap: kafka.get('bootstrap') ?? '', s3: script('s3', 'start', join(work, 's3'), '--port', String(await freePorts(1))) }
  const env = { S3_KEY: servers.s3.get('access_key') ?? '', S3_SECRET: servers.s3.get('secret_key') ?? '' }
  const loaded = execFileSync(process.execPath, [join(import.meta.dirname, 'load.ts'), servers.bootstrap, TOPIC, String(PARTITIONS), String(rows)], { encoding: 'utf8' })
  console.log(loaded.trim())
  const bucket = join(work, 's3/data', servers.s3.get('bucket') ?? '')
  let expected: string | undefined
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const compression of values.compression.split(',') as Compression[]) { // As given.
      const turn = SYSTEMS.filter(({ name }) => values.only === undefined || name === values.only)
      for (const system of round % 2 === 0 ? turn.toReversed() : turn) {
        const prefix = `${system.name}-${compression}-${round}`
        const [load = 0] = loadavg()
        warm()
        const measured = measure([{ argv: system.argv(prefix, compression, servers), env }], work)
        const { digest, lines, bytes, objects } = stored(bucket, prefix)
        expected ??= digest
        if (digest !== expected) throw new Error(`${prefix} has other rows than the first run: ${lines} lines`)
        rmSync(join(bucket, prefix), { recursive: true })
        const row = { round, system: system.name, compression, rows, rows_per_cpu_second: rows / measured.cpu_seconds, cpu_seconds: measured.cpu_seconds, seconds: measured.seconds, peak_rss_bytes: measured.peak_rss_bytes, stored_bytes: bytes, objects, load_before: load }
        results.push(row)
        console.log(JSON.stringify(row))
      }
    }
    // After each round: what was measured is not lost where a later one fails.
    writeFileSync(out, `${JSON.stringify({ machine: cpus()[0]?.model, cores: cpus().length, node: process.version, rows, loaded: JSON.parse(loaded) as unknown, digest: expected, results }, undefined, 1)}\n`)
  }
  console.log(`\n${table(results)}\n\n${out}`)
} finally {
  for (const name of ['kafka', 's3']) if (existsSync(join(work, name))) script(name, 'stop', join(work, name))
  rmSync(work, { recursive: true, force: true })
}
