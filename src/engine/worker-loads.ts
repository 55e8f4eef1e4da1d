/**
 * What each worker has before it: pieces that it was given, and batches in its lanes. Says who takes the next piece.
 *
 * Belongs to one coordinator. A worker that is to go keeps what it has, and gets nothing more.
 */
import type { Crew } from './crew.ts'

/** Pieces that a worker may have waiting, so that it never waits for the coordinating thread. */
const PIECES_PER_WORKER = 3

export class WorkerLoads {
  readonly #pieces: number[] = []
  /** Batches that its lanes have before them. */
  readonly #inLanes: number[] = []
  /** Who took the last pieces that belong together. */
  #last: { readonly affinity: number; readonly worker: number } | undefined
  #crew: Crew

  constructor(crew: Crew) {
    this.#crew = crew
  }

  get crew(): Crew {
    return this.#crew
  }

  set crew(crew: Crew) {
    this.#crew = crew
    // Who took the last pieces may be gone.
    this.#last = undefined
  }

  /** Pieces that workers have. */
  get waiting(): number {
    return this.#pieces.reduce((sum, count) => sum + count, 0)
  }

  /** Pieces and batches of a worker. */
  of(worker: number): number {
    return (this.#pieces[worker] ?? 0) + (this.#inLanes[worker] ?? 0)
  }

  /** True where a worker can take a piece. */
  get hasRoom(): boolean {
    for (let worker = this.#crew.first; worker < this.#crew.total; worker++) if ((this.#pieces[worker] ?? 0) < PIECES_PER_WORKER) return true
    return false
  }

  /** Who takes the next piece: the one who took those before of the same affinity, else the least busy. It counts as taken. */
  take(affinity: number | undefined): number {
    const worker = affinity === undefined ? this.#leastBusy() : this.#workerFor(affinity)
    this.#pieces[worker] = (this.#pieces[worker] ?? 0) + 1
    return worker
  }

  done(worker: number): void {
    this.#pieces[worker] = (this.#pieces[worker] ?? 1) - 1
  }

  takeLane(lane: number): void {
    this.#inLanes[lane] = (this.#inLanes[lane] ?? 0) + 1
  }

  laneDone(lane: number): void {
    this.#inLanes[lane] = (this.#inLanes[lane] ?? 1) - 1
  }

  #workerFor(affinity: number): number {
    if (this.#last?.affinity !== affinity) this.#last = { affinity, worker: this.#leastBusy() }
    return this.#last.worker
  }

  /** Lanes with memory live on some workers only: what these have to do counts too. */
  #leastBusy(): number {
    const { first, total } = this.#crew
    let best = first
    for (let at = first + 1; at < total; at++) if (this.of(at) < this.of(best)) best = at
    return best
  }
}
