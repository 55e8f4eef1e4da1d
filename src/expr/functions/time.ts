/** Parts of times and durations. */
import { NO_MATCH } from './types.ts'
import type { FunctionDef, FunctionTable } from './types.ts'
import { Duration, Timestamp, evalError, floorDiv } from '../values.ts'

const MS = 1_000_000n

interface Parts {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly weekday: number
  readonly dayOfYear: number
  readonly ms: number
}

const FORMATS = new Map<string, Intl.DateTimeFormat>()

/** Milliseconds that a zone is ahead of UTC at a moment. */
function offset(zone: string, ms: number): number {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone)
  if (fixed !== null) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000
  if (zone === 'UTC' || zone === 'Z' || zone === '') return 0
  let format = FORMATS.get(zone)
  if (format === undefined) {
    try {
      format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' })
    } catch {
      throw evalError('EXPR_ARGUMENT', `There is no time zone ${JSON.stringify(zone)}.`)
    }
    if (FORMATS.size < 1000) FORMATS.set(zone, format)
  }
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
  const local = Date.UTC(part['year'] ?? 0, (part['month'] ?? 1) - 1, part['day'], part['hour'], part['minute'], part['second'])
  return local - Math.floor(ms / 1000) * 1000
}

function partsOf(time: Timestamp, zone: unknown): Parts {
  const utc = Number(floorDiv(time.$ns, MS))
  const date = new Date(utc + (typeof zone === 'string' ? offset(zone, utc) : 0))
  const year = date.getUTCFullYear()
  return {
    year,
    month: date.getUTCMonth(),
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay(),
    dayOfYear: Math.floor((Date.UTC(year, date.getUTCMonth(), date.getUTCDate()) - Date.UTC(year, 0, 1)) / 86_400_000),
    ms: date.getUTCMilliseconds(),
  }
}

function part(read: (parts: Parts) => number, ofDuration?: (ns: bigint) => bigint): FunctionDef {
  return {
    arity: [1, 2],
    style: 'member',
    result: 'number',
    call: (rt, [value, zone]) => {
      if (value instanceof Timestamp && (zone === undefined || typeof zone === 'string')) return rt.int(read(partsOf(value, zone)))
      if (value instanceof Duration && zone === undefined && ofDuration !== undefined) return rt.int(ofDuration(value.$ns))
      return NO_MATCH
    },
  }
}

export const time: FunctionTable = {
  getFullYear: part(parts => parts.year),
  getMonth: part(parts => parts.month),
  getDate: part(parts => parts.day),
  getDayOfMonth: part(parts => parts.day - 1),
  getDayOfYear: part(parts => parts.dayOfYear),
  getDayOfWeek: part(parts => parts.weekday),
  getHours: part(parts => parts.hour, ns => ns / (3_600_000n * MS)),
  getMinutes: part(parts => parts.minute, ns => ns / (60_000n * MS)),
  getSeconds: part(parts => parts.second, ns => ns / (1000n * MS)),
  getMilliseconds: part(parts => parts.ms, ns => (ns / MS) % 1000n),
}
