/**
 * Finds the nodes of a pipeline in its tree: sources, stages and sinks, each with its type, its options and the tree of its own config.
 * Nothing is checked here but the form of the entries; configs and references come after, when all nodes are known.
 */
import { suggest } from '../base/index.ts'
import { PARTITION_BY, defineStage, field } from '../engine/index.ts'
import type { Registry, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../engine/index.ts'
import { mayHoldSecret } from './check-value.ts'
import type { Diagnostics } from './diagnostic.ts'
import { SINK_OPTIONS, SOURCE_OPTIONS, STAGE_OPTIONS } from './layout.ts'
import type { Place } from './source-file.ts'
import { isBroken, isEmpty, leaf, shown } from './tree.ts'
import type { Entry, Mapping, Tree } from './tree.ts'

export type NodeKind = 'source' | 'stage' | 'sink'
export type NodeDeclaration = SourceDeclaration | StageDeclaration | SinkDeclaration

export interface DraftNode {
  readonly kind: NodeKind
  /** Empty until ids have been given out, for a stage that has none of its own. */
  id: string
  readonly idPlace: Place
  readonly type: string
  /** Undefined where there is no such type: the node then only holds its place. */
  readonly declaration: NodeDeclaration | undefined
  /** The component's own config. */
  readonly config: Tree
  /** Where the type is named. */
  readonly place: Place
  /** The options beside the type, without `id`. */
  readonly options: readonly Entry[]
  /** Ids of the nodes of a template begin with this; references are looked up here first. */
  readonly scope: string
}

export interface NodeReading {
  readonly registry: Registry
  readonly diagnostics: Diagnostics
}

/** Sends events with equal keys to one owner; the engine knows it by name. */
export const PARTITION_STAGE: StageDeclaration = defineStage({
  type: PARTITION_BY,
  summary: 'Send events with equal keys to one owner, in order',
  description: 'What follows runs per key: stages with memory see the events of one key only, and several workers share the keys.',
  shorthand: 'key',
  config: field.object({ key: field.expression({ description: 'What decides which events belong together' }) }),
  examples: [{ title: 'Keep the events of each sensor in order', config: 'event.sensor' }],
  eventSchema: (_config, incoming) => incoming,
  create: () => ({
    process: (events, out) => {
      for (const event of events) out.emit(event)
    },
  }),
})

export function declarationOf(kind: NodeKind, type: string, registry: Registry): NodeDeclaration | undefined {
  if (kind === 'stage') return type === PARTITION_BY ? PARTITION_STAGE : registry.stage(type)
  return kind === 'source' ? registry.source(type) : registry.sink(type)
}

/** Type names of a kind, for suggestions. */
export function typeNames(kind: NodeKind, registry: Registry): string[] {
  const names = registry.all(kind).map(one => one.type)
  return kind === 'stage' ? [...names, PARTITION_BY] : names
}

const OPTIONS: Readonly<Record<NodeKind, readonly string[]>> = {
  source: Object.keys(SOURCE_OPTIONS), stage: Object.keys(STAGE_OPTIONS), sink: Object.keys(SINK_OPTIONS),
}

/** Reads `sources:` or `sinks:`, a map from id to entry. */
export function readNodeMap(kind: 'source' | 'sink', tree: Tree, reading: NodeReading): DraftNode[] {
  if (isBroken(tree)) return []
  if (tree.kind !== 'map') {
    reading.diagnostics.error('CONFIG_VALUE', tree.place, `"${kind}s" must be a map from id to ${kind}, not ${shown(tree)}.`, { expected: `a map from id to ${kind}`, hint: `For example: ${kind}s: { ${kind === 'source' ? 'in' : 'out'}: { file: { path: data.ndjson } } }` })
    return []
  }
  return tree.entries.map(entry => readNode(kind, entry.key, entry.keyPlace, entry.value, '', reading)).filter(node => node !== undefined)
}

/** Reads one entry of `stages:`. Its id is given out later where it has none. */
export function readStage(tree: Tree, scope: string, reading: NodeReading): DraftNode | undefined {
  const id = tree.kind === 'map' ? tree.entries.find(entry => entry.key === 'id') : undefined
  return readNode('stage', '', id?.value.place ?? tree.place, tree, scope, reading)
}

export function readNode(kind: NodeKind, id: string, idPlace: Place, tree: Tree, scope: string, reading: NodeReading): DraftNode | undefined {
  if (isBroken(tree)) return undefined
  // A type alone: `discard`, for `discard: {}`.
  if (tree.kind === 'leaf' && typeof tree.value === 'string') {
    return makeNode(kind, id, idPlace, tree.value, tree.place, { ...leaf(null, tree.place), written: '' }, [], scope, reading)
  }
  if (tree.kind !== 'map') {
    const expected = `a map with the ${kind}'s type`
    reading.diagnostics.error('CONFIG_VALUE', tree.place, `A ${kind} must be ${expected}, not ${shown(tree)}.`, { expected, hint: example(kind) })
    return undefined
  }
  const typeEntry = findType(kind, tree, reading)
  if (typeEntry === undefined) return undefined
  const options = tree.entries.filter(entry => entry !== typeEntry && entry.key !== 'id' && OPTIONS[kind].includes(entry.key))
  return makeNode(kind, id, idPlace, typeEntry.key, typeEntry.keyPlace, typeEntry.value, options, scope, reading)
}

function makeNode(kind: NodeKind, id: string, idPlace: Place, type: string, place: Place, config: Tree, options: readonly Entry[], scope: string, reading: NodeReading): DraftNode {
  const declaration = declarationOf(kind, type, reading.registry)
  if (declaration === undefined) {
    unknownType(kind, type, place, reading)
    reading.diagnostics.concealIn(config.place.file, config.place)
  }
  return { kind, id, idPlace, type, declaration, config, place, options, scope }
}

/** The entry whose key is the type. What is neither type nor option is told, with what may have been meant. */
function findType(kind: NodeKind, tree: Mapping, reading: NodeReading): Entry | undefined {
  const others = tree.entries.filter(entry => !OPTIONS[kind].includes(entry.key))
  const known = others.filter(entry => declarationOf(kind, entry.key, reading.registry) !== undefined)
  // Without a known type, the entry that is not a slip of an option is the one that was meant as the type.
  const [type = others.find(entry => suggest(entry.key, OPTIONS[kind]) === undefined) ?? others[0]] = known
  if (type === undefined) {
    reading.diagnostics.error('CONFIG_MISSING_FIELD', tree.place, `This ${kind} has no type.`, { expected: `one of ${typeNames(kind, reading.registry).join(', ')}`, hint: example(kind) })
    return undefined
  }
  for (const other of others) {
    if (other === type) continue
    if (known.includes(other)) {
      const hint = kind === 'stage' ? 'Make it an entry of its own: each entry of the list is one stage.' : `Give it an id of its own: each entry is one ${kind}.`
      reading.diagnostics.error('CONFIG_VALUE', other.keyPlace, `This ${kind} has two types, "${type.key}" and "${other.key}".`, { hint })
    } else unknownOption(kind, other, type, reading)
  }
  return type
}

function unknownOption(kind: NodeKind, { key, keyPlace, value }: Entry, type: Entry, { diagnostics, registry }: NodeReading): void {
  const own = Object.keys(declarationOf(kind, type.key, registry)?.config.properties ?? {})
  // A field of the component, written one level too far out.
  const misplaced = own.includes(key)
  const field = declarationOf(kind, type.key, registry)?.config.properties?.[key]
  if (field !== undefined && mayHoldSecret(field)) diagnostics.conceal(value.place)
  const suggestion = misplaced ? undefined : suggest(key, OPTIONS[kind])
  const hint = misplaced ? `It belongs below "${type.key}": indent it further.` : suggestion === undefined ? optionsHint(kind, type.key) : undefined
  diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `A ${kind} has no option "${key}".`, { suggestion, hint })
}

function optionsHint(kind: NodeKind, type: string): string {
  return OPTIONS[kind].length === 0 ? `Fields of "${type}" stand below it.` : `Beside its type, a ${kind} takes: ${OPTIONS[kind].join(', ')}.`
}

export function unknownType(kind: NodeKind, type: string, place: Place, { diagnostics, registry }: NodeReading): void {
  const names = typeNames(kind, registry)
  const suggestion = suggest(type, names)
  const elsewhere = (['source', 'stage', 'sink'] as const).find(other => other !== kind && declarationOf(other, type, registry) !== undefined)
  const hint = suggestion !== undefined ? undefined : elsewhere !== undefined ? `"${type}" is a ${elsewhere}.` : `There are: ${names.join(', ')}.`
  diagnostics.error('CONFIG_UNKNOWN_TYPE', place, `There is no ${kind} of type "${type}".`, { suggestion, hint })
}

function example(kind: NodeKind): string {
  return kind === 'stage' ? 'For example: - filter: event.delay > 60' : `For example: { file: { path: data.ndjson } }`
}

/** The config in its long form: `filter: event.a > 1` stands for `filter: { condition: event.a > 1 }`. */
export function longForm(declaration: NodeDeclaration, config: Tree): Tree {
  const { shorthand } = declaration
  if (shorthand === undefined || isEmpty(config)) return config
  const short: Mapping = { kind: 'map', place: config.place, entries: [{ key: shorthand, keyPlace: config.place, value: config }] }
  if (config.kind !== 'map') return short
  const { properties = {}, required = [] } = declaration.config
  if (config.entries.some(entry => entry.key === shorthand)) return config
  const known = config.entries.every(entry => Object.hasOwn(properties, entry.key))
  const complete = required.every(name => config.entries.some(entry => entry.key === name))
  return (known && complete) || !takesMap(properties[shorthand]) ? config : short
}

function takesMap(of: { readonly type?: string | readonly string[]; readonly anyOf?: readonly object[] } | undefined): boolean {
  if (of === undefined) return false
  if (of.anyOf !== undefined) return of.anyOf.some(one => takesMap(one))
  return of.type === undefined || of.type === 'object' || (Array.isArray(of.type) && of.type.includes('object'))
}
