/**
 * How many workers a pipeline with `workers: auto` should have. Pure: one call for each sample, virtual or real time.
 *
 * A sample says how busy the workers were since the one before, in workers: 1.7 of 2 means that the two had batches before them for 85 % of the time. Samples of a
 * second are looked at together to grow, those of five seconds to shrink.
 *
 *     grow     busy for GROW_AT of the time, and batches wait: twice as many
 *     undo     two seconds after it grew everybody is as busy as before, and throughput has not risen by GAIN_LEAST: the cores, the sinks or the sources give no more.
 *              The step is taken back, and tried again only after TRY_AGAIN, twice as long each time it fails, or as soon as throughput says that things have changed
 *     shrink   what was busy would fit into fewer, each for SHRINK_TO of the time: to so many, at most by half
 *     rest     after every change, until its effect can be seen; and where samples were missing for STILL: the machine was asleep or had no time for us, which says nothing of the load
 *
 * Growing is fast and shrinking slow, because a backlog costs more than a thread that waits. Between GROW_AT and SHRINK_TO nothing happens, so that the number does not swing.
 */

/** What a rule sees. Times are in milliseconds of a clock that never goes back. */
export interface WorkerSample {
  readonly at: number
  /** Workers that had something to do since the sample before, on average. */
  readonly busy: number
  /** Workers that had nothing to do because sinks or memory have no room, on average. */
  readonly held: number
  /** Batches that wait for a worker or are being worked on. */
  readonly waiting: number
  /** Events that came in since the start. */
  readonly events: number
}

export interface WorkerLimits {
  readonly least: number
  readonly most: number
  /** Milliseconds between two changes at least: long where a change needs a cut. */
  readonly rest: number
}

export interface WorkerStep {
  readonly workers: number
  readonly why: string
  /** Busy share of each worker over the time that was looked at, and events a second. */
  readonly busy: number
  readonly rate: number
}

/** Four times what lies between two samples. */
const STILL = 1000
const GROW_WINDOW = 1000
const SHRINK_WINDOW = 5000
const JUDGE_AFTER = 2000
const GROW_AT = 0.85
const SHRINK_TO = 0.7
const GAIN_LEAST = 0.05
/** Throughput that is so much more than it was when a step brought nothing says that things are no longer as they were. */
const CHANGED = 0.25
const TRY_AGAIN = 30_000
const TRY_AGAIN_MOST = 600_000

/** Samples that are kept: those of the longest window, four a second. */
const SAMPLES_MAX = 64

interface Trial {
  readonly from: number
  readonly since: number
  /** Events a second before. */
  readonly rate: number
}

export class WorkerRule {
  readonly #limits: WorkerLimits
  readonly #samples: WorkerSample[] = []
  #workers: number
  #changedAt: number
  #trial: Trial | undefined
  /** Until when a larger number is not tried, and how long the next such rest is. */
  #ceiling: { readonly workers: number; readonly until: number; readonly rate: number } | undefined
  #again = TRY_AGAIN

  constructor(workers: number, at: number, limits: WorkerLimits) {
    this.#workers = workers
    this.#changedAt = at
    this.#limits = limits
  }

  /** The number has been changed by somebody else, or could not be changed. */
  set(workers: number, at: number): void {
    this.#workers = workers
    this.#changedAt = at
    this.#trial = undefined
    this.#samples.length = 0
  }

  /** The last step has been made, which took its time: what it is good for shows from now on. */
  made(at: number): void {
    this.#changedAt = at
    this.#samples.length = 0
    if (this.#trial !== undefined) this.#trial = { ...this.#trial, since: at }
  }

  /** What should change, if something should; the caller does it, and says that it is `made`. */
  next(sample: WorkerSample): WorkerStep | undefined {
    const last = this.#samples.at(-1)
    if (last !== undefined && sample.at - last.at > STILL) this.made(sample.at)
    this.#samples.push(sample)
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
    return this.#undo(sample) ?? this.#grow(sample) ?? this.#shrink(sample)
  }

  #undo(sample: WorkerSample): WorkerStep | undefined {
    const trial = this.#trial
    if (trial === undefined || sample.at - trial.since < JUDGE_AFTER) return undefined
    this.#trial = undefined
    const now = this.#over(GROW_WINDOW, sample)
    // With fewer to do than before, nothing can be said of what the step is good for.
    if (now === undefined || now.busy < GROW_AT * this.#workers || now.rate >= trial.rate * (1 + GAIN_LEAST)) {
      this.#again = TRY_AGAIN
      return undefined
    }
    this.#ceiling = { workers: trial.from, until: sample.at + this.#again, rate: Math.max(now.rate, trial.rate) }
    this.#again = Math.min(this.#again * 2, TRY_AGAIN_MOST)
    return this.#step(trial.from, sample, now, `${this.#workers} workers do no more than ${trial.from} did: ${perSecond(now.rate)} events/s, and ${perSecond(trial.rate)} before`)
  }

  #grow(sample: WorkerSample): WorkerStep | undefined {
    const { most, rest } = this.#limits
    const now = this.#over(GROW_WINDOW, sample)
    if (now === undefined || this.#trial !== undefined || this.#workers >= most || sample.at - this.#changedAt < Math.max(GROW_WINDOW, rest)) return undefined
    if (now.busy < GROW_AT * this.#workers || sample.waiting < this.#workers) return undefined
    if (this.#ceiling !== undefined && sample.at < this.#ceiling.until && this.#workers >= this.#ceiling.workers && now.rate <= this.#ceiling.rate * (1 + CHANGED)) return undefined
    this.#trial = { from: this.#workers, since: sample.at, rate: now.rate }
    return this.#step(Math.min(most, this.#workers * 2), sample, now, `busy for ${percent(now.busy / this.#workers)} of the time, and ${sample.waiting} batches wait`)
  }

  #shrink(sample: WorkerSample): WorkerStep | undefined {
    const { least, rest } = this.#limits
    const now = this.#over(SHRINK_WINDOW, sample)
    if (now === undefined || this.#workers <= least || sample.at - this.#changedAt < Math.max(SHRINK_WINDOW, rest)) return undefined
    const needed = Math.max(least, this.#workers >> 1, Math.ceil(now.busy / SHRINK_TO), 1)
    if (needed >= this.#workers) return undefined
    const held = now.held > now.busy ? ', sinks take no more' : ''
    return this.#step(needed, sample, now, `busy for ${percent(now.busy / this.#workers)} of the time${held}: ${needed} can do it`)
  }

  #step(workers: number, { at }: WorkerSample, { busy, rate }: { readonly busy: number; readonly rate: number }, why: string): WorkerStep {
    const step = { workers, why, busy: busy / this.#workers, rate }
    if (workers < this.#workers) this.#trial = undefined
    this.#workers = workers
    this.#changedAt = at
    this.#samples.length = 0
    return step
  }

  /** Averages over the last so many milliseconds; undefined where the samples don't reach back so far. */
  #over(window: number, { at, events }: WorkerSample): { readonly busy: number; readonly held: number; readonly rate: number } | undefined {
    const first = this.#samples.findLast(sample => sample.at <= at - window)
    if (first === undefined) return undefined
    let [busy, held, last] = [0, 0, first.at]
    for (const sample of this.#samples) {
      if (sample.at <= first.at) continue
      busy += sample.busy * (sample.at - last)
      held += sample.held * (sample.at - last)
      last = sample.at
    }
    const ms = at - first.at
    return { busy: busy / ms, held: held / ms, rate: ((events - first.events) / ms) * 1000 }
  }
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

const perSecond = (rate: number): string => String(Math.round(rate))
