/** Deadlines and signals of calls: every wait ends. */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { Call } from '../log.ts'

export const TIMEOUT_DEFAULT = 30_000

/** The moment, in `clock.monotonic()`, at which a call is given up. */
export function deadlineOf(clock: Clock, call: Call | undefined): number {
  return clock.monotonic() + (call?.timeout ?? TIMEOUT_DEFAULT)
}

export function throwIfAborted(call: Call | undefined): void {
  if (call?.signal?.aborted === true) throw aborted('The call', call.signal)
}

/**
 * What `work` answers, unless the call is given up before: ABORTED or TIMED_OUT then, and what the work still answers is nobody's. The work does not begin
 * where the signal has fired already. Neither timer nor listener stays behind.
 */
export async function within<T>(clock: Clock, call: Call | undefined, what: string, work: () => Promise<T>): Promise<T> {
  throwIfAborted(call)
  const { promise, reject } = Promise.withResolvers<never>()
  const signal = call?.signal
  const timeout = call?.timeout ?? TIMEOUT_DEFAULT
  const onAbort = (): void => reject(aborted(what, signal))
  const cancel = clock.timer(timeout, () => reject(new SluiceError('TIMED_OUT', `${what} took longer than ${timeout} ms.`)))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(), promise])
  } finally {
    cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}

function aborted(what: string, signal: AbortSignal | undefined): SluiceError {
  return new SluiceError('ABORTED', `${what} was cancelled.`, { cause: signal?.reason })
}

/** Runs one piece of work at a time, in the order of the calls. A failure is the caller's and does not stop the next one. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** Resolves when everything handed over before is done. */
  async idle(): Promise<void> {
    await this.#last
  }
}

/** Does `work` for each item, at most `limit` at a time; throws the first error after all that began have ended. */
export async function eachOf<T>(items: Iterable<T>, limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items]
  let failed: { readonly error: unknown } | undefined
  const lane = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined && failed === undefined; item = rest.shift()) {
      try {
        await work(item)
      } catch (error) {
        failed ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, rest.length) }, lane))
  if (failed !== undefined) throw failed.error
}
