/** Lists, sets and optional values. */
import type { Runtime } from '../runtime.ts'
import { Optional, equals, evalError, isMap, keyName, mapEntries, typeName } from '../values.ts'
import { Duration, Timestamp, Uint } from '../values.ts'
import { NO_MATCH } from './types.ts'
import type { FunctionDef, FunctionTable } from './types.ts'

/** Most items that a function makes out of nothing. */
const RANGE_MAX = 1_000_000

function onList(call: (rt: Runtime, list: readonly unknown[], args: readonly unknown[]) => unknown, arity: readonly [number, number] = [1, 1]): FunctionDef {
  return {
    arity,
    style: 'member',
    call: (rt, [list, ...args]) => {
      if (!Array.isArray(list)) return NO_MATCH
      rt.pay(1 + list.length)
      return call(rt, list, args)
    },
  }
}

function whole(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined
}

function slice(list: readonly unknown[], args: readonly unknown[]): unknown {
  const from = whole(args[0])
  const to = whole(args[1])
  if (from === undefined || to === undefined) return NO_MATCH
  if (from < 0 || to > list.length || from > to) throw evalError('EXPR_INDEX', `The list has ${list.length} items; there is no part from ${from} to ${to}.`)
  return list.slice(from, to)
}

function flatten(list: readonly unknown[], args: readonly unknown[]): unknown {
  const depth = args[0] === undefined ? 1 : whole(args[0])
  if (depth === undefined) return NO_MATCH
  if (depth < 0) throw evalError('EXPR_ARGUMENT', 'flatten: the depth must not be negative.')
  return list.flat(Math.min(depth, 100))
}

/** Keeps the first of equal items. Items that can be map keys are found by name, others by comparison. */
function distinct(rt: Runtime, list: readonly unknown[]): unknown[] {
  const names = new Set<string>()
  const others: unknown[] = []
  return list.filter(item => {
    const name = keyName(item)
    if (name !== undefined) return !names.has(name) && names.add(name) !== undefined
    rt.pay(others.length)
    if (others.some(one => equals(one, item))) return false
    others.push(item)
    return true
  })
}

function sort(rt: Runtime, list: readonly unknown[]): unknown[] {
  const types = new Set(list.map(typeName))
  if (types.size > 1) throw evalError('EXPR_NO_OVERLOAD', `sort: the items are of different types (${[...types].join(', ')}).`)
  return [...list].sort((a, b) => rt.order('sort', a, b))
}

function contains(rt: Runtime, list: readonly unknown[], item: unknown): boolean {
  rt.pay(list.length)
  return list.some(one => equals(one, item))
}

function onSets(call: (rt: Runtime, a: readonly unknown[], b: readonly unknown[]) => boolean): FunctionDef {
  return { arity: [2, 2], style: 'global', result: 'bool', call: (rt, [a, b]) => (Array.isArray(a) && Array.isArray(b) ? call(rt, a, b) : NO_MATCH) }
}

function isZero(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '' || value === 0n) return true
  if (value instanceof Uint) return value.$uint === 0n
  if (value instanceof Duration || value instanceof Timestamp) return value.$ns === 0n
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0
  return isMap(value) && mapEntries(value).length === 0
}

function onOptional(call: (optional: Optional, args: readonly unknown[]) => unknown, arity: number, result?: 'bool'): FunctionDef {
  return {
    arity: [arity, arity],
    style: 'member',
    ...(result === undefined ? {} : { result }),
    call: (_rt, [value, ...args]) => (value instanceof Optional ? call(value, args) : NO_MATCH),
  }
}

export const collections: FunctionTable = {
  slice: onList((_rt, list, args) => slice(list, args), [3, 3]),
  flatten: onList((_rt, list, args) => flatten(list, args), [1, 2]),
  distinct: onList((rt, list) => distinct(rt, list)),
  sort: onList((rt, list) => sort(rt, list)),
  first: onList((_rt, list) => (list.length === 0 ? Optional.none : new Optional(list[0]))),
  last: onList((_rt, list) => (list.length === 0 ? Optional.none : new Optional(list.at(-1)))),
  reverse: {
    arity: [1, 1],
    style: 'member',
    call: (rt, [value]) => {
      if (Array.isArray(value)) {
        rt.pay(value.length)
        return [...(value as unknown[])].reverse()
      }
      return typeof value === 'string' ? [...value].reverse().join('') : NO_MATCH
    },
  },
  'lists.range': {
    arity: [1, 1],
    style: 'global',
    result: 'list',
    call: (rt, [value]) => {
      const count = whole(value)
      if (count === undefined) return NO_MATCH
      if (count > RANGE_MAX) throw evalError('EXPR_ARGUMENT', `lists.range: ${RANGE_MAX} items are the most.`)
      rt.pay(Math.max(0, count))
      return Array.from({ length: Math.max(0, count) }, (_, at) => rt.int(at))
    },
  },
  'sets.contains': onSets((rt, a, b) => b.every(item => contains(rt, a, item))),
  'sets.equivalent': onSets((rt, a, b) => a.every(item => contains(rt, b, item)) && b.every(item => contains(rt, a, item))),
  'sets.intersects': onSets((rt, a, b) => a.some(item => contains(rt, b, item))),
  'optional.of': { arity: [1, 1], style: 'global', call: (_rt, [value]) => new Optional(value ?? null) },
  'optional.ofNonZeroValue': { arity: [1, 1], style: 'global', call: (_rt, [value]) => (isZero(value) ? Optional.none : new Optional(value)) },
  'optional.none': { arity: [0, 0], style: 'global', call: () => Optional.none },
  'optional.unwrap': {
    arity: [1, 1],
    style: 'global',
    result: 'list',
    call: (_rt, [list]) => (Array.isArray(list) ? list.flatMap(item => (item instanceof Optional ? (item.$has ? [item.$value] : []) : [item as unknown])) : NO_MATCH),
  },
  unwrapOpt: onList((_rt, list) => list.flatMap(item => (item instanceof Optional ? (item.$has ? [item.$value] : []) : [item]))),
  hasValue: onOptional(optional => optional.$has, 1, 'bool'),
  value: onOptional(optional => {
    if (!optional.$has) throw evalError('EXPR_MISSING_FIELD', 'value(): the optional value is none.')
    return optional.$value
  }, 1),
  or: onOptional((optional, [other]) => (optional.$has ? optional : other instanceof Optional ? other : NO_MATCH), 2),
  orValue: onOptional((optional, [other]) => (optional.$has ? optional.$value : other), 2),
}
