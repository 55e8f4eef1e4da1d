/** Values that expressions set: JSON text, with the bytes of a field where the expression is a plain path. */
import { SluiceError } from '../base/index.ts'
import type { CompiledExpression } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { toJson } from '../expr/index.ts'
import type { Expr } from '../expr/index.ts'
import { rawField } from './paths.ts'

/** The path of `event.a.b`, if an expression is just that. */
export function plainPath(node: Expr): readonly string[] | undefined {
  if (node.kind === 'ident') return node.name === 'event' ? [] : undefined
  if (node.kind !== 'select' || node.test || node.optional) return undefined
  const path = plainPath(node.operand)
  return path === undefined ? undefined : [...path, node.field]
}

/** A function from an event to JSON text. Throws EXPR_... where the expression does, and EXPR_OVERFLOW for a number that JSON can't hold. */
export function jsonOf(expression: CompiledExpression): (event: Event) => string {
  const path = plainPath(expression.expression.ast)
  if (path !== undefined && path.length > 0) {
    return event => {
      const raw = rawField(event, path)
      // The expression itself knows best what is missing.
      return raw ?? JSON.stringify(toJson(expression(event)))
    }
  }
  return event => {
    const value = expression(event)
    if (typeof value === 'number' && !Number.isFinite(value)) throw new SluiceError('EXPR_OVERFLOW', `${expression.expression.source} yields ${value}, which JSON can't hold.`)
    return JSON.stringify(toJson(value))
  }
}

/** The value of an expression as JSON. */
export function valueOf(expression: CompiledExpression, event: Event): JsonValue {
  return toJson(expression(event)) as JsonValue // toJson yields nothing else.
}

/** The value of an expression as a key: text as it is, other values as JSON. */
export function keyOf(expression: CompiledExpression, event: Event): string {
  const value = valueOf(expression, event)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The value of an expression as a finite number. Throws FIELD_TYPE. */
export function numberOf(expression: CompiledExpression, event: Event): number {
  const value = valueOf(expression, event)
  if (typeof value === 'number') return value
  throw new SluiceError('FIELD_TYPE', `${expression.expression.source} is no number: ${JSON.stringify(value).slice(0, 100)}`)
}
