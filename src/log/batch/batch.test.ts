import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchWriter, RecordCursor, baseOffsetOf, checkBatch, producerIdOf, records, sign, stamp } from './index.ts'

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

test('records come back as they were written', () => {
  const writer = new BatchWriter({ bytes: 64 })
  writer.add(Buffer.from('key'), Buffer.from('value'), [['a', Buffer.from('1')], ['b', null]], 1000)
  writer.add(null, Buffer.from('x'.repeat(300)), [], 999)
  writer.add(Buffer.from('gone'), null, [], 2 ** 45)
  writer.addSlice(Buffer.from('<slice>'), 1, 6, 1001)
  writer.addLines(Buffer.from('one\ntwo\n\n'), [4, 8, 9], 3, 1002)
  const batch = writer.finish()
  assert.deepEqual(checkBatch(batch), { ok: true, length: batch.length })
  stamp(batch, { baseOffset: 2n ** 40n, leaderEpoch: 7 })
  sign(batch, { producerId: 12_345_678_901n, epoch: 3, sequence: 17, transactional: true })
  assert.deepEqual(checkBatch(batch), { ok: true, length: batch.length })
  assert.equal(baseOffsetOf(batch), 2n ** 40n)
  assert.equal(producerIdOf(batch), 12_345_678_901n)
  const found = [...records(batch)].map(record => [record.offset - 2n ** 40n, record.timestamp, text(record.key), text(record.value), record.headers.map(([name, value]) => [name, text(value)])])
  assert.deepEqual(found, [
    [0n, 1000, 'key', 'value', [['a', '1'], ['b', null]]],
    [1n, 999, null, 'x'.repeat(300), []],
    [2n, 2 ** 45, 'gone', null, []],
    [3n, 1001, null, 'slice', []],
    [4n, 1002, null, 'one', []],
    [5n, 1002, null, 'two', []],
    [6n, 1002, null, '', []],
  ])
})

test('batches one behind the other are read as one row of records', () => {
  const writer = new BatchWriter()
  const batches = [3, 0, 2].map((count) => {
    for (let index = 0; index < count; index++) writer.add(null, Buffer.from(String(index)), [], 5)
    return writer.finish()
  })
  const cursor = new RecordCursor()
  const found: string[] = []
  for (cursor.open(Buffer.concat(batches)); cursor.next(); ) found.push(Buffer.from(cursor.bytes).toString('utf8', cursor.valueStart, cursor.valueEnd))
  assert.deepEqual(found, ['0', '1', '2', '0', '1'])
})

test('a batch that came back is the room of a later one, and only where it fits', () => {
  const writer = new BatchWriter({ spare: 1 })
  const made = (size: number): Uint8Array => {
    writer.add(null, Buffer.alloc(size, 'x'), undefined, 1)
    return writer.finish()
  }
  const first = made(1000)
  const second = made(1000)
  assert.notEqual(first.buffer, second.buffer)
  writer.reuse(first)
  writer.reuse(second)
  const third = made(1001)
  assert.equal(third.buffer, first.buffer)
  assert.notEqual(made(1000).buffer, second.buffer, 'one is kept and not two')
  writer.reuse(third)
  assert.notEqual(made(5000).buffer, third.buffer, 'too small')
  assert.deepEqual([...records(third)].map(({ value }) => value?.length), [1001])
  const moved = structuredClone(second, { transfer: [second.buffer as ArrayBuffer] }) // Nobody shares it.
  writer.reuse(second)
  assert.equal([...records(made(1000))].length + [...records(moved)].length, 2)
})
