/** Says in words what a field wants. */
import type { Field } from '../engine/index.ts'

const SPECIALS: Readonly<Record<NonNullable<Field<unknown>['x-sluice']>, string>> = {
  expression: 'an expression',
  template: 'a text',
  duration: 'a duration such as 10s, 500ms or 1h30m',
  size: 'a size such as 64MiB or 4096',
  path: 'a path',
  secret: 'a text',
  schema: 'a JSON Schema, or the path of one',
  format_options: 'a map',
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text', integer: 'a whole number', number: 'a number', boolean: 'true or false', array: 'a list', object: 'a map', null: 'null',
}

/** Such as `a whole number from 1 to 64`, `dead_letter, stop, drop or pass`. */
export function expectation(field: Field<unknown>): string {
  if (field.anyOf !== undefined) return or([...new Set(field.anyOf.map(expectation))])
  if (field.enum !== undefined) return or(field.enum.map(String))
  if (field['x-sluice'] === 'expression') return field['x-expect'] === undefined || field['x-expect'] === 'any' ? 'an expression' : `an expression that yields a ${field['x-expect']}`
  if (field['x-sluice'] !== undefined) return SPECIALS[field['x-sluice']]
  const types = typesOf(field)
  if (types.length === 0) return 'a value'
  return `${or(types.map(type => TYPES[type] ?? type))}${bounds(field)}`
}

function bounds({ minimum, maximum, minLength, minItems, pattern }: Field<unknown>): string {
  if (pattern !== undefined) return ` that matches ${pattern}`
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`
  if (minimum !== undefined) return `, at least ${minimum}`
  if (maximum !== undefined) return `, at most ${maximum}`
  if (minLength !== undefined && minLength > 0) return minLength === 1 ? ' that is not empty' : ` of at least ${minLength} characters`
  if (minItems !== undefined && minItems > 0) return ` with at least ${minItems === 1 ? 'one item' : `${minItems} items`}`
  return ''
}

export function typesOf(field: Field<unknown>): readonly string[] {
  return field.type === undefined ? [] : typeof field.type === 'string' ? [field.type] : field.type
}

/** `a, b or c`. */
export function or(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
