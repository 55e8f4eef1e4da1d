/** Checks what a source or sink hands on to its format, by the fields of that format: with places, and before the run. */
import { SluiceError } from '../base/index.ts'
import { field, prepareConfig } from '../engine/index.ts'
import type { ComponentContext, Field, FormatChoice, Registry } from '../engine/index.ts'
import { checkValue } from './check-value.ts'
import type { DraftNode } from './nodes.ts'
import { entryOf } from './tree.ts'
import type { Mapping } from './tree.ts'
import type { ValueContext } from './value-context.ts'

/** The options of a format as they stand in a component's config. */
interface GivenOptions {
  /** Name of the field that holds them. */
  readonly name: string
  readonly tree: Mapping
}

/** Undefined for a component that takes none. What is left out stands empty at the place of the component. */
export function givenOptions({ declaration, config, place }: DraftNode): GivenOptions | undefined {
  const name = Object.entries(declaration?.config.properties ?? {}).find(([, of]) => of['x-sluice'] === 'format_options')?.[0]
  if (name === undefined) return undefined
  const options = config.kind === 'map' ? entryOf(config, name)?.value : undefined
  return { name, tree: options?.kind === 'map' ? options : { kind: 'map', entries: [], place } }
}

/**
 * What was given, checked by the fields of the format; undefined where something is wrong with it, which then stands in the diagnostics.
 * Defaults are left to whoever reads the options: `choice` holds what the component sets by itself, and that comes before them.
 */
export function checkOptions({ name, tree }: GivenOptions, type: string, choice: FormatChoice, values: ValueContext): Readonly<Record<string, unknown>> | undefined {
  const { registry, diagnostics } = values.reading
  const codec = registry.codec(choice.format)
  if (codec === undefined) return {}
  const isGiven = (key: string): boolean => entryOf(tree, key) !== undefined
  const set = Object.keys(recordOf(choice.options)).filter(key => !isGiven(key))
  const before = diagnostics.errors
  const checked = checkValue(withoutNeed(codec.config, set), tree, `${type}.${name}`, values.checks())
  return diagnostics.errors > before ? undefined : Object.fromEntries(Object.entries(recordOf(checked)).filter(([key]) => isGiven(key)))
}

/** Makes the codec of a format once. Throws SluiceError where it refuses its options as a whole, or can't do what is wanted of it. */
export function tryFormat(kind: 'source' | 'sink', choice: FormatChoice, options: Readonly<Record<string, unknown>>, registry: Registry, context: ComponentContext): void {
  const codec = registry.codec(choice.format)
  const prepared: unknown = codec === undefined ? undefined : prepareConfig(codec.config, { ...recordOf(choice.options), ...options }, context)
  const made = kind === 'source' ? codec?.decoder?.(prepared) : codec?.encoder?.(prepared)
  if (made === undefined) throw new SluiceError('CONFIG_VALUE', `The format "${choice.format}" can't be ${kind === 'source' ? 'read' : 'written'}.`)
  if (kind === 'source') codec?.framer?.(prepared)
}

function withoutNeed(config: Field<unknown>, names: readonly string[]): Field<unknown> {
  const properties = Object.entries(config.properties ?? {}).map(([name, of]) => [name, names.includes(name) ? field.optional(of) : of] as const)
  return { ...config, properties: Object.fromEntries(properties) }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {} // An object has keys.
}
