/**
 * Our adapter of Kafka beside the objects interface of the client that it stands on: one broker, one partition, acks=all, in one run, in turns.
 *
 *     node bench/log/kafka-client.ts [--rounds 5] [--records 1000000] [--bytes 100] [--out FILE]
 *
 * Every measurement has a process of its own. A round writes the records once by each system and reads what ours wrote by each; who begins changes with the round.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openLog } from '../../src/log/index.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, records: { type: 'string', default: '1000000' }, bytes: { type: 'string', default: '100' }, out: { type: 'string' } },
})
const work = mkdtempSync(join(tmpdir(), 'sluice-bench-client-'))
const script = join(import.meta.dirname, '../../test/servers/kafka')
const server = (...args: string[]): string => execFileSync('bash', [script, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const rounds = Number(values.rounds)

interface Measured {
  readonly seconds: number
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
}

interface Row extends Measured {
  readonly round: number
  readonly system: string
  readonly what: string
  readonly records_per_second: number
}
const rows: Row[] = []

function measure(round: number, bootstrap: string, [system = '', what = '']: readonly string[], topic: string, records = values.records): void {
  const text = execFileSync(process.execPath, [join(import.meta.dirname, 'kafka-client-case.ts'), system, what, bootstrap, topic, records, values.bytes], { encoding: 'utf8' })
  const measured = JSON.parse(text) as Measured // Printed by kafka-client-case.ts.
  if (round === 0) return
  const row: Row = { round, system, what, records_per_second: Number(records) / measured.seconds, ...measured }
  rows.push(row)
  console.error(`round ${round}  ${system.padEnd(7)} ${what.padEnd(7)} ${Math.round(row.records_per_second).toLocaleString('en').padStart(10)}/s  CPU ${row.cpu_seconds.toFixed(2)} s`)
}

const turned = <T>(all: readonly T[], by: number): T[] => all.map((_, index) => all[(index + by) % all.length] as T) // The index is in range.
const WRITERS = [['ours', 'append'], ['client', 'send'], ['ours', 'send']] as const
const READERS = [['ours', 'read'], ['client', 'read']] as const

async function makeTopics(bootstrap: string): Promise<void> {
  const log = await openLog(`kafka://${bootstrap}`)
  const names = ['warm', ...Array.from({ length: rounds }, (_, index) => index + 1)]
  await log.admin.createTopics(names.flatMap(round => WRITERS.map(([system, what]) => ({ name: `${system}-${what}-${round}` }))))
  await log.close()
}

function median(found: readonly number[]): number {
  return found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ?? NaN
}

function medians(): { readonly system: string; readonly what: string; readonly records_per_second: number; readonly cpu_seconds: number; readonly times_client: number }[] {
  const of = (system: string, what: string): Row[] => rows.filter(row => row.system === system && row.what === what)
  return [...WRITERS, ...READERS].map(([system, what]) => {
    const rate = (own: readonly Row[]): number => Math.round(median(own.map(row => row.records_per_second)))
    const own = of(system, what)
    const beside = rate(of('client', what === 'read' ? 'read' : 'send'))
    return { system, what, records_per_second: rate(own), cpu_seconds: median(own.map(row => row.cpu_seconds)), times_client: Number((rate(own) / beside).toFixed(2)) }
  })
}

try {
  const [, bootstrap = ''] = /bootstrap=(\S+)/.exec(server('start', work, '--port', '19192')) ?? []
  await makeTopics(bootstrap)
  // The broker's own code is compiled while it works: its first second is slower than the rest.
  for (const writer of WRITERS) measure(0, bootstrap, writer, `${writer.join('-')}-warm`, '300000')
  for (let round = 1; round <= rounds; round++) {
    for (const writer of turned(WRITERS, round)) measure(round, bootstrap, writer, `${writer.join('-')}-${round}`)
    for (const reader of turned(READERS, round)) measure(round, bootstrap, reader, `ours-append-${round}`)
  }
  const result = {
    machine: cpus()[0]?.model, cores: cpus().length, node: process.version, kafka: '4.3.1', client: '@platformatic/kafka 2.12.1', records: Number(values.records), bytes: Number(values.bytes), medians: medians(), rows,
  }
  const out = values.out ?? join(import.meta.dirname, 'results', `kafka-client-${new Date().toISOString().slice(0, 10)}.json`)
  writeFileSync(out, `${JSON.stringify(result, undefined, 1)}\n`)
  console.table(result.medians)
  console.log(out)
} finally {
  server('stop', work)
  rmSync(work, { recursive: true, force: true })
}
