/** Reads the merged tree of a pipeline into the config that the engine takes, telling everything that is wrong on the way. */
import { dirname, join } from 'node:path'
import { parseSize, suggest } from '../base/index.ts'
import { contextFor, deliveryProblem, prepareConfig } from '../engine/index.ts'
import type { Field, PipelineConfig, PluginConfig, Registry, SinkConfig } from '../engine/index.ts'
import { systemClock, systemRandom } from '../platform/index.ts'
import { checkValue } from './check-value.ts'
import { readTests } from './config-tests/read.ts'
import type { PlacedTest } from './config-tests/read.ts'
import type { Diagnostics } from './diagnostic.ts'
import type { ReadText } from './documents.ts'
import type { EventSchema } from './check-expression.ts'
import { EventSchemas } from './event-schemas.ts'
import { giveIds } from './ids.ts'
import { NAME, SECTIONS, SETTINGS } from './layout.ts'
import { defaultRetry, sinkOf, stageOf } from './node-options.ts'
import { longForm, readNode, readNodeMap } from './nodes.ts'
import type { DraftNode } from './nodes.ts'
import { readStages } from './stage-list.ts'
import { entryOf, isEmpty, shown } from './tree.ts'
import type { Mapping } from './tree.ts'
import { tryCreate } from './try-create.ts'
import type { Tried } from './try-create.ts'
import { ValueContext } from './value-context.ts'
import { checkOutputs, warnOfRepeats, warnOfReplacing, warnOfUnused, wire } from './wiring.ts'
import type { Wired, Wiring } from './wiring.ts'

export interface PipelineReading {
  readonly registry: Registry
  /** The plug-ins that the registry knows, for the workers to load. */
  readonly plugins?: readonly PluginConfig[]
  readonly diagnostics: Diagnostics
  readonly readText: ReadText
  /** Absolute folder of the pipeline's file. */
  readonly folder: string
  readonly workingFolder: string
  /** Name of the pipeline where it does not say. */
  readonly fallbackName: string
}


/** A pipeline as it was read, with the trees of its values. */
export interface PipelineDraft {
  readonly name: string
  readonly tree: Mapping
  readonly nodes: Wired
  readonly wiring: Wiring
  readonly deadLetters: SinkConfig | undefined
  /** Undefined where there are errors. */
  readonly config: PipelineConfig | undefined
  readonly tests: readonly PlacedTest[]
}

export function readPipeline(tree: Mapping, reading: PipelineReading): PipelineDraft {
  const { diagnostics } = reading
  checkSections(tree, diagnostics)
  const context = new ValueContext(reading)
  const name = readName(tree, reading, context)
  const settings = readSettings(tree, reading, context)
  const nodes = readNodes(tree, reading)
  const wiring = wire(nodes, diagnostics)
  const configs = checkConfigs(nodes, wiring, context)
  checkOutputs(nodes, wiring, node => outputsOf(node, configs.get(node)), diagnostics)
  // Behind an error, what seems to be unused may not be.
  if (diagnostics.errors === 0) warnOfUnused(nodes, wiring, node => outputsOf(node, configs.get(node)), diagnostics)
  if (diagnostics.errors === 0 && settings.state !== undefined) warnOfRepeats(nodes, diagnostics)
  if (diagnostics.errors === 0 && settings.state === undefined) warnOfReplacing(nodes, node => configs.get(node) ?? {}, diagnostics)
  const sources = nodes.sources.map(node => ({ id: node.id, type: node.type, config: configs.get(node) ?? {} }))
  const stages = nodes.stages.map(node => stageOf(node, configs.get(node), references(node, wiring), context))
  const sinks = nodes.sinks.map(node => sinkOf(node, configs.get(node), references(node, wiring), context))
  const deadLetters = readDeadLetters(tree, name, settings.state, context, reading)
  const tests = readTests(tree, nodes, context)
  const made = { name, folder: reading.folder, sources, stages, sinks, deadLetters, ...settings, ...(reading.plugins === undefined || reading.plugins.length === 0 ? {} : { plugins: reading.plugins }) }
  if (diagnostics.errors === 0) checkDelivery(made, tree, reading)
  const config = diagnostics.errors > 0 ? undefined : made
  return { name, tree, nodes, wiring, deadLetters, config, tests }
}

/** The same judgement as at the start of a run, but with its place. */
function checkDelivery(config: PipelineConfig, tree: Mapping, { registry, diagnostics }: PipelineReading): void {
  if (config.delivery !== 'exactly_once') return
  const context = contextFor(config, systemClock, systemRandom, new AbortController().signal, () => undefined, registry.functions)
  const problem = deliveryProblem(config, registry, context)
  if (problem !== undefined) diagnostics.error('CONFIG_VALUE', entryOf(tree, 'delivery')?.value.place ?? tree.place, problem)
}

// --------------------------------------------------------------------------------------------------------------- sections

function checkSections(tree: Mapping, diagnostics: Diagnostics): void {
  for (const { key, keyPlace } of tree.entries) {
    if (SECTIONS.includes(key)) continue
    const suggestion = suggest(key, SECTIONS)
    diagnostics.error('CONFIG_UNKNOWN_FIELD', keyPlace, `A pipeline has no section "${key}".`, { suggestion, hint: suggestion === undefined ? `It has: ${SECTIONS.join(', ')}.` : undefined })
  }
  for (const [needed, hint] of NEEDED) {
    const entry = entryOf(tree, needed)
    if (entry === undefined) diagnostics.error('CONFIG_MISSING_FIELD', { ...tree.place, end: tree.place.start + 1 }, `The pipeline has no "${needed}".`, { expected: `a section "${needed}"`, hint })
    else if (isEmpty(entry.value) || (entry.value.kind === 'map' && entry.value.entries.length === 0)) {
      diagnostics.error('CONFIG_MISSING_FIELD', entry.keyPlace, `"${needed}" is empty: a pipeline needs at least one ${needed.slice(0, -1)}.`, { hint })
    }
  }
}

const NEEDED = [
  ['sources', 'For example: sources: { in: { file: { path: data.ndjson } } }'],
  ['sinks', 'For example: sinks: { out: { file: { path: out.ndjson } } }'],
] as const

function readName(tree: Mapping, { fallbackName }: PipelineReading, context: ValueContext): string {
  const entry = entryOf(tree, 'pipeline')
  const value = entry === undefined ? undefined : checkValue(NAME, entry.value, 'pipeline', context.checks())
  return typeof value === 'string' ? value : fallbackName
}

type Settings = Pick<PipelineConfig, 'workers' | 'memory' | 'state' | 'checkpointInterval' | 'ordered' | 'batch' | 'stopTimeout' | 'stallTimeout'>

function readSettings(tree: Mapping, { folder, diagnostics }: PipelineReading, context: ValueContext): Settings {
  const own = { ...tree, entries: tree.entries.filter(entry => Object.hasOwn(SETTINGS.properties ?? {}, entry.key)) }
  const before = diagnostics.errors
  const value = checkValue(SETTINGS, own, '', context.checks())
  checkBatchBytes(tree, diagnostics)
  // Wrong settings stand in the diagnostics; the defaults take their place, so that the rest can be checked.
  const { workers, memory, state, checkpoint_interval, delivery, ordered, batch, stop_timeout, stall_timeout } = prepareConfig(SETTINGS, diagnostics.errors === before ? value : {}, { folder, now: () => 0, random: () => 0 })
  return { workers, memory, state, checkpointInterval: checkpoint_interval, ...(delivery === undefined ? {} : { delivery }), ordered, batch, stopTimeout: stop_timeout, stallTimeout: stall_timeout }
}

/** Columns take a slab of this size and one record more. */
const BATCH_BYTES_MAX = 768 * 1024

function checkBatchBytes(tree: Mapping, diagnostics: Diagnostics): void {
  const batch = entryOf(tree, 'batch')?.value
  const bytes = batch?.kind === 'map' ? entryOf(batch, 'bytes')?.value : undefined
  if (bytes?.kind !== 'leaf' || (typeof bytes.value !== 'string' && typeof bytes.value !== 'number')) return
  const size = parseSize(bytes.value)
  if (size === undefined || (size >= 1024 && size <= BATCH_BYTES_MAX)) return
  diagnostics.error('CONFIG_VALUE', bytes.place, `"batch.bytes" must be from 1KiB to 768KiB, not ${shown(bytes)}.`, { expected: 'a size from 1KiB to 768KiB' })
}

function readNodes(tree: Mapping, reading: PipelineReading): Wired {
  const section = (key: 'sources' | 'sinks'): DraftNode[] => {
    const value = entryOf(tree, key)?.value
    return value === undefined || isEmpty(value) ? [] : readNodeMap(key === 'sources' ? 'source' : 'sink', value, reading)
  }
  const sources = section('sources')
  const { stages, aliases } = readStages(entryOf(tree, 'stages')?.value, entryOf(tree, 'templates')?.value, reading)
  const sinks = section('sinks')
  giveIds([...sources, ...stages], sinks, reading.diagnostics)
  return { sources, stages, sinks, aliases: aliases() }
}

// ---------------------------------------------------------------------------------------------------------------- configs

/** Checks the config of each node, in the order in which events meet them, so that what a stage promises of its events is known behind it. */
function checkConfigs(nodes: Wired, wiring: Wiring, context: ValueContext): Map<DraftNode, Record<string, unknown>> {
  const configs = new Map<DraftNode, Record<string, unknown>>()
  const schemas = new EventSchemas(wiring, context)
  const inOrder = new Set([...wiring.order, ...nodes.sources, ...nodes.stages, ...nodes.sinks])
  for (const node of inOrder) {
    const incoming = schemas.incoming(node)
    const checked = checkConfig(node, context, incoming)
    if (checked === undefined) continue
    configs.set(node, checked.config)
    schemas.leave(node, incoming, checked.config, checked.keepsEvents)
  }
  return configs
}

/** Undefined where there is no such component, or something is wrong with its config. */
function checkConfig(node: DraftNode, context: ValueContext, incoming?: EventSchema): Tried | undefined {
  const { declaration } = node
  if (declaration === undefined) return undefined
  const { diagnostics } = context.reading
  const before = diagnostics.errors
  const value = checkValue(declaration.config, longForm(declaration, node.config), node.type, context.checks(incoming))
  if (diagnostics.errors > before || typeof value !== 'object' || value === null) return undefined
  // What was checked against an object's fields is an object.
  return tryCreate(node, value as Record<string, unknown>, context)
}

function outputsOf({ declaration }: DraftNode, config: Record<string, unknown> | undefined): readonly string[] | undefined {
  if (declaration === undefined || config === undefined) return undefined
  if (declaration.kind !== 'stage' || declaration.outputs === undefined) return []
  try {
    return declaration.outputs(config)
  } catch {
    // A config with problems may be more than the declaration expects; the problems have been told.
    return undefined
  }
}

function references(node: DraftNode, wiring: Wiring): string[] {
  return (wiring.from.get(node) ?? []).map(edge => (edge.output === undefined ? edge.node.id : `${edge.node.id}.${edge.output}`))
}

// ----------------------------------------------------------------------------------------------------------- dead letters

/** Dead letters go where the pipeline says, else to a file beside the state or in the working folder: never nowhere. */
function readDeadLetters(tree: Mapping, name: string, state: string | undefined, context: ValueContext, reading: PipelineReading): SinkConfig | undefined {
  const entry = entryOf(tree, 'dead_letters')
  if (entry === undefined) return defaultDeadLetters(name, state, reading)
  const node = readNode('sink', 'dead_letters', entry.keyPlace, entry.value, '', reading)
  if (node?.declaration === undefined) return undefined
  const from = node.options.find(option => option.key === 'from')
  if (from !== undefined) reading.diagnostics.error('CONFIG_UNKNOWN_FIELD', from.keyPlace, 'Dead letters come from everywhere: "dead_letters" has no "from".')
  return sinkOf(node, checkConfig(node, context)?.config, [], context)
}

function defaultDeadLetters(name: string, state: string | undefined, { registry, workingFolder }: PipelineReading): SinkConfig | undefined {
  const declaration = registry.sink('file')
  if (declaration === undefined) return undefined
  const path = join(state === undefined ? workingFolder : dirname(state), `${name.replace(/[^\w.-]+/g, '-')}.dead-letters.ndjson`)
  return { id: 'dead_letters', type: 'file', config: { ...defaultsOf(declaration.config), path, mode: 'append' }, from: [], retry: defaultRetry(), breaker: undefined, rateLimit: undefined }
}

/** The defaults of a component's fields, in the user's words. */
function defaultsOf(of: Field<unknown>): Record<string, unknown> {
  const given = Object.entries(of.properties ?? {}).filter(([, inner]) => inner.default !== undefined)
  return Object.fromEntries(given.map(([key, inner]) => [key, inner.default]))
}
