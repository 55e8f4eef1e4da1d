/** Finds out, for all sources and sinks of a pipeline at once, whether what they connect to is there. */
import { formatDuration } from '../../base/index.ts'
import { contextFor, prepareConfig } from '../../engine/index.ts'
import type { ComponentContext, PipelineConfig, Registry, SinkDeclaration, SourceDeclaration } from '../../engine/index.ts'
import { systemClock, systemRandom } from '../../platform/index.ts'

export interface Probed {
  readonly id: string
  readonly role: 'source' | 'sink' | 'dead letters'
  readonly type: string
  /** `untested`: it connects to nothing, or can't be tested without more than a look. `late`: no answer in time. */
  readonly outcome: 'there' | 'failed' | 'late' | 'untested'
  readonly error?: unknown
}

type Part = Pick<Probed, 'id' | 'role' | 'type'> & { readonly config: unknown; readonly declaration: SourceDeclaration | SinkDeclaration | undefined }

/** Answers in the order of the pipeline, when all have answered or `deadline` milliseconds are over. Never throws for what a component says. */
export async function probePipeline(config: PipelineConfig, registry: Registry, deadline: number, warn: (place: string, message: string) => void): Promise<readonly Probed[]> {
  const stop = new AbortController()
  const timer = Promise.withResolvers<'late'>()
  const timeout = setTimeout(() => timer.resolve('late'), deadline)
  const contexts = contextFor(config, systemClock, systemRandom, stop.signal, warn, registry.functions)
  try {
    return await Promise.all(partsOf(config, registry).map(async ({ config: own, declaration, ...part }): Promise<Probed> => {
      const probing = declaration === undefined ? undefined : probe(declaration, own, contexts(part.id))
      if (probing === undefined) return { ...part, outcome: 'untested' }
      try {
        return { ...part, outcome: await Promise.race([probing.then(() => 'there' as const), timer.promise]) }
      } catch (error) {
        return { ...part, outcome: 'failed', error }
      }
    }))
  } finally {
    clearTimeout(timeout)
    stop.abort()
  }
}

function partsOf({ sources, sinks, deadLetters }: PipelineConfig, registry: Registry): Part[] {
  return [
    ...sources.map(({ id, type, config }) => ({ id, role: 'source' as const, type, config, declaration: registry.source(type) })),
    ...sinks.map(({ id, type, config }) => ({ id, role: 'sink' as const, type, config, declaration: registry.sink(type) })),
    ...(deadLetters === undefined ? [] : [{ id: 'dead_letters', role: 'dead letters' as const, type: deadLetters.type, config: deadLetters.config, declaration: registry.sink(deadLetters.type) }]),
  ]
}

/** Undefined where the component can't be tested. */
function probe(declaration: SourceDeclaration | SinkDeclaration, config: unknown, context: ComponentContext): Promise<void> | undefined {
  if (declaration.probe === undefined && declaration.opensQuietly !== true) return undefined
  return test(declaration, config, context)
}

async function test(declaration: SourceDeclaration | SinkDeclaration, config: unknown, context: ComponentContext): Promise<void> {
  const prepared = prepareConfig(declaration.config, config, context)
  if (declaration.probe !== undefined) return declaration.probe(prepared, context)
  const component = declaration.create(prepared, context)
  try {
    await component.open(undefined)
  } finally {
    await component.close('stopped')
  }
}

/** Why a component that gave no answer may have given none. */
export function lateText(deadline: number): string {
  return `gave no answer within ${formatDuration(deadline)}. Is the address right, is it running, and does a firewall let through?`
}
