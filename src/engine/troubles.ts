/**
 * Which components fail and are tried again, by id. They outlive a reload, as the components may.
 *
 * Each thread has its own. What fails on a worker is said to the coordinating thread, which tells of all. A component that works on one of several workers is not in
 * trouble: there it is one event that fails, which its policy sees to.
 */
import { Trouble } from '../observe/index.ts'
import type { Tell, TroubleFigures, TroubleSaid } from '../observe/index.ts'
import type { Clock } from '../platform/index.ts'

/** What a worker says of its part of a component. */
interface Elsewhere extends Omit<TroubleFigures, 'seconds'> {
  readonly work: string
  readonly since: number
}

export class Troubles {
  readonly #clock: Clock
  readonly #tell: Tell
  readonly #tellThread: ((said: TroubleSaid) => void) | undefined
  readonly #all = new Map<string, Trouble>()
  /** By component and worker. */
  readonly #elsewhere = new Map<string, Map<number, Elsewhere>>()

  /** `tellThread`: on a worker, says it to the coordinating thread. */
  constructor(clock: Clock, tell: Tell, tellThread?: (said: TroubleSaid) => void) {
    this.#clock = clock
    this.#tell = tell
    this.#tellThread = tellThread
  }

  of(id: string): Trouble {
    let trouble = this.#all.get(id)
    if (trouble === undefined) this.#all.set(id, (trouble = new Trouble(id, () => this.#clock.monotonic(), this.#tell, this.#tellThread)))
    return trouble
  }

  figures(id: string): TroubleFigures | undefined {
    return this.#all.get(id)?.figures ?? this.#onWorkers(id)
  }

  #onWorkers(id: string): TroubleFigures | undefined {
    const all = [...(this.#elsewhere.get(id)?.values() ?? [])].sort((a, b) => a.since - b.since)
    const [longest] = all
    if (longest === undefined) return undefined
    const { code, message, since } = longest
    return { seconds: (this.#clock.monotonic() - since) / 1000, attempts: all.reduce((sum, { attempts }) => sum + attempts, 0), code, message }
  }

  /** A worker has said something. */
  heard(worker: number, { id, work, failing }: TroubleSaid): void {
    const all = this.#elsewhere.get(id) ?? new Map<number, Elsewhere>()
    if (failing !== undefined) {
      this.#elsewhere.set(id, all.set(worker, { ...failing, work, since: all.get(worker)?.since ?? this.#clock.monotonic() }))
      return
    }
    for (const [from, one] of all) if (one.work === work) all.delete(from)
  }

  /** A worker has ended. */
  ended(worker: number): void {
    for (const all of this.#elsewhere.values()) all.delete(worker)
  }

  /** The component was closed: one of the same id that comes later begins anew. */
  forget(id: string): void {
    this.#all.get(id)?.forget()
    this.#elsewhere.delete(id)
  }
}
