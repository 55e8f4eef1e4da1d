/**
 * Writes that are asked for at the same time, done in the order of their chunks, as many at once as lie ready.
 *
 *     write(0) write(1) write(2) --> work([0]) --> work([1, 2]) --> ...
 *
 * Each round takes what came meanwhile, so a slow disk gets fewer and larger writes. What fails is asked for again under the same number, and nothing behind it
 * is written before: there are no gaps.
 */
import type { SinkChunk } from '../../engine/index.ts'

interface Waiting {
  readonly chunk: SinkChunk
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Turns {
  /** Writes chunks that follow each other, and answers how many: at least one, from the first on. */
  readonly #work: (chunks: readonly SinkChunk[]) => Promise<number>
  readonly #waiting = new Map<number, Waiting>()
  /** Number of the chunk that comes next. */
  #next = 0
  #isWorking = false

  constructor(work: (chunks: readonly SinkChunk[]) => Promise<number>) {
    this.#work = work
  }

  write(chunk: SinkChunk): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(chunk.number, { chunk, resolve, reject })
      if (!this.#isWorking) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isWorking = true
    for (let ready = this.#ready(); ready.length > 0; ready = this.#ready()) {
      try {
        const done = await this.#work(ready.map(({ chunk }) => chunk))
        for (const { chunk, resolve } of ready.slice(0, done)) {
          this.#waiting.delete(chunk.number)
          this.#next = chunk.number + 1
          resolve()
        }
      } catch (error) {
        for (const { chunk, reject } of ready) {
          this.#waiting.delete(chunk.number)
          reject(error)
        }
      }
    }
    this.#isWorking = false
  }

  #ready(): Waiting[] {
    const ready: Waiting[] = []
    for (let at = this.#next, found = this.#waiting.get(at); found !== undefined; found = this.#waiting.get(++at)) ready.push(found)
    return ready
  }
}
