import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { Ring, StickyPartition, VIRTUAL_NODES, murmur2, partitionerOf, ringOf } from './index.ts'

const keys = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`key-${index}`))

/** By the letter of the format: all points looked through for each key. */
function naivePartition(key: Uint8Array, partitions: number): number {
  const place = murmur2(key) >>> 0
  let best: { readonly distance: number; readonly partition: number } | undefined
  for (let partition = 0; partition < partitions; partition++) {
    for (let node = 0; node < VIRTUAL_NODES; node++) {
      const name = Buffer.alloc(8)
      name.writeUInt32BE(partition)
      name.writeUInt32BE(node, 4)
      const distance = ((murmur2(name) >>> 0) - place + 2 ** 32) % 2 ** 32
      if (best === undefined || distance < best.distance) best = { distance, partition }
    }
  }
  return best?.partition ?? -1
}

test('a key belongs to the partition of the next point, as the format says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.integer({ min: 1, max: 12 }), (key, partitions) => {
      assert.equal(ringOf(partitions).partitionOf(key), naivePartition(key, partitions))
    }),
    { numRuns: 200 },
  )
})

test('the vectors of the format hold', () => {
  const page = readFileSync(new URL('../../../docs/formats/ring.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([0-9a-f]*)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$/gm)]
  assert.ok(rows.length >= 8)
  for (const [, hex = '', ...partitions] of rows) {
    const key = Buffer.from(hex, 'hex')
    assert.deepEqual(partitions.map(Number), [1, 3, 12, 100].map(count => partitionerOf('ring')(key, count, 0)), hex)
  }
})

test('partitions get about as many keys each', () => {
  for (const partitions of [2, 3, 8, 12, 30]) {
    const counts = new Array<number>(partitions).fill(0)
    for (const key of keys) {
      const partition = ringOf(partitions).partitionOf(key)
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    const mean = keys.length / partitions
    assert.ok(Math.max(...counts) < mean * 1.4 && Math.min(...counts) > mean * 0.6, `${partitions} partitions: ${counts.join(' ')}`)
  }
})

test('a partition more moves its share of the keys, and all of them to itself', () => {
  for (const partitions of [1, 3, 10, 29]) {
    const before = ringOf(partitions)
    const after = ringOf(partitions + 1)
    const moved = keys.filter(key => before.partitionOf(key) !== after.partitionOf(key))
    assert.ok(moved.every(key => after.partitionOf(key) === partitions))
    assert.ok(moved.length < (keys.length / (partitions + 1)) * 1.4, `${moved.length} of ${keys.length} moved from ${partitions} partitions`)
    assert.ok(moved.length > (keys.length / (partitions + 1)) * 0.6)
  }
})

test('a ring of an impossible size is refused', () => {
  for (const partitions of [0, -1, 1.5, 100_001, Number.NaN]) assert.throws(() => new Ring(partitions), { code: 'LOG_SETTING' })
})

test('records without a key fill one partition, then another', () => {
  const random = [0.5, 0.99, 0, 0.4]
  const sticky = new StickyPartition(100, () => random.shift() ?? 0)
  assert.equal(sticky.current(4), 2)
  sticky.filled(99)
  assert.equal(sticky.current(4), 2)
  sticky.filled(1)
  assert.equal(sticky.current(4), 3)
  assert.equal(sticky.current(2), 0)
  sticky.filled(100)
  assert.equal(sticky.current(2), 1)
})

test('over time all partitions get as much of the records without a key', () => {
  let seed = 1
  const sticky = new StickyPartition(10, () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647)
  const counts = [0, 0, 0, 0, 0]
  for (let turn = 0; turn < 5000; turn++) {
    const partition = sticky.current(5)
    counts[partition] = (counts[partition] ?? 0) + 1
    sticky.filled(10)
  }
  assert.ok(counts.every(count => count > 800 && count < 1200), counts.join(' '))
})
