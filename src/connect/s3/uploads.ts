/**
 * Requests that are under way, a few at once, in the background of whoever adds them.
 *
 *     add -> waiting -> running -> done
 *               ^          | fails: nothing more is begun
 *               +----------+ `room` and `settle` throw the error; their next call tries again
 *
 * So a request is tried again only when the sink is called again, under the sink's policy. How many run at once is given, or found out: then those that carry bytes are measured; what
 * carries none is answered much sooner, and says nothing of them.
 */
import type { Slots } from '../../engine/index.ts'

interface Job {
  readonly bytes: number
  readonly run: () => Promise<void>
}

export class Uploads {
  readonly #most: number | Slots
  readonly #waiting: Job[] = []
  #running = 0
  /** Bytes that are waiting or under way. */
  #bytes = 0
  #failure: { readonly error: unknown } | undefined
  #changed = Promise.withResolvers<void>()

  /** `most`: requests at once. */
  constructor(most: number | Slots) {
    this.#most = most
  }

  /** Requests at once. */
  get most(): number {
    return typeof this.#most === 'number' ? this.#most : this.#most.limit
  }

  get bytes(): number {
    return this.#bytes
  }

  add(bytes: number, run: () => Promise<void>): void {
    this.#bytes += bytes
    this.#waiting.push({ bytes, run })
    this.#next()
  }

  #next(): void {
    while (this.#failure === undefined && this.#running < this.most) {
      const job = this.#waiting.shift()
      if (job === undefined) return
      this.#running++
      void this.#do(job)
    }
  }

  async #do(job: Job): Promise<void> {
    try {
      await (typeof this.#most === 'number' || job.bytes === 0 ? job.run() : this.#most.run(job.run))
      this.#bytes -= job.bytes
    } catch (error) {
      this.#waiting.unshift(job)
      this.#failure ??= { error }
    }
    this.#running--
    this.#next()
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Waits until no more than so many bytes are under way, or everything is done after a failure. */
  async room(bytes: number): Promise<void> {
    if (this.#failure !== undefined) return this.settle()
    while (this.#bytes > bytes && this.#failure === undefined) await this.#changed.promise
    this.#check()
  }

  /** Waits until everything is done. What failed before is tried again. */
  async settle(): Promise<void> {
    this.#failure = undefined
    this.#next()
    while (this.#running > 0 || (this.#waiting.length > 0 && this.#failure === undefined)) await this.#changed.promise
    this.#check()
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
