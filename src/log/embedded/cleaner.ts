/** Applies retention and compaction now and then, one partition after the other. Its timer does not keep the process alive. */
import type { Clock } from '../../platform/index.ts'
import type { Catalog } from './catalog.ts'

export interface CleanerParts {
  readonly catalog: Catalog
  readonly clock: Clock
  /** Milliseconds between the end of one round and the next. */
  readonly every: number
  /** What else is to be done in each round. */
  readonly also: () => Promise<void>
  readonly warn: (message: string) => void
}

export class Cleaner {
  readonly #parts: CleanerParts
  #cancel: () => void = () => undefined
  #round: Promise<void> | undefined
  #isClosed = false

  constructor(parts: CleanerParts) {
    this.#parts = parts
    this.#arm()
  }

  /** Cleans everything now; joins a round that is under way. */
  clean(): Promise<void> {
    this.#round ??= this.#clean()
    return this.#round
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancel()
    await this.#round
  }

  #arm(): void {
    this.#cancel = this.#parts.clock.timer(this.#parts.every, () => void this.clean())
  }

  async #clean(): Promise<void> {
    this.#cancel()
    // So that `#round` is set before it is taken away again.
    await Promise.resolve()
    for (const { name, partitions } of this.#parts.catalog.topics) {
      for (const { partition, gone, storage } of partitions) {
        if (this.#isClosed) break
        if (!gone) await this.#try(`"${name}" partition ${partition} could not be cleaned`, async () => void (await storage.clean(this.#parts.clock.now())))
      }
    }
    if (!this.#isClosed) await this.#try('Old states could not be forgotten', this.#parts.also)
    this.#round = undefined
    if (!this.#isClosed) this.#arm()
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!this.#isClosed) this.#parts.warn(`${what}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}
