import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUND_BYTES, joined } from './round-buffers.ts'

const of = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)

/** What `joined` hands over, copied while it is there. */
async function seen(batches: readonly Uint8Array[]): Promise<Uint8Array> {
  let copy = of()
  await joined(batches, async bytes => void (copy = new Uint8Array(bytes)))
  return copy
}

test('batches of a round lie one behind the other', async () => {
  assert.deepEqual(await seen([of(1, 2), of(3), of(4, 5, 6)]), of(1, 2, 3, 4, 5, 6))
  const large = new Uint8Array(ROUND_BYTES).fill(7)
  assert.deepEqual(await seen([large, of(8)]), Uint8Array.from([...large, 8]), 'more than a round')
})

test('a single batch is handed over without a copy', async () => {
  const batch = of(1, 2, 3)
  await joined([batch], async bytes => assert.equal(bytes, batch))
})

test('rounds at the same time never share an array, and one that failed leaves its own for the next', async () => {
  const arrays = new Set<ArrayBufferLike>()
  const gate = Promise.withResolvers<void>()
  const rounds = [1, 2, 3].map(value => joined([of(value), of(value)], async bytes => {
    arrays.add(bytes.buffer)
    await gate.promise
    assert.deepEqual([...bytes], [value, value])
    if (value === 2) throw new Error('the disk is full')
  }))
  gate.resolve()
  const outcomes = await Promise.allSettled(rounds)
  assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  assert.equal(arrays.size, 3)
  await joined([of(1), of(2)], async bytes => assert.ok(arrays.has(bytes.buffer)))
})
