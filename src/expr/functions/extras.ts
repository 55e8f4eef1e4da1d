/** Encoders, regex functions, and what Sluice adds: hash, mask, now, uuid, times, distance. */
import { createHash, getHashes } from 'node:crypto'
import type { Runtime } from '../runtime.ts'
import { compilePattern } from '../regex.ts'
import { Optional, Timestamp, evalError, floorDiv, formatTimestamp, toJson } from '../values.ts'
import { parseTime } from './conversions.ts'
import { NO_MATCH } from './types.ts'
import type { FunctionTable } from './types.ts'

function hash(value: unknown, algorithm: unknown): unknown {
  if (typeof algorithm !== 'string') return NO_MATCH
  if (!getHashes().includes(algorithm)) throw evalError('EXPR_ARGUMENT', `hash: there is no algorithm ${JSON.stringify(algorithm)}; sha256, sha512 and md5 are.`)
  const input = typeof value === 'string' ? value : value instanceof Uint8Array ? value : JSON.stringify(toJson(value))
  return createHash(algorithm).update(input).digest('hex')
}

/** A version 4 UUID out of the environment's chance. */
function uuid(rt: Runtime): string {
  const bytes = Uint8Array.from({ length: 16 }, () => Math.floor(rt.env.random() * 256))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** Letters of a format, each with what it matches. */
const FIELDS: Readonly<Record<string, string>> = {
  yyyy: '(?<year>\\d{4})', MMM: '(?<name>[A-Za-z]{3})', MM: '(?<month>\\d\\d)', dd: '(?<day>\\d\\d)', HH: '(?<hour>\\d\\d)',
  mm: '(?<minute>\\d\\d)', ss: '(?<second>\\d\\d)', SSS: '(?<ms>\\d{3})', ZZ: '(?<zone>Z|[+-]\\d\\d:?\\d\\d)',
}
const LETTERS = /yyyy|MMM|MM|dd|HH|mm|ss|SSS|ZZ/g
const parsers = new Map<string, RegExp>()

function formatPattern(format: string): RegExp {
  const known = parsers.get(format)
  if (known !== undefined) return known
  const seen = new Set<string>()
  const pattern = format.split(/(yyyy|MMM|MM|dd|HH|mm|ss|SSS|ZZ)/).map(part => {
    const field = Object.hasOwn(FIELDS, part) ? FIELDS[part] : undefined
    if (field === undefined) return part.replace(/[^\w\s]/g, '\\$&')
    if (seen.has(part)) throw evalError('EXPR_ARGUMENT', `parse_time: ${part} comes twice in the format.`)
    seen.add(part)
    return field
  })
  const made = new RegExp(`^${pattern.join('')}$`)
  if (parsers.size < 1000) parsers.set(format, made)
  return made
}

function parseWith(rt: Runtime, text: string, format: string): Timestamp {
  if (format === 'unix' || format === 'unix_ms') {
    const number = Number(text)
    if (text.trim() === '' || !Number.isFinite(number)) throw evalError('EXPR_CONVERT', `${JSON.stringify(text)} is not a number of ${format === 'unix' ? 'seconds' : 'milliseconds'}.`)
    return rt.time(BigInt(Math.round(number * (format === 'unix' ? 1e6 : 1e3))) * 1000n)
  }
  const parts = formatPattern(format).exec(text)?.groups
  if (parts === undefined) throw evalError('EXPR_CONVERT', `${JSON.stringify(text)} does not have the form ${format}.`)
  const name = parts['name'] === undefined ? -1 : MONTHS.findIndex(month => month.toLowerCase() === parts['name']?.toLowerCase())
  const month = parts['name'] === undefined ? Number(parts['month'] ?? 1) : name + 1
  const two = (value: number): string => String(value).padStart(2, '0')
  const zone = (parts['zone'] ?? 'Z').replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')
  return parseTime(rt, `${parts['year'] ?? '1970'}-${two(month)}-${parts['day'] ?? '01'}T${parts['hour'] ?? '00'}:${parts['minute'] ?? '00'}:${parts['second'] ?? '00'}.${parts['ms'] ?? '000'}${zone}`)
}

function formatTime(value: unknown, format: unknown): unknown {
  const ms = value instanceof Timestamp ? Number(floorDiv(value.$ns, 1_000_000n)) : value
  if (typeof ms !== 'number' || (format !== undefined && typeof format !== 'string')) return NO_MATCH
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) throw evalError('EXPR_ARGUMENT', `format_time: ${ms} is not a time in milliseconds.`)
  if (format === undefined) return value instanceof Timestamp ? formatTimestamp(value) : new Date(ms).toISOString()
  const date = new Date(ms)
  const two = (number: number): string => String(number).padStart(2, '0')
  const fields: Readonly<Record<string, string>> = {
    yyyy: String(date.getUTCFullYear()).padStart(4, '0'), MMM: MONTHS[date.getUTCMonth()] ?? '', MM: two(date.getUTCMonth() + 1), dd: two(date.getUTCDate()),
    HH: two(date.getUTCHours()), mm: two(date.getUTCMinutes()), ss: two(date.getUTCSeconds()), SSS: String(date.getUTCMilliseconds()).padStart(3, '0'), ZZ: 'Z',
  }
  return format.replace(LETTERS, letters => fields[letters] ?? letters)
}

/** Mean radius of the earth in kilometres (IUGG). */
const EARTH_KM = 6371.0088

/** Great-circle distance in kilometres; haversine formula (R. W. Sinnott, Sky and Telescope, 1984). */
function distance(lat1: number, lon1: number, lat2: number, lon2: number): number {
  const radians = Math.PI / 180
  const a = Math.sin(((lat2 - lat1) * radians) / 2) ** 2 + Math.cos(lat1 * radians) * Math.cos(lat2 * radians) * Math.sin(((lon2 - lon1) * radians) / 2) ** 2
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(a)))
}

function number(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : Number.NaN
}

function extractAll(rt: Runtime, text: string, pattern: string): string[] {
  rt.pay(1 + (text.length * pattern.length) / 100)
  const matcher = compilePattern(pattern).matcher(text)
  if (matcher.groupCount() > 1) throw evalError('EXPR_ARGUMENT', 'regex.extract takes a pattern with one group at most.')
  const found: string[] = []
  while (matcher.find()) {
    const group = matcher.group(matcher.groupCount())
    if (typeof group === 'string') found.push(group)
  }
  return found
}

function regexReplace(rt: Runtime, args: readonly unknown[]): unknown {
  const [text, pattern, by, most] = args
  if (typeof text !== 'string' || typeof pattern !== 'string' || typeof by !== 'string') return NO_MATCH
  rt.pay(1 + (text.length * pattern.length) / 100)
  const limit = most === undefined ? -1 : number(most)
  const matcher = compilePattern(pattern).matcher(text)
  let result = ''
  let from = 0
  for (let count = 0; (limit < 0 || count < limit) && matcher.find(); count++) {
    const made = by.replace(/\\(\\|\d)/g, (all, what: string) => (what === '\\' ? '\\' : (matcher.group(Number(what)) ?? all)))
    result += text.slice(from, matcher.start()) + made
    from = matcher.end()
  }
  return result + text.slice(from)
}

export const extras: FunctionTable = {
  'base64.encode': {
    arity: [1, 1],
    style: 'global',
    result: 'string',
    call: (_rt, [value]) => (value instanceof Uint8Array || typeof value === 'string' ? Buffer.from(value).toString('base64') : NO_MATCH),
  },
  'base64.decode': {
    arity: [1, 1],
    style: 'global',
    result: 'bytes',
    call: (_rt, [value]) => {
      if (typeof value !== 'string') return NO_MATCH
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw evalError('EXPR_CONVERT', 'base64.decode: the text is not base64.')
      return new Uint8Array(Buffer.from(value, 'base64'))
    },
  },
  'regex.extract': {
    arity: [2, 2],
    style: 'global',
    call: (rt, [text, pattern]) => {
      if (typeof text !== 'string' || typeof pattern !== 'string') return NO_MATCH
      const [first] = extractAll(rt, text, pattern)
      return first === undefined ? Optional.none : new Optional(first)
    },
  },
  'regex.extractAll': {
    arity: [2, 2],
    style: 'global',
    result: 'list',
    call: (rt, [text, pattern]) => (typeof text === 'string' && typeof pattern === 'string' ? extractAll(rt, text, pattern) : NO_MATCH),
  },
  'regex.replace': { arity: [3, 4], style: 'global', result: 'string', call: regexReplace },
  hash: { arity: [1, 2], style: 'global', result: 'string', call: (_rt, [value, algorithm = 'sha256']) => hash(value, algorithm) },
  mask: {
    arity: [1, 2],
    style: 'global',
    result: 'string',
    call: (_rt, [value, keep = 0]) => {
      const kept = number(keep)
      if (typeof value !== 'string' || !(kept >= 0)) return NO_MATCH
      const letters = [...value]
      return '*'.repeat(Math.max(0, letters.length - kept)) + letters.slice(Math.max(0, letters.length - kept)).join('')
    },
  },
  now: { arity: [0, 0], style: 'global', result: 'timestamp', call: rt => rt.time(BigInt(Math.floor(rt.env.clock())) * 1_000_000n) },
  uuid: { arity: [0, 0], style: 'global', result: 'string', call: rt => uuid(rt) },
  parse_time: {
    arity: [1, 2],
    style: 'global',
    result: 'timestamp',
    call: (rt, [text, format]) => {
      if (typeof text !== 'string') return NO_MATCH
      if (format === undefined) return parseTime(rt, text)
      return typeof format === 'string' ? parseWith(rt, text, format) : NO_MATCH
    },
  },
  format_time: { arity: [1, 2], style: 'global', result: 'string', call: (_rt, [value, format]) => formatTime(value, format) },
  geo_distance: {
    arity: [4, 4],
    style: 'global',
    result: 'number',
    call: (_rt, args) => {
      const [lat1, lon1, lat2, lon2] = args.map(number)
      const all = [lat1, lon1, lat2, lon2]
      if (all.some(value => value === undefined || Number.isNaN(value))) return NO_MATCH
      return distance(lat1 ?? 0, lon1 ?? 0, lat2 ?? 0, lon2 ?? 0)
    },
  },
}
