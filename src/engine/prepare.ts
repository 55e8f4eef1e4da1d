/**
 * Turns a component's config, as checked by the pipeline room, into what its `create` receives: defaults put in, durations in milliseconds,
 * sizes in bytes, paths absolute, expressions and templates compiled.
 */
import type { Event } from '../event/index.ts'
import type { Expression } from '../expr/index.ts'

/** An expression of a config, ready to be called. Throws SluiceError with a code `EXPR_...` for an event it can't be evaluated on. */
export interface CompiledExpression {
  (event: Event): unknown
  readonly expression: Expression
}
/** A text with expressions in braces, ready to be called. */
export interface CompiledTemplate {
  (event: Event): string
  readonly source: string
  /** The text before the first brace. */
  readonly prefix: string
  /** True where there is no brace at all. */
  readonly literal: boolean
}
