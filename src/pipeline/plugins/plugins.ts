/**
 * Plug-ins of a pipeline: modules that bring sources, stages, sinks, formats and functions, by the same define calls that Sluice itself uses.
 *
 * The main thread loads them when it reads the pipeline; every worker loads them again, by the list in the pipeline's config.
 */
import { SluiceError } from '../../base/index.ts'
import type { PluginConfig, Registry } from '../../engine/index.ts'
import type { AnyDeclaration } from '../extended-registry.ts'
import { withDeclarations } from '../extended-registry.ts'
import { checkNames, declarationsOf } from './declarations.ts'
import { importPlugin } from './plugin-module.ts'

export interface LoadedPlugins {
  /** Knows what the plug-ins bring, beside its own. */
  readonly registry: Registry
  /** Those that were loaded, each once. */
  readonly plugins: readonly PluginConfig[]
  /** Their files. */
  readonly paths: readonly string[]
  readonly failures: readonly { readonly plugin: PluginConfig; readonly error: SluiceError }[]
}

/** Loads plug-ins one after the other. One that fails is told in `failures`; nothing of it is taken. */
export async function loadPlugins(wanted: readonly PluginConfig[], base: Registry): Promise<LoadedPlugins> {
  const owners = new Map<string, string>()
  const paths = new Set<string>()
  const declarations: AnyDeclaration[] = []
  const plugins: PluginConfig[] = []
  const failures: { plugin: PluginConfig; error: SluiceError }[] = []
  for (const plugin of wanted) {
    try {
      const { path, text, exported } = await importPlugin(plugin)
      if (paths.has(path)) continue
      const found = declarationsOf(plugin.name, exported)
      checkNames(plugin.name, found, base, owners)
      paths.add(path)
      plugins.push({ ...plugin, text })
      declarations.push(...found.map(one => ({ ...one, foreign: true })))
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      failures.push({ plugin, error })
    }
  }
  return { registry: declarations.length === 0 ? base : withDeclarations(base, declarations), plugins, paths: [...paths], failures }
}

/** The registry with the plug-ins of a pipeline that was checked before. Throws what is wrong with the first that fails. */
export async function withPlugins(base: Registry, plugins: readonly PluginConfig[] = []): Promise<Registry> {
  const { registry, failures } = await loadPlugins(plugins, base)
  if (failures[0] !== undefined) throw failures[0].error
  return registry
}
