import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MappedBytes, MappedMemory, mappedBuffer } from './mapped-bytes.ts'

test('what is gathered in pieces of any size is handed over in one, again and again', () => {
  const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 3_000_000 }).map(length => new Uint8Array(length).fill(length % 251))), { maxLength: 12 })
  const memory = new MappedMemory()
  const gathered = new MappedBytes(memory)
  fc.assert(fc.property(pieces, added => {
    for (const piece of added) gathered.add(piece)
    const expected = Buffer.concat(added)
    assert.equal(gathered.length, expected.length)
    const taken = gathered.take()
    assert.ok(taken.equals(expected))
    assert.equal(gathered.length, 0)
    memory.giveBack(taken)
  }), { numRuns: 50 })
})

test('more than was expected is kept too', () => {
  const gathered = new MappedBytes(new MappedMemory())
  const piece = Buffer.alloc(7_000_000, 'x')
  for (let n = 0; n < 5; n++) gathered.add(piece)
  assert.ok(gathered.take().equals(Buffer.alloc(35_000_000, 'x')))
})

test('of the memory that is given back, a little is kept and the rest is gone at once', () => {
  const memory = new MappedMemory()
  const [one, two, three, other, small] = [mappedBuffer(1 << 20), mappedBuffer(1 << 20), mappedBuffer(1 << 20), mappedBuffer(1 << 20), Buffer.from('plain')]
  for (const each of [one, two, three, small]) memory.giveBack(each)
  assert.deepEqual([three.length, other.length, small.toString()], [0, 1 << 20, 'plain'])
  const taken = [memory.take(), memory.take(), memory.take()]
  assert.deepEqual(new Set(taken), new Set([one.buffer, two.buffer, undefined]))
})
