import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MappedBytes, letGo, mappedBuffer } from './mapped-bytes.ts'

test('what is gathered in pieces of any size is handed over in one, again and again', () => {
  const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 3_000_000 }).map(length => new Uint8Array(length).fill(length % 251))), { maxLength: 12 })
  const gathered = new MappedBytes()
  fc.assert(fc.property(pieces, added => {
    for (const piece of added) gathered.add(piece)
    const expected = Buffer.concat(added)
    assert.equal(gathered.length, expected.length)
    assert.ok(gathered.take().equals(expected))
    assert.equal(gathered.length, 0)
  }), { numRuns: 50 })
})

test('more than was expected is kept too', () => {
  const gathered = new MappedBytes()
  const piece = Buffer.alloc(7_000_000, 'x')
  for (let n = 0; n < 5; n++) gathered.add(piece)
  assert.ok(gathered.take().equals(Buffer.alloc(35_000_000, 'x')))
})

test('memory that is let go of is gone at once, and only that', () => {
  const [one, other, small] = [mappedBuffer(1 << 20), mappedBuffer(1 << 20), Buffer.from('plain')]
  letGo(one)
  letGo(small)
  assert.deepEqual([one.length, other.length, small.toString()], [0, 1 << 20, 'plain'])
})
