/**
 * Ties the nodes together: who takes whose output. A stage takes the one before it, the first stage all sources, a sink the last stage,
 * unless `from` says otherwise.
 */
import { suggest } from '../base/index.ts'
import type { Diagnostics } from './diagnostic.ts'
import type { DraftNode } from './nodes.ts'
import type { Place } from './source-file.ts'
import { entryOf, isEmpty, shown } from './tree.ts'
import type { Leaf, Tree } from './tree.ts'

export interface Edge {
  readonly node: DraftNode
  /** Name of the output, or undefined for the main one. */
  readonly output: string | undefined
  /** Where it was written; undefined where it follows from the order. */
  readonly place: Place | undefined
}

export interface Wiring {
  readonly from: ReadonlyMap<DraftNode, readonly Edge[]>
  /** Sources and stages, each behind all that feed it; what lies in a circle is left out. */
  readonly order: readonly DraftNode[]
}

export interface Wired {
  readonly sources: readonly DraftNode[]
  readonly stages: readonly DraftNode[]
  readonly sinks: readonly DraftNode[]
  /** Who a name of a template's use stands for: its last stage. */
  readonly aliases: ReadonlyMap<string, DraftNode>
}

export function wire(nodes: Wired, diagnostics: Diagnostics): Wiring {
  const { sources, stages, sinks } = nodes
  const known = new Map([...nodes.aliases, ...[...sources, ...stages].map(node => [node.id, node] as const)])
  const from = new Map<DraftNode, readonly Edge[]>()
  let before: readonly DraftNode[] = sources
  for (const stage of stages) {
    from.set(stage, givenEdges(stage, known, diagnostics) ?? before.map(main))
    before = [stage]
  }
  for (const sink of sinks) from.set(sink, givenEdges(sink, known, diagnostics) ?? before.map(main))
  return { from, order: ordered([...sources, ...stages], from, diagnostics) }
}

function main(node: DraftNode): Edge {
  return { node, output: undefined, place: undefined }
}

function givenEdges(node: DraftNode, known: ReadonlyMap<string, DraftNode>, diagnostics: Diagnostics): Edge[] | undefined {
  const option = node.options.find(entry => entry.key === 'from')?.value
  if (option === undefined) return undefined
  const edges: Edge[] = []
  for (const name of namesIn(option, diagnostics)) {
    const edge = edgeTo(name, node, known)
    if (edge === undefined) unknownNode(name, node, known, diagnostics)
    else if (edges.some(other => other.node === edge.node && other.output === edge.output)) diagnostics.error('CONFIG_REFERENCE', name.place, `"${name.value}" stands here twice.`)
    else edges.push(edge)
  }
  return edges
}

type Name = Leaf & { readonly value: string }

function namesIn(tree: Tree, diagnostics: Diagnostics): Name[] {
  const names: Name[] = []
  for (const item of tree.kind === 'list' ? tree.items : [tree]) {
    if (item.kind === 'leaf' && typeof item.value === 'string' && item.value !== '') names.push({ ...item, value: item.value })
    else diagnostics.error('CONFIG_VALUE', item.place, `"from" must be an id or a list of ids, not ${isEmpty(item) ? 'nothing' : shown(item)}.`, { expected: 'an id or a list of ids' })
  }
  return names
}

/** Looks a name up in the node's own template first, then outward. */
function edgeTo({ value, place }: Name, node: DraftNode, known: ReadonlyMap<string, DraftNode>): Edge | undefined {
  for (let scope = node.scope; ; scope = scope.replace(/[^/]*\/$/, '')) {
    const whole = known.get(scope + value)
    if (whole !== undefined) return { node: whole, output: undefined, place }
    const dot = value.lastIndexOf('.')
    const owner = dot < 0 ? undefined : known.get(scope + value.slice(0, dot))
    if (owner !== undefined) return { node: owner, output: value.slice(dot + 1), place }
    if (scope === '') return undefined
  }
}

function unknownNode({ value, place }: Name, by: DraftNode, known: ReadonlyMap<string, DraftNode>, diagnostics: Diagnostics): void {
  const names = [...known.keys()].filter(name => name !== by.id)
  const suggestion = suggest(value, names)
  const hint = suggestion !== undefined ? undefined : names.length === 0 ? 'There are no sources or stages.' : `There are: ${names.slice(0, 20).join(', ')}.`
  diagnostics.error('CONFIG_REFERENCE', place, `There is no source or stage "${value}".`, { suggestion, hint })
}

/** Kahn's algorithm, in the order of declaration. What it can't place lies in a circle or behind one. */
function ordered(nodes: readonly DraftNode[], from: ReadonlyMap<DraftNode, readonly Edge[]>, diagnostics: Diagnostics): DraftNode[] {
  const placed = new Set<DraftNode>()
  const order: DraftNode[] = []
  for (let before = -1; before !== placed.size; ) {
    before = placed.size
    for (const node of nodes) {
      if (placed.has(node) || from.get(node)?.some(edge => !placed.has(edge.node)) === true) continue
      placed.add(node)
      order.push(node)
    }
  }
  const circle = findCircle(nodes.filter(node => !placed.has(node)), from)
  if (circle.length > 0) {
    const [first] = circle
    const edge = first === undefined ? undefined : from.get(first)?.find(one => circle.includes(one.node))
    const place = edge?.place ?? first?.place
    if (place !== undefined) diagnostics.error('CONFIG_CYCLE', place, `These stages feed each other in a circle: ${[...circle, ...circle.slice(0, 1)].map(node => node.id).join(' <- ')}.`)
  }
  return order
}

/** Follows edges back from a node that could not be placed until one comes again. */
function findCircle(left: readonly DraftNode[], from: ReadonlyMap<DraftNode, readonly Edge[]>): DraftNode[] {
  const path: DraftNode[] = []
  for (let node = left[0]; node !== undefined; node = from.get(node)?.find(edge => left.includes(edge.node))?.node) {
    const at = path.indexOf(node)
    if (at >= 0) return path.slice(at)
    path.push(node)
  }
  return []
}

type OutputsOf = (node: DraftNode) => readonly string[] | undefined

/** Tells of references to outputs that a stage does not have. */
export function checkOutputs(nodes: Wired, wiring: Wiring, outputsOf: OutputsOf, diagnostics: Diagnostics): void {
  for (const { node, output, place } of [...nodes.stages, ...nodes.sinks].flatMap(taker => wiring.from.get(taker) ?? [])) {
    const outputs = outputsOf(node)
    if (output === undefined || place === undefined || outputs === undefined || outputs.includes(output)) continue
    const hint = outputs.length === 0 ? `"${node.id}" has one output only: write from: ${node.id}.` : `It has: ${outputs.join(', ')}.`
    const suggestion = suggest(output, outputs)
    diagnostics.error('CONFIG_REFERENCE', place, `"${node.id}" has no output "${output}".`, suggestion === undefined ? { hint } : { suggestion: `${node.id}.${suggestion}` })
  }
}

/** Tells of sources, stages and outputs that nothing takes. */
export function warnOfUnused({ sources, stages, sinks }: Wired, wiring: Wiring, outputsOf: OutputsOf, diagnostics: Diagnostics): void {
  const taken = new Set([...stages, ...sinks].flatMap(taker => wiring.from.get(taker) ?? []).map(({ node, output }) => `${node.id}.${output ?? ''}`))
  const warn = (place: Place, what: string, hint: string): void => diagnostics.warning('CONFIG_UNUSED', place, what, { hint: `Name it in the \`from\` of a stage or sink${hint}.` })
  for (const node of stages) {
    const outputs = outputsOf(node) ?? []
    const named = outputs.filter(output => taken.has(`${node.id}.${output}`))
    if (named.length === 0 && !taken.has(`${node.id}.`)) {
      warn(node.place, `Nothing takes the output of "${node.id}": its events end here.`, '')
      continue
    }
    for (const output of outputs) {
      if (!named.includes(output)) warn(outputPlace(node, output), `Nothing takes the output "${output}" of "${node.id}": its events end here.`, `: ${node.id}.${output}`)
    }
  }
  for (const source of sources) if (!taken.has(`${source.id}.`)) warn(source.idPlace, `Nothing takes the events of "${source.id}".`, '')
}

/** Tells of sinks that may get an event twice after a crash, where the pipeline has checkpoints: they can't go back to a mark. */
export function warnOfRepeats({ sinks }: Wired, diagnostics: Diagnostics): void {
  for (const { declaration, place, id, type } of sinks) {
    if (declaration?.kind !== 'sink' || declaration.marks === true) continue
    diagnostics.warning('CONFIG_AT_LEAST_ONCE', place, `The sink "${id}" can't go back to a checkpoint: after a crash it may get events twice.`, { hint: `${type} takes each event at least once; give events an id that the receiver can drop repeats by.` })
  }
}

/** Tells of sinks that begin anew at each start behind a source whose senders were told that their events are safe. */
export function warnOfReplacing({ sources, sinks }: Wired, configOf: (node: DraftNode) => Readonly<Record<string, unknown>>, diagnostics: Diagnostics): void {
  const sender = sources.find(({ declaration }) => declaration?.kind === 'source' && declaration.acks === true && declaration.replays !== true)
  if (sender === undefined) return
  for (const sink of sinks) {
    const { declaration, place, id } = sink
    if (declaration?.kind !== 'sink' || declaration.replaces?.(configOf(sink)) !== true) continue
    diagnostics.warning('CONFIG_REPLACES', place, `The sink "${id}" begins anew at each start: what "${sender.id}" took in before is then gone.`, { hint: 'Write mode: append, or give the pipeline a `state`.' })
  }
}

/** Where the config of the stage names the output, if it does so by a key. */
function outputPlace({ config, place }: DraftNode, output: string): Place {
  const inside = (tree: Tree): Place | undefined => {
    if (tree.kind !== 'map') return undefined
    return entryOf(tree, output)?.keyPlace ?? tree.entries.map(entry => inside(entry.value)).find(found => found !== undefined)
  }
  return inside(config) ?? place
}
