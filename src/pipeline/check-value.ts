/**
 * Checks a tree against the fields of a component, tells every problem, and makes the JSON value that the engine takes: defaults put in,
 * leaves still in the user's words.
 */
import { parseDuration, parseSize, suggest } from '../base/index.ts'
import { mayBeLeftOut } from '../engine/index.ts'
import type { Field, Registry } from '../engine/index.ts'
import { checkExpression, checkTemplate } from './check-expression.ts'
import type { EventSchema } from './check-expression.ts'
import type { Diagnostics } from './diagnostic.ts'
import { namesPlace } from './secret-places.ts'
import { expectation, typesOf } from './expectation.ts'
import type { Place } from './source-file.ts'
import { define, isBroken, isEmpty, plain, shown } from './tree.ts'
import type { Leaf, Mapping, Tree } from './tree.ts'

export interface ValueChecks {
  readonly diagnostics: Diagnostics
  /** The schema of `event` in expressions, where known. */
  readonly eventSchema: EventSchema | undefined
  /** Functions of plug-ins, for expressions. */
  readonly functions: Registry['functions']
  /** Reads and checks the schema file that a leaf names. */
  schemaFile(leaf: Leaf & { readonly value: string }, name: string): void
  /** The path as the engine takes it: relative ones are resolved against the folder of the pipeline, not of an included file. */
  path(leaf: Leaf & { readonly value: string }): string
}

/** The checked value; undefined where it was wrong, which then stands in the diagnostics. `name` is how messages call it: `filter.condition`. */
export function checkValue(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks): unknown {
  if (isBroken(tree)) return undefined
  const types = typesOf(field)
  if (isEmpty(tree) && !types.includes('null') && !allowsAnything(field)) {
    // A map of which nothing must be given may be left empty.
    if (field.properties !== undefined && !mustBeGiven(field)) return checkObject(field, { kind: 'map', entries: [], place: tree.place }, name, checks)
    return wrong(field, tree, name, checks)
  }
  if (field.anyOf !== undefined) return checkEither(field, field.anyOf, tree, name, checks)
  if (field['x-sluice'] !== undefined) return checkSpecial(field, tree, name, checks)
  if (tree.kind === 'list') return types.includes('array') ? checkList(field, tree.items, tree, name, checks) : anyOrWrong(field, tree, name, checks)
  if (tree.kind === 'map') return types.includes('object') ? checkObject(field, tree, name, checks) : anyOrWrong(field, tree, name, checks)
  return checkLeaf(field, types, tree, name, checks)
}

function allowsAnything(field: Field<unknown>): boolean {
  return typesOf(field).length === 0 && field.anyOf === undefined && field.enum === undefined
}

function anyOrWrong(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks): unknown {
  return allowsAnything(field) ? plain(tree) : wrong(field, tree, name, checks)
}

/** True where a secret may have been put into the place of what holds one: `auth: hunter2`. */
export function mayHoldSecret(field: Field<unknown>, seen = new Set<Field<unknown>>()): boolean {
  if (field['x-sluice'] === 'secret') return true
  // A field may hold others of its own kind.
  if (seen.has(field)) return false
  seen.add(field)
  return [...(field.anyOf ?? []), ...Object.values(field.properties ?? {}), ...(typeof field.additionalProperties === 'object' ? [field.additionalProperties] : [])].some(one => mayHoldSecret(one, seen))
}

function wrong(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks, advice: { suggestion?: string | undefined; hint?: string | undefined } = {}): undefined {
  const expected = expectation(field)
  const isHidden = mayHoldSecret(field)
  if (isHidden) concealAll(tree, checks)
  checks.diagnostics.error('CONFIG_VALUE', tree.place, `"${name}" must be ${expected}${isHidden ? '' : `, not ${shown(tree)}`}.`, { expected, ...advice })
  return undefined
}

// ----------------------------------------------------------------------------------------------------------------- leaves

function checkLeaf(field: Field<unknown>, types: readonly string[], given: Leaf, name: string, checks: ValueChecks): unknown {
  const value = coerced(given, types)
  if (field.enum !== undefined) {
    if (field.enum.includes(value)) return value
    return wrong(field, given, name, checks, { suggestion: given.made === undefined ? suggest(String(value), field.enum.map(String)) : undefined })
  }
  if (types.length > 0 && !types.some(type => isOfType(type, value))) return wrong(field, given, name, checks, { hint: slip(types, given) })
  if (typeof value === 'number' && outside(field, value)) return wrong(field, given, name, checks)
  if (typeof value === 'string' && !matches(field, value)) return wrong(field, given, name, checks)
  return value
}

/** A text that was wholly one `${...}` takes the kind that is wanted. */
function coerced({ value, made }: Leaf, types: readonly string[]): Leaf['value'] {
  if (made?.whole !== true || typeof value !== 'string') return value
  const text = value.trim()
  if ((types.includes('integer') || types.includes('number')) && /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return Number(text)
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  if (types.includes('null') && text === 'null') return null
  return value
}

function isOfType(type: string, value: Leaf['value']): boolean {
  switch (type) {
    case 'integer':
      return Number.isSafeInteger(value)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
    case 'null':
      return value === null
    default:
      return typeof value === type
  }
}

function outside({ minimum, maximum }: Field<unknown>, value: number): boolean {
  return (minimum !== undefined && value < minimum) || (maximum !== undefined && value > maximum)
}

function matches({ minLength, pattern }: Field<unknown>, value: string): boolean {
  return value.length >= (minLength ?? 0) && (pattern === undefined || new RegExp(pattern, 'u').test(value))
}

/** The usual slips of YAML. */
function slip(types: readonly string[], { value, made }: Leaf): string | undefined {
  if (made !== undefined) return undefined
  if (types.includes('string') && typeof value !== 'string' && value !== null) return `Put quotes round it to make it a text: "${String(value)}".`
  if (typeof value !== 'string') return undefined
  if (types.includes('boolean') && /^(yes|no|on|off|true|false)$/i.test(value)) return 'YAML writes these two as true and false, without quotes.'
  if ((types.includes('number') || types.includes('integer')) && value !== '' && Number.isFinite(Number(value))) return 'Take the quotes away.'
  return undefined
}

// --------------------------------------------------------------------------------------------------------------- specials

type TextLeaf = Leaf & { readonly value: string }

function isText(tree: Tree): tree is TextLeaf {
  return tree.kind === 'leaf' && typeof tree.value === 'string'
}

function checkSpecial(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks): unknown {
  switch (field['x-sluice']) {
    case 'expression':
      return tree.kind === 'leaf' ? checkExpression(tree, name, field['x-expect'], checks) : wrong(field, tree, name, checks)
    case 'template':
      return isText(tree) ? checkTemplate(tree, name, checks) : wrong(field, tree, name, checks, textHint(tree))
    case 'duration':
      return checkDuration(field, tree, name, checks)
    case 'size':
      return checkSize(field, tree, name, checks)
    case 'path':
      return isText(tree) && tree.value !== '' ? checks.path(tree) : wrong(field, tree, name, checks, textHint(tree))
    case 'schema':
      return checkSchema(field, tree, name, checks)
    case 'secret':
      concealAll(tree, checks)
      return isText(tree) ? tree.value : wrongSecret(field, tree, name, checks)
    case 'format_options':
      return tree.kind === 'map' ? plain(tree) : wrong(field, tree, name, checks)
    case undefined:
      return undefined
  }
}

function textHint(tree: Tree): { hint?: string } {
  const hint = tree.kind === 'leaf' ? slip(['string'], tree) : undefined
  return hint === undefined ? {} : { hint }
}

/** All that stands there; what only names the place of a secret may be seen. */
function concealAll(tree: Tree, checks: ValueChecks): void {
  if (tree.kind === 'leaf' && tree.made !== undefined && namesPlace(tree.made.raw)) return
  checks.diagnostics.conceal(tree.place)
}

/** What stands in the place of a secret may be one: it is not shown. */
function wrongSecret(field: Field<unknown>, { place }: Tree, name: string, checks: ValueChecks): undefined {
  const expected = expectation(field)
  checks.diagnostics.error('CONFIG_VALUE', place, `"${name}" must be ${expected}.`, { expected, hint: 'Put quotes round it, or take it from the environment: ${NAME}.' })
  return undefined
}

function checkDuration(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks): unknown {
  if (tree.kind === 'leaf' && tree.value === 0) return '0'
  if (isText(tree) && parseDuration(tree.value) !== undefined) return tree.value
  const number = tree.kind === 'leaf' && typeof tree.value === 'number' ? tree.value : undefined
  return wrong(field, tree, name, checks, number === undefined || number < 0 ? {} : { hint: `Write the unit: ${number}s, ${number}ms or ${number}m.` })
}

function checkSize(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks): unknown {
  const value = tree.kind === 'leaf' ? tree.value : undefined
  if ((typeof value === 'string' || typeof value === 'number') && parseSize(value) !== undefined) return value
  return wrong(field, tree, name, checks)
}

function checkSchema(field: Field<unknown>, tree: Tree, name: string, checks: ValueChecks): unknown {
  if (tree.kind === 'map') return plain(tree)
  if (!isText(tree)) return wrong(field, tree, name, checks)
  checks.schemaFile(tree, name)
  return checks.path(tree)
}

// ------------------------------------------------------------------------------------------------------- lists, maps, either

function checkList(field: Field<unknown>, items: readonly Tree[], tree: Tree, name: string, checks: ValueChecks): unknown {
  if (items.length < (field.minItems ?? 0)) return wrong(field, tree, name, checks)
  return items.map((item, at) => checkValue(field.items ?? {}, item, `${name}[${at}]`, checks))
}

function checkObject(field: Field<unknown>, tree: Mapping, name: string, checks: ValueChecks): unknown {
  const { properties = {}, additionalProperties: others } = field
  const result: Record<string, unknown> = {}
  for (const { key, keyPlace, value } of tree.entries) {
    const of = Object.hasOwn(properties, key) ? properties[key] : typeof others === 'object' ? others : undefined
    if (of !== undefined) {
      // `key:` with nothing behind it, where it may be left out, is left out.
      if (isEmpty(value) && mayBeLeftOut(of)) continue
      const made = checkValue(of, value, below(name, key), checks)
      if (made !== undefined) define(result, key, made)
    } else if (others === false) unknownField(key, keyPlace, name, field, value, checks)
    else define(result, key, plain(value))
  }
  for (const [key, of] of Object.entries(properties)) {
    if (Object.hasOwn(result, key)) continue
    if (of.default !== undefined) define(result, key, of.default)
    else if (!mustBeGiven(of)) defaultsOf(of, result, key, tree, name, checks)
    else if (!tree.entries.some(entry => entry.key === key)) missingField(key, of, tree.place, name, checks)
  }
  return result
}

/** True where a user must write the field: a map of which nothing must be given may be left out as a whole. */
export function mustBeGiven(of: Field<unknown>): boolean {
  if (mayBeLeftOut(of)) return false
  return of.properties === undefined || Object.values(of.properties).some(mustBeGiven)
}

/** A map that was left out and is not optional has its defaults. */
function defaultsOf(of: Field<unknown>, result: Record<string, unknown>, key: string, { place }: Tree, name: string, checks: ValueChecks): void {
  if (of['x-optional'] !== true && of.properties !== undefined) define(result, key, checkObject(of, { kind: 'map', entries: [], place }, below(name, key), checks))
}

/** How a field of a map is called; the settings of the pipeline stand below no name. */
function below(name: string, key: string): string {
  return name === '' ? key : `${name}.${key}`
}

function unknownField(key: string, place: Place, name: string, field: Field<unknown>, value: Tree, checks: ValueChecks): void {
  const { properties = {} } = field
  const known = Object.keys(properties)
  const suggestion = suggest(key, known)
  // It may be a secret with a slip in its name, or in another place than it belongs.
  if (suggestion === undefined ? mayHoldSecret(field) : mayHoldSecret(properties[suggestion] ?? {})) checks.diagnostics.conceal(value.place)
  const hint = suggestion === undefined ? (known.length === 0 ? `"${name}" takes no fields.` : `It takes: ${known.join(', ')}.`) : undefined
  checks.diagnostics.error('CONFIG_UNKNOWN_FIELD', place, `"${name}" has no field "${key}".`, { suggestion, hint })
}

function missingField(key: string, of: Field<unknown>, place: Place, name: string, checks: ValueChecks): void {
  const expected = expectation(of)
  const hint = of.description === undefined ? undefined : `${key}: ${of.description.replace(/\.?$/, '.')}`
  checks.diagnostics.error('CONFIG_MISSING_FIELD', place, `"${name}" needs "${key}": ${expected}.`, { expected, hint })
}

function checkEither(field: Field<unknown>, fields: readonly Field<unknown>[], tree: Tree, name: string, checks: ValueChecks): unknown {
  // Whatever can be an expression is one only if nothing else fits better: `true` is a boolean first.
  const fitting = fields.filter(one => hasKind(one, tree))
  const native = tree.kind === 'leaf' && typeof tree.value !== 'string' ? fitting.filter(one => one['x-sluice'] !== 'expression') : []
  const candidates = native.length > 0 ? native : fitting
  const [only] = candidates
  if (only === undefined) return wrong(field, tree, name, checks, { suggestion: nearest(fields, tree) })
  if (candidates.length === 1) return checkValue(only, tree, name, checks)
  // Several kinds could be meant: the first without problems, else the one whose problems are fewest.
  let best = only
  let least = Number.POSITIVE_INFINITY
  for (const one of candidates) {
    const problems = checks.diagnostics.trial(trial => checkValue(one, tree, name, { ...checks, diagnostics: trial }))
    if (problems < least) {
      best = one
      least = problems
    }
  }
  return checkValue(best, tree, name, checks)
}

function nearest(fields: readonly Field<unknown>[], tree: Tree): string | undefined {
  if (!isText(tree) || tree.made !== undefined) return undefined
  return suggest(tree.value, fields.flatMap(one => (one.enum ?? []).map(String)))
}

/** True where a tree is of the kind that a field wants, whatever is in it. */
export function hasKind(field: Field<unknown>, tree: Tree): boolean {
  if (field.anyOf !== undefined) return field.anyOf.some(one => hasKind(one, tree))
  const types = typesOf(field)
  if (tree.kind === 'list') return types.length === 0 || types.includes('array')
  if (tree.kind === 'map') return types.length === 0 || types.includes('object')
  if (field['x-sluice'] === 'expression') return true
  const value = coerced(tree, types)
  if (field.enum !== undefined) return field.enum.includes(value)
  if (field['x-sluice'] === 'duration') return isText(tree) && parseDuration(tree.value) !== undefined
  return types.length === 0 || types.some(type => isOfType(type, value))
}

