/**
 * The rate of a growing counter over the last few seconds.
 *
 * Keeps one sample per `note`, oldest first, and forgets those that are older than the window, save one: the rate is then always
 * taken over at least the window once that much time has passed. Memory: `SAMPLES_MAX` samples; where more come, every other one is left out.
 */
const SAMPLES_MAX = 128

export class RateMeter {
  readonly #window: number
  #samples: { readonly at: number; readonly count: number }[] = []

  /** `window` is in seconds. */
  constructor(window = 5) {
    this.#window = window
  }

  /** The counter stood at `count` at the moment `at` (seconds since any fixed moment; never goes back). */
  note(at: number, count: number): void {
    this.#samples.push({ at, count })
    while ((this.#samples[1]?.at ?? Infinity) <= at - this.#window) this.#samples.shift()
    if (this.#samples.length > SAMPLES_MAX) this.#samples = this.#samples.filter((_, place) => place % 2 === 0 || place === this.#samples.length - 1)
  }

  /** Counts per second; 0 until two moments are known. */
  get rate(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at <= first.at) return 0
    return Math.max(0, (last.count - first.count) / (last.at - first.at))
  }
}
