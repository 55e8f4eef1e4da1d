/** What the checks of values share: where problems go, how paths are resolved, and the schema files read so far. */
import { basename, dirname, isAbsolute, resolve } from 'node:path'
import type { Field } from '../engine/index.ts'
import type { EventSchema } from './check-expression.ts'
import type { ValueChecks } from './check-value.ts'
import type { PipelineReading } from './pipeline-reader.ts'
import { shown } from './tree.ts'
import type { Leaf } from './tree.ts'

type TextLeaf = Leaf & { readonly value: string }
export type JsonSchema = Readonly<Record<string, unknown>>

export class ValueContext {
  readonly reading: PipelineReading
  readonly #schemas = new Map<string, JsonSchema | undefined>()

  constructor(reading: PipelineReading) {
    this.reading = reading
  }

  checks(eventSchema?: EventSchema): ValueChecks {
    return {
      diagnostics: this.reading.diagnostics,
      eventSchema,
      functions: this.reading.registry.functions,
      path: leaf => this.#path(leaf),
      schemaFile: (leaf, name) => this.#checkSchema(leaf, name),
    }
  }

  /** The schema of a file that was read for a config, by its path as the config has it. */
  schemaAt(path: string): EventSchema | undefined {
    const schema = this.#schemas.get(resolve(this.reading.folder, path))
    return schema === undefined ? undefined : { name: basename(path), schema }
  }

  /** The config with each schema file that it names read already. */
  withSchemas(of: Field<unknown>, config: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const read = Object.entries(config).map(([name, value]) => {
      const schema = of.properties?.[name]?.['x-sluice'] === 'schema' && typeof value === 'string' ? this.#schemas.get(resolve(this.reading.folder, value)) : undefined
      return [name, schema ?? value] as const
    })
    return Object.fromEntries(read)
  }

  /** Paths of an included file are its own; those of the pipeline's file and those that have no file stay as they are. */
  #path({ value, place, made }: TextLeaf): string {
    const folder = dirname(place.file.path)
    return isAbsolute(value) || made !== undefined || place.file.path === '' || folder === this.reading.folder ? value : resolve(folder, value)
  }

  #checkSchema(leaf: TextLeaf, name: string): void {
    const path = resolve(this.reading.folder, this.#path(leaf))
    if (this.#schemas.has(path)) return
    this.#schemas.set(path, undefined)
    const fail = (what: string): void => this.reading.diagnostics.error('CONFIG_FILE', leaf.place, `"${name}": the schema ${leaf.made === undefined || leaf.made.open ? leaf.value : shown(leaf)} ${what}`)
    let text: string | undefined
    try {
      text = this.reading.readText(path)
    } catch (error) {
      return fail(`can't be read: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (text === undefined) return fail('is not there.')
    try {
      const schema: unknown = JSON.parse(text)
      if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return fail('must be a JSON object.')
      this.#schemas.set(path, schema as JsonSchema) // An object that is no array.
    } catch (error) {
      fail(`is not JSON: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}
