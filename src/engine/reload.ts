/**
 * Changes the config of a pipeline that runs.
 *
 *     reload(config) -> check: plan it, make its components -> pause reading -> everything lands -> cut -> close what changed -> open what is new -> go on
 *            refused: the old goes on               late: the old goes on                        fails: the old is opened again behind the same cut
 *
 * Nothing is opened before the old generation has landed, so both never write to one place or listen on one port. Whoever asks is told what became of it. Requests are
 * taken one after the other.
 */
import { SluiceError } from '../base/index.ts'
import type { Figures } from '../observe/index.ts'
import type { ScaleOutcome } from './adaptive/scaler.ts'
import type { PipelineConfig, Registry, SinkConfig, SourceConfig, StageConfig } from './config.ts'
import type { ThreadStart } from './hosts.ts'
import { Taps } from './tap/taps.ts'

export interface ReloadRequest {
  readonly config: PipelineConfig
  readonly registry: Registry
  /** How worker threads make the new plan; needed where the run has threads. */
  readonly thread?: ThreadStart | undefined
}

/** Ids of sources, stages and sinks. */
export interface Difference {
  readonly kept: readonly string[]
  /** Closed and opened again, with what they remember. */
  readonly restarted: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

export interface ReloadOutcome {
  /** `switched`: the new config runs. `refused` before anything was touched, `late` where the old did not land in time, `rolled_back` where the new could not be opened: the old config goes on. */
  readonly outcome: 'switched' | 'refused' | 'late' | 'rolled_back'
  /** Counts the configs that have run, from 1. */
  readonly generation: number
  readonly difference: Difference
  readonly error: SluiceError | undefined
}

export interface Waiting {
  readonly request: ReloadRequest
  readonly resolve: (outcome: ReloadOutcome) => void
  readonly reject: (error: unknown) => void
}

/** What a run may be told while it goes on. Made by whoever starts the run, and given to it in its options. */
export class RunControl {
  /** Who looks at events on their way. */
  readonly taps = new Taps()
  readonly #waiting: Waiting[] = []
  #listener: (() => void) | undefined
  #over: SluiceError | undefined
  #figures: () => Figures | undefined = () => undefined
  #scale: (workers: number | 'auto') => Promise<ScaleOutcome> = () => Promise.reject(new SluiceError('RELOAD_OVER', 'The pipeline is not open yet: its workers can\'t be changed.'))
  #isPaused = false

  /** Asks for another config. Resolves with what became of it; rejects with RELOAD_OVER where the run ends before it could be looked at. */
  reload(request: ReloadRequest): Promise<ReloadOutcome> {
    if (this.#over !== undefined) return Promise.reject(this.#over)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#listener?.()
    })
  }

  /** What the run says of itself now; undefined before its components are open. After its end: what it said last. */
  get figures(): Figures | undefined {
    return this.#figures()
  }

  /** True while sources are not asked. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Lets sources rest. What was read goes on to the sinks, connections stay open. */
  pause(): void {
    this.#isPaused = true
    this.#listener?.()
  }

  resume(): void {
    this.#isPaused = false
    this.#listener?.()
  }

  /** Makes it so many workers, until a config asks for another number; `auto` lets the load decide. Rejects with SCALE_..., or with RELOAD_OVER where the run ends. */
  scale(workers: number | 'auto'): Promise<ScaleOutcome> {
    return this.#over === undefined ? this.#scale(workers) : Promise.reject(this.#over)
  }

  /** For the run: where its figures come from, and what changes its workers. */
  watch(figures: () => Figures | undefined, scale: (workers: number | 'auto') => Promise<ScaleOutcome>): void {
    this.#figures = figures
    this.#scale = scale
  }

  /** For the run: called when a request comes, and at once where one waits. */
  listen(listener: () => void): void {
    this.#listener = listener
    if (this.#waiting.length > 0) listener()
  }

  /** For the run: the next request. */
  take(): Waiting | undefined {
    return this.#waiting.shift()
  }

  /** For the run: it is over, or ends. */
  end(): void {
    this.#over ??= new SluiceError('RELOAD_OVER', 'The pipeline is stopping: it can\'t take another config.')
    for (const { reject } of this.#waiting.splice(0)) reject(this.#over)
  }
}

type NodeConfig = SourceConfig | StageConfig | SinkConfig

const DEAD_LETTERS = 'dead_letters'

/** A sink may have the id of a source or a stage. How a sink is called in a difference: then with what it is, so that each is known by its name. */
export function sinkNames(...configs: readonly PipelineConfig[]): (id: string) => string {
  const others = new Set(configs.flatMap(({ sources, stages }) => [...sources, ...stages].map(({ id }) => id)))
  return id => (others.has(id) ? `sinks.${id}` : id)
}

function nodesOf({ sources, stages, sinks, deadLetters }: PipelineConfig, sinkName: (id: string) => string): Map<string, { readonly kind: string; readonly config: NodeConfig }> {
  const nodes = new Map<string, { readonly kind: string; readonly config: NodeConfig }>()
  for (const [kind, configs] of Object.entries({ source: sources, stage: stages, sink: sinks })) for (const config of configs) nodes.set(kind === 'sink' ? sinkName(config.id) : config.id, { kind, config })
  if (deadLetters !== undefined) nodes.set(sinkName(DEAD_LETTERS), { kind: 'sink', config: deadLetters })
  return nodes
}

/** What makes a component the one it is: all but where its events come from. */
function identity({ kind, config }: { readonly kind: string; readonly config: NodeConfig }): string {
  return JSON.stringify({ kind, ...config, id: undefined, from: undefined })
}

/** `all`: nothing is kept open, because the folder or the plug-ins are others, or because all components share a transaction. */
export function differenceOf(before: PipelineConfig, after: PipelineConfig, all: boolean): Difference {
  const sinkName = sinkNames(before, after)
  const [old, now] = [nodesOf(before, sinkName), nodesOf(after, sinkName)]
  const same = (id: string): boolean => {
    const [one, other] = [old.get(id), now.get(id)]
    return !all && one !== undefined && other !== undefined && identity(one) === identity(other)
  }
  const both = [...now.keys()].filter(id => old.has(id))
  return {
    kept: both.filter(same),
    restarted: both.filter(id => !same(id)),
    added: [...now.keys()].filter(id => !old.has(id)),
    removed: [...old.keys()].filter(id => !now.has(id)),
  }
}

/** Throws RELOAD_NEEDS_RESTART for a change that needs another process. */
export function checkChange(before: PipelineConfig, after: PipelineConfig): void {
  const fixed = ['name', 'state', 'delivery'] as const
  for (const name of fixed) {
    if (before[name] === after[name]) continue
    throw new SluiceError('RELOAD_NEEDS_RESTART', `"${name === 'name' ? 'pipeline' : name}" is ${JSON.stringify(before[name] ?? null)} now and would become ${JSON.stringify(after[name] ?? null)}: stop the pipeline and start it again for that.`)
  }
}
