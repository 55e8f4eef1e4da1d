/** Fields of a component's config in words: for `sluice list` and for the comments of `sluice create`. */
import { field } from '../engine/index.ts'
import type { Field } from '../engine/index.ts'

export interface FieldRow {
  /** Fields inside others are written `outer.inner`. */
  readonly name: string
  readonly kind: string
  /** `required`, `optional`, or the default. */
  readonly needed: string
  readonly description: string
}

const SPECIAL: Readonly<Record<string, string>> = {
  expression: 'expression', duration: 'duration such as 10s', size: 'size such as 64MiB', path: 'path', secret: 'secret', template: 'text with {expressions}', schema: 'JSON Schema or its path', format_options: 'options of the format',
}

/** What a field takes, in a few words. */
export function kindText(of: Field<unknown>): string {
  return kindWithin(of, [])
}

/** `around` are the fields that hold this one: one that holds itself is told once. */
function kindWithin(of: Field<unknown>, around: readonly Field<unknown>[]): string {
  if (around.includes(of)) return 'the same'
  if (of['x-sluice'] !== undefined) return SPECIAL[of['x-sluice']] ?? of['x-sluice']
  if (of.enum !== undefined) return of.enum.map(String).join(' | ')
  const kind = (inner: Field<unknown>): string => kindWithin(inner, [...around, of])
  if (of.anyOf !== undefined) return [...new Set(of.anyOf.map(kind))].join(' or ')
  if (of.type === 'array') return `list of ${of.items === undefined ? 'values' : kind(of.items)}`
  if (of.type === 'object' && typeof of.additionalProperties === 'object') return `map of ${kind(of.additionalProperties)}`
  if (of.type === undefined) return 'any value'
  return typeof of.type === 'string' ? of.type : of.type.join(' or ')
}

/** True where a user must write the field. A group of which nothing must be given need not be given either. */
export function mustBeGiven(of: Field<unknown>): boolean {
  if (field.mayBeLeftOut(of)) return false
  return of.properties === undefined || Object.values(of.properties).some(mustBeGiven)
}

function neededText(of: Field<unknown>): string {
  if (of.default !== undefined) return `default ${JSON.stringify(of.default)}`
  return mustBeGiven(of) ? 'required' : 'optional'
}

/** One row per field, in the order of the declaration; groups of fields are opened. */
export function fieldRows(of: Field<unknown>, prefix = ''): FieldRow[] {
  return Object.entries(of.properties ?? {}).flatMap(([name, inner]) => {
    const row = { name: `${prefix}${name}`, kind: kindText(inner), needed: neededText(inner), description: inner.description ?? '' }
    return inner.properties === undefined ? [row] : [row, ...fieldRows(inner, `${row.name}.`)]
  })
}
