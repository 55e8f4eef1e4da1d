/** How functions are declared. */
import type { Runtime } from '../runtime.ts'

export interface FunctionDef {
  /** Least and most arguments, the target included. */
  readonly arity: readonly [number, number]
  /** `member`: a.f(b); `global`: f(a, b); `both`. Names with a dot (`math.abs`) are global. */
  readonly style: 'member' | 'global' | 'both'
  /** Type of the result, where it is always the same. */
  readonly result?: ResultType
  /** Answers NO_MATCH where it does not take values of these types. */
  call(rt: Runtime, args: readonly unknown[]): unknown
}

export type ResultType = 'bool' | 'string' | 'number' | 'list' | 'map' | 'bytes' | 'timestamp' | 'duration' | 'dyn'

/** The answer of a function that has no form for the given types. */
export const NO_MATCH: unique symbol = Symbol('no match')

export type FunctionTable = Readonly<Record<string, FunctionDef>>
