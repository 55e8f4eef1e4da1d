/**
 * Holds a run to its number of workers: the one of the config, the one that somebody asked for, or the one that the rule finds.
 *
 *     look (four times a second) -> rule -> change in place                       where no lane goes by key
 *                                     \---> reading rests, cut, next generation   where the keys are cut by the number of workers, and to and from no threads at all
 *
 * Lives on the coordinating thread, for all generations of a run. A change that can't be made leaves what is there, and the rule is told.
 */
import { availableParallelism } from 'node:os'
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { PipelineConfig } from '../config.ts'
import type { Counts } from '../counts.ts'
import type { Generation } from '../generation.ts'
import type { Meter } from '../meter.ts'
import type { Change } from './decisions.ts'
import { WorkerRule } from './worker-rule.ts'
import type { WorkerStep } from './worker-rule.ts'

const LOOK_EVERY = 250
/** Milliseconds between two changes that need a cut: everything lands and threads start, which takes about a tenth of a second. */
const CUT_REST = 15_000

/** What became of a wish for another number of workers. */
export interface ScaleOutcome {
  readonly outcome: 'changed' | 'unchanged' | 'late' | 'failed'
  /** Threads that run now. */
  readonly workers: number
  /** True where the number follows the load from now on. */
  readonly auto: boolean
  readonly error: SluiceError | undefined
}

/** A number of threads that the next generation is to have. */
export interface Rescaling {
  readonly threads: number
  readonly resolve: (outcome: 'changed' | 'late') => void
  readonly reject: (error: unknown) => void
}

type Running = Pick<Generation, 'plan' | 'threads' | 'canBecome' | 'become' | 'coordinator'>

export interface ScalerParts {
  readonly clock: Clock
  readonly meter: Meter
  readonly counts: Counts
  /** Most workers that the rule may take; one for each core where nothing is said. */
  readonly cores?: number | undefined
  /** False where there are no threads: everything runs on the calling one. */
  readonly hasThreads: boolean
  note(change: Change): void
}

export class Scaler {
  readonly #parts: ScalerParts
  readonly #cores: number
  #running: Running | undefined
  /** What somebody asked for, instead of what the config says. */
  #order: number | 'auto' | undefined
  /** What the config said when it was last looked at. */
  #configured: PipelineConfig['workers'] | undefined
  /** Threads that the next generation begins with; undefined: as many as it takes by itself. */
  #threads: number | undefined
  /** What `#threads` was before the change that is being made. */
  #before: number | undefined
  #rule: WorkerRule | undefined
  #last: { at: number; busy: number; held: number } | undefined
  #cancel: () => void = () => undefined
  #waiting: Rescaling | undefined
  #listener: (() => void) | undefined
  #isChanging = false
  #isOver = false

  constructor(parts: ScalerParts) {
    this.#parts = parts
    this.#cores = parts.cores ?? availableParallelism()
  }

  /** Threads for a generation of this config; undefined leaves it to the generation. A config that asks for another number than the one before ends an order. */
  threadsFor({ workers }: PipelineConfig): number | undefined {
    if (this.#configured !== undefined && workers !== this.#configured) this.#order = this.#threads = undefined
    this.#configured = workers
    return this.#threads
  }

  get isAuto(): boolean {
    return (this.#order ?? this.#configured) === 'auto'
  }

  /** A generation stands, and is looked after from now on. */
  begin(running: Running): void {
    if (running === this.#running) return
    this.#running = running
    // A generation that is here because of the rule's own step: it learns what the step is good for.
    if (!this.#isChanging) this.#rule = undefined
    this.#cancel()
    // Without threads there is nothing to look after; a clock that tests turn would have to go through all of these looks.
    if (this.#isOver || !this.#parts.hasThreads) return
    this.#look()
    // A reload may have come in between an order and the generation that it was for.
    const { threads } = running
    if (typeof this.#order === 'number' && this.#order !== threads && !this.#isChanging) void this.#follow(threads, { workers: this.#order, why: 'asked for' }, 'order')
  }

  /** The run reads no more. */
  end(): void {
    this.#isOver = true
    this.#cancel()
    this.#waiting?.reject(over())
    this.#waiting = undefined
  }

  /** Makes it so many workers, for good, or lets the load decide. */
  async scale(workers: number | 'auto'): Promise<ScaleOutcome> {
    const running = this.#running
    if (this.#isOver || running === undefined) throw over()
    if (!this.#parts.hasThreads) throw new SluiceError('SCALE_THREADS', 'This run has no threads: its components live in the program that started it.')
    if (this.#isChanging) throw new SluiceError('SCALE_BUSY', 'The number of workers is being changed at this moment.', { retry: true })
    const before = this.#order
    this.#order = workers
    this.#rule = undefined
    const from = running.threads
    const to = workers === 'auto' ? Math.max(1, from) : workers
    if (to === from) return this.#outcome('unchanged')
    const done = await this.#change(from, to, { why: 'asked for', by: 'order', figures: {} })
    if (done.outcome === 'changed') return done
    this.#order = before
    return { ...done, auto: this.isAuto }
  }

  /** For the run: called when reading has to rest for a change. */
  listen(listener: () => void): void {
    this.#listener = listener
    if (this.#waiting !== undefined) listener()
  }

  /** For the run: the generation with the new number could not be opened; the one before is opened again. */
  rollBack(): void {
    this.#threads = this.#before
  }

  /** For the run: the change that waits for a cut. */
  take(): Rescaling | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }

  #look(): void {
    const now = this.#sample()
    const running = this.#running
    if (running !== undefined && now !== undefined && this.isAuto && running.threads > 0 && !this.#isChanging) {
      const rest = running.canBecome(1) ? 0 : CUT_REST
      this.#rule ??= new WorkerRule(running.threads, now.at, { least: 1, most: Math.max(this.#cores, 1), rest })
      const step = this.#rule.next(now)
      if (step !== undefined) void this.#follow(running.threads, step)
    }
    this.#cancel = this.#parts.clock.timer(LOOK_EVERY, () => this.#look())
  }

  async #follow(from: number, { workers, why, busy, rate }: Pick<WorkerStep, 'workers' | 'why'> & Partial<WorkerStep>, by: Change['by'] = 'controller'): Promise<void> {
    try {
      await this.#change(from, workers, { why, by, figures: { ...(busy === undefined ? {} : { busy_share: round(busy) }), ...(rate === undefined ? {} : { events_per_second: Math.round(rate) }) } })
    } catch {
      // The run is over: who waits for it learns why elsewhere.
    }
  }

  async #change(from: number, to: number, because: Pick<Change, 'why' | 'by' | 'figures'>): Promise<ScaleOutcome> {
    const running = this.#running
    if (running === undefined) throw over()
    this.#isChanging = true
    const before = (this.#before = this.#threads)
    this.#threads = to
    let isMade = false
    try {
      const done = running.canBecome(to) ? await running.become(to).then(() => 'changed' as const) : await this.#behindCut(to)
      if (done === 'late') this.#threads = before
      else isMade = true
      if (isMade) this.#parts.note({ what: 'workers', of: undefined, from, to, ...because })
      return this.#outcome(done)
    } catch (error) {
      this.#threads = before
      if (this.#isOver) throw over()
      return this.#outcome('failed', error instanceof SluiceError ? error : new SluiceError('SCALE_FAILED', `A worker could not be started: ${error instanceof Error ? error.message : String(error)}`, { cause: error }))
    } finally {
      this.#isChanging = false
      const now = this.#parts.clock.monotonic()
      if (isMade) this.#rule?.made(now)
      else this.#rule?.set(this.#running?.threads ?? from, now)
    }
  }

  #behindCut(threads: number): Promise<'changed' | 'late'> {
    return new Promise((resolve, reject) => {
      this.#waiting = { threads, resolve, reject }
      this.#listener?.()
    })
  }

  #outcome(outcome: ScaleOutcome['outcome'], error?: SluiceError): ScaleOutcome {
    return { outcome, workers: this.#running?.threads ?? 0, auto: this.isAuto, error }
  }

  /** What happened since the last look; undefined at the first. */
  #sample(): { readonly at: number; readonly busy: number; readonly held: number; readonly waiting: number; readonly events: number } | undefined {
    const { clock, meter, counts } = this.#parts
    const at = clock.monotonic()
    const { busy, held } = meter.shares
    const last = this.#last
    this.#last = { at, busy, held }
    if (last === undefined || at <= last.at) return undefined
    const ms = at - last.at
    return { at, busy: (busy - last.busy) / ms, held: (held - last.held) / ms, waiting: this.#running?.coordinator.waiting ?? 0, events: counts.in }
  }
}

function over(): SluiceError {
  return new SluiceError('RELOAD_OVER', 'The pipeline is stopping: its workers can\'t be changed any more.')
}

const round = (share: number): number => Math.round(share * 1000) / 1000
