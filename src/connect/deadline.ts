/** An end to waiting for a server that says nothing any more: a connection that breaks in silence, or a process that stands still, is else waited for without end. */
import { SluiceError } from '../base/index.ts'
import { systemClock } from '../platform/index.ts'

/** What the work answers. Throws TIMED_OUT where it has not answered in time; what it answers later is let go. */
export function withDeadline<T>(work: Promise<T>, ms: number, doing: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = systemClock.timer(ms, () => reject(new SluiceError('TIMED_OUT', `There was no answer to ${doing} within ${ms} ms.`)))
    work.then(resolve, reject).finally(cancel)
  })
}
