/** Runs a pipeline from its file: loads it, picks the way its workers make it again, and hands it to the engine. */
import { extname, resolve } from 'node:path'
import { fromDeadLetters } from './dead-letter-input.ts'
import { SluiceError } from './base/index.ts'
import { RunControl, runPipeline } from './engine/index.ts'
import type { Tell, Tracing } from './observe/index.ts'
import type { PipelineConfig, Progress, Registry, ReloadOutcome, Report, ThreadStart } from './engine/index.ts'
import { configOrThrow, loadPipeline } from './pipeline/index.ts'
import type { LoadOptions } from './pipeline/index.ts'
import { readTextNow } from './platform/index.ts'
import { answerToOwnName } from './own-name.ts'
import { registry } from './registry.ts'
import type { PipelineStart } from './start.ts'

export interface RunFileOptions {
  /** Relative names are resolved against it; the process's working folder by default. */
  readonly folder?: string
  readonly workers?: number | 'auto'
  /** Most workers that `auto` may take; one for each core by default. */
  readonly cores?: number
  /** Values that replace those of the file, by key: `memory`, `batch.bytes`. */
  readonly overrides?: Readonly<Record<string, string>>
  /** A dead letter file to read instead of the sources. */
  readonly inputDeadLetters?: string
  /** The text of the pipeline, where it is in no file: `file` is then the name that messages show. */
  readonly text?: string
  /** Where `${NAME}` comes from; the environment of the process by default. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Begins a drain. */
  readonly signal?: AbortSignal
  /** Stops at once. */
  readonly stopNow?: AbortSignal
  /** The pipeline was read and is about to run. */
  readonly onLoaded?: (config: PipelineConfig) => void
  /** Takes what changes the pipeline while it runs. */
  readonly onRunning?: (running: RunningFile) => void
  readonly onProgress?: (progress: Progress) => void
  /** Milliseconds. */
  readonly progressInterval?: number
  readonly onWarning?: (place: string, message: string) => void
  /** Told all that an operator may want to know, warnings included. */
  readonly onNotice?: Tell
  /** What looks at the run and changes it; one of its own where none is given. */
  readonly control?: RunControl
  /** Is told of batches and writes, for traces. */
  readonly tracing?: Tracing | undefined
}

export interface RunningFile {
  /** Files that the pipeline was read from: itself, what it includes, tables that its config holds. Absolute. */
  readonly files: readonly string[]
  /** Reads the file again and puts it in place of what runs. Throws CONFIG_... with all problems, RELOAD_NEEDS_RESTART, or RELOAD_OVER. */
  reload(): Promise<ReloadOutcome>
}

/** Runs the pipeline of a YAML file or a TypeScript module. Throws CONFIG_... with all problems, or what made the run fail. */
export async function runFile(file: string, options: RunFileOptions = {}): Promise<Report> {
  const { folder = process.cwd(), overrides = {}, workers, inputDeadLetters, text, env, onLoaded, onRunning, control = new RunControl(), ...rest } = options
  const all = workers === undefined ? overrides : { ...overrides, workers: String(workers) }
  let files: readonly string[] = []
  const load = async (): Promise<Loaded> => tracedIf(rest.tracing !== undefined, await loadFile(file, { workingFolder: folder, overrides: all, ...(env === undefined ? {} : { env }), ...(text === undefined ? {} : textInstead(resolve(folder, file), text)) }, wrong => (files = [...new Set([...files, ...wrong])])))
  const loaded = await load()
  const config = inputDeadLetters === undefined ? loaded.config : fromDeadLetters(loaded.config, loaded.registry, resolve(folder, inputDeadLetters))
  onLoaded?.(config)
  files = loaded.files
  const reload = async (): Promise<ReloadOutcome> => {
    if (loaded.module !== undefined || inputDeadLetters !== undefined) {
      throw new SluiceError('RELOAD_NEEDS_RESTART', loaded.module === undefined ? 'Dead letters are read in: that run has an end, and its config stays.' : 'A pipeline in TypeScript is code, which is loaded once: stop it and start it again.')
    }
    const next = await load()
    files = next.files
    return control.reload({ config: next.config, registry: next.registry, thread: threadOf(next.config, undefined) })
  }
  onRunning?.({
    get files() {
      return files
    },
    async reload() {
      try {
        return await reload()
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        const code = error instanceof SluiceError ? error.code : undefined
        rest.onNotice?.({ level: 'warn', kind: 'reload', pipeline: config.name, text: `Not reloaded, what runs goes on. ${text}`, fields: { outcome: 'refused', code } })
        throw error
      }
    },
  })
  return runPipeline(config, loaded.registry, { ...rest, control, thread: threadOf(config, loaded.module) })
}

function threadOf(config: PipelineConfig, file: string | undefined): ThreadStart {
  // The module beside this one, in the form that this one has: source or built.
  const module = new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href
  const data: PipelineStart = file === undefined ? { kind: 'config', config, module } : { kind: 'module', file, config, module }
  return { url: new URL('../bin/worker.js', import.meta.url), data }
}

/** Tells the workers, which see the config alone, to note traces. */
function tracedIf(isTraced: boolean, loaded: Loaded): Loaded {
  return isTraced ? { ...loaded, config: { ...loaded.config, traced: true } } : loaded
}

interface Loaded {
  readonly config: PipelineConfig
  readonly registry: Registry
  readonly module: string | undefined
  readonly files: readonly string[]
}

/** `refused` is told the files of a pipeline that has errors: what mends it may be an edit of any of them. */
async function loadFile(file: string, options: LoadOptions, refused: (files: readonly string[]) => void): Promise<Loaded> {
  answerToOwnName()
  const result = await loadPipeline(file, registry, options)
  if (result.config === undefined) refused(result.files)
  return { config: configOrThrow(result), registry: result.registry, module: result.module, files: result.files }
}

/** Reads this text where the file of that name is asked for. */
export function textInstead(file: string, text: string): Pick<LoadOptions, 'readText'> {
  return { readText: path => (path === file ? text : readTextNow(path)) }
}
