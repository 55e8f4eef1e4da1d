/**
 * Expressions: CEL, parsed, checked and compiled to JavaScript functions.
 *
 * Owns the language: its meaning, its limits, its functions. Pure: time and chance come from the caller.
 * Never here: events' bytes, files, network.
 */
import type { Expr } from './ast.ts'
import { check } from './check.ts'
import { compileTree } from './compile.ts'
import { parse } from './parser.ts'
import type { FunctionTable } from './functions/index.ts'

export type { Comprehension, Expr } from './ast.ts'
export { ExprError } from './error.ts'
export { endOfExpression } from './lexer.ts'
export { parse } from './parser.ts'
export { compileSlots } from './slots.ts'
export type { SlotExpression } from './slots.ts'
export { compilePattern } from './regex.ts'
export { FUNCTIONS, NO_MATCH } from './functions/index.ts'
export type { FunctionDef, FunctionTable } from './functions/index.ts'
export { CelMap, CelType, Duration, Optional, Timestamp, Uint, toJson, typeName } from './values.ts'

/** What an expression sees. An Event is one. */
export interface Scope {
  readonly event: unknown
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** Event time, milliseconds since 1970. */
  readonly time: number | undefined
  readonly position: unknown
}

export interface ExprOptions {
  /** `lenient` (default): one number type. `strict`: the standard to the letter. */
  readonly mode?: 'lenient' | 'strict'
  /** JSON Schema of `event`, when known: fields that it does not have are errors. */
  readonly schema?: Readonly<Record<string, unknown>>
  /** Units that one evaluation may cost; 1,000,000 by default. */
  readonly costLimit?: number
  /** Names beside the scope's; `evaluate` reads them off the scope. */
  readonly variables?: readonly string[]
  /** Functions beside those of the language. */
  readonly functions?: FunctionTable | undefined
  /** Fails the check where the result is surely of another type. */
  readonly expect?: 'bool' | 'string' | 'number' | 'any'
  /** Strict mode: names are looked up below this one first. */
  readonly container?: string
  readonly clock?: () => number
  readonly random?: () => number
}

export interface Expression {
  readonly source: string
  readonly ast: Expr
  /** The functions beside those of the language that it was compiled with. */
  readonly functions: FunctionTable | undefined
  /** Throws ExprError. Values are JSON's in lenient mode, beside times, durations, bytes and optional values: see `toJson`. */
  evaluate(scope: Scope): unknown
}

/** Compiles an expression. Throws ExprError with the place in the source. */
export function compile(source: string, options: ExprOptions = {}): Expression {
  const ast = parse(source)
  // The standard lets a condition short-circuit over anything, so what `check` rejects may still have a value in strict mode.
  if (options.mode !== 'strict') check(ast, options)
  const evaluate = compileTree(ast, settings(options))
  return { source, ast, functions: options.functions, evaluate }
}

/** The compiler's settings for the options. */
export function settings(options: ExprOptions): Parameters<typeof compileTree>[1] {
  const names: Record<string, string> = { event: 's.event', key: '(s.key??null)', headers: 's.headers', time: 'rt.scopeTime(s.time)', position: 's.position' }
  for (const name of options.variables ?? []) names[name] = `rt.variable(s,${JSON.stringify(name)})`
  return {
    strict: options.mode === 'strict',
    environment: { clock: options.clock ?? Date.now, random: options.random ?? Math.random, costLimit: options.costLimit ?? 1_000_000 },
    names,
    functions: options.functions ?? {},
    ...(options.container === undefined ? {} : { container: options.container }),
  }
}
