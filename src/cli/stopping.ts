/**
 * The two steps of stopping a run:
 *
 *     running --signal--> draining --signal--> stopping at once --signal--> gone
 *
 * The first signal lets everything under way land, within the pipeline's `stop_timeout`. The second gives that up, what is under way is left to the next start.
 * A third one ends the process: whoever sends it has waited long enough.
 */
import { EXIT } from './exit-codes.ts'
import type { Io } from './io.ts'

export class Stopping {
  readonly #drain = new AbortController()
  readonly #now = new AbortController()
  readonly #undo: () => void
  readonly #say: (text: string) => void

  constructor(io: Io, say: (text: string) => void) {
    this.#say = say
    this.#undo = io.onSignal(signal => {
      if (this.#now.signal.aborted) return io.exit(EXIT.failed)
      if (this.#drain.signal.aborted) {
        say('Stopping at once: what is under way is left to the next start.')
        this.#now.abort()
        return
      }
      say(`Stopping (${signal}): nothing more is read, what is under way is finished. The same signal again stops at once.`)
      this.#drain.abort(signal)
    })
  }

  /** Begins to stop, as the first signal does. */
  begin(why: string): void {
    if (this.#drain.signal.aborted) return
    this.#say(`Stopping (${why}): nothing more is read, what is under way is finished. A signal, such as Ctrl-C, stops at once.`)
    this.#drain.abort(why)
  }

  /** Fires at the first signal. */
  get drain(): AbortSignal {
    return this.#drain.signal
  }

  /** Fires at the second. */
  get now(): AbortSignal {
    return this.#now.signal
  }

  /** Signals have their usual meaning again. */
  close(): void {
    this.#undo()
  }
}
