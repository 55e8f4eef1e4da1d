/** Which components of one thread fail and are tried again, by id. They outlive a reload, as the components may. */
import { Trouble } from '../observe/index.ts'
import type { Tell, TroubleFigures } from '../observe/index.ts'
import type { Clock } from '../platform/index.ts'

export class Troubles {
  readonly #clock: Clock
  readonly #tell: Tell
  readonly #all = new Map<string, Trouble>()

  constructor(clock: Clock, tell: Tell) {
    this.#clock = clock
    this.#tell = tell
  }

  of(id: string): Trouble {
    let trouble = this.#all.get(id)
    if (trouble === undefined) this.#all.set(id, (trouble = new Trouble(id, () => this.#clock.monotonic(), this.#tell)))
    return trouble
  }

  figures(id: string): TroubleFigures | undefined {
    return this.#all.get(id)?.figures
  }

  /** The component was closed: one of the same id that comes later begins anew. */
  forget(id: string): void {
    this.#all.get(id)?.forget()
  }
}
