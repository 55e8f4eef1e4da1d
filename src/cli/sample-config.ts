/**
 * A component's config as commented YAML, made from its declaration: what must be given stands there with a value that works,
 * what may be given stands in comments with its default.
 */
import type { Field } from '../engine/index.ts'
import { kindText, mustBeGiven } from './field-text.ts'

/** The part of a declaration that a sample is made from. */
export interface Sampled {
  readonly type: string
  readonly summary: string
  readonly config: Field<unknown>
  readonly shorthand?: string
  readonly examples?: readonly { readonly config: unknown }[]
}

/** Writes one key with its value as YAML lines, without indentation. */
export type WriteYaml = (key: string, value: unknown) => readonly string[]

/**
 * The config in the long form: the first example's, or values made up for what is required. Where nothing is required, the first field with a
 * default stands there with it, so that the comments below can be uncommented one by one.
 */
export function sampleConfig(component: Sampled): Readonly<Record<string, unknown>> {
  const needed = neededConfig(component)
  const [first] = Object.entries(component.config.properties ?? {}).filter(([, of]) => of.default !== undefined)
  return Object.keys(needed).length > 0 || first === undefined ? needed : { [first[0]]: first[1].default }
}

function neededConfig({ config, shorthand, examples }: Sampled): Readonly<Record<string, unknown>> {
  const example = examples?.[0]?.config
  const given = isRecord(example) && fitsFields(config, example) ? example : shorthand !== undefined && example !== undefined ? { [shorthand]: example } : {}
  const made = Object.entries(config.properties ?? {})
    .filter(([name, of]) => given[name] === undefined && mustBeGiven(of))
    .map(([name, of]) => [name, sampleValue(of)] as const)
  return { ...given, ...Object.fromEntries(made) }
}

/** True where the value names only fields of the config, as opposed to a bare value that happens to be an object. */
function fitsFields(config: Field<unknown>, value: Readonly<Record<string, unknown>>): boolean {
  return config.properties === undefined || config.additionalProperties !== false || Object.keys(value).every(name => config.properties?.[name] !== undefined)
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const SAMPLES: Readonly<Record<string, unknown>> = { duration: '10s', size: '1MiB', path: 'data/file', secret: '${SECRET:}', template: 'text', schema: { type: 'object' }, format_options: {} }
const EXPRESSIONS: Readonly<Record<string, string>> = { bool: 'event.value > 0', string: 'string(event.id)', number: 'event.value * 2', any: 'event.value' }

/** A value that a field takes. */
export function sampleValue(of: Field<unknown>): unknown {
  if (of.default !== undefined) return of.default
  if (of.examples?.[0] !== undefined) return of.examples[0]
  if (of.enum !== undefined) return of.enum[0]
  if (of['x-sluice'] === 'expression') return EXPRESSIONS[of['x-expect'] ?? 'any']
  if (of['x-sluice'] !== undefined) return SAMPLES[of['x-sluice']]
  if (of.anyOf !== undefined) return of.anyOf[0] === undefined ? null : sampleValue(of.anyOf[0])
  switch (typeof of.type === 'string' ? of.type : of.type?.[0]) {
    case 'string':
      return 'text'
    case 'integer':
    case 'number':
      return of.minimum ?? 1
    case 'boolean':
      return false
    case 'array':
      return of.items === undefined ? [] : [sampleValue(of.items)]
    case 'object':
      return sampleObject(of)
    default:
      return null
  }
}

function sampleObject(of: Field<unknown>): unknown {
  if (of.properties === undefined) return typeof of.additionalProperties === 'object' ? { name: sampleValue(of.additionalProperties) } : {}
  const needed = Object.entries(of.properties).filter(([, inner]) => mustBeGiven(inner))
  return Object.fromEntries(needed.map(([name, inner]) => [name, sampleValue(inner)]))
}

/** The lines below the component's type name: fields with values first, then the others as comments. */
export function commentedConfig(component: Sampled, write: WriteYaml): string[] {
  const values = sampleConfig(component)
  const fields = Object.entries(component.config.properties ?? {})
  const given = fields.filter(([name]) => values[name] !== undefined)
  const others = fields.filter(([name]) => values[name] === undefined)
  const unknown = Object.entries(values).filter(([name]) => component.config.properties?.[name] === undefined)
  return [
    ...given.flatMap(([name, of]) => [...comment(of), ...write(name, values[name])]),
    ...(unknown.length > 0 && component.config.description !== undefined ? comment(component.config) : []),
    ...unknown.flatMap(([name, value]) => write(name, value)),
    ...others.flatMap(([name, of]) => [...comment(of), ...commentedField(name, of, write)]),
  ]
}

function comment(of: Field<unknown>): string[] {
  const kind = kindText(of)
  return [of.description === undefined ? `# ${kind}` : `# ${sentence(of.description)} (${kind})`]
}

function commentedField(name: string, of: Field<unknown>, write: WriteYaml): string[] {
  const value = of.properties === undefined || of.default !== undefined ? sampleValue(of) : Object.fromEntries(Object.entries(of.properties).map(([inner, one]) => [inner, sampleValue(one)]))
  return write(name, value).map(line => `#${line}`)
}

function sentence(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().replace(/\.$/, '')
}
