/** How far a run is, as a notice. */
import type { Progress } from '../../engine/index.ts'
import type { Notice } from '../../observe/index.ts'

export function progressNotice({ events_in, events_out, filtered, dead_lettered, in_flight_bytes, lag, seconds, waiting_for }: Progress): Notice {
  const text = waiting_for === undefined ? `${events_in} events in, ${events_out} out.` : `Stopping: waiting for ${waiting_for}.`
  return { level: 'info', kind: 'progress', text, fields: { seconds, events_in, events_out, filtered, dead_lettered, in_flight_bytes, lag } }
}
