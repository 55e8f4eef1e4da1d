/** The part of a JSON Schema that columns can check: types, ranges, required fields of nested objects. A schema with anything else has no columns. */
import type { ColumnCheck } from '../engine/index.ts'

type Schema = Readonly<Record<string, unknown>>
type Kind = 'null' | 'boolean' | 'number' | 'string' | 'object' | 'array'

/** Keywords that say nothing about whether an event fits. */
const NOTES: ReadonlySet<string> = new Set(['$schema', '$id', '$comment', 'title', 'description', 'examples', 'default', 'deprecated', 'readOnly', 'writeOnly'])
const KINDS: ReadonlySet<string> = new Set(['null', 'boolean', 'number', 'string', 'object', 'array'])

/** The checks, or undefined where the schema says more than columns can see. */
export function schemaChecks(schema: Schema): ColumnCheck[] | undefined {
  const checks: ColumnCheck[] = []
  return follow(schema, [], true, checks) ? checks : undefined
}

function follow(schema: Schema, path: readonly string[], required: boolean, checks: ColumnCheck[]): boolean {
  const { type, properties, required: needed, minimum, maximum, additionalProperties, ...others } = schema
  if (Object.keys(others).some(keyword => !NOTES.has(keyword))) return false
  if (additionalProperties !== undefined && additionalProperties !== true) return false
  const kinds = kindsOf(type)
  if (kinds === undefined) return false
  if (path.length > 0 && (type !== undefined || required)) checks.push({ check: 'kind', path, kinds, optional: !required })
  if (path.length === 0 && !kinds.includes('object')) return false
  if (minimum !== undefined || maximum !== undefined) {
    if (path.length === 0 || !bound(minimum) || !bound(maximum)) return false
    checks.push({ check: 'range', path, minimum: typeof minimum === 'number' ? minimum : -Infinity, maximum: typeof maximum === 'number' ? maximum : Infinity })
  }
  return followProperties(properties, needed, path, required, kinds, checks)
}

function followProperties(properties: unknown, needed: unknown, path: readonly string[], required: boolean, kinds: readonly Kind[], checks: ColumnCheck[]): boolean {
  const names = Array.isArray(needed) ? needed.map(String) : []
  if (properties === undefined && names.length === 0) return true
  // Fields of something that may be missing, or may be no object, are more than these checks can say.
  if (path.length > 0 && (!required || kinds.length !== 1)) return false
  const known = typeof properties === 'object' && properties !== null ? (properties as Readonly<Record<string, unknown>>) : {} // The keyword holds an object of schemas.
  for (const name of new Set([...Object.keys(known), ...names])) {
    const inner = known[name] ?? {}
    if (typeof inner !== 'object' || inner === null) return false
    if (!follow(inner as Schema, [...path, name], names.includes(name), checks)) return false
  }
  return true
}

function bound(value: unknown): boolean {
  return value === undefined || typeof value === 'number'
}

/** Kinds that a `type` allows; undefined where columns can't tell (integer). */
function kindsOf(type: unknown): readonly Kind[] | undefined {
  const types = type === undefined ? [...KINDS] : Array.isArray(type) ? type.map(String) : [String(type)]
  return types.every(one => KINDS.has(one)) ? (types as Kind[]) : undefined // Checked against KINDS.
}
