/**
 * Makes seeded events as JSON lines: 80 % sensor readings, 20 % web requests, about 247 bytes each, and the table of devices that they name.
 *
 *     node bench/events/generate.ts --n 5000000 --seed 1 --out events.jsonl --lookup devices.csv
 *
 * Every block of 4096 events has its own random stream, seeded by (seed, block). Event i so depends on the seed, i and the options alone:
 * the first lines of a long run are a short run. Nothing here may change the order of draws, because committed results name the digest of the bytes.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { parseArgs } from 'node:util'

export interface EventOptions {
  readonly events: number
  readonly seed: number
  /** Rows of the device table. */
  readonly devices: number
  readonly sites: number
  /** Events per second of event time. */
  readonly rate: number
  /** Most milliseconds that an event is late. */
  readonly jitter_ms: number
  readonly start_ms: number
  /** Share of records that break a rule: a value out of range, no device, an unknown device. */
  readonly bad: number
  /** Share of lines that are not JSON. */
  readonly malformed: number
}

export const DEFAULTS: EventOptions = {
  events: 5_000_000,
  seed: 1,
  devices: 10_000,
  sites: 100,
  rate: 1000,
  jitter_ms: 2000,
  start_ms: 1_760_000_000_000,
  bad: 0.01,
  malformed: 0,
}

const BLOCK = 4096
const MODELS = ['TX-100', 'TX-200', 'TX-300', 'HX-7', 'Q9']
const CITIES = ['muc', 'nyc', 'sao', 'tyo', 'syd', 'lon', 'del', 'cpt', 'par', 'yyz']
const NAMES = ['ana', 'bo', 'chidi', 'dana', 'eli', 'fatima', 'goro', 'hana', 'ivan', 'jo']
const HOSTS = ['example.com', 'example.org', 'corp.example.net']
const MESSAGES = ['ok', 'ok', 'ok', 'steady', 'calibrated by \\"lab 2\\"', 'dérivé', 'retry \\u2192 ok', 'path C:\\\\t', '']
const PATHS = ['/', '/cart', '/item/1042?ref=a%20b', '/search?q=x+y', '/login', '/api/v1/orders']
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT']
const STATUSES = [200, 200, 200, 200, 201, 302, 404, 500]
const REGIONS = ['eu', 'us', 'ap', 'sa']

type Draw = () => number

/** The generator sfc32 (Chris Doty-Humphrey, PractRand), warmed up by twelve draws. */
function randomStream(seed: number, block: number): Draw {
  let a = seed | 0
  let b = block | 0
  let c = 0x9e3779b9 | 0
  let d = 0x243f6a88 | 0
  const draw = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 4294967296
  }
  for (let i = 0; i < 12; i++) draw()
  return draw
}

const padded = (value: number, width: number): string => String(value).padStart(width, '0')
const deviceId = (index: number): string => `dev-${padded(index, 5)}`
const pick = <T>(from: readonly T[], draw: Draw): T | undefined => from[Math.trunc(draw() * from.length)]

/** The device table as CSV: id, owner, region, tier. */
export function deviceTable(options: EventOptions = DEFAULTS): string {
  const draw = randomStream(options.seed, -1)
  let text = 'id,owner,region,tier\n'
  for (let i = 0; i < options.devices; i++) {
    text += `${deviceId(i)},${pick(NAMES, draw)}-${Math.trunc(draw() * 500)},${pick(REGIONS, draw)},${1 + Math.trunc(draw() * 3)}\n`
  }
  return text
}

/** The events as text, a block of lines at a time. */
export function* eventBlocks(options: EventOptions = DEFAULTS): Generator<string> {
  const sites = Array.from({ length: options.sites }, (_, i) => `${CITIES[i % 10]}-${padded(i, 2)}`)
  for (let first = 0, block = 0; first < options.events; first += BLOCK, block++) {
    const draw = randomStream(options.seed, block)
    const end = Math.min(options.events, first + BLOCK)
    let text = ''
    for (let i = first; i < end; i++) {
      let line = eventLine(i, draw, sites, options)
      if (options.malformed > 0 && draw() < options.malformed) line = line.slice(0, -3)
      text += line + '\n'
    }
    yield text
  }
}

/** One event. The draws happen in the order in which the fields stand. */
function eventLine(i: number, draw: Draw, sites: readonly string[], options: EventOptions): string {
  const ts = Math.round(options.start_ms + i * (1000 / options.rate) - draw() * draw() * options.jitter_ms)
  const d = Math.trunc(draw() * options.devices)
  const isSensor = draw() < 0.8
  const bad = draw() < options.bad ? 1 + Math.trunc(draw() * 4) : 0
  const site = pick(sites, draw)
  const device = bad === 1 ? '' : `"id":"${bad === 2 ? `dev-9${padded(d, 5)}` : deviceId(d)}",`
  const head =
    `{"id":"e-${padded(i, 7)}","ts":${ts},"type":"${isSensor ? 'sensor' : 'web'}","device":{${device}"model":"${MODELS[d % 5]}"},` +
    `"loc":{"site":"${site}","lat":${Math.trunc(draw() * 18000 - 9000) / 100},"lon":${Math.trunc(draw() * 36000 - 18000) / 100}},`
  const body = isSensor ? sensorFields(bad, draw) : webFields(bad, draw)
  return `${head}${body}"email":"${pick(NAMES, draw)}.${d}@${pick(HOSTS, draw)}","msg":"${pick(MESSAGES, draw)}"}`
}

function sensorFields(bad: number, draw: Draw): string {
  const temperature = bad === 3 ? 999 : Math.trunc((draw() + draw() + draw()) * 2200 - 1000) / 100
  const humidity = bad === 4 ? -1 : Math.trunc(draw() * 1000) / 10
  return `"temperature":${temperature},"humidity":${humidity},"battery":${Math.trunc(draw() * 101)},`
}

function webFields(bad: number, draw: Draw): string {
  const method = pick(METHODS, draw)
  const path = pick(PATHS, draw)
  const status = bad >= 3 ? 99 : pick(STATUSES, draw)
  return `"method":"${method}","path":"${path}","status":${status},"ms":${Math.trunc(draw() * 90000) / 100},`
}

/** Writes events to a file. */
export function writeEvents(path: string | number, options: EventOptions = DEFAULTS): void {
  const file = typeof path === 'number' ? path : openSync(path, 'w')
  for (const block of eventBlocks(options)) {
    const bytes = Buffer.from(block)
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
  }
  if (typeof path !== 'number') closeSync(file)
}

function main(): void {
  const { values } = parseArgs({
    options: {
      n: { type: 'string' },
      seed: { type: 'string' },
      devices: { type: 'string' },
      sites: { type: 'string' },
      bad: { type: 'string' },
      malformed: { type: 'string' },
      out: { type: 'string', default: '-' },
      lookup: { type: 'string' },
    },
  })
  const number = (text: string | undefined, otherwise: number): number => (text === undefined ? otherwise : Number(text))
  const options: EventOptions = {
    ...DEFAULTS,
    events: number(values.n, DEFAULTS.events),
    seed: number(values.seed, DEFAULTS.seed),
    devices: number(values.devices, DEFAULTS.devices),
    sites: number(values.sites, DEFAULTS.sites),
    bad: number(values.bad, DEFAULTS.bad),
    malformed: number(values.malformed, DEFAULTS.malformed),
  }
  if (values.lookup !== undefined) {
    const file = openSync(values.lookup, 'w')
    writeSync(file, deviceTable(options))
    closeSync(file)
  }
  writeEvents(values.out === '-' ? 1 : values.out, options)
}

if (import.meta.main) main()
