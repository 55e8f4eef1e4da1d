/**
 * Values of expressions, beside JavaScript's own.
 *
 *     CEL        strict mode   lenient mode
 *     int        bigint        number
 *     uint       Uint          number
 *     double     number        number
 *     list       array         array
 *     map        object where all keys are strings, else CelMap
 *     bytes      Uint8Array
 */
import { ExprError } from './error.ts'

export class Uint {
  readonly $uint: bigint
  constructor(value: bigint) {
    this.$uint = value
  }
}

export class Duration {
  /** Nanoseconds. */
  readonly $ns: bigint
  constructor(ns: bigint) {
    this.$ns = ns
  }
}

export class Timestamp {
  /** Nanoseconds since 1970. */
  readonly $ns: bigint
  constructor(ns: bigint) {
    this.$ns = ns
  }
}

export class Optional {
  static readonly none: Optional = new Optional(undefined)
  readonly $value: unknown
  constructor(value: unknown) {
    this.$value = value
  }
  get $has(): boolean {
    return this.$value !== undefined
  }
}

export class CelType {
  readonly $name: string
  constructor(name: string) {
    this.$name = name
  }
}

/** A map with keys that are not all strings. Numbers that are equal are one key, whatever their type. */
export class CelMap {
  readonly $entries: Map<string, readonly [unknown, unknown]> = new Map()
}

/** An error while evaluating; the place is that of the whole expression. */
export function evalError(code: ConstructorParameters<typeof ExprError>[0], message: string): ExprError {
  return new ExprError(code, message, 0)
}

export function typeName(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
    case 'undefined':
      return 'null_type'
    default:
      break
  }
  if (value === null) return 'null_type'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof Optional) return 'optional_type'
  if (value instanceof CelType) return 'type'
  return 'map'
}

export function isMap(value: unknown): value is CelMap | Record<string, unknown> {
  return typeName(value) === 'map'
}

/** The name under which a key stands in a CelMap; undefined where the value can't be a key. */
export function keyName(key: unknown): string | undefined {
  if (typeof key === 'string') return `s${key}`
  if (typeof key === 'boolean') return `b${key}`
  if (typeof key === 'bigint') return `n${key}`
  if (key instanceof Uint) return `n${key.$uint}`
  if (typeof key === 'number') return Number.isInteger(key) ? `n${BigInt(key)}` : `d${key}`
  return undefined
}

/** Looks a key up; undefined where it is not there. */
export function mapGet(map: CelMap | Record<string, unknown>, key: unknown): unknown {
  if (map instanceof CelMap) return map.$entries.get(keyName(key) ?? '')?.[1]
  return typeof key === 'string' && Object.hasOwn(map, key) ? map[key] : undefined
}

export function mapHas(map: CelMap | Record<string, unknown>, key: unknown): boolean {
  if (map instanceof CelMap) return map.$entries.has(keyName(key) ?? '')
  return typeof key === 'string' && Object.hasOwn(map, key) && map[key] !== undefined
}

export function mapEntries(map: CelMap | Record<string, unknown>): (readonly [unknown, unknown])[] {
  if (map instanceof CelMap) return [...map.$entries.values()]
  return Object.entries(map).filter(([, value]) => value !== undefined)
}

/** A map of the entries: an object where all keys are strings. Throws where a key comes twice or can't be one. */
export function makeMap(entries: readonly (readonly [unknown, unknown])[]): CelMap | Record<string, unknown> {
  const names = new Set<string>()
  for (const [key] of entries) {
    const name = keyName(key)
    if (name === undefined) throw evalError('EXPR_NO_OVERLOAD', `A map cannot have a key of type ${typeName(key)}.`)
    if (names.has(name)) throw evalError('EXPR_DUPLICATE_KEY', `The key ${String(key)} comes twice in a map.`)
    names.add(name)
  }
  if (entries.every(([key]) => typeof key === 'string')) {
    const result: Record<string, unknown> = {}
    // defineProperty, because a key may be called __proto__.
    for (const [key, value] of entries) Object.defineProperty(result, String(key), { value, enumerable: true, writable: true, configurable: true })
    return result
  }
  const result = new CelMap()
  for (const [key, value] of entries) result.$entries.set(keyName(key) ?? '', [key, value])
  return result
}

function isNumeric(value: unknown): value is number | bigint | Uint {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint
}

/** -1, 0 or 1; NaN where one is NaN. */
export function compareNumbers(a: number | bigint | Uint, b: number | bigint | Uint): number {
  let x = a instanceof Uint ? a.$uint : a
  let y = b instanceof Uint ? b.$uint : b
  // A whole number meets a double as a double, as the standard's reference does it.
  if (typeof x === 'number') y = Number(y)
  else if (typeof y === 'number') x = Number(x)
  if (x < y) return -1
  if (x > y) return 1
  return Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : 0
}

export function equals(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (isNumeric(a)) return isNumeric(b) && compareNumbers(a, b) === 0
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === undefined ? b === null : false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => equals(item, b[at]))
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Timestamp) return b instanceof Timestamp && a.$ns === b.$ns
  if (a instanceof Duration) return b instanceof Duration && a.$ns === b.$ns
  if (a instanceof CelType) return b instanceof CelType && a.$name === b.$name
  if (a instanceof Optional) return b instanceof Optional && a.$has === b.$has && (!a.$has || equals(a.$value, b.$value))
  if (!isMap(a) || !isMap(b)) return false
  const left = mapEntries(a)
  if (left.length !== mapEntries(b).length) return false
  return left.every(([key, value]) => mapHas(b, key) && equals(value, mapGet(b, key)))
}

/** Orders two values of one orderable type; undefined where they can't be ordered. */
export function compare(a: unknown, b: unknown): number | undefined {
  if (isNumeric(a) && isNumeric(b)) return compareNumbers(a, b)
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  if ((a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration)) return a.$ns < b.$ns ? -1 : a.$ns > b.$ns ? 1 : 0
  return undefined
}

/** By code point, as the standard wants; JavaScript's own order goes by UTF-16 unit. */
function compareText(a: string, b: string): number {
  if (a === b) return 0
  const least = Math.min(a.length, b.length)
  for (let at = 0; at < least; at++) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    if (x === y) continue
    const surrogates = x >= 0xd800 && y >= 0xd800 && (x <= 0xdfff || y <= 0xdfff)
    if (!surrogates) return x < y ? -1 : 1
    return (x <= 0xdfff ? 1 : 0) - (y <= 0xdfff ? 1 : 0) || (x < y ? -1 : 1)
  }
  return a.length < b.length ? -1 : 1
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER)

/** A value as JSON: what an event can hold. */
export function toJson(value: unknown): unknown {
  if (value === undefined || value === null) return null
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value <= SAFE && value >= -SAFE ? Number(value) : value.toString()
  if (typeof value !== 'object') return value
  if (value instanceof Uint) return toJson(value.$uint)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  if (value instanceof CelType) return value.$name
  if (value instanceof Optional) return value.$has ? toJson(value.$value) : null
  if (Array.isArray(value)) return value.map(toJson)
  if (!(value instanceof CelMap)) return objectToJson(value as Record<string, unknown>) // Everything else was taken above.
  return Object.fromEntries(mapEntries(value).map(([key, item]) => [String(toJson(key)), toJson(item)]))
}

function objectToJson(value: Record<string, unknown>): unknown {
  const result: Record<string, unknown> = {}
  for (const [key, item] of mapEntries(value)) {
    Object.defineProperty(result, String(key), { value: toJson(item), enumerable: true, writable: true, configurable: true })
  }
  return result
}

const NS = 1_000_000_000n

/** ISO 8601 in UTC with as many digits of a second as are needed. */
export function formatTimestamp(time: Timestamp): string {
  const seconds = floorDiv(time.$ns, NS)
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace(/^\+00/, '')
  return `${date}${fraction(time.$ns - seconds * NS)}Z`
}

export function formatDuration(duration: Duration): string {
  const negative = duration.$ns < 0n
  const ns = negative ? -duration.$ns : duration.$ns
  return `${negative ? '-' : ''}${ns / NS}${fraction(ns % NS)}s`
}

function fraction(ns: bigint): string {
  if (ns === 0n) return ''
  return `.${ns.toString().padStart(9, '0').replace(/0+$/, '')}`
}

export function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}
