/** Work of which only so much is done at once: each packing holds megabytes beside what it packs. What waits is begun in the order in which it came. */
export class AtOnce {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  #changed = Promise.withResolvers<void>()

  constructor(most: number) {
    this.#most = most
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // Who comes next takes the place over.
      if (next === undefined) this.#running--
      else next()
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    }
  }

  /** Waits until no more than so many wait to be begun. */
  async room(most: number): Promise<void> {
    while (this.#waiting.length > most) await this.#changed.promise
  }
}
