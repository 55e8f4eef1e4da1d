/** The simulated clock of a config test, which also knows when something is due next: time then moves in no larger steps than it must. */
import { SimulatedClock } from '../../platform/index.ts'
import type { Clock } from '../../platform/index.ts'

export class TestClock implements Clock {
  readonly #clock: SimulatedClock
  readonly #due = new Set<{ readonly at: number }>()

  constructor(start: number) {
    this.#clock = new SimulatedClock(start)
  }

  now(): number {
    return this.#clock.now()
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const forget = this.#remember(ms)
    return this.#clock.sleep(ms, signal).finally(forget)
  }

  timer(ms: number, callback: () => void): () => void {
    const forget = this.#remember(ms)
    const cancel = this.#clock.timer(ms, () => {
      forget()
      callback()
    })
    return () => {
      forget()
      cancel()
    }
  }

  /** Milliseconds until something is due; undefined while nothing waits. */
  get next(): number | undefined {
    const due = [...this.#due].map(one => one.at)
    return due.length === 0 ? undefined : Math.max(0, Math.min(...due) - this.now())
  }

  advance(ms: number): Promise<void> {
    return this.#clock.advance(ms)
  }

  #remember(ms: number): () => void {
    const one = { at: this.now() + Math.max(0, ms) }
    this.#due.add(one)
    return () => void this.#due.delete(one)
  }
}
