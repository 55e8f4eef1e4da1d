/** Values that expressions set: JSON text, with the bytes of a field where the expression is a plain path. */
import { createHash } from 'node:crypto'
import { SluiceError } from '../base/index.ts'
import type { CompiledExpression } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { Timestamp, toJson, typeName } from '../expr/index.ts'
import type { Expr } from '../expr/index.ts'
import { rawField, valueAt } from './paths.ts'

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
    if (!isFiniteThroughout(value)) throw new SluiceError('EXPR_OVERFLOW', `${expression.expression.source} yields ${typeof value === 'number' ? value : 'an infinite number'}, which JSON can't hold.`)
    return JSON.stringify(toJson(value))
  }
}

/** False where a number that JSON can't hold stands anywhere in a value: it must not become null unnoticed. */
function isFiniteThroughout(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true
  return Object.values(value).every(isFiniteThroughout)
}

/** True or false, as a condition says. Throws EXPR_TYPE for anything else; `what` names the condition. */
export function holds(condition: CompiledExpression, event: Event, what: string): boolean {
  const answer = condition(event)
  if (typeof answer === 'boolean') return answer
  throw new SluiceError('EXPR_TYPE', `${what} must be true or false; it is of type ${typeName(answer)}.`)
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

/** Longest key that stages with memory keep as it is. */
const KEY_LENGTH_MAX = 256

/** A key as it is remembered: a long one by its SHA-256, so that so many keys take no more than so many bytes. */
export function rememberedKey(expression: CompiledExpression, event: Event): string {
  const key = keyOf(expression, event)
  return key.length <= KEY_LENGTH_MAX ? key : `sha256:${createHash('sha256').update(key).digest('base64')}`
}

/** The value of an expression as a time: milliseconds since 1970, a timestamp, or a text such as `2026-01-31T12:00:00Z`. Throws FIELD_TYPE. */
export function timeOf(expression: CompiledExpression, event: Event): number {
  const value = expression(event)
  const ms = value instanceof Timestamp ? Number(value.$ns / 1_000_000n) : typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : value
  if (typeof ms === 'number' && Number.isFinite(ms)) return ms
  throw new SluiceError('FIELD_TYPE', `${expression.expression.source} is no time: ${JSON.stringify(toJson(value)).slice(0, 100)}`)
}

/**
 * A function from an event to the value of an expression as JSON, or to undefined where there is none: it is null, or reads a field that the event does not have. The
 * function throws FIELD_TYPE for a number that JSON can't hold, and what else the expression throws.
 */
export function knownValue(expression: CompiledExpression): (event: Event) => JsonValue | undefined {
  const path = plainPath(expression.expression.ast)
  // Errors cost much, and a missing field is nothing unusual here: a plain path is read without them.
  const read = path === undefined ? (event: Event): unknown => evaluated(expression, event) : (event: Event): unknown => valueAt(event.value, path)
  return event => {
    const value = read(event)
    if (value === undefined) return undefined
    if (typeof value === 'number' && !Number.isFinite(value)) throw new SluiceError('FIELD_TYPE', `${expression.expression.source} yields ${value}, which is no finite number.`)
    const json = toJson(value) as JsonValue // toJson yields nothing else.
    return json === null ? undefined : json
  }
}

function evaluated(expression: CompiledExpression, event: Event): unknown {
  try {
    return expression(event)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'EXPR_MISSING_FIELD') return undefined
    throw error
  }
}

/** The same for a number; FIELD_TYPE for any other value. */
export function knownNumber(expression: CompiledExpression): (event: Event) => number | undefined {
  const read = knownValue(expression)
  return event => {
    const value = read(event)
    if (value === undefined || typeof value === 'number') return value
    throw new SluiceError('FIELD_TYPE', `${expression.expression.source} is no number: ${JSON.stringify(value).slice(0, 100)}`)
  }
}

/** The value of an expression as a finite number. Throws FIELD_TYPE. */
export function numberOf(expression: CompiledExpression, event: Event): number {
  const value = valueOf(expression, event)
  if (typeof value === 'number') return value
  throw new SluiceError('FIELD_TYPE', `${expression.expression.source} is no number: ${JSON.stringify(value).slice(0, 100)}`)
}
