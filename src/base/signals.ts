/** Waiting that a signal may cut short, without leaving a listener behind: signals live as long as a run, waits come by the million. */

/** What the promise answers, or undefined once the signal fires. Rejects as the promise does. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => resolve(undefined)
    if (signal.aborted) {
      // That it fails, by the same signal perhaps, is nobody's business any more.
      promise.catch(() => undefined)
      return aborted()
    }
    signal.addEventListener('abort', aborted, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}
