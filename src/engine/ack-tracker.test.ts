import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AckTracker } from './ack-tracker.ts'

test('a later batch that finishes first is not released before the earlier one', () => {
  const tracker = new AckTracker<string>()
  const first = tracker.track('first', 1)
  const second = tracker.track('second', 1)
  tracker.delivered(second)
  assert.deepEqual(tracker.release(), [])
  tracker.delivered(first)
  assert.deepEqual(tracker.release(), ['first', 'second'])
})

test('a batch that waits for two sinks is not released after one', () => {
  const tracker = new AckTracker<number>()
  const entry = tracker.track(1, 2)
  tracker.delivered(entry)
  assert.deepEqual(tracker.release(), [])
  tracker.delivered(entry)
  assert.deepEqual(tracker.release(), [1])
})

test('an ack that comes twice is an error', () => {
  const tracker = new AckTracker<number>()
  const entry = tracker.track(1, 1)
  tracker.delivered(entry)
  assert.throws(() => tracker.delivered(entry), { code: 'ACK_TWICE' })
})

test('what is released is always the longest finished prefix', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 40 }), fc.infiniteStream(fc.nat()), (deliveries, chance) => {
      const tracker = new AckTracker<number>()
      const entries = deliveries.map((count, at) => tracker.track(at, count))
      const open = deliveries.map(count => count)
      const released: number[] = [...tracker.release()]
      for (;;) {
        const waiting = open.flatMap((count, at) => (count > 0 ? [at] : []))
        if (waiting.length === 0) break
        const at = waiting[(chance.next().value as number) % waiting.length] ?? 0
        open[at] = (open[at] ?? 1) - 1
        const entry = entries[at]
        assert.ok(entry !== undefined)
        tracker.delivered(entry)
        released.push(...tracker.release())
        const prefix = open.findIndex(count => count > 0)
        assert.deepEqual(released, Array.from({ length: prefix < 0 ? open.length : prefix }, (_, index) => index))
      }
      assert.equal(tracker.size, 0)
    }),
  )
})
