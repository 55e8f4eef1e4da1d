import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from './buffers.ts'

test('a buffer that came back is taken again where it fits', () => {
  const pool = new BufferPool()
  const first = pool.take(100_000)
  assert.equal(first.length, 100_000)
  pool.give(first.buffer)
  const again = pool.take(101_000)
  assert.equal(again.buffer, first.buffer)
  assert.equal(again.length, 101_000)
  assert.notEqual(pool.take(101_000).buffer, first.buffer)
})

test('a small array does not take a large buffer, nor a large one a small buffer', () => {
  const pool = new BufferPool()
  const large = pool.take(3_000_000)
  pool.give(large.buffer)
  assert.notEqual(pool.take(1000).buffer, large.buffer)
  assert.notEqual(pool.take(4_000_000).buffer, large.buffer)
  assert.equal(pool.take(2_900_000).buffer, large.buffer)
})

test('a pool keeps 8 MiB at most, the newest, and nothing that was given away', () => {
  const pool = new BufferPool()
  const taken = Array.from({ length: 12 }, () => pool.take(900_000))
  for (const { buffer } of taken) pool.give(buffer)
  const kept = Array.from({ length: 12 }, () => pool.take(900_000).buffer).filter(buffer => taken.some(one => one.buffer === buffer))
  assert.ok(kept.length >= 5 && kept.length * 900_000 <= 8 * 1024 * 1024, `${kept.length} kept`)
  const gone = pool.take(900_000)
  structuredClone(gone, { transfer: [gone.buffer] })
  pool.give(gone.buffer)
  assert.equal(pool.take(900_000).length, 900_000)
})
