/** Loads a pipeline from a YAML file, or from a module that exports one. */
import { basename, dirname, extname, resolve } from 'node:path'
import { SluiceError } from '../base/index.ts'
import type { PipelineConfig, Registry } from '../engine/index.ts'
import { readTextNow } from '../platform/index.ts'
import { buildPipeline, importPipeline, isModule, moduleName, withPluginsOf } from './builder/build.ts'
import { Diagnostics, renderDiagnostics } from './diagnostic.ts'
import type { Diagnostic } from './diagnostic.ts'
import { Documents, shownPath } from './documents.ts'
import type { ReadText } from './documents.ts'
import { applyOverrides } from './overrides.ts'
import type { PlacedTest } from './config-tests/read.ts'
import { readPipeline } from './pipeline-reader.ts'
import { readPlugins } from './plugins/read.ts'
import type { PipelineDraft } from './pipeline-reader.ts'
import { SourceFile } from './source-file.ts'
import type { Mapping } from './tree.ts'
import { substituteVariables } from './variables.ts'

export interface LoadOptions {
  /** Relative names are resolved against it, and files shown as seen from it; the process's working folder by default. */
  readonly workingFolder?: string
  /** Where `${NAME}` comes from; the environment of the process by default. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Values that replace those of the file, by key; `batch.bytes` names one inside another. Read as YAML. */
  readonly overrides?: Readonly<Record<string, string>>
  /** Reads `NAME.test.yaml` beside `NAME.yaml` too, where there is one. */
  readonly withTests?: boolean
  /** The text of a file, or undefined where there is none. */
  readonly readText?: ReadText
}

export interface LoadResult {
  /** Undefined where there are errors. */
  readonly config: PipelineConfig | undefined
  /** The registry that knows every type of the config. */
  readonly registry: Registry
  /** Errors and warnings, by place. */
  readonly diagnostics: readonly Diagnostic[]
  /** The tests of the file, and of the one beside it where `withTests` asked for it. */
  readonly tests: readonly PlacedTest[]
  /** The module that the pipeline comes from, where it is one: workers import it again. */
  readonly module: string | undefined
  /** Files that were read: what to watch for changes. Absolute. */
  readonly files: readonly string[]
  /** For `echoPipeline`; undefined where nothing could be read. */
  readonly draft: PipelineDraft | undefined
}

/** Reads a pipeline's file (`.yaml`, or `.ts`, `.js` and their kin for a module) with all that belongs to it. Never throws for what a user wrote: all problems are in `diagnostics`. */
export async function loadPipeline(file: string, registry: Registry, options: LoadOptions = {}): Promise<LoadResult> {
  const diagnostics = new Diagnostics()
  const { workingFolder = process.cwd(), env = process.env, overrides = {} } = options
  const files = new Set<string>()
  const readText: ReadText = path => {
    files.add(path)
    return (options.readText ?? readTextNow)(path)
  }
  const { path, withTests } = ofTests(resolve(workingFolder, file), options.withTests === true, readText)
  const yaml = await import('yaml')
  const variables = { env, readText, diagnostics }
  const documents = new Documents({ yaml, diagnostics, readText, workingFolder, substitute: tree => substituteVariables(tree, variables) })
  if (isModule(path)) return loadModule(path, registry, workingFolder, diagnostics, tree => applyOverrides(withTests ? documents.withTests(tree, path) : tree, overrides, yaml, diagnostics))
  const own = documents.read(path)
  const whole = own === undefined || !withTests ? own : documents.withTests(own, path)
  if (whole === undefined) return { ...NOTHING, registry, files: [...files], diagnostics: diagnostics.list() }
  const tree = applyOverrides(whole, overrides, yaml, diagnostics)
  const fallbackName = basename(path, extname(path))
  const folder = dirname(path)
  const { paths, ...known } = await readPlugins(tree, registry, folder, diagnostics)
  for (const one of paths) files.add(one)
  const draft = readPipeline(tree, { ...known, diagnostics, readText, folder, workingFolder, fallbackName })
  return { config: draft.config, registry: known.registry, diagnostics: diagnostics.list(), tests: draft.tests, draft, module: undefined, files: [...files] }
}

/** A file of tests stands for the pipeline beside it, with those tests. */
function ofTests(path: string, withTests: boolean, readText: ReadText): { readonly path: string; readonly withTests: boolean } {
  const stem = path.replace(/\.test\.ya?ml$/, '')
  if (stem === path) return { path, withTests }
  for (const ending of [extname(path), '.ts', '.mts', '.js', '.mjs']) {
    try {
      if (readText(stem + ending) !== undefined) return { path: stem + ending, withTests: true }
    } catch {
      // What is wrong with a file is told when it is read.
    }
  }
  return { path, withTests }
}

const NOTHING = { config: undefined, tests: [], draft: undefined, module: undefined, files: [] } as const

/** A module runs its own code when it is loaded: what it throws is a problem of the pipeline like any other. */
async function loadModule(path: string, base: Registry, workingFolder: string, diagnostics: Diagnostics, change: (tree: Mapping) => Mapping): Promise<LoadResult> {
  const name = shownPath(path, workingFolder)
  try {
    const pipeline = await importPipeline(path)
    const { registry, plugins } = await withPluginsOf(pipeline, base, dirname(path))
    const made = buildPipeline(pipeline, registry, { folder: dirname(path), name: moduleName(path, workingFolder), workingFolder, diagnostics, change, plugins })
    return { config: made.config, registry: made.registry, diagnostics: diagnostics.list(), tests: made.draft.tests, draft: made.draft, module: path, files: [path] }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    diagnostics.error(error.code, { file: new SourceFile(name, path, ''), start: 0, end: 1 }, error.message)
    return { ...NOTHING, registry: base, diagnostics: diagnostics.list() }
  }
}

/** The config, or a SluiceError that tells all problems. */
export function configOrThrow({ config, diagnostics }: LoadResult): PipelineConfig {
  if (config !== undefined) return config
  const errors = diagnostics.filter(one => one.severity === 'error')
  throw new SluiceError(errors[0]?.code ?? 'CONFIG_VALUE', `The pipeline has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}:\n${renderDiagnostics(errors)}`)
}
