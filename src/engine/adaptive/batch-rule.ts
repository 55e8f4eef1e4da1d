/**
 * How many bytes a source is asked for at a time. Pure: what a batch took comes in, and the next size comes out.
 *
 *     work      a batch keeps a worker for no longer than WORK_MS: with a stage that takes a millisecond for each event, half a megabyte would be a minute in which nothing
 *               lands, no checkpoint passes and no other worker can help. Too large: so much smaller that it takes half of that, an eighth at least
 *     latency   with a target (`batch.latency`): where the slowest tenth of the last batches took longer from their reading until every sink had them, times LESS; the bytes
 *               under way are what events wait behind (Little's law: they are throughput times latency), and their number is bounded
 *     else      where batches come full, work takes less than half of what it may and latency is well below its target: times MORE, up to what the config says
 *
 * The result of a pipeline does not depend on the size of batches, so nothing here can be wrong, only slow.
 */

export interface BatchStep {
  readonly from: number
  readonly bytes: number
  readonly why: string
  /** Milliseconds that a worker takes for a batch of the size before, and that the slowest tenth took until every sink had them. */
  readonly work: number
  readonly latency: number
}

export interface BatchLimits {
  /** Bytes: what the config says, which is never exceeded. */
  readonly most: number
  /** Milliseconds; undefined: only the worker's time counts. */
  readonly latency: number | undefined
}

const WORK_MS = 250
const LEAST = 256
const LESS = 0.7
const LESS_MOST = 1 / 8
const MORE = 1.25
/** Share of the latency target below which there is room for more. */
const ROOM = 0.6
/** Share of what was asked for from which on a batch counts as full. */
const FULL = 0.8
/** What the batches before still count with each new one. */
const KEEP = 0.6
/** Batches that are looked at together. */
const WINDOW = 20

export class BatchRule {
  readonly #limits: BatchLimits
  #bytes: number
  /** Milliseconds that a byte took in the last batches, each new one counting more. */
  #usual = 0
  /** Milliseconds that a batch of the size that is asked for would take. */
  #work = 0
  #latency = 0
  readonly #landed: number[] = []
  /** True where a batch came full since the size changed: else a larger one would change nothing. */
  #wasFull = false

  constructor(limits: BatchLimits) {
    this.#limits = limits
    this.#bytes = limits.most
  }

  /** Bytes to ask for. */
  get bytes(): number {
    return this.#bytes
  }

  /** A worker took so many milliseconds for a batch of so many bytes. Answers the step where that changes the size. */
  worked(bytes: number, ms: number): BatchStep | undefined {
    const most = this.#workMost
    const isFull = bytes >= FULL * this.#bytes
    if (isFull) this.#wasFull = true
    // Small batches say little of large ones, unless they are slow already.
    if (isFull || ms > most) this.#usual = this.#usual === 0 ? ms / Math.max(1, bytes) : this.#usual * KEEP + (ms / Math.max(1, bytes)) * (1 - KEEP)
    this.#work = this.#usual * this.#bytes
    // Both: a worker that was held up once, by its start or by another process, must not make batches tiny.
    if (ms > most && this.#work > most) return this.#to(Math.max(most / 2 / this.#usual, this.#bytes * LESS_MOST), `a batch kept a worker for ${Math.round(ms)} ms`)
    return this.#limits.latency === undefined ? this.#more() : undefined
  }

  /** So many milliseconds have gone by from the reading of a batch until every sink had it. */
  landed(ms: number): BatchStep | undefined {
    const target = this.#limits.latency
    if (target === undefined) return undefined
    this.#landed.push(ms)
    if (this.#landed.length < WINDOW) return undefined
    this.#latency = this.#landed.sort((a, b) => a - b)[Math.floor(WINDOW * 0.9)] ?? 0
    this.#landed.length = 0
    if (this.#latency > target) return this.#to(this.#bytes * LESS, `one batch in ten took ${Math.round(this.#latency)} ms or longer`)
    return this.#latency < ROOM * target ? this.#more() : undefined
  }

  /** A worker may be kept for a quarter of the latency at most. */
  get #workMost(): number {
    return Math.min(WORK_MS, (this.#limits.latency ?? Infinity) / 4)
  }

  #more(): BatchStep | undefined {
    if (!this.#wasFull || this.#work > this.#workMost / 2) return undefined
    return this.#to(this.#bytes * MORE, 'batches come full, and there is time')
  }

  #to(wanted: number, why: string): BatchStep | undefined {
    const bytes = Math.round(Math.max(Math.min(LEAST, this.#limits.most), Math.min(this.#limits.most, wanted)))
    if (bytes === this.#bytes) return undefined
    const from = this.#bytes
    this.#bytes = bytes
    this.#wasFull = false
    return { from, bytes, why, work: this.#work, latency: this.#latency }
  }
}
