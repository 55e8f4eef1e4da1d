/**
 * Fields of a component's config.
 *
 * A field is a plain JSON Schema with a TypeScript type attached, so one declaration gives the type that `create` receives, the defaults,
 * the validation with its messages, the JSON Schema for editors and the reference page. What JSON Schema can't say stands under `x-sluice`:
 * an expression, a duration, a size, a secret. `prepareConfig` (in `prepare.ts`) turns those leaves into what `create` wants to hold.
 *
 * There is no library behind this on purpose: the ones that do it load several hundred files in every thread (see docs/decisions/0002).
 */
import type { JsonValue } from '../event/index.ts'
import type { CompiledExpression, CompiledTemplate } from './prepare.ts'

/** How a leaf is prepared before `create` sees it. */
export type Special = 'expression' | 'duration' | 'size' | 'path' | 'secret' | 'template' | 'schema' | 'format_options'

/** A JSON Schema that carries the TypeScript type `T` of the prepared value. */
export interface Field<T> {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly minItems?: number
  readonly pattern?: string
  readonly items?: Field<unknown>
  readonly properties?: Readonly<Record<string, Field<unknown>>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Field<unknown>
  readonly anyOf?: readonly Field<unknown>[]
  readonly 'x-sluice'?: Special | undefined
  /** For expressions: the type that the result must have. */
  readonly 'x-expect'?: 'bool' | 'string' | 'number' | 'any'
  /** For options of a format: the formats that may be meant. */
  readonly 'x-formats'?: readonly string[]
  readonly 'x-optional'?: boolean
  /** Never there at run time: it only carries the type. */
  readonly __type?: T
}

export type ValueOf<F> = F extends Field<infer T> ? T : never

interface Common<T> {
  readonly description?: string
  readonly default?: T
  readonly examples?: readonly unknown[]
}
interface NumberOptions extends Common<number> {
  readonly minimum?: number
  readonly maximum?: number
}
interface StringOptions extends Common<string> {
  readonly minLength?: number
  readonly pattern?: string
}
interface ListOptions<T> extends Common<readonly T[]> {
  readonly minItems?: number
}

type Shape = Readonly<Record<string, Field<unknown>>>
type ObjectOf<S extends Shape> = { readonly [K in keyof S]: ValueOf<S[K]> }

/** Marks a field that may be left out and has no default; `create` then sees `undefined`. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return { ...field, 'x-optional': true }
}

export function string(options: StringOptions = {}): Field<string> {
  return { type: 'string', ...options }
}
export function integer(options: NumberOptions = {}): Field<number> {
  return { type: 'integer', ...options }
}
export function number(options: NumberOptions = {}): Field<number> {
  return { type: 'number', ...options }
}
export function boolean(options: Common<boolean> = {}): Field<boolean> {
  return { type: 'boolean', ...options }
}
/** One of the given strings. */
export function choice<const T extends string>(values: readonly T[], options: Common<T> = {}): Field<T> {
  return { type: 'string', enum: values, ...options }
}
export function list<T>(items: Field<T>, options: ListOptions<T> = {}): Field<readonly T[]> {
  return { type: 'array', items, ...options }
}
/** Any keys, each with a value of the given kind. */
export function record<T>(values: Field<T>, options: Common<Readonly<Record<string, T>>> = {}): Field<Readonly<Record<string, T>>> {
  return { type: 'object', additionalProperties: values, ...options }
}
/** A fixed set of keys. A key without default that is not `optional` must be given. Unknown keys are errors. */
export function object<S extends Shape>(properties: S, options: Common<ObjectOf<S>> = {}): Field<ObjectOf<S>> {
  const required = Object.keys(properties).filter(name => !mayBeLeftOut(properties[name]))
  return { type: 'object', properties, additionalProperties: false, ...(required.length > 0 ? { required } : {}), ...options }
}
/** The first of the given kinds that fits. */
export function either<const F extends readonly Field<unknown>[]>(fields: F, options: Common<ValueOf<F[number]>> = {}): Field<ValueOf<F[number]>> {
  return { anyOf: fields, ...options }
}
/** Any JSON value, handed on as it is. */
export function anything(options: Common<unknown> = {}): Field<unknown> {
  return { ...options }
}
/** A CEL expression; `create` receives it compiled. */
export function expression(options: Common<string> & { readonly expect?: 'bool' | 'string' | 'number' | 'any' } = {}): Field<CompiledExpression> {
  const { expect, ...rest } = options
  return { type: 'string', 'x-sluice': 'expression', 'x-expect': expect ?? 'any', ...rest }
}
/** A length of time such as `10s`, `500ms`, `1h30m`; `create` receives milliseconds. */
export function duration(options: Common<string> = {}): Field<number> {
  return { type: 'string', 'x-sluice': 'duration', ...options }
}
/** A number of bytes such as `64MiB` or `4096`; `create` receives bytes. */
export function size(options: Common<string> = {}): Field<number> {
  return { type: ['string', 'integer'], 'x-sluice': 'size', ...options }
}
/** A file or folder; `create` receives it absolute, resolved against the folder of the pipeline's file. */
export function path(options: Common<string> = {}): Field<string> {
  return { type: 'string', 'x-sluice': 'path', ...options }
}
/** A text that no report, log or `echo` ever shows. */
export function secret(options: Common<string> = {}): Field<string> {
  return { type: 'string', 'x-sluice': 'secret', ...options }
}
/** Text with expressions in braces, such as `out/{event.city}.ndjson`; `create` receives a function from an event to text. */
export function template(options: Common<string> = {}): Field<CompiledTemplate> {
  return { type: 'string', 'x-sluice': 'template', ...options }
}
/** A JSON Schema: a file's path (JSON or YAML), or the schema itself; `create` receives the schema. */
export function schema(options: Common<string> = {}): Field<Readonly<Record<string, unknown>>> {
  return { type: ['string', 'object'], 'x-sluice': 'schema', ...options }
}

/** What a source or sink hands on to its format as it is: it is checked by the fields of the format that the component then names, one of `formats`. */
export function formatOptions(formats: readonly string[], options: Common<Readonly<Record<string, JsonValue>>> = {}): Field<Readonly<Record<string, JsonValue>>> {
  return { type: 'object', 'x-sluice': 'format_options', 'x-formats': formats, default: {}, ...options }
}

/** True where a user may leave the field out. */
export function mayBeLeftOut(field: Field<unknown> | undefined): boolean {
  return field !== undefined && (field['x-optional'] === true || field.default !== undefined)
}
