/** `"%s has %d".format([a, b])`, after the strings extension of cel-go. */
import type { Runtime } from '../runtime.ts'
import { CelType, Duration, Timestamp, Uint, compare, evalError, formatDuration, formatTimestamp, isMap, mapEntries, typeName } from '../values.ts'

const CLAUSE = /%(?:\.(\d+))?([\s\S]?)/g
/** Most digits behind the point. */
const PRECISION_MAX = 100

export function format(rt: Runtime, pattern: string, args: readonly unknown[]): string {
  let next = 0
  return pattern.replace(CLAUSE, (all, precision: string | undefined, verb: string) => {
    if (verb === '%' && precision === undefined) return '%'
    if (verb === '') throw evalError('EXPR_ARGUMENT', 'format: the text ends in the middle of a clause.')
    if (next >= args.length) throw evalError('EXPR_INDEX', `format: there is no argument for clause ${next + 1}.`)
    const digits = precision === undefined ? 6 : Number(precision)
    if (digits > PRECISION_MAX) throw evalError('EXPR_ARGUMENT', `format: ${all} asks for too many digits.`)
    const made = clause(verb, args[next++], digits)
    rt.pay(1 + made.length / 10)
    return made
  })
}

function clause(verb: string, value: unknown, digits: number): string {
  switch (verb) {
    case 's':
      return plain(value)
    case 'd':
      return decimal(value)
    case 'f':
      return fixed(value, digits, verb)
    case 'e':
      return fixed(value, digits, verb)
    case 'b':
      return binary(value)
    case 'o':
      return whole(value, verb).toString(8)
    case 'x':
    case 'X':
      return hex(value, verb)
    default:
      throw evalError('EXPR_ARGUMENT', `format: there is no clause %${verb}.`)
  }
}

function wrong(verb: string, value: unknown): Error {
  return evalError('EXPR_NO_OVERLOAD', `format: %${verb} does not take ${typeName(value)}.`)
}

function special(value: number): string | undefined {
  return Number.isNaN(value) ? 'NaN' : value === Infinity ? 'Infinity' : value === -Infinity ? '-Infinity' : undefined
}

function decimal(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint) return String(value.$uint)
  if (typeof value === 'number') return special(value) ?? String(value)
  throw wrong('d', value)
}

function fixed(value: unknown, digits: number, verb: 'f' | 'e'): string {
  const number = typeof value === 'bigint' ? Number(value) : value instanceof Uint ? Number(value.$uint) : value
  if (typeof number !== 'number') throw wrong(verb, value)
  const name = special(number)
  if (name !== undefined) return name
  return verb === 'f' ? halfEven(number, digits) : number.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Digits behind the point, with exact halves going to the even neighbour; toFixed takes the larger one. */
function halfEven(value: number, digits: number): string {
  const scaled = Math.abs(value) * 10 ** digits
  if (scaled % 1 !== 0.5 || scaled > Number.MAX_SAFE_INTEGER) return value.toFixed(digits)
  return ((Math.sign(value) * 2 * Math.round(scaled / 2)) / 10 ** digits).toFixed(digits)
}

function whole(value: unknown, verb: string): bigint {
  if (typeof value === 'bigint') return value
  if (value instanceof Uint) return value.$uint
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  throw wrong(verb, value)
}

function binary(value: unknown): string {
  return typeof value === 'boolean' ? (value ? '1' : '0') : whole(value, 'b').toString(2)
}

function hex(value: unknown, verb: string): string {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? Buffer.from(value) : undefined
  const text = bytes === undefined ? whole(value, verb).toString(16) : bytes.toString('hex')
  return verb === 'X' ? text.toUpperCase() : text
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return special(value) ?? String(value)
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (value instanceof Uint) return String(value.$uint)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  if (value instanceof CelType) return value.$name
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`
  if (isMap(value)) {
    const entries = [...mapEntries(value)].sort(([a], [b]) => compare(a, b) ?? compare(plain(a), plain(b)) ?? 0)
    return `{${entries.map(([key, item]) => `${plain(key)}: ${plain(item)}`).join(', ')}}`
  }
  throw wrong('s', value)
}
