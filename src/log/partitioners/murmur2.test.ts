import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, murmur2Partitioner, partitionerOf } from './index.ts'
import java from './java-vectors.fixture.json' with { type: 'json' }

test('hashes and partitions are those of Java', () => {
  for (const [hex, hash, partition] of java.vectors as [string, number, number][]) {
    const key = Buffer.from(hex, 'hex')
    assert.equal(murmur2(key), hash, hex)
    assert.equal(murmur2Partitioner(key, 12, 5), partition, hex)
  }
})

test('a key in the middle of a larger array hashes like the key alone', () => {
  const large = Buffer.from('before-foobar-behind')
  assert.equal(murmur2(large.subarray(7, 13)), murmur2(Buffer.from('foobar')))
})

test('a record without a key goes to the sticky partition', () => {
  assert.equal(partitionerOf('murmur2')(null, 12, 7), 7)
  assert.equal(partitionerOf('ring')(null, 12, 7), 7)
  assert.equal(partitionerOf()(null, 12, 7), 7)
})

test('a function of the user that names a partition which is not there is told so', () => {
  const byLength = partitionerOf(key => key?.length ?? 0)
  assert.equal(byLength(Buffer.from('abc'), 4, 0), 3)
  for (const answer of [4, -1, 0.5, Number.NaN]) assert.throws(() => partitionerOf(() => answer)(null, 4, 0), { code: 'LOG_UNKNOWN_TOPIC', message: /0 to 3/ })
})
