/**
 * Calls to one server, as many at once as its limit allows; each is measured, and what it tells moves the limit. What finds no room waits for its turn.
 *
 * Whoever asks for slots bounds how many wait: they are the events of batches that hold credits.
 */
import { SluiceError } from '../../base/index.ts'
import { InFlightLimit } from './in-flight.ts'
import type { InFlightStep, Outcome } from './in-flight.ts'

/** Calls under way at most, whatever the server seems to take: sockets and memory are not without end. */
export const IN_FLIGHT_MAX = 200

/** Milliseconds: what is answered sooner came from memory, and tells nothing of the server. */
const TRIP_LEAST = 0.2

export interface SlotsParts {
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number
  /** The limit has changed. */
  readonly limited?: ((step: InFlightStep) => void) | undefined
}

export class Slots {
  readonly #parts: SlotsParts
  readonly #limit = new InFlightLimit({ least: 1, most: IN_FLIGHT_MAX })
  readonly #waiting: (() => void)[] = []

  constructor(parts: SlotsParts) {
    this.#parts = parts
  }

  get limit(): number {
    return this.#limit.limit
  }

  get inFlight(): number {
    return this.#limit.inFlight
  }

  /** Does the work once there is room. An error that may go away says that the server refused; any other is the call's own. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    while (!this.#limit.hasRoom) await new Promise<void>(resolve => void this.#waiting.push(resolve))
    const began = this.#parts.monotonic()
    this.#limit.begin(began)
    try {
      const value = await work()
      this.#end(began, this.#parts.monotonic() - began < TRIP_LEAST ? 'none' : 'done')
      return value
    } catch (error) {
      this.#end(began, error instanceof SluiceError && error.retry && error.code !== 'ABORTED' ? 'refused' : 'none')
      throw error
    }
  }

  #end(began: number, outcome: Outcome): void {
    const now = this.#parts.monotonic()
    const step = this.#limit.end(now, now - began, outcome)
    if (step !== undefined) this.#parts.limited?.(step)
    for (let room = this.#limit.limit - this.#limit.inFlight; room > 0 && this.#waiting.length > 0; room--) this.#waiting.shift()?.()
  }
}
