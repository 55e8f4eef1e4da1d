/** Builds and opens the sources of a plan. */
import { SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { Committer, ComponentContext, Source } from './component.ts'
import type { Registry } from './config.ts'
import { watchSource } from './foreign-ends.ts'
import type { Plan } from './plan.ts'
import { prepareConfig } from './prepare.ts'
import { OpenSource } from './sources.ts'
import type { Keeping } from './sources.ts'

export interface SourceParts {
  readonly plan: Plan
  readonly registry: Registry
  readonly context: (id: string) => ComponentContext
  readonly positions: Readonly<Record<string, JsonValue>>
  /** Sources that are open and go on as they are, by id. */
  readonly kept: ReadonlyMap<string, OpenSource>
  readonly keeping: Keeping
  readonly committer: Committer | undefined
}

/** Opens all sources that are not kept, each behind its position. If one fails, those opened here are closed again. */
export async function openSources({ plan, registry, context, positions, kept, keeping, committer }: SourceParts): Promise<OpenSource[]> {
  const all: OpenSource[] = []
  const open: Source[] = []
  try {
    for (const index of plan.sources) {
      const node = plan.nodes[index]
      if (node === undefined) continue
      const position = positions[node.id]
      const before = kept.get(node.id)
      const source = before?.source ?? makeSource(plan, index, registry, context)
      all.push(new OpenSource(node.id, index, source, registry.source(node.config?.type ?? '')?.acks === true, position, keeping, before))
      if (kept.has(node.id)) continue
      open.push(source)
      await source.open(position, committer)
    }
    return all
  } catch (error) {
    for (const source of open) await source.close()
    throw error
  }
}

/** Makes the source of a node, without opening it. */
export function makeSource(plan: Plan, index: number, registry: Registry, context: (id: string) => ComponentContext): Source {
  const node = plan.nodes[index]
  const declaration = registry.source(node?.config?.type ?? '')
  if (node?.config === undefined || declaration === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `There is no source of type "${node?.config?.type}".`)
  const of = context(node.id)
  const source = declaration.create(prepareConfig(declaration.config, node.config.config, of), of)
  return watchSource(source, declaration.foreign === true && plan.config.stallTimeout !== 0 ? plan.config.stallTimeout : undefined, of)
}
