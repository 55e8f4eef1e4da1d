/** Values that are expressions, or maps and lists of such values, as `map` and `set` take them. */
import { field } from '../engine/index.ts'
import type { CompiledExpression, Field } from '../engine/index.ts'
import type { Event } from '../event/index.ts'
import { jsonOf } from './values.ts'

export type NestedValue = CompiledExpression | readonly NestedValue[] | { readonly [name: string]: NestedValue }

const kinds: Field<NestedValue>[] = [field.expression()]
/** The field of such a value. It holds itself, so that values may lie in values as deep as a config has them. */
export const VALUE: Field<NestedValue> = field.either(kinds)
kinds.push(field.list(VALUE), field.record(VALUE))

export function isExpression(value: NestedValue): value is CompiledExpression {
  return typeof value === 'function'
}

/** A function from an event to the JSON text of a value. A plain path keeps the bytes of its field, wherever it stands. Throws what the expressions throw. */
export function nestedJson(value: NestedValue): (event: Event) => string {
  if (isExpression(value)) return jsonOf(value)
  const list = Array.isArray(value)
  const parts = Object.entries(value).map(([name, inner], at) => ({ start: `${at === 0 ? '' : ','}${list ? '' : `${JSON.stringify(name)}:`}`, make: nestedJson(inner) }))
  const [open, close] = list ? ['[', ']'] : ['{', '}']
  return event => {
    let text = open
    for (const { start, make } of parts) text += start + make(event)
    return text + close
  }
}
