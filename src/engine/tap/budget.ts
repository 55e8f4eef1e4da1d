/** What may be spent: grows with time up to a most, and may be overdrawn once, which is then worked off. */
export class Budget {
  readonly #perMs: () => number
  readonly #most: number
  readonly #now: () => number
  #left: number
  #at: number

  /** `now` tells milliseconds on a clock that never goes back. Begins full. */
  constructor(perMs: number | (() => number), most: number, now: () => number) {
    this.#perMs = typeof perMs === 'number' ? () => perMs : perMs
    this.#most = most
    this.#now = now
    this.#left = most
    this.#at = now()
  }

  /** True where something is left. */
  get isOpen(): boolean {
    const now = this.#now()
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs())
    this.#at = now
    return this.#left > 0
  }

  spend(amount: number): void {
    this.#left -= amount
  }
}
