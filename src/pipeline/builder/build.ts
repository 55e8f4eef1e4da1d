/** Makes the engine's config of a TypeScript pipeline, and loads modules that export one. */
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError } from '../../base/index.ts'
import type { PipelineConfig, PluginConfig, Registry, SinkDeclaration, SourceDeclaration, StageDeclaration } from '../../engine/index.ts'
import { readTextNow } from '../../platform/index.ts'
import { Diagnostics, renderDiagnostics } from '../diagnostic.ts'
import { shownPath } from '../documents.ts'
import { withDeclarations } from '../extended-registry.ts'
import { loadPlugins } from '../plugins/plugins.ts'
import { readPipeline } from '../pipeline-reader.ts'
import type { PipelineDraft } from '../pipeline-reader.ts'
import { Pipeline } from './pipeline.ts'
import type { Graph } from './pipeline.ts'
import type { Mapping } from '../tree.ts'
import { writtenTree } from './written-tree.ts'

export interface BuildOptions {
  /** Folder against which relative paths are resolved, unless the pipeline's settings say another; the working folder by default. */
  readonly folder?: string
  /** As messages call the pipeline. */
  readonly name?: string
  readonly workingFolder?: string
  readonly diagnostics?: Diagnostics
  /** Plug-ins that the registry knows already (`withPluginsOf`). */
  readonly plugins?: readonly PluginConfig[]
  /** Changes the tree before it is read: values from the command line. */
  readonly change?: (tree: Mapping) => Mapping
}

export interface BuiltPipeline {
  /** Undefined where there are errors. */
  readonly config: PipelineConfig | undefined
  /** Knows the types of the given registry and those of the pipeline itself. */
  readonly registry: Registry
  readonly draft: PipelineDraft
  readonly diagnostics: Diagnostics
}

/** Checks a pipeline and makes its config. */
export function buildPipeline({ graph }: Pipeline<unknown>, base: Registry, options: BuildOptions = {}): BuiltPipeline {
  const { workingFolder = process.cwd(), diagnostics = new Diagnostics(), change = (tree: Mapping) => tree } = options
  const folder = resolve(workingFolder, graph.settings.folder ?? options.folder ?? '.')
  const registry = withDeclarations(base, graph.declarations.map(one => (isOwn(one, base) ? one : { ...one, foreign: true })))
  const tree = change(writtenTree(layoutOf(graph), options.name ?? `pipeline "${graph.name}"`, resolve(folder, 'pipeline')))
  const draft = readPipeline(tree, { registry, diagnostics, readText: readTextNow, folder, workingFolder, fallbackName: graph.name, ...(options.plugins === undefined ? {} : { plugins: options.plugins }) })
  return { config: draft.config, registry, draft, diagnostics }
}

/** True for a component of the registry that a pipeline uses; others are code of whoever wrote the pipeline. */
function isOwn(one: SourceDeclaration | StageDeclaration | SinkDeclaration, { source, stage, sink }: Registry): boolean {
  const known = { source, stage, sink }[one.kind](one.type)
  return known !== undefined && known.foreign !== true && Object.is(known.create, one.create)
}

/** The registry with the plug-ins that a pipeline names. Throws what is wrong with the first that fails. */
export async function withPluginsOf({ graph }: Pipeline<unknown>, base: Registry, from = '.'): Promise<{ readonly registry: Registry; readonly plugins: readonly PluginConfig[] }> {
  const folder = resolve(graph.settings.folder ?? from)
  const { registry, plugins, failures } = await loadPlugins((graph.settings.plugins ?? []).map(name => ({ name, folder })), base)
  if (failures[0] !== undefined) throw failures[0].error
  return { registry, plugins }
}

/** The pipeline as a file would have it. */
function layoutOf({ name, settings, sources, stages, sinks, deadLetters }: Graph): Record<string, unknown> {
  const { folder: _, ...rest } = settings
  return { pipeline: name, sources: Object.fromEntries(sources), ...(stages.length === 0 ? {} : { stages }), sinks: Object.fromEntries(sinks), dead_letters: deadLetters, ...rest }
}

/** True for a file that holds a program. */
export function isModule(file: string): boolean {
  return ['.ts', '.mts', '.js', '.mjs'].includes(extname(file))
}

/** As messages call the config of a module: their lines are those of the config that it makes, not of its source. */
export function moduleName(path: string, workingFolder: string): string {
  return `config of ${shownPath(path, workingFolder)}`
}

/** The pipeline that a module exports by default. Throws MODULE_FAILED where there is none. */
export async function importPipeline(path: string): Promise<Pipeline<unknown>> {
  let made: unknown
  try {
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown } // Any module may have a default export.
    made = module.default
  } catch (error) {
    throw new SluiceError('MODULE_FAILED', `${path} can't be loaded: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  if (made instanceof Pipeline) return made as Pipeline<unknown> // Nothing here asks for the events' type.
  throw new SluiceError('MODULE_FAILED', `${path} must export a pipeline by default: export default pipeline('name').from(...)...to(...)`)
}

/** The config and the registry of the pipeline that a module exports by default. Throws CONFIG_... with all problems. */
export async function loadModulePipeline(file: string, base: Registry, workingFolder = process.cwd()): Promise<{ readonly config: PipelineConfig; readonly registry: Registry }> {
  const path = resolve(workingFolder, file)
  const pipeline = await importPipeline(path)
  const { registry, plugins } = await withPluginsOf(pipeline, base, dirname(path))
  const made = buildPipeline(pipeline, registry, { folder: dirname(path), name: moduleName(path, workingFolder), workingFolder, plugins })
  if (made.config !== undefined) return { config: made.config, registry: made.registry }
  const errors = made.diagnostics.list().filter(one => one.severity === 'error')
  throw new SluiceError(errors[0]?.code ?? 'CONFIG_VALUE', `The pipeline has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}:\n${renderDiagnostics(errors)}`)
}
