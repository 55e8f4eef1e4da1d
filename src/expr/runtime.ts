/**
 * What generated code calls: operators and access, in the meaning of one mode.
 *
 * `lenient` has one number type, JavaScript's; `strict` keeps int, uint and double apart and checks for overflow.
 */
import type { ErrorCode } from '../base/index.ts'
import {
  Duration, Optional, Timestamp, Uint, compare, equals, evalError, isMap, makeMap, mapEntries, mapGet, mapHas, typeName,
} from './values.ts'

const INT_MIN = -(2n ** 63n)
const INT_MAX = 2n ** 63n - 1n
const UINT_MAX = 2n ** 64n - 1n
/** 0001-01-01 and 9999-12-31T23:59:59.999999999Z. */
const TIME_MIN = -62_135_596_800_000_000_000n
const TIME_MAX = 253_402_300_799_999_999_999n

export interface Environment {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: () => number
  readonly costLimit: number
}

export class Runtime {
  readonly strict: boolean
  readonly env: Environment
  #cost = 0

  constructor(strict: boolean, env: Environment) {
    this.strict = strict
    this.env = env
  }

  /** Starts a new evaluation. */
  begin(): void {
    this.#cost = 0
  }

  /** Pays for work that grows with the data. Throws EXPR_COST. */
  pay(units: number): void {
    this.#cost += units
    if (this.#cost > this.env.costLimit) throw evalError('EXPR_COST', `The expression costs more than ${this.env.costLimit} units for this event.`)
  }

  /** A whole number in the mode's type. */
  int(value: number | bigint): unknown {
    return this.strict ? this.checkInt(BigInt(value)) : Number(value)
  }

  checkInt(value: bigint): bigint {
    if (value > INT_MAX || value < INT_MIN) throw evalError('EXPR_OVERFLOW', `${value} does not fit in a 64 bit int.`)
    return value
  }

  checkUint(value: bigint): Uint {
    if (value > UINT_MAX || value < 0n) throw evalError('EXPR_OVERFLOW', `${value} does not fit in a 64 bit uint.`)
    return new Uint(value)
  }

  time(ns: bigint): Timestamp {
    if (ns < TIME_MIN || ns > TIME_MAX) throw evalError('EXPR_OVERFLOW', 'A timestamp lies outside of the years 1 to 9999.')
    return new Timestamp(ns)
  }

  duration(ns: bigint): Duration {
    if (ns > INT_MAX || ns < INT_MIN) throw evalError('EXPR_OVERFLOW', 'A duration does not fit in 64 bits of nanoseconds.')
    return new Duration(ns)
  }

  noOverload(fn: string, args: readonly unknown[]): Error {
    return evalError('EXPR_NO_OVERLOAD', `${fn} does not take (${args.map(typeName).join(', ')}).`)
  }

  bool(value: unknown): boolean {
    if (typeof value === 'boolean') return value
    throw evalError('EXPR_NO_OVERLOAD', `A condition must be a bool, not ${typeName(value)}.`)
  }

  /** `&&` whose false wins over an error on either side. */
  and(left: () => unknown, right: () => unknown): boolean {
    return this.#absorb(left, right, false)
  }

  /** `||` whose true wins over an error on either side. */
  or(left: () => unknown, right: () => unknown): boolean {
    return this.#absorb(left, right, true)
  }

  #absorb(left: () => unknown, right: () => unknown, winner: boolean): boolean {
    let failure: unknown
    try {
      if (this.bool(left()) === winner) return winner
    } catch (error) {
      failure = error
    }
    if (this.bool(right()) === winner) return winner
    if (failure !== undefined) throw failure
    return !winner
  }

  select(operand: unknown, field: string, path: string): unknown {
    if (operand instanceof Optional) return operand.$has ? this.optionalField(operand.$value, field) : Optional.none
    if (isMap(operand)) {
      const value = mapGet(operand, field)
      if (value !== undefined) return value
      throw evalError('EXPR_MISSING_FIELD', `There is no field ${path}.`)
    }
    throw evalError('EXPR_MISSING_FIELD', `There is no field ${path}: what should hold it is ${typeName(operand)}.`)
  }

  has(operand: unknown, field: string, path: string): boolean {
    if (operand instanceof Optional) return operand.$has && this.has(operand.$value, field, path)
    if (isMap(operand)) return mapHas(operand, field)
    throw evalError('EXPR_MISSING_FIELD', `There is no field ${path}: what should hold it is ${typeName(operand)}.`)
  }

  /** `a.?b`. */
  optionalField(operand: unknown, field: string): Optional {
    if (operand instanceof Optional) return operand.$has ? this.optionalField(operand.$value, field) : Optional.none
    if (!isMap(operand)) throw evalError('EXPR_NO_OVERLOAD', `.?${field} needs a map, not ${typeName(operand)}.`)
    const value = mapGet(operand, field)
    return value === undefined ? Optional.none : new Optional(value)
  }

  index(operand: unknown, index: unknown): unknown {
    if (operand instanceof Optional) return this.optionalIndex(operand, index)
    if (Array.isArray(operand)) {
      const at = this.#listIndex(index)
      if (at === undefined || at < 0 || at >= operand.length) throw evalError('EXPR_INDEX', `The list has ${operand.length} items; there is none at ${String(at ?? index)}.`)
      return operand[at] as unknown
    }
    if (!isMap(operand)) throw this.noOverload('_[_]', [operand, index])
    const value = mapGet(operand, index)
    if (value === undefined) throw evalError('EXPR_MISSING_FIELD', `The map has no key ${JSON.stringify(String(index))}.`)
    return value
  }

  optionalIndex(operand: unknown, index: unknown): Optional {
    const inner = operand instanceof Optional ? operand.$value : operand
    if (inner === undefined) return Optional.none
    if (Array.isArray(inner)) {
      const at = this.#listIndex(index)
      const value: unknown = at === undefined ? undefined : inner[at]
      return value === undefined ? Optional.none : new Optional(value)
    }
    if (!isMap(inner)) throw this.noOverload('_[?_]', [operand, index])
    const value = mapGet(inner, index)
    return value === undefined ? Optional.none : new Optional(value)
  }

  #listIndex(index: unknown): number | undefined {
    const at = index instanceof Uint ? Number(index.$uint) : typeof index === 'bigint' ? Number(index) : index
    if (typeof at !== 'number') throw this.noOverload('_[_]', [[], index])
    return Number.isInteger(at) ? at : undefined
  }

  fail(code: ErrorCode, message: string): never {
    throw evalError(code, message)
  }

  /** The value of a slot. */
  slot(value: unknown, path: string): unknown {
    if (value === undefined) throw evalError('EXPR_MISSING_FIELD', `There is no field ${path}.`)
    return value
  }

  /** The scope's time as a timestamp. */
  scopeTime(ms: unknown): unknown {
    return typeof ms === 'number' ? this.time(BigInt(Math.round(ms * 1000)) * 1000n) : null
  }

  /** A variable beside the scope's own names. */
  variable(scope: Readonly<Record<string, unknown>>, name: string): unknown {
    if (Object.hasOwn(scope, name) && scope[name] !== undefined) return scope[name]
    throw evalError('EXPR_UNKNOWN_NAME', `There is no value for "${name}".`)
  }

  /** Order of two values: negative, 0, positive or NaN. */
  order(fn: string, a: unknown, b: unknown): number {
    const order = compare(a, b)
    if (order === undefined) throw this.noOverload(fn, [a, b])
    return order
  }

  add(a: unknown, b: unknown): unknown {
    if (typeof a === 'number' && typeof b === 'number') return a + b
    if (typeof a === 'bigint' && typeof b === 'bigint') return this.checkInt(a + b)
    if (a instanceof Uint && b instanceof Uint) return this.checkUint(a.$uint + b.$uint)
    if (typeof a === 'string' && typeof b === 'string') {
      this.pay((a.length + b.length) / 10)
      return a + b
    }
    if (Array.isArray(a) && Array.isArray(b)) {
      this.pay(a.length + b.length)
      return [...(a as unknown[]), ...(b as unknown[])]
    }
    if (a instanceof Uint8Array && b instanceof Uint8Array) {
      this.pay((a.length + b.length) / 10)
      return new Uint8Array(Buffer.concat([a, b]))
    }
    if (a instanceof Timestamp && b instanceof Duration) return this.time(a.$ns + b.$ns)
    if (a instanceof Duration && b instanceof Timestamp) return this.time(a.$ns + b.$ns)
    if (a instanceof Duration && b instanceof Duration) return this.duration(a.$ns + b.$ns)
    throw this.noOverload('+', [a, b])
  }

  sub(a: unknown, b: unknown): unknown {
    if (typeof a === 'number' && typeof b === 'number') return a - b
    if (typeof a === 'bigint' && typeof b === 'bigint') return this.checkInt(a - b)
    if (a instanceof Uint && b instanceof Uint) return this.checkUint(a.$uint - b.$uint)
    if (a instanceof Timestamp && b instanceof Timestamp) return this.duration(a.$ns - b.$ns)
    if (a instanceof Timestamp && b instanceof Duration) return this.time(a.$ns - b.$ns)
    if (a instanceof Duration && b instanceof Duration) return this.duration(a.$ns - b.$ns)
    throw this.noOverload('-', [a, b])
  }

  mul(a: unknown, b: unknown): unknown {
    if (typeof a === 'number' && typeof b === 'number') return a * b
    if (typeof a === 'bigint' && typeof b === 'bigint') return this.checkInt(a * b)
    if (a instanceof Uint && b instanceof Uint) return this.checkUint(a.$uint * b.$uint)
    throw this.noOverload('*', [a, b])
  }

  div(a: unknown, b: unknown): unknown {
    if (typeof a === 'number' && typeof b === 'number') return a / b
    if (typeof a === 'bigint' && typeof b === 'bigint') return this.checkInt(a / nonZero(b))
    if (a instanceof Uint && b instanceof Uint) return new Uint(a.$uint / nonZero(b.$uint))
    throw this.noOverload('/', [a, b])
  }

  mod(a: unknown, b: unknown): unknown {
    if (typeof a === 'bigint' && typeof b === 'bigint') return a % nonZero(b)
    if (a instanceof Uint && b instanceof Uint) return new Uint(a.$uint % nonZero(b.$uint))
    if (!this.strict && typeof a === 'number' && typeof b === 'number') {
      if (b === 0) throw evalError('EXPR_DIVIDE', 'Division by zero.')
      return a % b
    }
    throw this.noOverload('%', [a, b])
  }

  neg(a: unknown): unknown {
    if (typeof a === 'number') return -a
    if (typeof a === 'bigint') return this.checkInt(-a)
    if (a instanceof Duration) return this.duration(-a.$ns)
    throw this.noOverload('-', [a])
  }

  in(item: unknown, container: unknown): boolean {
    if (Array.isArray(container)) {
      this.pay(container.length)
      return container.some(one => equals(item, one))
    }
    if (isMap(container)) return mapHas(container, item)
    throw this.noOverload('in', [item, container])
  }

  list(items: unknown[], optional: readonly number[]): unknown[] {
    if (optional.length === 0) return items
    return items.flatMap((item, at) => (optional.includes(at) ? this.#optionalItem(item) : [item]))
  }

  #optionalItem(item: unknown): unknown[] {
    if (!(item instanceof Optional)) throw evalError('EXPR_NO_OVERLOAD', `"?" wants an optional value, not ${typeName(item)}.`)
    return item.$has ? [item.$value] : []
  }

  map(entries: readonly (readonly [unknown, unknown, boolean])[]): unknown {
    return makeMap(entries.flatMap(([key, value, optional]) => {
      if (this.strict && typeof key === 'number') throw evalError('EXPR_NO_OVERLOAD', 'A map cannot have a double as a key.')
      if (!optional) return [[key, value] as const]
      return this.#optionalItem(value).map(item => [key, item] as const)
    }))
  }

  /** What a comprehension runs over: [index or key, value] pairs; one variable sees the value of a list, the key of a map. */
  range(value: unknown, two: boolean): (readonly [unknown, unknown])[] {
    if (Array.isArray(value)) {
      this.pay(value.length)
      return value.map((item: unknown, at) => [two ? this.int(at) : item, item] as const)
    }
    if (!isMap(value)) throw evalError('EXPR_NO_OVERLOAD', `A macro runs over a list or a map, not ${typeName(value)}.`)
    const entries = mapEntries(value)
    this.pay(entries.length)
    return entries
  }

  all(range: readonly (readonly [unknown, unknown])[], test: (a: unknown, b: unknown) => unknown): boolean {
    return !this.#some(range, test, false)
  }

  exists(range: readonly (readonly [unknown, unknown])[], test: (a: unknown, b: unknown) => unknown): boolean {
    return this.#some(range, test, true)
  }

  #some(range: readonly (readonly [unknown, unknown])[], test: (a: unknown, b: unknown) => unknown, wanted: boolean): boolean {
    let failure: unknown
    for (const [a, b] of range) {
      this.pay(1)
      try {
        if (this.bool(test(a, b)) === wanted) return true
      } catch (error) {
        if (isCost(error)) throw error
        failure = error
      }
    }
    if (failure !== undefined) throw failure
    return false
  }

  existsOne(range: readonly (readonly [unknown, unknown])[], test: (a: unknown, b: unknown) => unknown): boolean {
    let count = 0
    for (const [a, b] of range) {
      this.pay(1)
      if (this.bool(test(a, b))) count++
    }
    return count === 1
  }

  collect(range: readonly (readonly [unknown, unknown])[], keep: ((a: unknown, b: unknown) => unknown) | undefined, make: (a: unknown, b: unknown) => unknown): unknown[] {
    const result: unknown[] = []
    for (const [a, b] of range) {
      this.pay(1)
      if (keep === undefined || this.bool(keep(a, b))) result.push(make(a, b))
    }
    return result
  }

  collectMap(range: readonly (readonly [unknown, unknown])[], keep: ((a: unknown, b: unknown) => unknown) | undefined, make: (a: unknown, b: unknown) => unknown, entry: boolean): unknown {
    const entries: (readonly [unknown, unknown])[] = []
    for (const [a, b] of range) {
      this.pay(1)
      if (keep !== undefined && !this.bool(keep(a, b))) continue
      const made = make(a, b)
      if (!entry) entries.push([a, made])
      else if (isMap(made)) entries.push(...mapEntries(made))
      else throw evalError('EXPR_NO_OVERLOAD', `transformMapEntry wants a map, not ${typeName(made)}.`)
    }
    return makeMap(entries)
  }

  sortBy(range: readonly (readonly [unknown, unknown])[], key: (a: unknown, b: unknown) => unknown): unknown[] {
    const items = range.map(([a, b]) => ({ item: b, key: key(a, b) }))
    this.pay(items.length * Math.ceil(Math.log2(items.length + 1)))
    return items.sort((a, b) => this.order('sortBy', a.key, b.key)).map(({ item }) => item)
  }

  optMap(optional: unknown, make: (value: unknown) => unknown, flat: boolean): Optional {
    if (!(optional instanceof Optional)) throw evalError('EXPR_NO_OVERLOAD', `optMap wants an optional value, not ${typeName(optional)}.`)
    if (!optional.$has) return optional
    const made = make(optional.$value)
    if (!flat) return new Optional(made ?? null)
    if (made instanceof Optional) return made
    throw evalError('EXPR_NO_OVERLOAD', 'optFlatMap wants an optional value as the result.')
  }
}

function isCost(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EXPR_COST'
}

function nonZero(value: bigint): bigint {
  if (value === 0n) throw evalError('EXPR_DIVIDE', 'Division by zero.')
  return value
}

