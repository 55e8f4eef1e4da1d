/**
 * What a tap must not show: fields that a stage of the pipeline hides (`hides` of its declaration), at every place, also before they are hidden.
 *
 * Before such a stage a field may still have another name, or be a part of another. So the names are followed against the flow: a stage tells out of which fields of its
 * input a field of its output is made (`origins`). Where one does not tell, nothing that comes before it is shown but the shape of the events.
 */
import type { JsonValue } from '../../event/index.ts'
import { PARTITION_BY } from '../config.ts'
import type { Registry, StageConfig } from '../config.ts'
import type { ComponentContext } from '../component.ts'
import type { Node, Plan } from '../plan.ts'
import { prepareConfig } from '../prepare.ts'

export type FieldPath = readonly string[]
/** Paths of fields, or all of them. */
export type Hidden = readonly FieldPath[] | 'all'

/** What stands for a value. */
export const MASK = '***'

/** What is hidden at both sides of each node, by its index. */
export interface HiddenAt {
  readonly before: readonly Hidden[]
  readonly after: readonly Hidden[]
}

/** `context` is that of the stages, as for making them. */
export function hiddenFields(plan: Plan, registry: Registry, context: (id: string) => ComponentContext): HiddenAt {
  const named = plan.nodes.map(node => namedBy(node, registry, context))
  const everywhere = named.flat()
  const before: Hidden[] = plan.nodes.map(() => everywhere)
  const after: Hidden[] = plan.nodes.map(() => everywhere)
  if (everywhere.length === 0) return { before, after }
  // Paths below the hidden fields of what comes behind, and of the stages in between; against the flow, each node behind all that it feeds.
  const flowing: Hidden[] = plan.nodes.map(() => [])
  for (const node of againstFlow(plan)) {
    const behind = [...node.outputs.values()].flat().map(index => flowing[index] ?? [])
    const out = union(behind)
    const made = origins(node, out, registry, context)
    flowing[node.index] = union([made, named[node.index] ?? []])
    after[node.index] = union([out, everywhere])
    before[node.index] = union([flowing[node.index] ?? [], everywhere])
  }
  return { before, after }
}

function namedBy(node: Node, registry: Registry, context: (id: string) => ComponentContext): readonly FieldPath[] {
  const config = stageOf(node)
  const declaration = config === undefined ? undefined : registry.stage(config.type)
  if (config === undefined || declaration?.hides === undefined) return []
  return declaration.hides(prepareConfig(declaration.config, config.config, context(node.id)))
}

/** The fields of a node's input out of which these of its output are made. */
function origins(node: Node, paths: Hidden, registry: Registry, context: (id: string) => ComponentContext): Hidden {
  const config = stageOf(node)
  if (paths === 'all' || paths.length === 0 || config === undefined) return paths
  const declaration = registry.stage(config.type)
  if (declaration?.origins === undefined) return 'all'
  const prepared = prepareConfig(declaration.config, config.config, context(node.id))
  const found: FieldPath[] = []
  for (const path of paths) {
    const from = declaration.origins(prepared, path)
    if (from === 'all') return 'all'
    found.push(...from)
  }
  return found
}

function stageOf(node: Node): StageConfig | undefined {
  if (node.kind !== 'stage') return undefined
  const config = node.config as StageConfig // The node of a stage.
  return config.type === PARTITION_BY ? undefined : config
}

function againstFlow({ nodes }: Plan): Node[] {
  const result: Node[] = []
  const seen = new Set<number>()
  const visit = (node: Node): void => {
    if (seen.has(node.index)) return
    seen.add(node.index)
    for (const taker of [...node.outputs.values()].flat()) visit(nodes[taker] as Node) // The plan's own index.
    result.push(node)
  }
  for (const node of nodes) visit(node)
  return result
}

function union(many: readonly Hidden[]): Hidden {
  const paths = new Map<string, FieldPath>()
  for (const hidden of many) {
    if (hidden === 'all') return 'all'
    for (const path of hidden) paths.set(JSON.stringify(path), path)
  }
  return [...paths.values()]
}

/** A copy of a value without what is hidden. */
export function masked(value: JsonValue, hidden: Hidden): JsonValue {
  if (hidden === 'all') return shapeOf(value)
  let result = value
  for (const path of hidden) result = withMask(result, path, 0)
  return result
}

function withMask(value: JsonValue, path: FieldPath, depth: number): JsonValue {
  if (depth === path.length) return value === null ? null : MASK
  // A list on the way: the field of each of its items.
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(item => withMask(item, path, depth)) // Array.isArray does not narrow a readonly array.
  if (typeof value !== 'object' || value === null) return value
  const name = path[depth] ?? ''
  if (!Object.hasOwn(value, name)) return value
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, key === name && of !== undefined ? withMask(of, path, depth + 1) : of])) as JsonValue // As the entries of a JSON value are.
}

/** Names stay, values do not. */
function shapeOf(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value === null ? null : MASK
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(shapeOf) // As above.
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, of === undefined ? of : shapeOf(of)])) as JsonValue // As above.
}
