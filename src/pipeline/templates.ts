/**
 * Templates: lists of stages with typed parameters.
 *
 *     templates:
 *       late:
 *         parameters: { limit: { type: integer, default: 60 } }
 *         stages:
 *           - filter: event.delay > ${param:limit}
 *     stages:
 *       - use: late
 *         with: { limit: 90 }
 *
 * A leaf that is wholly `${param:limit}` becomes the value as it is, with its place, be it a list or a map; within a text it becomes text.
 */
import { suggest } from '../base/index.ts'
import { field } from '../engine/index.ts'
import type { Field } from '../engine/index.ts'
import { checkValue } from './check-value.ts'
import { or } from './expectation.ts'
import type { PipelineReading } from './pipeline-reader.ts'
import type { Place } from './source-file.ts'
import { broken, entryOf, isEmpty, leaf, mapLeaves, shown } from './tree.ts'
import type { Entry, Leaf, Mapping, Tree } from './tree.ts'
import { ValueContext } from './value-context.ts'

/** A stage entry that uses a template. */
export interface Use {
  readonly name: string
  readonly tree: Mapping
  /** Where the template is named. */
  readonly place: Place
  readonly given: Tree | undefined
  readonly from: Entry | undefined
  readonly hasId: boolean
}

interface Parameter {
  readonly field: Field<unknown>
  readonly fallback: Tree | undefined
}
interface Template {
  readonly name: string
  readonly parameters: ReadonlyMap<string, Parameter>
  readonly stages: Tree
}

const TYPES: Readonly<Record<string, Field<unknown>>> = {
  string: field.string(), integer: field.integer(), number: field.number(), boolean: field.boolean(), duration: field.duration(), size: field.size(),
  path: field.path(), expression: field.expression(), list: field.list(field.anything()), map: field.record(field.anything()), any: field.anything(),
}
export const PARAMETER_TYPES: readonly string[] = Object.keys(TYPES)
const USE_KEYS: readonly string[] = ['use', 'with', 'id', 'from']
const PARAM = /\$\{param:([^}]*)\}/g

export class Templates {
  readonly #reading: PipelineReading
  readonly #context: ValueContext
  readonly #byName = new Map<string, Template>()

  constructor(tree: Tree | undefined, reading: PipelineReading) {
    this.#reading = reading
    this.#context = new ValueContext(reading)
    if (tree === undefined || isEmpty(tree)) return
    if (tree.kind !== 'map') {
      reading.diagnostics.error('CONFIG_VALUE', tree.place, `"templates" must be a map from name to template, not ${shown(tree)}.`)
      return
    }
    for (const entry of tree.entries) {
      const template = this.#define(entry)
      if (template !== undefined) this.#byName.set(entry.key, template)
    }
  }

  /** The use that an entry of `stages` is, or undefined where it is a stage. */
  use(tree: Tree): Use | undefined {
    const named = tree.kind === 'map' ? entryOf(tree, 'use') : undefined
    if (tree.kind !== 'map' || named === undefined) return undefined
    for (const { key, keyPlace } of tree.entries) {
      if (USE_KEYS.includes(key)) continue
      const suggestion = suggest(key, USE_KEYS)
      this.#reading.diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `Beside "use" there is no "${key}".`, { suggestion, hint: suggestion === undefined ? `It takes: ${or(USE_KEYS.slice(1))}.` : undefined })
    }
    const { value } = named
    const name = value.kind === 'leaf' && typeof value.value === 'string' ? value.value : ''
    return { name, tree, place: value.place, given: entryOf(tree, 'with')?.value, from: entryOf(tree, 'from'), hasId: entryOf(tree, 'id') !== undefined }
  }

  /** The stages of the template, parameters put in; undefined where there is none of that name. */
  stagesOf(use: Use): Tree | undefined {
    const template = this.#byName.get(use.name)
    if (template === undefined) {
      const suggestion = suggest(use.name, this.#byName.keys())
      const known = [...this.#byName.keys()]
      const hint = suggestion !== undefined ? undefined : known.length === 0 ? 'Write it below "templates".' : `There are: ${known.join(', ')}.`
      this.#reading.diagnostics.error('CONFIG_REFERENCE', use.place, `There is no template "${use.name}".`, { suggestion, hint })
      return undefined
    }
    const values = this.#values(template, use)
    return mapLeaves(template.stages, one => this.#fill(one, template, values))
  }

  #define({ key, keyPlace, value }: Entry): Template | undefined {
    const { diagnostics } = this.#reading
    if (value.kind !== 'map') {
      diagnostics.error('CONFIG_VALUE', value.place, `The template "${key}" must be a map with "stages", not ${shown(value)}.`, { expected: 'a map with "stages" and maybe "parameters"' })
      return undefined
    }
    for (const other of value.entries) {
      if (['parameters', 'stages', 'description'].includes(other.key)) continue
      const suggestion = suggest(other.key, ['parameters', 'stages', 'description'])
      diagnostics.error('CONFIG_UNKNOWN_FIELD', other.keyPlace, `A template has no "${other.key}".`, { suggestion, hint: suggestion === undefined ? 'It takes: parameters, stages, description.' : undefined })
    }
    const stages = entryOf(value, 'stages')?.value
    if (stages === undefined || isEmpty(stages)) {
      diagnostics.error('CONFIG_MISSING_FIELD', keyPlace, `The template "${key}" needs "stages".`)
      return undefined
    }
    const parameters = new Map<string, Parameter>()
    const given = entryOf(value, 'parameters')?.value
    if (given?.kind === 'map') for (const entry of given.entries) this.#parameter(entry, parameters)
    else if (given !== undefined && !isEmpty(given)) diagnostics.error('CONFIG_VALUE', given.place, `"parameters" must be a map from name to parameter, not ${shown(given)}.`, { hint: 'For example: parameters: { limit: { type: integer, default: 60 } }' })
    return { name: key, parameters, stages }
  }

  #parameter({ key, value }: Entry, parameters: Map<string, Parameter>): void {
    const { diagnostics } = this.#reading
    const checked = checkValue(PARAMETER, value, `parameters.${key}`, this.#context.checks())
    const type = typeof checked === 'object' && checked !== null && 'type' in checked ? String(checked.type) : 'any'
    const of = TYPES[type] ?? field.anything()
    const fallback = value.kind === 'map' ? entryOf(value, 'default')?.value : undefined
    if (fallback !== undefined && type !== 'expression') checkValue(of, fallback, `parameters.${key}.default`, this.#context.checks())
    if (!/^[A-Za-z_]\w*$/.test(key)) diagnostics.error('CONFIG_VALUE', value.place, `A parameter's name is made of letters, digits and _; not ${JSON.stringify(key)}.`)
    parameters.set(key, { field: of, fallback })
  }

  #values(template: Template, { given, place }: Use): Map<string, Tree | undefined> {
    const { diagnostics } = this.#reading
    const values = new Map<string, Tree | undefined>()
    if (given !== undefined && !isEmpty(given) && given.kind !== 'map') diagnostics.error('CONFIG_VALUE', given.place, `"with" must be a map of parameters, not ${shown(given)}.`, { expected: 'a map of parameters' })
    for (const { key, keyPlace, value } of given?.kind === 'map' ? given.entries : []) {
      const parameter = template.parameters.get(key)
      if (parameter === undefined) {
        const known = [...template.parameters.keys()]
        const suggestion = suggest(key, known)
        diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `The template "${template.name}" has no parameter "${key}".`, { suggestion, hint: suggestion === undefined ? (known.length === 0 ? 'It takes none.' : `It takes: ${known.join(', ')}.`) : undefined })
        continue
      }
      const before = diagnostics.errors
      // An expression is checked where it is put: only there is known what it may read.
      if (parameter.field['x-sluice'] !== 'expression') checkValue(parameter.field, value, `with.${key}`, this.#context.checks())
      values.set(key, diagnostics.errors === before ? value : undefined)
    }
    for (const [name, { field: of, fallback }] of template.parameters) {
      if (values.has(name)) continue
      if (fallback === undefined) diagnostics.error('CONFIG_MISSING_FIELD', place, `The template "${template.name}" needs the parameter "${name}".`, { hint: `Give it: with: { ${name}: ... }`, expected: of.description })
      values.set(name, fallback)
    }
    return values
  }

  #fill(one: Leaf, template: Template, values: ReadonlyMap<string, Tree | undefined>): Tree {
    if (typeof one.value !== 'string' || !one.value.includes('${param:')) return one
    const alone = /^\$\{param:([^}]*)\}$/.exec(one.value.trim())
    if (alone !== null) return this.#value(alone[1] ?? '', one, template, values) ?? broken(one.place)
    const origins: string[] = []
    let open = one.made === undefined || one.made.open
    let whole = true
    const text = one.value.replace(PARAM, (reference, name: string) => {
      const value = this.#value(name, one, template, values)
      if (value === undefined) {
        whole = false
        return reference
      }
      if (value.kind !== 'leaf') {
        this.#reading.diagnostics.error('CONFIG_VALUE', one.place, `The parameter "${name}" is ${shown(value)}: it can't stand within a text.`, { hint: 'Let the whole value be ${param:...}.' })
        whole = false
        return reference
      }
      origins.push(`parameter ${name}`)
      if (value.made !== undefined && !value.made.open) open = false
      return typeof value.value === 'string' ? value.value : value.written
    })
    if (!whole) return broken(one.place)
    return leaf(text, one.place, { raw: one.made?.raw ?? one.value, whole: false, origins: [...(one.made?.origins ?? []), ...origins], open })
  }

  #value(name: string, one: Leaf, template: Template, values: ReadonlyMap<string, Tree | undefined>): Tree | undefined {
    if (values.has(name)) return values.get(name)
    const known = [...template.parameters.keys()]
    const suggestion = suggest(name, known)
    const hint = suggestion !== undefined ? undefined : known.length === 0 ? 'It has no parameters.' : `It has: ${known.join(', ')}.`
    this.#reading.diagnostics.error('CONFIG_REFERENCE', one.place, `The template "${template.name}" has no parameter "${name}".`, { suggestion, hint })
    return undefined
  }
}

const PARAMETER: Field<unknown> = field.object({
  type: field.choice(PARAMETER_TYPES, { default: 'any', description: 'Kind of value' }),
  default: field.optional(field.anything({ description: 'Value where the use gives none; without it the parameter must be given' })),
  description: field.optional(field.string()),
})

/** What a template holds beside its stages. */
export const TEMPLATE_FIELDS: Readonly<Record<string, Field<unknown>>> = {
  description: field.string({ description: 'What the template is for' }),
  parameters: field.record(PARAMETER, { description: 'Values that a use gives, by name: `${param:name}` stands for them' }),
}
