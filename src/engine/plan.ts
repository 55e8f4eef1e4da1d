/**
 * Turns a pipeline's config into a plan: which node feeds which, and where the graph is cut into levels.
 *
 * Level 0 runs on every worker, on whatever batch comes next: only stages without memory may stand there. A stage with memory opens a new
 * level, whose lanes get the batches in order: one lane for all (`single`), or one per worker where `partition_by` says which events belong
 * together. What follows stays on that level until another exchange is needed.
 *
 *     level 0: source -> filter -> map            any worker, any order
 *                                   | exchange     batches in order, rows numbered
 *     level 1:               partition_by -> score -> route     lane = owner of the key
 *                                   | merge        rows back in their order
 *                                 sinks
 *
 * An edge goes from one level to the next at most: longer ones are cut by relays, so that every row passes each level in order.
 */
import { SluiceError } from '../base/index.ts'
import { PARTITION_BY } from './config.ts'
import type { PipelineConfig, Registry, SinkConfig, SourceConfig, StageConfig } from './config.ts'

export interface Plan {
  readonly config: PipelineConfig
  readonly nodes: readonly Node[]
  /** Indices into `nodes`. */
  readonly sources: readonly number[]
  readonly sinks: readonly number[]
  /** Index of the node that takes the dead letters. */
  readonly deadLetters: number
  readonly levels: readonly Level[]
}

export interface Level {
  readonly index: number
  /** True where an exchange by key feeds it: it then has as many lanes as there are workers. Others have one lane; level 0 has no lanes. */
  readonly keyed: boolean
  /** Nodes of this level, each behind all that feed it. */
  readonly nodes: readonly number[]
}

export type NodeKind = 'source' | 'stage' | 'partition' | 'relay' | 'sink' | 'dead_letters'

export interface Node {
  readonly index: number
  readonly id: string
  readonly kind: NodeKind
  readonly level: number
  /** How many edges come in; more than one means that rows must be put in order again. */
  readonly inputs: number
  /** Who takes the main output, and the named ones. Indices into `nodes`. */
  readonly outputs: ReadonlyMap<string, readonly number[]>
  readonly config: SourceConfig | StageConfig | SinkConfig | undefined
}

/** Name of a stage's main output. */
export const MAIN = ''

interface Draft {
  index: number
  id: string
  kind: NodeKind
  level: number
  from: { node: number; output: string }[]
  config: SourceConfig | StageConfig | SinkConfig | undefined
}

/** Makes the plan. Throws PLAN_... where ids, types or edges do not fit; configs from files are checked before, with places. */
export function makePlan(config: PipelineConfig, registry: Registry): Plan {
  const drafts = draft(config)
  order(drafts)
  const deadLetters = drafts.find(node => node.kind === 'dead_letters')
  if (deadLetters === undefined) throw new SluiceError('INTERNAL', 'a plan without dead letters')
  const keyed = assignLevels(drafts, registry)
  const nodes = finish(drafts)
  const levels = keyed.map((isKeyed, index) => ({
    index,
    keyed: isKeyed,
    nodes: sorted(nodes.filter(node => node.level === index && node.kind !== 'dead_letters'), drafts).map(node => node.index),
  }))
  return {
    config,
    nodes,
    levels,
    sources: nodes.filter(node => node.kind === 'source').map(node => node.index),
    sinks: nodes.filter(node => node.kind === 'sink').map(node => node.index),
    deadLetters: deadLetters.index,
  }
}

function draft(config: PipelineConfig): Draft[] {
  const drafts: Draft[] = []
  // Sinks have names of their own: nothing takes from a sink, so one may be called like the stage that feeds it.
  const byId = new Map<string, Draft>()
  const sinkIds = new Set<string>(['dead_letters'])
  const add = (id: string, kind: NodeKind, from: readonly string[], of: Draft['config']): void => {
    const taken = kind === 'sink' ? sinkIds.has(id) : byId.has(id)
    if (taken) throw new SluiceError('PLAN_ID_TWICE', `Two ${kind === 'sink' ? 'sinks' : 'nodes'} are called "${id}".`)
    const node: Draft = { index: drafts.length, id, kind, level: 0, from: from.map(text => ({ node: -1, output: text })), config: of }
    drafts.push(node)
    if (kind === 'sink') sinkIds.add(id)
    else byId.set(id, node)
  }
  for (const source of config.sources) add(source.id, 'source', [], source)
  for (const stage of config.stages) add(stage.id, stage.type === PARTITION_BY ? 'partition' : 'stage', stage.from, stage)
  for (const sink of config.sinks) add(sink.id, 'sink', sink.from, sink)
  if (config.sources.length === 0) throw new SluiceError('PLAN_EMPTY', 'The pipeline has no source.')
  if (config.sinks.length === 0) throw new SluiceError('PLAN_EMPTY', 'The pipeline has no sink.')
  for (const node of drafts) node.from = node.from.map(edge => resolve(edge.output, node.id, byId))
  drafts.push({ index: drafts.length, id: 'dead_letters', kind: 'dead_letters', level: 0, from: [], config: config.deadLetters })
  return drafts
}

function resolve(reference: string, by: string, byId: ReadonlyMap<string, Draft>): { node: number; output: string } {
  const whole = byId.get(reference)
  if (whole !== undefined) return { node: whole.index, output: MAIN }
  const dot = reference.lastIndexOf('.')
  const owner = dot < 0 ? undefined : byId.get(reference.slice(0, dot))
  if (owner === undefined) throw new SluiceError('PLAN_UNKNOWN_NODE', `"${by}" takes from "${reference}", which does not exist.`)
  return { node: owner.index, output: reference.slice(dot + 1) }
}

/** Checks that no edge goes round. Kahn's algorithm; leaves a topological number in `rank`. */
function order(drafts: readonly Draft[]): void {
  const open = drafts.map(node => node.from.length)
  const ready = drafts.filter(node => node.from.length === 0).map(node => node.index)
  let seen = 0
  for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
    seen++
    for (const node of drafts) {
      for (const edge of node.from) {
        if (edge.node !== next) continue
        const left = (open[node.index] ?? 0) - 1
        open[node.index] = left
        if (left === 0) ready.push(node.index)
      }
    }
  }
  if (seen === drafts.length) return
  const round = drafts.filter(node => (open[node.index] ?? 0) > 0).map(node => `"${node.id}"`)
  throw new SluiceError('PLAN_CYCLE', `These feed each other in a circle: ${round.join(', ')}.`)
}

/** Gives each node its level and cuts long edges by relays. Answers which levels are keyed. */
function assignLevels(drafts: Draft[], registry: Registry): boolean[] {
  let moved = true
  while (moved) {
    moved = false
    for (const node of drafts) {
      const level = Math.max(node.level, ...node.from.map(edge => levelAfter(drafts[edge.node], node, registry)))
      if (level === node.level) continue
      node.level = level
      moved = true
    }
  }
  for (const node of [...drafts]) node.from = node.from.map(edge => relay(drafts, edge, node.level))
  const count = Math.max(...drafts.map(node => node.level)) + 1
  return Array.from({ length: count }, (_, level) => drafts.some(node => node.kind === 'partition' && node.level === level))
}

function levelAfter(feeder: Draft | undefined, node: Draft, registry: Registry): number {
  const level = feeder?.level ?? 0
  if (node.kind === 'partition') return level + 1
  if (node.kind !== 'stage' || level > 0) return level
  return registry.stage(node.config?.type ?? '')?.memory === 'keyed' ? 1 : level
}

function relay(drafts: Draft[], edge: { node: number; output: string }, level: number): { node: number; output: string } {
  let from = edge
  for (let at = (drafts[edge.node]?.level ?? 0) + 1; at < level; at++) {
    const index = drafts.length
    drafts.push({ index, id: `relay-${index}`, kind: 'relay', level: at, from: [from], config: undefined })
    from = { node: index, output: MAIN }
  }
  return from
}

function finish(drafts: readonly Draft[]): Node[] {
  const outputs = drafts.map(() => new Map<string, number[]>())
  for (const node of drafts) {
    for (const edge of node.from) {
      const of = outputs[edge.node]
      const takers = of?.get(edge.output) ?? []
      takers.push(node.index)
      of?.set(edge.output, takers)
    }
  }
  return drafts.map(node => ({
    index: node.index,
    id: node.id,
    kind: node.kind,
    level: node.level,
    inputs: node.from.length,
    outputs: outputs[node.index] ?? new Map<string, number[]>(),
    config: node.config,
  }))
}

/** The nodes, each behind its feeders of the same level; ties in order of declaration. */
function sorted(nodes: readonly Node[], drafts: readonly Draft[]): Node[] {
  const result: Node[] = []
  const placed = new Set<number>()
  const inside = new Set(nodes.map(node => node.index))
  while (result.length < nodes.length) {
    for (const node of nodes) {
      if (placed.has(node.index)) continue
      const waits = drafts[node.index]?.from.some(edge => inside.has(edge.node) && !placed.has(edge.node)) ?? false
      if (waits) continue
      placed.add(node.index)
      result.push(node)
    }
  }
  return result
}
