/** Running results of `aggregate`: plain data, so that they can be kept in a checkpoint. */
import type { JsonValue } from '../event/index.ts'
import { seededRandom } from '../platform/index.ts'

export type SumKind = 'count' | 'sum' | 'min' | 'max' | 'avg' | 'distinct' | 'quantile'

export interface Sum {
  /** The sum with its lost low-order part (Neumaier's compensated summation), or the extreme. */
  value: number
  rest: number
  /** Values for quantiles, texts for distinct. */
  readonly values: number[]
  readonly texts: Set<string>
  /** True once `distinct` has seen more values than it may keep. */
  full: boolean
}

export function newSum(kind: SumKind): Sum {
  const value = kind === 'min' ? Infinity : kind === 'max' ? -Infinity : 0
  return { value, rest: 0, values: [], texts: new Set(), full: false }
}

/** Takes a value in; `count` is how many the group has with it. */
export function takeValue(sum: Sum, kind: SumKind, value: number | string | undefined, count: number, valuesMax: number, seed: string): void {
  if (typeof value === 'string') {
    if (sum.texts.size < valuesMax || sum.texts.has(value)) sum.texts.add(value)
    else sum.full = true
    return
  }
  if (value === undefined) return
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
      return sampleValue(sum, value, count, valuesMax, seed)
    case 'count':
    case 'distinct':
      return
  }
}

function add(sum: Sum, value: number): void {
  const total = sum.value + value
  sum.rest += Math.abs(sum.value) >= Math.abs(value) ? sum.value - total + value : value - total + sum.value
  sum.value = total
}

function sampleValue(sum: Sum, value: number, count: number, valuesMax: number, seed: string): void {
  if (sum.values.length < valuesMax) {
    sum.values.push(value)
    return
  }
  let hash = 0
  for (let at = 0; at < seed.length; at++) hash = Math.imul(hash ^ seed.charCodeAt(at), 0x01000193)
  const place = Math.floor(seededRandom(hash, count)() * count)
  if (place < valuesMax) sum.values[place] = value
}

export function resultOf(sum: Sum, kind: SumKind, count: number, q: number): JsonValue {
  switch (kind) {
    case 'count':
      return count
    case 'sum':
      return sum.value + sum.rest
    case 'avg':
      return (sum.value + sum.rest) / count
    case 'min':
    case 'max':
      return Number.isFinite(sum.value) ? sum.value : null
    case 'distinct':
      return sum.texts.size
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
