/** The math extension of cel-go. */
import type { Runtime } from '../runtime.ts'
import { Uint, compareNumbers, evalError, typeName } from '../values.ts'
import { NO_MATCH } from './types.ts'
import type { FunctionDef, FunctionTable } from './types.ts'

type Numeric = number | bigint | Uint

function isNumeric(value: unknown): value is Numeric {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint
}

function extreme(name: string, sign: number): FunctionDef {
  return {
    arity: [1, 64],
    style: 'global',
    result: 'number',
    call: (rt, args) => {
      const items: readonly unknown[] = args.length === 1 && Array.isArray(args[0]) ? args[0] : args
      rt.pay(items.length)
      if (items.length === 0) throw evalError('EXPR_ARGUMENT', `${name} of an empty list.`)
      return items.reduce((best, item) => {
        if (!isNumeric(best) || !isNumeric(item)) throw evalError('EXPR_NO_OVERLOAD', `${name} does not take ${typeName(isNumeric(best) ? item : best)}.`)
        return compareNumbers(item, best) * sign > 0 ? item : best
      })
    },
  }
}

function onDouble(call: (value: number) => number | boolean, result: 'number' | 'bool' = 'number'): FunctionDef {
  return { arity: [1, 1], style: 'global', result, call: (_rt, [value]) => (typeof value === 'number' ? call(value) : NO_MATCH) }
}

/** A whole number of the mode as bigint; undefined for others. */
function bitsOf(value: unknown): { value: bigint; unsigned: boolean } | undefined {
  if (typeof value === 'bigint') return { value, unsigned: false }
  if (value instanceof Uint) return { value: value.$uint, unsigned: true }
  return typeof value === 'number' && Number.isSafeInteger(value) ? { value: BigInt(value), unsigned: false } : undefined
}

function fromBits(rt: Runtime, value: bigint, unsigned: boolean): unknown {
  return unsigned ? new Uint(BigInt.asUintN(64, value)) : rt.int(BigInt.asIntN(64, value))
}

function bitwise(call: (a: bigint, b: bigint) => bigint): FunctionDef {
  return {
    arity: [2, 2],
    style: 'global',
    result: 'number',
    call: (rt, [left, right]) => {
      const a = bitsOf(left)
      const b = bitsOf(right)
      if (a === undefined || b === undefined || a.unsigned !== b.unsigned) return NO_MATCH
      return fromBits(rt, call(a.value, b.value), a.unsigned)
    },
  }
}

function shift(call: (bits: bigint, by: bigint) => bigint): FunctionDef {
  return {
    arity: [2, 2],
    style: 'global',
    result: 'number',
    call: (rt, [left, right]) => {
      const a = bitsOf(left)
      const by = bitsOf(right)
      if (a === undefined || by === undefined || by.unsigned) return NO_MATCH
      if (by.value < 0n) throw evalError('EXPR_ARGUMENT', 'A shift by a negative number.')
      if (by.value > 63n) return fromBits(rt, 0n, a.unsigned)
      return fromBits(rt, call(BigInt.asUintN(64, a.value), by.value), a.unsigned)
    },
  }
}

/** Halves away from zero. */
function round(value: number): number {
  return Number.isFinite(value) ? Math.sign(value) * Math.round(Math.abs(value)) : value
}

export const numbers: FunctionTable = {
  'math.greatest': extreme('math.greatest', 1),
  'math.least': extreme('math.least', -1),
  'math.ceil': onDouble(Math.ceil),
  'math.floor': onDouble(Math.floor),
  'math.round': onDouble(round),
  'math.trunc': onDouble(Math.trunc),
  'math.isInf': onDouble(value => value === Infinity || value === -Infinity, 'bool'),
  'math.isNaN': onDouble(Number.isNaN, 'bool'),
  'math.isFinite': onDouble(Number.isFinite, 'bool'),
  'math.sqrt': {
    arity: [1, 1],
    style: 'global',
    result: 'number',
    call: (_rt, [value]) => (isNumeric(value) ? Math.sqrt(Number(value instanceof Uint ? value.$uint : value)) : NO_MATCH),
  },
  'math.abs': {
    arity: [1, 1],
    style: 'global',
    result: 'number',
    call: (rt, [value]) => {
      if (typeof value === 'number') return Math.abs(value)
      if (typeof value === 'bigint') return rt.checkInt(value < 0n ? -value : value)
      return value instanceof Uint ? value : NO_MATCH
    },
  },
  'math.sign': {
    arity: [1, 1],
    style: 'global',
    result: 'number',
    call: (_rt, [value]) => {
      if (typeof value === 'number') return Math.sign(value)
      if (typeof value === 'bigint') return value > 0n ? 1n : value < 0n ? -1n : 0n
      return value instanceof Uint ? new Uint(value.$uint > 0n ? 1n : 0n) : NO_MATCH
    },
  },
  'math.bitAnd': bitwise((a, b) => a & b),
  'math.bitOr': bitwise((a, b) => a | b),
  'math.bitXor': bitwise((a, b) => a ^ b),
  'math.bitNot': {
    arity: [1, 1],
    style: 'global',
    result: 'number',
    call: (rt, [value]) => {
      const bits = bitsOf(value)
      return bits === undefined ? NO_MATCH : fromBits(rt, ~bits.value, bits.unsigned)
    },
  },
  'math.bitShiftLeft': shift((bits, by) => bits << by),
  'math.bitShiftRight': shift((bits, by) => bits >> by),
}
