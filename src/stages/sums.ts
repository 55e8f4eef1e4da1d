/** Running results of `aggregate`: plain data, so that they can be kept in a checkpoint. */
import { hash } from 'node:crypto'
import type { JsonValue } from '../event/index.ts'
import { seededRandom } from '../platform/index.ts'

export type SumKind = 'count' | 'sum' | 'min' | 'max' | 'avg' | 'distinct' | 'quantile'

export interface Sum {
  /** How many values were taken; what has no value is not among them. */
  count: number
  /** The sum with its lost low-order part (Neumaier's compensated summation), or the extreme. */
  value: number
  rest: number
  /** Values for quantiles. */
  readonly values: number[]
  /** For distinct: 48 bit hashes, at least the smallest `valuesMax` of all that were seen. */
  readonly hashes: Set<number>
  /** True once `distinct` has let hashes go: all that are above `value`. */
  full: boolean
}

export function newSum(kind: SumKind): Sum {
  const value = kind === 'min' ? Infinity : kind === 'max' ? -Infinity : 0
  return { count: 0, value, rest: 0, values: [], hashes: new Set(), full: false }
}

/** Takes a value in: for `distinct` a text that stands for it, for `count` anything. */
export function takeValue(sum: Sum, kind: SumKind, value: number | string, valuesMax: number, seed: string): void {
  sum.count++
  if (typeof value === 'string') {
    if (kind === 'distinct') addDistinct(sum, value, valuesMax)
    return
  }
  switch (kind) {
    case 'sum':
    case 'avg':
      return add(sum, value)
    case 'min':
      sum.value = Math.min(sum.value, value)
      return
    case 'max':
      sum.value = Math.max(sum.value, value)
      return
    case 'quantile':
      return sampleValue(sum, value, valuesMax, seed)
    case 'count':
    case 'distinct':
      return
  }
}

const HASHES = 2 ** 48

/** Keeps the smallest hashes; twice as many as are wanted are held before the larger half goes, so that it costs little. */
function addDistinct(sum: Sum, value: string, valuesMax: number): void {
  const hashed = hash('sha256', value, 'buffer').readUIntBE(0, 6)
  if (sum.full && hashed > sum.value) return
  sum.hashes.add(hashed)
  if (sum.hashes.size <= valuesMax * 2) return
  const sorted = Float64Array.from(sum.hashes).sort()
  sum.value = sorted[valuesMax - 1] ?? 0
  sum.full = true
  for (const large of sorted.subarray(valuesMax)) sum.hashes.delete(large)
}

/**
 * How many different values there were: exact up to `valuesMax`, beyond it estimated from how dense the smallest hashes lie (k minimum values, Z. Bar-Yossef and
 * others, 2002; relative standard error about 1 / sqrt(valuesMax)).
 */
function distinctOf({ hashes }: Sum, valuesMax: number): number {
  if (hashes.size <= valuesMax) return hashes.size
  const largest = Float64Array.from(hashes).sort()[valuesMax - 1] ?? 0
  return Math.max(valuesMax, Math.round(((valuesMax - 1) * HASHES) / (largest + 1)))
}

function add(sum: Sum, value: number): void {
  const total = sum.value + value
  sum.rest += Math.abs(sum.value) >= Math.abs(value) ? sum.value - total + value : value - total + sum.value
  sum.value = total
}

function sampleValue(sum: Sum, value: number, valuesMax: number, seed: string): void {
  if (sum.values.length < valuesMax) {
    sum.values.push(value)
    return
  }
  let hash = 0
  for (let at = 0; at < seed.length; at++) hash = Math.imul(hash ^ seed.charCodeAt(at), 0x01000193)
  const place = Math.floor(seededRandom(hash, sum.count)() * sum.count)
  if (place < valuesMax) sum.values[place] = value
}

/** The result; null where no value was taken, but for `count` and `distinct`, which are then 0. */
export function resultOf(sum: Sum, kind: SumKind, q: number, valuesMax: number): JsonValue {
  switch (kind) {
    case 'count':
      return sum.count
    case 'sum':
      return sum.count === 0 ? null : sum.value + sum.rest
    case 'avg':
      return sum.count === 0 ? null : (sum.value + sum.rest) / sum.count
    case 'min':
    case 'max':
      return sum.count === 0 ? null : sum.value
    case 'distinct':
      return distinctOf(sum, valuesMax)
    case 'quantile':
      return quantile(sum.values, q)
  }
}

/** Linear between the two nearest values (type 7 of R. J. Hyndman and Y. Fan, 1996). */
export function quantile(values: readonly number[], q: number): JsonValue {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const place = (sorted.length - 1) * q
  const low = Math.floor(place)
  const below = sorted[low] ?? 0
  return below + (place - low) * ((sorted[Math.min(low + 1, sorted.length - 1)] ?? 0) - below)
}
