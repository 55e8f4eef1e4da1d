import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonValue } from '../event/index.ts'
import { systemClock } from '../platform/index.ts'
import { Delivery } from './delivery.ts'
import { Flight } from './flight.ts'
import { OpenSource } from './sources.ts'

test('what lands while a flush is under way is acknowledged too where the run ends right then', async () => {
  const committed: JsonValue[] = []
  const begun = Promise.withResolvers<void>()
  const slow = Promise.withResolvers<void>()
  const source = {
    live: false,
    format: { format: 'ndjson', options: {} },
    open: () => Promise.resolve(),
    next: () => Promise.resolve(undefined),
    commit: (position: JsonValue) => {
      committed.push(position)
      begun.resolve()
      return slow.promise
    },
    close: () => Promise.resolve(),
  }
  const open = new OpenSource('in', 0, source, true, undefined, 'ack')
  const flights = [0, 1, 2].map(seq => new Flight(seq, 0, 0, seq * 10, 1, () => undefined))
  for (const flight of flights) open.track(flight)
  const delivery = new Delivery([open], new Map(), true, systemClock, error => assert.fail(String(error)))

  delivery.landed(flights[0] as Flight) // There are three.
  await begun.promise
  for (const flight of flights.slice(1)) delivery.landed(flight)
  delivery.stop()
  slow.resolve()
  await delivery.flush()
  assert.deepEqual(committed, [0, 20])
})
