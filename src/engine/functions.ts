/**
 * Functions for expressions, as plug-ins declare them: `geohash(event.lat, event.lon)`.
 *
 * A function is pure: the same values give the same answer, nothing is read or written, and it answers at once. Its parameters are checked before it is called, so that it
 * never sees a value of another type; what it returns must be JSON.
 */
import { SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import { NO_MATCH, toJson } from '../expr/index.ts'
import type { FunctionDef } from '../expr/index.ts'

export type ParameterType = 'any' | 'bool' | 'string' | 'number' | 'list' | 'map'

export interface ParameterTypes {
  readonly any: JsonValue
  readonly bool: boolean
  readonly string: string
  readonly number: number
  readonly list: readonly JsonValue[]
  readonly map: { readonly [key: string]: JsonValue }
}

export interface Parameter<T extends ParameterType = ParameterType> {
  readonly name: string
  readonly type: T
  /** True where it may be left out; those behind it then too. */
  readonly optional?: boolean
  readonly description?: string
}

/** What the function is called with: a value per parameter, undefined where an optional one is left out. */
export type Values<P extends readonly Parameter[]> = {
  readonly [N in keyof P]: P[N] extends { readonly optional: true } ? ParameterTypes[P[N]['type']] | undefined : ParameterTypes[P[N]['type']]
}

export interface FunctionSpec<P extends readonly Parameter[]> {
  /** Name in expressions: `geohash`, or with the plug-in's name in front: `geo.hash`. */
  readonly type: string
  /** One sentence. */
  readonly summary: string
  readonly parameters: P
  readonly result: ParameterType
  /** What a call costs, in the units of the expression's limit (1,000,000 for each event). 10 by default. */
  readonly cost?: number
  /** An expression that calls it, and its value. */
  readonly examples?: readonly { readonly expression: string; readonly value: JsonValue }[]
  /** What it throws fails the expression, and so the event. It must not return null or undefined unless `result` is `any`. */
  call(...values: Values<P>): JsonValue | undefined
}

export interface FunctionDeclaration extends FunctionDef {
  readonly kind: 'function'
  readonly type: string
  readonly summary: string
  readonly parameters: readonly Parameter[]
  readonly examples?: readonly { readonly expression: string; readonly value: JsonValue }[]
}

export function defineFunction<const P extends readonly Parameter[]>(spec: FunctionSpec<P>): FunctionDeclaration {
  const { type, summary, parameters, result, cost = 10, examples } = spec
  const least = parameters.findIndex(parameter => parameter.optional === true)
  return {
    kind: 'function',
    type,
    summary,
    parameters,
    ...(examples === undefined ? {} : { examples }),
    arity: [least < 0 ? parameters.length : least, parameters.length],
    style: 'global',
    result: result === 'any' ? 'dyn' : result,
    call: (rt, args) => {
      rt.pay(cost)
      const values = args.map(toJson)
      if (!values.every((value, at) => isOf(parameters[at]?.type ?? 'any', value))) return NO_MATCH
      return answerOf(type, result, () => spec.call(...(values as unknown as Values<P>))) // Each value was checked against its parameter.
    },
  }
}

function answerOf(name: string, type: ParameterType, call: () => JsonValue | undefined): JsonValue {
  let value: unknown
  try {
    value = call()
  } catch (error) {
    throw error instanceof SluiceError ? error : new SluiceError('FUNCTION_FAILED', `${name}(): ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  if (value instanceof Promise) {
    // Nobody waits for it: its failure must not end the process.
    value.catch(() => undefined)
    throw new SluiceError('FUNCTION_FAILED', `${name}() returned a promise; a function of an expression answers at once.`)
  }
  if (value === undefined && type === 'any') return null
  if (!isOf(type, value)) throw new SluiceError('FUNCTION_FAILED', `${name}() returned ${kindOf(value)}; it declares ${type === 'any' ? 'a value of JSON' : `a ${type}`}.`)
  return value as JsonValue // Its type was checked; what lies inside of a list or map is for its author.
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return value === null ? 'null' : 'nothing'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}

function isOf(type: ParameterType, value: unknown): boolean {
  switch (type) {
    case 'any':
      return typeof value !== 'function' && typeof value !== 'symbol' && typeof value !== 'bigint'
    case 'bool':
      return typeof value === 'boolean'
    case 'string':
      return typeof value === 'string'
    case 'number':
      return typeof value === 'number'
    case 'list':
      return Array.isArray(value)
    case 'map':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
  }
}
