/** Reads `plugins:` of a pipeline's file, loads what it names, and tells what is wrong at its place. */
import { dirname } from 'node:path'
import type { PluginConfig, Registry } from '../../engine/index.ts'
import type { Diagnostics } from '../diagnostic.ts'
import type { Place } from '../source-file.ts'
import { entryOf, isBroken, isEmpty, shown } from '../tree.ts'
import type { Mapping, Tree } from '../tree.ts'
import { loadPlugins } from './plugins.ts'

export interface ReadPlugins {
  readonly registry: Registry
  readonly plugins: readonly PluginConfig[]
  readonly paths: readonly string[]
}

/** Most plug-ins of a pipeline. */
const PLUGINS_MAX = 64

export async function readPlugins(tree: Mapping, base: Registry, folder: string, diagnostics: Diagnostics): Promise<ReadPlugins> {
  const value = entryOf(tree, 'plugins')?.value
  if (value === undefined || isEmpty(value) || isBroken(value)) return { registry: base, plugins: [], paths: [] }
  const places = new Map<PluginConfig, Place>()
  for (const item of value.kind === 'list' ? value.items : [value]) {
    const plugin = pluginOf(item, folder, diagnostics)
    if (plugin !== undefined) places.set(plugin, item.place)
  }
  if (places.size > PLUGINS_MAX) diagnostics.error('CONFIG_LIMIT', value.place, `A pipeline can't have more than ${PLUGINS_MAX} plug-ins.`)
  const { registry, plugins, paths, failures } = await loadPlugins([...places.keys()].slice(0, PLUGINS_MAX), base)
  for (const { plugin, error } of failures) diagnostics.error(error.code, places.get(plugin) ?? value.place, error.message)
  return { registry, plugins, paths }
}

/** A path in an included file is seen from there. */
function pluginOf(item: Tree, folder: string, diagnostics: Diagnostics): PluginConfig | undefined {
  if (item.kind !== 'leaf' || typeof item.value !== 'string' || item.value.trim() === '') {
    if (!isBroken(item)) diagnostics.error('CONFIG_VALUE', item.place, `"plugins" must be a list of paths and names of packages, not ${shown(item)}.`, { expected: 'a path that begins with ./ or the name of a package', hint: 'For example: plugins: [./my-stage.ts, some-package]' })
    return undefined
  }
  const { path } = item.place.file
  return { name: item.value, folder: path === '' ? folder : dirname(path) }
}
