/** The registry for commands that look at components: Sluice's own, and those of plug-ins that are named on the command line or by a pipeline. */
import type { Command } from 'commander'
import type { Registry } from '../engine/index.ts'
import type { AnyDeclaration } from '../pipeline/index.ts'
import { UsageError } from './failure.ts'
import { loadForCommand } from './load.ts'
import type { Session } from './session.ts'

export interface PluginOptions {
  readonly plugin: readonly string[]
  readonly pipeline?: string
}

export interface KnownComponents {
  readonly registry: Registry
  /** What plug-ins brought, each as kind and type: `stage shout`. */
  readonly brought: ReadonlySet<string>
}

export function addPluginOptions(command: Command): Command {
  return command
    .option('-p, --plugin <name>', 'with what this plug-in brings: a path that begins with ./, or a package; may be repeated', (name: string, all: readonly string[]) => [...all, name], [])
    .option('--pipeline <file>', 'with the plug-ins of this pipeline')
}

export async function knownComponents({ plugin, pipeline }: PluginOptions, session: Session): Promise<KnownComponents> {
  if (pipeline === undefined && plugin.length === 0) return { registry: (await import('../registry.ts')).registry, brought: new Set() }
  const base = pipeline === undefined ? (await import('../registry.ts')).registry : await registryOf(pipeline, session)
  const [{ loadPlugins }, { answerToOwnName }, own] = await Promise.all([import('../pipeline/index.ts'), import('../own-name.ts'), import('../registry.ts')])
  answerToOwnName()
  const { registry, failures } = await loadPlugins(plugin.map(name => ({ name, folder: session.io.folder })), base)
  const [failure] = failures
  if (failure !== undefined) throw new UsageError(failure.error.code, failure.error.message)
  return { registry, brought: broughtTo(registry, own.registry) }
}

/** Other faults of the pipeline don't matter here. */
async function registryOf(file: string, session: Session): Promise<Registry> {
  const { registry, diagnostics } = await loadForCommand(file, session)
  const wrong = diagnostics.find(({ code }) => code.startsWith('PLUGIN_'))
  if (wrong !== undefined) throw new UsageError(wrong.code, `${wrong.file}:${wrong.line}:${wrong.column}  ${wrong.message}`)
  return registry
}

function broughtTo(registry: Registry, own: Registry): Set<string> {
  const kinds = ['source', 'stage', 'sink', 'codec'] as const
  const brought: readonly Pick<AnyDeclaration, 'kind' | 'type'>[] = [...kinds.flatMap(kind => registry.all(kind).filter(one => !own.all(kind).includes(one))), ...Object.values(registry.functions ?? {})]
  return new Set(brought.map(({ kind, type }) => `${kind} ${type}`))
}
