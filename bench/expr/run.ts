/**
 * Evaluations a second of one filter, ours beside two other CEL implementations, in one process, in alternating rounds.
 *
 *     node bench/expr/run.ts [--rounds 7] [--out FILE]
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { celEnv, parse as parseBuf, plan } from '@bufbuild/cel'
import { parse as parseMarc } from '@marcbachmann/cel-js'
import { compile } from '../../src/expr/index.ts'

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, out: { type: 'string', default: 'bench/expr/results/latest.json' } } })
const SOURCE = 'event.type == "sensor" && event.temperature > 25.0 && event.humidity < 80.0'

const events = Array.from({ length: 4096 }, (_, i) => ({
  id: `e-${i}`, type: i % 5 === 0 ? 'web' : 'sensor', temperature: ((i * 7919) % 600) / 10 - 5, humidity: ((i * 104_729) % 1000) / 10 + 0.5,
}))
const scopes = events.map(event => ({ event, key: undefined, headers: {}, time: undefined, position: null }))
const expected = events.filter(({ type, temperature, humidity }) => type === 'sensor' && temperature > 25 && humidity < 80).length

const ours = compile(SOURCE)
const buf = plan(celEnv(), parseBuf(SOURCE))
const marc = parseMarc(SOURCE)
const systems: readonly { readonly name: string; readonly evaluations: number; run(at: number): unknown }[] = [
  { name: 'sluice', evaluations: 40_000_000, run: at => ours.evaluate(scopes[at] as (typeof scopes)[number]) }, // `at` is below the length.
  { name: '@bufbuild/cel', evaluations: 1_000_000, run: at => buf({ event: events[at] as never }) }, // Its input type has no plain objects, its planner takes them.
  { name: '@marcbachmann/cel-js', evaluations: 1_000_000, run: at => marc({ event: events[at] }) },
]

/** Evaluations a second. Throws where the answers are not the expected ones. */
function measure({ name, evaluations, run }: (typeof systems)[number]): number {
  const passes = Math.max(1, Math.round(evaluations / events.length))
  let hits = 0
  const start = process.hrtime.bigint()
  for (let pass = 0; pass < passes; pass++) for (let at = 0; at < events.length; at++) if (run(at) === true) hits++
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (hits !== expected * passes) throw new Error(`${name}: ${hits / passes} hits, ${expected} are right`)
  return (passes * events.length) / seconds
}

const rounds = Number(options.rounds)
const results = new Map<string, number[]>(systems.map(({ name }) => [name, []]))
for (const system of systems) measure({ ...system, evaluations: system.evaluations / 5 })
for (let round = 0; round < rounds; round++) for (const system of systems) results.get(system.name)?.push(measure(system))

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const rows = systems.map(({ name }) => ({ name, median: Math.round(median(results.get(name) ?? [])), runs: (results.get(name) ?? []).map(Math.round) }))
for (const { name, median: value } of rows) process.stdout.write(`${name.padEnd(24)} ${(value / 1e6).toFixed(2)} M evaluations/s\n`)
mkdirSync(dirname(options.out), { recursive: true })
writeFileSync(options.out, `${JSON.stringify({ source: SOURCE, events: events.length, node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, rows }, null, 2)}\n`)
