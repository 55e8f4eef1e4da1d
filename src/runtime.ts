/** Runs a pipeline from its file: loads it, picks the way its workers make it again, and hands it to the engine. */
import { extname, resolve } from 'node:path'
import { fromDeadLetters } from './dead-letter-input.ts'
import { runPipeline } from './engine/index.ts'
import type { PipelineConfig, Progress, Registry, Report } from './engine/index.ts'
import { configOrThrow, loadPipeline } from './pipeline/index.ts'
import { answerToOwnName } from './own-name.ts'
import { registry } from './registry.ts'
import type { PipelineStart } from './start.ts'

export interface RunFileOptions {
  /** Relative names are resolved against it; the process's working folder by default. */
  readonly folder?: string
  readonly workers?: number | 'auto'
  /** Values that replace those of the file, by key: `memory`, `batch.bytes`. */
  readonly overrides?: Readonly<Record<string, string>>
  /** A dead letter file to read instead of the sources. */
  readonly inputDeadLetters?: string
  /** Begins a drain. */
  readonly signal?: AbortSignal
  /** Stops at once. */
  readonly stopNow?: AbortSignal
  /** The pipeline was read and is about to run. */
  readonly onLoaded?: (config: PipelineConfig) => void
  readonly onProgress?: (progress: Progress) => void
  /** Milliseconds. */
  readonly progressInterval?: number
  readonly onWarning?: (place: string, message: string) => void
}

/** Runs the pipeline of a YAML file or a TypeScript module. Throws CONFIG_... with all problems, or what made the run fail. */
export async function runFile(file: string, options: RunFileOptions = {}): Promise<Report> {
  const { folder = process.cwd(), overrides = {}, workers, inputDeadLetters, onLoaded, ...rest } = options
  const all = workers === undefined ? overrides : { ...overrides, workers: String(workers) }
  const loaded = await load(file, folder, all)
  const config = inputDeadLetters === undefined ? loaded.config : fromDeadLetters(loaded.config, resolve(folder, inputDeadLetters))
  onLoaded?.(config)
  // The module beside this one, in the form that this one has: source or built.
  const module = new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href
  const start: PipelineStart = loaded.module === undefined ? { kind: 'config', config, module } : { kind: 'module', file: loaded.module, config, module }
  const url = new URL('../bin/worker.js', import.meta.url)
  return runPipeline(config, loaded.registry, { ...rest, thread: { url, data: start } })
}

async function load(file: string, folder: string, overrides: Readonly<Record<string, string>>): Promise<{ config: PipelineConfig; registry: Registry; module: string | undefined }> {
  answerToOwnName()
  const result = await loadPipeline(file, registry, { workingFolder: folder, overrides })
  return { config: configOrThrow(result), registry: result.registry, module: result.module }
}
