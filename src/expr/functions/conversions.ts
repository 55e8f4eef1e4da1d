/** Conversions between types, and `type`. */
import { NO_MATCH } from './types.ts'
import type { FunctionTable } from './types.ts'
import type { Runtime } from '../runtime.ts'
import { CelType, Duration, Timestamp, Uint, evalError, floorDiv, formatDuration, formatTimestamp, typeName } from '../values.ts'

const NS = 1_000_000_000n

function toInt(rt: Runtime, value: unknown): unknown {
  if (typeof value === 'bigint') return value
  if (value instanceof Uint) return rt.checkInt(value.$uint)
  if (typeof value === 'number') return truncated(rt, value)
  if (value instanceof Timestamp) return rt.int(floorDiv(value.$ns, NS))
  if (value instanceof Duration) return rt.int(value.$ns / NS)
  if (typeof value !== 'string') return NO_MATCH
  if (!/^[-+]?\d+$/.test(value)) throw evalError('EXPR_CONVERT', `${JSON.stringify(value)} is not a whole number.`)
  return rt.int(rt.checkInt(BigInt(value.replace(/^\+/, ''))))
}

function truncated(rt: Runtime, value: number): unknown {
  if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63) throw evalError('EXPR_OVERFLOW', `${value} does not fit in an int.`)
  return rt.int(Math.trunc(value))
}

function toUint(rt: Runtime, value: unknown): unknown {
  if (value instanceof Uint) return value
  if (typeof value === 'bigint') return rt.checkUint(value)
  if (typeof value === 'number') {
    if (!(value > -1) || value >= 2 ** 64) throw evalError('EXPR_OVERFLOW', `${value} does not fit in a uint.`)
    return rt.strict ? new Uint(BigInt(Math.trunc(value))) : Math.trunc(value)
  }
  if (typeof value !== 'string') return NO_MATCH
  if (!/^\+?\d+$/.test(value)) throw evalError('EXPR_CONVERT', `${JSON.stringify(value)} is not a whole number.`)
  const parsed = rt.checkUint(BigInt(value.replace(/^\+/, '')))
  return rt.strict ? parsed : Number(parsed.$uint)
}

function toDouble(value: unknown): unknown {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint) return Number(value.$uint)
  if (typeof value !== 'string') return NO_MATCH
  if (/^[-+]?(?:inf(?:inity)?)$/i.test(value)) return value.startsWith('-') ? -Infinity : Infinity
  if (/^nan$/i.test(value)) return Number.NaN
  const number = value.trim() === '' || /^0[xob]/i.test(value) ? Number.NaN : Number(value)
  if (Number.isNaN(number)) throw evalError('EXPR_CONVERT', `${JSON.stringify(value)} is not a number.`)
  return number
}

export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return Object.is(value, -0) ? '-0' : String(value).replace(/e\+?(-?)(\d)$/, 'e$10$2').replace(/e(\d)/, 'e+$1')
}

export function toText(value: unknown): unknown {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return doubleText(value)
  if (value instanceof Uint) return String(value.$uint)
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  if (!(value instanceof Uint8Array)) return NO_MATCH
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  } catch {
    throw evalError('EXPR_CONVERT', 'The bytes are not UTF-8.')
  }
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/i

/** RFC 3339. Throws EXPR_CONVERT. */
export function parseTime(rt: Runtime, text: string): Timestamp {
  const match = TIME.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(text.replace(/\.\d+/, ''))
  if (match === null || Number.isNaN(ms)) throw evalError('EXPR_CONVERT', `${JSON.stringify(text)} is not a time as in 2026-01-31T12:00:00Z.`)
  return rt.time(BigInt(ms) * 1_000_000n + BigInt((match[7] ?? '').padEnd(9, '0')))
}

const UNITS: Readonly<Record<string, bigint>> = { ns: 1n, us: 1000n, µs: 1000n, ms: 1_000_000n, s: NS, m: 60n * NS, h: 3600n * NS }

/** Go's form: 1h30m, -1.5s. Throws EXPR_CONVERT. */
export function parseDurationText(rt: Runtime, text: string): Duration {
  const body = /^([-+]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h)|\.\d+(?:ns|us|µs|ms|s|m|h))+)$/.exec(text)
  if (text === '0' || text === '-0' || text === '+0') return new Duration(0n)
  if (body === null) throw evalError('EXPR_CONVERT', `${JSON.stringify(text)} is not a duration as in 1h30m or 1.5s.`)
  let total = 0n
  for (const [, whole, part, unit] of (body[2] ?? '').matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|ms|s|m|h)/g)) {
    const scale = UNITS[unit ?? ''] ?? 0n
    const digits = part ?? ''
    total += BigInt(whole === '' ? '0' : (whole ?? '0')) * scale + (digits === '' ? 0n : (BigInt(digits) * scale) / 10n ** BigInt(digits.length))
  }
  return rt.duration(body[1] === '-' ? -total : total)
}

export const conversions: FunctionTable = {
  int: { arity: [1, 1], style: 'global', result: 'number', call: (rt, [value]) => toInt(rt, value) },
  uint: { arity: [1, 1], style: 'global', result: 'number', call: (rt, [value]) => toUint(rt, value) },
  double: { arity: [1, 1], style: 'global', result: 'number', call: (_rt, [value]) => toDouble(value) },
  string: { arity: [1, 1], style: 'global', result: 'string', call: (_rt, [value]) => toText(value) },
  bytes: {
    arity: [1, 1],
    style: 'global',
    result: 'bytes',
    call: (_rt, [value]) => (typeof value === 'string' ? new TextEncoder().encode(value) : value instanceof Uint8Array ? value : NO_MATCH),
  },
  bool: {
    arity: [1, 1],
    style: 'global',
    result: 'bool',
    call: (_rt, [value]) => {
      if (typeof value === 'boolean') return value
      if (typeof value !== 'string') return NO_MATCH
      if (['true', 'TRUE', 'True', 't', 'T', '1'].includes(value)) return true
      if (['false', 'FALSE', 'False', 'f', 'F', '0'].includes(value)) return false
      throw evalError('EXPR_CONVERT', `${JSON.stringify(value)} is neither true nor false.`)
    },
  },
  dyn: { arity: [1, 1], style: 'global', call: (_rt, [value]) => value },
  type: { arity: [1, 1], style: 'global', call: (_rt, [value]) => new CelType(typeName(value)) },
  timestamp: {
    arity: [1, 1],
    style: 'global',
    result: 'timestamp',
    call: (rt, [value]) => {
      if (value instanceof Timestamp) return value
      if (typeof value === 'string') return parseTime(rt, value)
      if (typeof value === 'bigint') return rt.time(value * NS)
      return typeof value === 'number' && !rt.strict ? rt.time(BigInt(Math.round(value * 1e6)) * 1000n) : NO_MATCH
    },
  },
  duration: {
    arity: [1, 1],
    style: 'global',
    result: 'duration',
    call: (rt, [value]) => (value instanceof Duration ? value : typeof value === 'string' ? parseDurationText(rt, value) : NO_MATCH),
  },
}
