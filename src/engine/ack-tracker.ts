/**
 * Releases positions in the order they were read, once everything read up to them is durable.
 *
 * One tracker belongs to one source and lives on the thread that reads it; nothing here is shared.
 * A batch is `open` while any of its deliveries is; the longest finished prefix is what may be committed.
 *
 *     track ->  [ done | done | open | done ]     committable: the first two
 *
 * Cost: O(1) per batch. Memory: one entry per batch in flight, bounded by the pipeline's byte credits.
 */
import { SluiceError } from '../base/index.ts'

export interface AckEntry {
  /** Deliveries that have not been answered. */
  readonly open: number
}

export class AckTracker<P> {
  #inFlight: { open: number; readonly position: P }[] = []
  #first = 0

  /** Opens an entry for a batch just read. `deliveries` is how many answers it waits for; zero finishes it at once. */
  track(position: P, deliveries: number): AckEntry {
    const entry = { open: deliveries, position }
    this.#inFlight.push(entry)
    return entry
  }

  /** Finishes one delivery. Throws ACK_TWICE if the batch was complete: an ack counted twice would hide a loss. */
  delivered(entry: AckEntry): void {
    if (entry.open <= 0) throw new SluiceError('ACK_TWICE', 'A batch was acknowledged more often than it was delivered.')
    const own = entry as { open: number } // Made by `track`, which hands it out read-only.
    own.open--
  }

  /** Positions that became committable since the last call, oldest first. */
  release(): P[] {
    const positions: P[] = []
    for (let entry = this.#inFlight[this.#first]; entry !== undefined && entry.open === 0; entry = this.#inFlight[this.#first]) {
      positions.push(entry.position)
      this.#first++
    }
    // The array is cut only now and then, so that a release stays cheap.
    if (this.#first > 1024 || this.#first === this.#inFlight.length) {
      this.#inFlight = this.#inFlight.slice(this.#first)
      this.#first = 0
    }
    return positions
  }

  /** Batches that have not been released. */
  get size(): number {
    return this.#inFlight.length - this.#first
  }
}
