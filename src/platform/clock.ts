/** Time: the real one, and one that tests move by hand. */
import { SluiceError } from '../base/index.ts'

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds since some moment; never goes back. */
  monotonic(): number
  /** Resolves after `ms` milliseconds; rejects with ABORTED when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls back once after `ms` milliseconds (never for Infinity), unless the returned function is called before. Does not keep the process alive. */
  timer(ms: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleepOn((wait, wake) => {
    const handle = setTimeout(wake, Math.min(wait, 2 ** 31 - 1))
    return () => clearTimeout(handle)
  }, ms, signal),
  timer: (ms, callback) => {
    if (ms === Infinity) return () => undefined
    const handle = setTimeout(callback, Math.min(ms, 2 ** 31 - 1)).unref()
    return () => clearTimeout(handle)
  },
}

/** A clock that stands still until `advance` is called. */
export class SimulatedClock implements Clock {
  #now: number
  readonly #start: number
  #order = 0
  readonly #timers = new Set<{ readonly at: number; readonly order: number; readonly callback: () => void }>()

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
    this.#start = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now - this.#start
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn((wait, wake) => this.timer(wait, wake), ms, signal)
  }

  timer(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.size
  }

  /** Moves the time on, calling what becomes due in order, and lets everything that follows from it settle. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (;;) {
      const next = [...this.#timers].filter(timer => timer.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
      await settle()
    }
    this.#now = until
  }
}

/** Lets promises and immediates that are ready run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}

function sleepOn(arm: (ms: number, wake: () => void) => () => void, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel()
      reject(new SluiceError('ABORTED', 'The wait was cancelled.', { cause: signal?.reason }))
    }
    const cancel = arm(ms, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    if (signal?.aborted === true) return abort()
    signal?.addEventListener('abort', abort, { once: true })
  })
}
