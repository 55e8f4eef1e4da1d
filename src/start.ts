/** How a worker thread makes the pipeline that its starter runs. */
import type { PipelineConfig, Registry } from './engine/index.ts'
import { registry } from './registry.ts'

/** What travels to a worker: the whole config, and the module that makes its components where it is a TypeScript pipeline. */
export type PipelineStart = ({ readonly kind: 'config' } | { readonly kind: 'module'; readonly file: string }) & {
  readonly config: PipelineConfig
  /** URL of worker.ts, or what was built of it, for bin/worker.js. */
  readonly module: string
}

export async function loadStart(start: PipelineStart): Promise<{ readonly config: PipelineConfig; readonly registry: Registry }> {
  const { plugins } = start.config
  if (start.kind === 'config' && plugins === undefined) return { config: start.config, registry }
  const { loadModulePipeline, withPlugins } = await import('./pipeline/index.ts')
  if (start.kind === 'config') return { config: start.config, registry: await withPlugins(registry, plugins) }
  const made = await loadModulePipeline(start.file, registry)
  return { config: start.config, registry: made.registry }
}
