/**
 * Turns a component's config, as the pipeline room has checked it, into what its `create` receives: defaults put in, durations in milliseconds,
 * sizes in bytes, paths absolute, expressions and templates compiled. Runs on every thread that makes components.
 */
import { isAbsolute, resolve } from 'node:path'
import { SluiceError, parseDuration, parseSize } from '../base/index.ts'
import type { Event } from '../event/index.ts'
import { ExprError, compile, endOfExpression, toJson } from '../expr/index.ts'
import type { Expression, FunctionTable } from '../expr/index.ts'
import { readTextNow } from '../platform/index.ts'
import type { Field, ValueOf } from './fields.ts'

/** An expression of a config, ready to be called. Throws SluiceError with a code `EXPR_...` for an event it can't be evaluated on. */
export interface CompiledExpression {
  (event: Event): unknown
  readonly expression: Expression
}
/** A text with expressions in braces, ready to be called. */
export interface CompiledTemplate {
  /** `clean` changes what the expressions give, before it is put into the text. */
  (event: Event, clean?: (value: string) => string): string
  readonly source: string
  /** The text before the first brace. */
  readonly prefix: string
  /** True where there is no brace at all. */
  readonly literal: boolean
  readonly expressions: readonly CompiledExpression[]
}

/** What the preparation needs to know of the component. */
export interface PrepareContext {
  /** Folder against which relative paths are resolved. */
  readonly folder: string
  now(): number
  random(): number
  /** Functions of plug-ins, for expressions. */
  readonly functions?: FunctionTable | undefined
}

/** The value of a field that the user left out is its default, or undefined. */
export function prepareConfig<F extends Field<unknown>>(field: F, value: unknown, context: PrepareContext): ValueOf<F> {
  return prepare(field, value, context) as ValueOf<F> // The schema says so; the config was checked against it.
}

function prepare(field: Field<unknown>, given: unknown, context: PrepareContext): unknown {
  const value = given === undefined ? field.default : given
  if (value === undefined) return field.type === 'object' && field.properties !== undefined && field['x-optional'] !== true ? prepareObject(field, {}, context) : undefined
  if (field['x-sluice'] !== undefined) return prepareSpecial(field, value, context)
  if (field.anyOf !== undefined) return prepare(kindFor(field.anyOf, value), value, context)
  if (Array.isArray(value)) return value.map((item: unknown) => prepare(field.items ?? {}, item, context))
  if (typeof value === 'object' && value !== null && field.type === 'object') return prepareObject(field, value, context)
  return value
}

/** The first kind that fits. A number, true, false or null is an expression, written as itself, where nothing else fits. */
function kindFor(kinds: readonly Field<unknown>[], value: unknown): Field<unknown> {
  const fitting = kinds.find(one => fits(one, value))
  if (fitting !== undefined || (typeof value === 'object' && value !== null)) return fitting ?? {}
  return kinds.find(one => one['x-sluice'] === 'expression') ?? {}
}

function prepareObject(field: Field<unknown>, value: object, context: PrepareContext): unknown {
  const given = value as Readonly<Record<string, unknown>> // An object that is no array.
  const result: Record<string, unknown> = {}
  for (const [name, of] of Object.entries(field.properties ?? {})) {
    const made = prepare(of, given[name], context)
    if (made !== undefined) result[name] = made
  }
  const others = field.additionalProperties
  if (typeof others !== 'object') return result
  for (const [name, item] of Object.entries(given)) if (field.properties?.[name] === undefined) define(result, name, prepare(others, item, context))
  return result
}

/** Sets an own field, whatever its name. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
}

/** True where a value has the kind that a field wants. */
export function fits(field: Field<unknown>, value: unknown): boolean {
  if (field.anyOf !== undefined) return field.anyOf.some(one => fits(one, value))
  if (field.enum !== undefined && !field.enum.includes(value)) return false
  const types = field.type === undefined ? [] : typeof field.type === 'string' ? [field.type] : field.type
  if (types.length > 0 && !types.some(type => isOfType(type, value))) return false
  return field.properties === undefined || typeof value !== 'object' || value === null || fitsShape(field, field.properties, value)
}

/** True where an object has the fields that are required, no others, and each of its kind. */
function fitsShape(field: Field<unknown>, properties: Readonly<Record<string, Field<unknown>>>, value: object): boolean {
  if (field.required?.some(name => !Object.hasOwn(value, name)) === true) return false
  return Object.entries(value).every(([name, item]) => (properties[name] === undefined ? field.additionalProperties !== false : fits(properties[name], item)))
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'null':
      return value === null
    default:
      return typeof value === type
  }
}

function prepareSpecial(field: Field<unknown>, value: unknown, context: PrepareContext): unknown {
  switch (field['x-sluice']) {
    case 'expression':
      return compileFor(String(value), field['x-expect'], context)
    case 'template':
      return compileTemplate(String(value), context)
    case 'duration':
      return checked(parseDuration(String(value)), value, 'a duration such as 10s')
    case 'size':
      return checked(parseSize(typeof value === 'number' ? value : String(value)), value, 'a size such as 64MiB')
    case 'path':
      return absolute(String(value), context.folder)
    case 'schema':
      return typeof value === 'string' ? loadSchema(absolute(value, context.folder)) : value
    case 'secret':
    case 'format_options':
    case undefined:
      return value
  }
}

function checked(parsed: number | undefined, value: unknown, wanted: string): number {
  if (parsed === undefined) throw new SluiceError('CONFIG_VALUE', `${JSON.stringify(value)} is not ${wanted}.`)
  return parsed
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? path : resolve(folder, path)
}

/** Compiles an expression for events. */
export function compileFor(source: string, expect: Field<unknown>['x-expect'], context: PrepareContext): CompiledExpression {
  const expression = compile(source, { ...(expect === undefined ? {} : { expect }), clock: () => context.now(), random: () => context.random(), functions: context.functions })
  return Object.assign((event: Event) => expression.evaluate(event), { expression })
}

/**
 * The parts of a template: text, or an expression. `{{` and `}}` stand for the braces themselves; inside of an expression, braces and quotes are the expression's own
 * (`{event.tags["a}b"]}`). An expression that begins with a brace needs a space before it: `{ {'a': 1}.a }`.
 */
export function templateParts(source: string): (string | { readonly source: string; readonly offset: number })[] {
  const parts: (string | { source: string; offset: number })[] = []
  let text = ''
  for (let at = 0; at < source.length; at++) {
    const two = source.slice(at, at + 2)
    if (two === '{{' || two === '}}') {
      text += two[0]
      at++
    } else if (source[at] === '{') {
      const end = endOfPart(source, at + 1)
      if (end < 0) throw new SluiceError('CONFIG_VALUE', `A brace is not closed in ${JSON.stringify(source)}; write {{ for the brace itself.`)
      if (text !== '') parts.push(text)
      text = ''
      parts.push({ source: source.slice(at + 1, end), offset: at + 1 })
      at = end
    } else text += source[at]
  }
  if (text !== '') parts.push(text)
  return parts
}

/** The brace that ends an expression, or -1. */
function endOfPart(source: string, from: number): number {
  try {
    return endOfExpression(source, from) ?? -1
  } catch (error) {
    if (!(error instanceof ExprError)) throw error
    // Who compiles what stands there tells what is wrong with it.
    return source.indexOf('}', from)
  }
}

function compileTemplate(source: string, context: PrepareContext): CompiledTemplate {
  const parts = templateParts(source).map(part => (typeof part === 'string' ? part : compileFor(part.source, 'any', context)))
  const literal = parts.every(part => typeof part === 'string')
  const prefix = typeof parts[0] === 'string' ? parts[0] : ''
  const fill = (event: Event, clean: (value: string) => string = value => value): string => parts.map(part => (typeof part === 'string' ? part : clean(textOf(part(event))))).join('')
  return Object.assign(fill, { source, prefix, literal, expressions: parts.filter(part => typeof part !== 'string') })
}

/** A value as text in a template. */
function textOf(value: unknown): string {
  const json = toJson(value)
  return typeof json === 'string' ? json : JSON.stringify(json)
}

function loadSchema(path: string): unknown {
  const text = readTextNow(path)
  if (text === undefined) throw new SluiceError('CONFIG_FILE', `There is no schema ${path}.`)
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new SluiceError('CONFIG_FILE', `The schema ${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}
