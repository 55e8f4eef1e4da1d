/** Runs a pipeline of TypeScript inside of the program that made it. */
import { runPipeline } from './engine/index.ts'
import type { Report, RunOptions } from './engine/index.ts'
import { buildPipeline, configOrThrow, withPluginsOf } from './pipeline/index.ts'
import type { Pipeline } from './pipeline/index.ts'
import { registry } from './registry.ts'

export interface EmbedOptions extends RunOptions {
  /** Folder against which relative paths are resolved; the process's working folder by default. */
  readonly folder?: string
}

/**
 * Runs a pipeline on this thread, to its end or until `signal` fires, and answers with the report. Throws CONFIG_... with all problems before anything is touched,
 * or what made the run fail.
 */
export async function run<T>(pipeline: Pipeline<T>, options: EmbedOptions = {}): Promise<Report> {
  const { folder, ...rest } = options
  const known = await withPluginsOf(pipeline, registry, folder)
  const made = buildPipeline(pipeline, known.registry, { plugins: known.plugins, ...(folder === undefined ? {} : { folder }) })
  const config = configOrThrow({ config: made.config, registry: made.registry, diagnostics: made.diagnostics.list(), tests: made.draft.tests, draft: made.draft, module: undefined, files: [] })
  return runPipeline(rest.tracing === undefined ? config : { ...config, traced: true }, made.registry, rest)
}
