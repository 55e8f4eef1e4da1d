/** The benchmark's inputs: made once, kept in a cache folder, read before use so that they lie in the page cache. */
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DEFAULTS, deviceTable, writeEvents } from '../events/generate.ts'

/** Where inputs and programs of peers are kept: outside the checkout, since they take gigabytes. */
export const CACHE: string = process.env['SLUICE_BENCH_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sluice-bench')
const SEED = 1

export interface Input {
  readonly events: number
  readonly bytes: number
  readonly path: string
  /** The same lines in two files. */
  readonly halves: readonly [string, string]
  readonly lookup: string
}

/** The input of that many events; made where it is not there yet. */
export function inputOf(events: number): Input {
  mkdirSync(CACHE, { recursive: true })
  const base = join(CACHE, `events-${events}-${SEED}`)
  const path = `${base}.jsonl`
  const lookup = join(CACHE, `devices-${SEED}.csv`)
  const options = { ...DEFAULTS, events, seed: SEED }
  if (!existsSync(lookup)) writeWhole(lookup, temporary => writeFileSync(temporary, deviceTable(options)))
  if (!existsSync(path)) writeWhole(path, temporary => writeEvents(temporary, options))
  const halves = [`${base}-a.jsonl`, `${base}-b.jsonl`] as const
  if (!halves.every(half => existsSync(half))) cutInHalves(path, halves)
  for (const file of [path, ...halves]) readThrough(file)
  return { events, bytes: statSync(path).size, path, halves, lookup }
}

function writeWhole(path: string, write: (temporary: string) => void): void {
  write(`${path}.part`)
  renameSync(`${path}.part`, path)
}

/** Cuts at the first line end behind the middle. */
function cutInHalves(path: string, [first, second]: readonly [string, string]): void {
  const size = statSync(path).size
  const file = openSync(path, 'r')
  const probe = Buffer.alloc(1 << 16)
  const middle = Math.floor(size / 2)
  const cut = middle + probe.subarray(0, readSync(file, probe, 0, probe.length, middle)).indexOf(10) + 1
  writeWhole(first, temporary => copyRange(file, 0, cut, temporary))
  writeWhole(second, temporary => copyRange(file, cut, size, temporary))
  closeSync(file)
}

function copyRange(from: number, start: number, end: number, path: string): void {
  const to = openSync(path, 'w')
  const buffer = Buffer.alloc(1 << 20)
  for (let place = start; place < end; ) {
    const read = readSync(from, buffer, 0, Math.min(buffer.length, end - place), place)
    writeSync(to, buffer, 0, read)
    place += read
  }
  closeSync(to)
}

function readThrough(path: string): void {
  const file = openSync(path, 'r')
  const buffer = Buffer.alloc(1 << 20)
  while (readSync(file, buffer, 0, buffer.length, null) > 0);
  closeSync(file)
}
