/**
 * Calls that wait for one thing to be known, in the order in which they came: one look at a time, and nobody overtakes while somebody waits.
 */
import type { TopicPlaces } from './cluster.ts'

interface Call {
  /** What is known already: whoever has waited in the row behind another one often needs no look of their own. */
  readonly known: () => TopicPlaces | undefined
  readonly look: () => Promise<TopicPlaces>
  readonly run: (places: TopicPlaces) => void
  readonly refuse: (error: unknown) => void
}

export class Waiting {
  /** Those before `#next` had their turn: a row may be long, and taking its first one out costs as much as it is long. */
  #row: Call[] = []
  #next = 0
  #working: Promise<void> | undefined

  get isEmpty(): boolean {
    return this.#next === this.#row.length
  }

  add(call: Call): void {
    this.#row.push(call)
    this.#working ??= this.#work()
  }

  /** Resolves when nobody waits. */
  async settled(): Promise<void> {
    while (this.#working !== undefined) await this.#working
  }

  /** Turns everybody away. */
  close(error: unknown): void {
    const row = this.#row.slice(this.#next)
    this.#row = []
    this.#next = 0
    for (const { refuse } of row) refuse(error)
  }

  async #work(): Promise<void> {
    await Promise.resolve()
    for (let head = this.#row[this.#next]; head !== undefined; head = this.#row[this.#next]) {
      // At once and all in one step, so that they share batches.
      const known = head.known()
      const found = known === undefined ? await head.look().then(places => ({ places }), (error: unknown) => ({ error })) : { places: known }
      // It may have been turned away meanwhile.
      if (this.#row[this.#next] !== head) continue
      this.#next++
      if ('places' in found) head.run(found.places)
      else head.refuse(found.error)
    }
    this.#row = []
    this.#next = 0
    this.#working = undefined
  }
}
