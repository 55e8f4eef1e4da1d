/** Builds and opens the sources of a plan. */
import { SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { Committer, ComponentContext } from './component.ts'
import type { Registry } from './config.ts'
import { watchSource } from './foreign-ends.ts'
import type { Plan } from './plan.ts'
import { prepareConfig } from './prepare.ts'
import { OpenSource } from './sources.ts'
import type { Keeping } from './sources.ts'

/** Opens all sources, each behind its position. If one fails, those already open are closed again. */
export async function openSources(
  plan: Plan,
  registry: Registry,
  context: (id: string) => ComponentContext,
  positions: Readonly<Record<string, JsonValue>>,
  keeping: Keeping,
  committer: Committer | undefined,
): Promise<OpenSource[]> {
  const open: OpenSource[] = []
  try {
    for (const index of plan.sources) {
      const node = plan.nodes[index]
      const declaration = registry.source(node?.config?.type ?? '')
      if (node?.config === undefined || declaration === undefined) throw new SluiceError('PLAN_UNKNOWN_TYPE', `There is no source of type "${node?.config?.type}".`)
      const of = context(node.id)
      const made = declaration.create(prepareConfig(declaration.config, node.config.config, of), of)
      const source = watchSource(made, declaration.foreign === true && plan.config.stallTimeout !== 0 ? plan.config.stallTimeout : undefined, of)
      const position = positions[node.id]
      open.push(new OpenSource(node.id, index, source, declaration.acks === true, position, keeping))
      await source.open(position, committer)
    }
    return open
  } catch (error) {
    for (const { source } of open) await source.close()
    throw error
  }
}
