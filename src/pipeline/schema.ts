/**
 * The JSON Schema of a pipeline's file, made from the declarations of a registry: for completion and marks in editors.
 *
 * It accepts all that `loadPipeline` accepts; the loader is stricter where JSON Schema can't say it. Draft 7, which every editor reads.
 */
import { isDeepStrictEqual } from 'node:util'
import { PARTITION_BY } from '../engine/index.ts'
import type { Field, Registry } from '../engine/index.ts'
import { mustBeGiven } from './check-value.ts'
import { TESTS } from './config-tests/layout.ts'
import { expectation, typesOf } from './expectation.ts'
import { NAME, SETTINGS, SINK_OPTIONS, SOURCE_OPTIONS, STAGE_OPTIONS } from './layout.ts'
import { PARTITION_STAGE, declarationOf } from './nodes.ts'
import type { NodeDeclaration, NodeKind } from './nodes.ts'
import { TEMPLATE_FIELDS } from './templates.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

export function pipelineSchema(registry: Registry): JsonSchema {
  const definitions: Record<string, unknown> = {}
  const nested: Nested = { names: new Map(), definitions }
  for (const kind of ['source', 'stage', 'sink'] as const) for (const one of declarations(kind, registry)) definitions[`${kind}.${one.type}`] = configSchema(one, nested, registry)
  definitions['source'] = nodeSchema('source', SOURCE_OPTIONS, registry)
  definitions['stage'] = { anyOf: [nodeSchema('stage', STAGE_OPTIONS, registry), useSchema()] }
  definitions['sink'] = nodeSchema('sink', SINK_OPTIONS, registry)
  const settings = Object.entries(SETTINGS.properties ?? {}).map(([name, of]) => [name, fieldSchema(of)])
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Sluice pipeline',
    type: 'object',
    additionalProperties: false,
    properties: {
      pipeline: fieldSchema(NAME),
      plugins: { description: 'Modules that bring components and functions: a path that begins with ./, or the name of a package', anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
      include: { description: 'Files that come before this one', anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
      templates: { description: 'Lists of stages with parameters, by name', type: 'object', additionalProperties: templateSchema() },
      sources: { description: 'Where events come from, by id', type: 'object', additionalProperties: { $ref: '#/definitions/source' } },
      stages: stageList('What happens to events, in order: each stage takes the one before it unless `from` says otherwise'),
      sinks: { description: 'Where events go, by id; each takes the last stage unless `from` says otherwise', type: 'object', additionalProperties: { $ref: '#/definitions/sink' } },
      dead_letters: { description: 'Where events go that failed; a file by default', allOf: [{ $ref: '#/definitions/sink' }] },
      ...Object.fromEntries(settings),
      tests: fieldSchema(TESTS),
    },
    definitions,
  }
}

function declarations(kind: NodeKind, registry: Registry): NodeDeclaration[] {
  const all = registry.all(kind).map(one => declarationOf(kind, one.type, registry)).filter(one => one !== undefined)
  return kind === 'stage' ? [...all.filter(one => one.type !== PARTITION_BY), PARTITION_STAGE] : all
}

/** The schema of one component's config: its long form, its short form, and nothing at all where nothing must be given. */
function configSchema({ config, shorthand, summary }: NodeDeclaration, nested: Nested, registry: Registry): JsonSchema {
  const long = fieldSchema(withOptions(config, registry), nested)
  const short = shorthand === undefined ? undefined : config.properties?.[shorthand]
  const forms = [long, ...(short === undefined ? [] : [fieldSchema(short, nested)]), ...(mustBeGiven(config) ? [] : [{ type: 'null' }])]
  return forms.length === 1 ? { description: summary, ...long } : { description: summary, anyOf: forms }
}

/** The config with the options of its formats in the place of what only stands for them: those of all formats that may be meant, since which one is may follow from a name. */
function withOptions(config: Field<unknown>, registry: Registry): Field<unknown> {
  const properties = Object.entries(config.properties ?? {}).map(([name, of]) => [name, of['x-formats'] === undefined ? of : optionsOf(of, of['x-formats'], registry)] as const)
  return config.properties === undefined ? config : { ...config, properties: Object.fromEntries(properties) }
}

function optionsOf(field: Field<unknown>, formats: readonly string[], registry: Registry): Field<unknown> {
  const joined = new Map<string, Field<unknown>[]>()
  for (const format of formats) {
    for (const [name, property] of Object.entries(registry.codec(format)?.config.properties ?? {})) {
      const of = { ...property, default: undefined }
      const others = joined.get(name) ?? []
      if (!others.some(one => isDeepStrictEqual(one, of))) joined.set(name, [...others, of])
    }
  }
  const properties = [...joined].map(([name, kinds]) => [name, { ...(kinds.length === 1 ? kinds[0] : { anyOf: kinds }), 'x-optional': true }] as const)
  return { ...field, 'x-sluice': undefined, properties: Object.fromEntries(properties), additionalProperties: false }
}

/** A node's entry: its type with its config, and the options of its kind. A type alone stands for itself with nothing given. */
function nodeSchema(kind: NodeKind, options: Readonly<Record<string, Field<unknown>>>, registry: Registry): JsonSchema {
  const known = declarations(kind, registry)
  const bare = known.filter(one => !mustBeGiven(one.config)).map(one => one.type)
  const map = {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...Object.fromEntries(known.map(one => [one.type, { $ref: `#/definitions/${kind}.${one.type}`, description: one.summary }])),
      ...Object.fromEntries(Object.entries(options).map(([name, of]) => [name, fieldSchema(of)])),
    },
    anyOf: known.map(one => ({ required: [one.type] })),
  }
  return bare.length === 0 ? map : { anyOf: [map, { type: 'string', enum: bare }] }
}

function useSchema(): JsonSchema {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['use'],
    properties: {
      use: { type: 'string', description: 'Name of the template whose stages stand here' },
      with: { type: 'object', description: 'Its parameters' },
      id: fieldSchema(STAGE_OPTIONS.id),
      from: fieldSchema(STAGE_OPTIONS.from),
    },
  }
}

function stageList(description: string): JsonSchema {
  return { description, type: 'array', items: { $ref: '#/definitions/stage' } }
}

function templateSchema(): JsonSchema {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['stages'],
    properties: { ...Object.fromEntries(Object.entries(TEMPLATE_FIELDS).map(([name, of]) => [name, fieldSchema(of)])), stages: stageList('What stands in the place of a use') },
  }
}

/** Fields that hold themselves (a value, or a map of values), by their names among the definitions: JSON Schema says such a thing by reference. */
interface Nested {
  readonly names: Map<Field<unknown>, string>
  readonly definitions: Record<string, unknown>
}

/** The name of a field that holds itself, which then stands among the definitions; undefined for any other. */
function nameOf(of: Field<unknown>, nested: Nested): string | undefined {
  const known = nested.names.get(of)
  if (known !== undefined || !holdsItself(of)) return known
  const name = `nested${nested.names.size === 0 ? '' : `-${nested.names.size + 1}`}`
  nested.names.set(of, name)
  nested.definitions[name] = shapeOf(of, nested)
  return name
}

function holdsItself(of: Field<unknown>): boolean {
  const seen = new Set<Field<unknown>>()
  const open = [...innerFields(of)]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (one === of) return true
    if (seen.has(one)) continue
    seen.add(one)
    open.push(...innerFields(one))
  }
  return false
}

function innerFields({ anyOf = [], items, properties = {}, additionalProperties }: Field<unknown>): readonly Field<unknown>[] {
  return [...anyOf, ...(items === undefined ? [] : [items]), ...Object.values(properties), ...(typeof additionalProperties === 'object' ? [additionalProperties] : [])]
}

/** A field as users may write it: leaves may be `${...}`, expressions may be numbers. */
export function fieldSchema(of: Field<unknown>, nested: Nested = { names: new Map(), definitions: {} }): JsonSchema {
  const { description, examples } = of
  const told = {
    ...(description === undefined ? {} : { description }),
    ...(examples === undefined ? {} : { examples }),
    ...(of.default === undefined ? {} : { default: of.default }),
  }
  const name = nameOf(of, nested)
  return { ...told, ...(name === undefined ? shapeOf(of, nested) : { allOf: [{ $ref: `#/definitions/${name}` }] }) }
}

const REFERENCE = { type: 'string', pattern: '\\$\\{' } as const

function shapeOf(of: Field<unknown>, nested: Nested): JsonSchema {
  const special = of['x-sluice']
  if (of.anyOf !== undefined) return { anyOf: of.anyOf.map(one => fieldSchema(one, nested)) }
  if (special === undefined) return plainShape(of, nested)
  switch (special) {
    case 'expression':
      return { type: ['string', 'number', 'boolean', 'null'], title: expectation(of) }
    case 'duration':
      return { type: ['string', 'integer'], pattern: '^\\s*(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)\\s*$|\\$\\{', maximum: 0, minimum: 0 }
    case 'size':
      return { type: ['string', 'integer'], pattern: '^\\s*\\d+(\\.\\d+)?\\s*[A-Za-z]*\\s*$|\\$\\{', minimum: 0 }
    case 'path':
      return { type: 'string', minLength: 1 }
    case 'schema':
      return { type: ['string', 'object'] }
    case 'format_options':
      return { type: 'object' }
    case 'template':
    case 'secret':
      return { type: 'string' }
  }
}

function plainShape(of: Field<unknown>, nested: Nested): JsonSchema {
  const types = typesOf(of)
  const shape: Record<string, unknown> = {}
  if (types.length > 0) shape['type'] = types.length === 1 ? types[0] : types
  for (const keyword of ['enum', 'minimum', 'maximum', 'minLength', 'minItems', 'pattern'] as const) if (of[keyword] !== undefined) shape[keyword] = of[keyword]
  if (of.items !== undefined) shape['items'] = fieldSchema(of.items, nested)
  if (of.properties !== undefined) {
    shape['properties'] = Object.fromEntries(Object.entries(of.properties).map(([name, inner]) => [name, fieldSchema(inner, nested)]))
    const required = Object.entries(of.properties).filter(([, inner]) => mustBeGiven(inner)).map(([name]) => name)
    if (required.length > 0) shape['required'] = required
  }
  if (typeof of.additionalProperties === 'object') shape['additionalProperties'] = fieldSchema(of.additionalProperties, nested)
  else if (of.additionalProperties !== undefined) shape['additionalProperties'] = of.additionalProperties
  // A text that is wholly one ${...} takes the kind that is wanted.
  const turns = of.enum !== undefined || of.pattern !== undefined || (!types.includes('string') && types.some(type => type === 'integer' || type === 'number' || type === 'boolean'))
  return turns ? { anyOf: [shape, REFERENCE] } : shape
}
