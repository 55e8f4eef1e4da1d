/** Runs a function over events one by one; what throws is rejected. */
import type { Output, Stage } from '../engine/index.ts'
import type { Event } from '../event/index.ts'

/** A stage's `process` out of a function that answers each event itself. */
export function each(work: (event: Event, out: Output) => void): Stage['process'] {
  return (events, out) => {
    for (const event of events) {
      try {
        work(event, out)
      } catch (error) {
        out.reject(event, error)
      }
    }
  }
}
