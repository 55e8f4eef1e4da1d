/**
 * Speed of the columns in memory, on one thread: the scan alone with the fields of each job, and scan, job and output together.
 *
 *     node bench/kernel/run.ts [--events 100000] [--rounds 9] [--slab 262144] [--js]
 *
 * The systems take turns, and the figures are medians over the rounds, in millions of rows a second. Copying each slab to the kernel's memory is part of every
 * figure, and so is the check that the bytes are UTF-8. `JSON.parse` of each line is the yardstick.
 */
import { parseArgs } from 'node:util'
import { createScanner } from '../../src/event/kernel/index.ts'
import type { Columns } from '../../src/event/kernel/index.ts'
import { DEFAULTS, deviceTable, eventBlocks } from '../events/generate.ts'
import { enrichJob, filterJob } from './jobs.ts'
import type { KernelJob } from './jobs.ts'

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '9' },
    slab: { type: 'string', default: String(256 << 10) },
    js: { type: 'boolean', default: false },
  },
})
const events = Number(values.events)
const bytes = Buffer.from([...eventBlocks({ ...DEFAULTS, events })].join(''))
const devices = deviceTable().trimEnd().split('\n').slice(1).map((line) => {
  const [id = '', owner = '', region = ''] = line.split(',')
  return { id, owner, region }
})
const slabs = cutAtLineEnds(bytes, Number(values.slab))

function cutAtLineEnds(all: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < all.length; ) {
    const end = at + size >= all.length ? all.length : all.lastIndexOf(10, at + size - 1) + 1
    parts.push(all.subarray(at, end))
    at = end
  }
  return parts
}

/** Feeds all slabs; answers the bytes that came out. */
function feed(columns: Columns, job?: KernelJob): number {
  let out = 0
  for (const slab of slabs) {
    columns.input.set(slab)
    for (let rows = columns.scan(slab.length); rows > 0; rows = columns.resume()) {
      job?.run(rows)
      out += job?.output.length ?? 0
    }
  }
  return out
}

function parseLines(): number {
  let found = 0
  for (const slab of slabs) {
    const text = slab.toString('utf8')
    for (let at = 0, end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
      const event = JSON.parse(text.slice(at, end)) as { type: string } // An event of the generator.
      if (event.type === 'sensor') found++
    }
  }
  return found
}

const systems = new Map<string, () => number>([['JSON.parse of each line', parseLines]])
const MORE = [['battery'], ['loc', 'lat'], ['loc', 'lon'], ['msg'], ['loc', 'site']]
for (const engine of values.js ? (['wasm', 'js'] as const) : (['wasm'] as const)) {
  const empty = createScanner([], { engine })
  const filter = filterJob(engine)
  const enrich = enrichJob(engine, devices)
  const many = createScanner([...enrich.columns.paths, ...MORE], { engine })
  systems.set(`${engine}: scan, no field (J1)`, () => feed(empty))
  systems.set(`${engine}: scan, the 4 fields of J2`, () => feed(filter.columns))
  systems.set(`${engine}: scan, the 10 fields of J3`, () => feed(enrich.columns))
  systems.set(`${engine}: scan, 15 fields`, () => feed(many))
  systems.set(`${engine}: J2, scan to output`, () => feed(filter.columns, filter))
  systems.set(`${engine}: J3, scan to output`, () => feed(enrich.columns, enrich))
}

const rates = new Map<string, number[]>([...systems.keys()].map((name) => [name, []]))
for (let round = -1; round < Number(values.rounds); round++) {
  for (const [name, run] of systems) {
    const start = process.hrtime.bigint()
    run()
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    // The first round warms up.
    if (round >= 0) rates.get(name)?.push(events / seconds / 1e6)
  }
}
process.stdout.write(`${events} events of ${(bytes.length / events).toFixed(0)} bytes, slabs of ${values.slab} bytes, Node ${process.version}, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB\n`)
process.stdout.write(`${'M rows/s'.padEnd(36)} median  lowest highest\n`)
for (const [name, all] of rates) {
  const sorted = all.toSorted((a, b) => a - b)
  const figures = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)]
  process.stdout.write(`${name.padEnd(36)} ${figures.map((figure) => (figure ?? 0).toFixed(2).padStart(6)).join('  ')}\n`)
}
