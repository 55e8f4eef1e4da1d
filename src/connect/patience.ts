/**
 * How a source gets over a server that can't be had for a while: one that waits for more goes on asking for as long as it takes, and says so; one with an end fails after some attempts.
 * The pauses grow to ten seconds.
 */
import { SluiceError } from '../base/index.ts'
import type { ComponentContext } from '../engine/index.ts'

const ATTEMPTS = 6
const PAUSE = 100
const PAUSE_MAX = 10_000

export class Patience {
  readonly #live: boolean
  readonly #context: ComponentContext
  #failures = 0

  constructor(live: boolean, context: ComponentContext) {
    this.#live = live
    this.#context = context
  }

  succeeded(): void {
    this.#failures = 0
    this.#context.trouble?.worked()
  }

  /** Waits until it is time for another attempt. Throws the error where there is none; answers at once where the signal fires. */
  async failed(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    this.#failures++
    if (!(error instanceof SluiceError) || !error.retry || (!this.#live && this.#failures >= ATTEMPTS)) throw error
    // Where somebody looks after the component, that tells it.
    if (this.#context.trouble === undefined) this.#context.warn(`${error.message} It is tried again.`, 'server')
    else this.#context.trouble.failed(error)
    const most = Math.min(PAUSE_MAX, PAUSE * 2 ** Math.min(this.#failures, 10))
    try {
      await this.#context.sleep(most / 2 + (most / 2) * this.#context.random(), signal)
    } catch (why) {
      if (!signal.aborted) throw why
    }
  }
}
