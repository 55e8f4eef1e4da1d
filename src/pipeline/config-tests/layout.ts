/**
 * Config tests: events in, what is expected per sink and in the dead letters.
 *
 *     tests:
 *       - name: late flights only
 *         input:
 *           - { id: 1, delay: 90 }
 *           - { id: 2, delay: 5 }
 *         expect:
 *           late: [{ flight: 1 }]
 *           dead_letters: []
 *
 * Sources and sinks are never opened: events come out of memory and stay there. Time stands still but for `$after`.
 */
import { field } from '../../engine/index.ts'
import type { Field, ValueOf } from '../../engine/index.ts'

/** Marks an input that is more than its value. */
export const STEP_KEYS: readonly string[] = ['$event', '$text', '$key', '$headers', '$time', '$after']

const EVENTS: Field<readonly unknown[]> = field.list(field.anything(), { description: 'Events, each as it is; or { $event, $text, $key, $headers, $time, $after }' })

/** What a sink must have taken. */
const EXPECTED = field.either(
  [
    field.list(field.anything(), { description: 'Exactly these events, in this order' }),
    field.object({
      count: field.optional(field.integer({ minimum: 0, description: 'This many events' })),
      contains: field.optional(field.list(field.anything(), { description: 'Among others these; of a map only the fields that are given count' })),
    }),
  ],
  { description: 'What a sink must have taken' },
)

export const TEST = field.object({
  name: field.string({ minLength: 1, description: 'What the test shows, as a sentence' }),
  input: field.either([EVENTS, field.record(EVENTS)], { description: 'Events of the only source, or of each source by id' }),
  now: field.optional(field.string({ pattern: '^\\d{4}-\\d\\d-\\d\\d(T|$)', description: 'Time at which the test begins, as ISO 8601; 2026-01-01 by default' })),
  expect: field.record(EXPECTED, { description: 'By sink; `dead_letters` names the dead letters, of which only the fields that are given count' }),
})

export const TESTS = field.list(TEST, { description: 'Events in, and what is expected per sink and in the dead letters: `sluice test` runs them' })

export type ConfigTest = ValueOf<typeof TEST>
export type Expected = ConfigTest['expect'][string]
