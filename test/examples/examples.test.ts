/** Every example runs as its README says, and its results are right. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sluice } from '../cli/sluice.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples')
const names = readdirSync(EXAMPLES).filter(name => statSync(join(EXAMPLES, name)).isDirectory())
const YAML = names.filter(name => existsSync(join(EXAMPLES, name, 'pipeline.yaml')))

function lines<T>(path: string): T[] {
  return readFileSync(join(EXAMPLES, path), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as T) // What the example has just written.
}

interface RunReport {
  readonly events_in: number
  readonly events_out: Readonly<Record<string, number>>
  readonly dead_lettered: number
  readonly filtered: number
  readonly created: number
  readonly in_flight: number
  readonly stopped_by: string
}

async function run(pipeline: string, ...args: string[]): Promise<{ readonly out: string; readonly report: RunReport }> {
  const { code, out, err } = await sluice(['run', '-q', join(EXAMPLES, pipeline), '--report', 'json', ...args])
  assert.equal(code, 0, err)
  const all = out.trimEnd().split('\n')
  const report = JSON.parse(all.pop() ?? '') as RunReport
  const { events_in, created, events_out, filtered, dead_lettered, in_flight, stopped_by } = report
  const sum = Object.values(events_out).reduce((total, one) => total + one, 0)
  assert.equal(events_in + created, sum + filtered + dead_lettered + in_flight, 'an event has vanished')
  assert.equal(stopped_by, 'end of input')
  return { out: all.join('\n'), report }
}

for (const name of names) {
  test(`${name} has a README`, () => assert.ok(existsSync(join(EXAMPLES, name, 'README.md'))))
}
for (const name of YAML) {
  test(`${name} points editors at the JSON Schema, passes its check and its tests`, async () => {
    const path = join(EXAMPLES, name, 'pipeline.yaml')
    assert.match(readFileSync(path, 'utf8'), /^# yaml-language-server: \$schema=\.\.\/\.\.\/schema\/pipeline\.schema\.json\n/)
    assert.deepEqual(await sluice(['check', '--format', 'json', path]).then(({ code, out }) => ({ code, out: JSON.parse(out) as unknown })), { code: 0, out: { ok: true, errors: 0, warnings: 0, diagnostics: [] } })
    const tested = await sluice(['test', path])
    assert.equal(tested.code, 0, tested.out)
    assert.match(tested.err, /^[2-9] tests passed\n$/)
  })
}

interface Reading {
  readonly id: string
  readonly temperature?: number
  readonly anomaly?: { readonly anomaly: boolean }
}

for (const workers of ['0', '2']) {
  test(`sensors: loader, error handler and metrics collector see every record, with ${workers} workers`, async () => {
    const { out, report } = await run('sensors/pipeline.yaml', '--workers', workers)
    const processed = lines<Reading>('sensors/out/processed_data.jsonl')
    const failed = lines<Reading>('sensors/out/failed_data.jsonl')
    assert.equal(report.events_in, 20_000)
    assert.equal(processed.length + failed.length, 20_000)
    assert.equal(new Set([...processed, ...failed].map(({ id }) => id)).size, 20_000)

    const { total, errors, anomalies, sum_of_values } = JSON.parse(out) as Record<string, number>
    assert.equal(total, 20_000)
    assert.equal(errors, failed.length)
    assert.equal(anomalies, processed.filter(({ anomaly }) => anomaly?.anomaly === true).length)
    const sum = processed.reduce((so_far, { temperature = 0 }) => so_far + temperature, 0)
    assert.ok(Math.abs((sum_of_values ?? 0) - sum) < 1e-3)
    assert.ok((anomalies ?? 0) > 0 && failed.length > 0)
  })
}

test('weblog: requests, errors, pages and what was none', async () => {
  const { report } = await run('weblog/pipeline.yaml')
  assert.equal(report.events_in, 800)
  const requests = lines<Record<string, unknown>>('weblog/out/requests.ndjson')
  const pages = lines<{ path: string; requests: number; visitors: number }>('weblog/out/pages.ndjson')
  assert.equal(pages.reduce((sum, page) => sum + page.requests, 0), requests.length)
  for (const request of requests) {
    assert.match(String(request.host), /^[0-9a-f]{64}$/)
    assert.ok(!('user' in request))
  }
  const log = readFileSync(join(EXAMPLES, 'weblog/data/access_log'), 'utf8').split('\n')
  const unparsed = lines<{ original: string }>('weblog/out/unparsed.ndjson').map(({ original }) => original)
  assert.deepEqual(unparsed, log.filter(line => line.endsWith('connection reset by peer')))
})

interface Sold {
  readonly id: string
  readonly country: string
  readonly gross: number
}

test('typescript: orders go where their total and country send them', async () => {
  assert.equal((await sluice(['check', join(EXAMPLES, 'typescript/pipeline.ts')])).code, 0)
  const { report } = await run('typescript/pipeline.ts')
  const [large, small] = [lines<Sold>('typescript/out/large.ndjson'), lines<Sold>('typescript/out/small.ndjson')]
  assert.equal(report.events_in, 5000)
  assert.deepEqual([large.length, small.length], [report.events_out.large, report.events_out.small])
  assert.ok(large.length > 0 && large.every(({ gross }) => gross >= 500))
  assert.ok(small.length > 0 && small.every(({ gross, country }) => gross < 500 && country !== 'elsewhere'))
  assert.equal(new Set([...large, ...small].map(({ id }) => id)).size, large.length + small.length)
  const failed = lines<{ original: string }>('typescript/out/failed.ndjson')
  assert.equal(failed.length, report.dead_lettered)
  assert.ok(failed.length > 0 && failed.every(({ original }) => original.includes('"items":null')))
})

test('flights: three million flights, every one accounted for, and a table of the worst routes', async () => {
  const { report } = await run('flights/pipeline.yaml')
  assert.deepEqual(report.events_in, 3_000_000)
  assert.equal(report.dead_lettered, 2)
  const routes = lines<{ origin: string; destination: string; from: string; flights: number; average: number }>('flights/out/routes.ndjson')
  assert.equal(routes.length, 3399)
  assert.equal(routes.reduce((sum, route) => sum + route.flights, 0), 2_999_998)
  const worst = routes.filter(route => route.flights >= 500).sort((a, b) => b.average - a.average)[0]
  assert.deepEqual([worst?.origin, worst?.destination, worst?.from, worst?.flights, worst?.average.toFixed(4)], ['PHX', 'DTW', 'Phoenix', 1495, '32.4475'])
})
