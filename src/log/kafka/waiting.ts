/**
 * Calls that wait for one thing to be known, in the order in which they came: one look at a time, and nobody overtakes while somebody waits.
 */
import type { TopicPlaces } from './cluster.ts'

interface Call {
  readonly look: () => Promise<TopicPlaces>
  readonly run: (places: TopicPlaces) => void
  readonly refuse: (error: unknown) => void
}

export class Waiting {
  #row: Call[] = []
  #working: Promise<void> | undefined

  get isEmpty(): boolean {
    return this.#row.length === 0
  }

  add(look: Call['look'], run: Call['run'], refuse: Call['refuse']): void {
    this.#row.push({ look, run, refuse })
    this.#working ??= this.#work()
  }

  /** Resolves when nobody waits. */
  async settled(): Promise<void> {
    while (this.#working !== undefined) await this.#working
  }

  /** Turns everybody away. */
  close(error: unknown): void {
    for (const { refuse } of this.#row.splice(0)) refuse(error)
  }

  async #work(): Promise<void> {
    for (let head = this.#row[0]; head !== undefined; head = this.#row[0]) {
      const { look } = head
      const found = await look().then(places => ({ places }), (error: unknown) => ({ error }))
      // It may have been turned away meanwhile.
      if (this.#row[0] !== head) continue
      this.#row.shift()
      if ('places' in found) head.run(found.places)
      else head.refuse(found.error)
    }
    this.#working = undefined
  }
}
