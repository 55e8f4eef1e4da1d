/** Batches that a real Kafka wrote, and packed bytes of other libraries: golden.fixture.json names the sources. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decompress } from './compression.ts'
import golden from './golden.fixture.json' with { type: 'json' }
import {
  BatchWriter, CODECS, batchLengthAt, checkBatch, compressionOf, decodeControlBatch, encodeMarker, hasLogAppendTime, isControl, isTransactional, lastOffsetOf,
  producerEpochOf, producerIdOf, baseSequenceOf, maxTimestampOf, records, sign, stamp,
} from './index.ts'

type Name = keyof typeof golden.batches
const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

function batchesOf(name: Name): Uint8Array[] {
  const bytes = Buffer.from(golden.batches[name], 'hex')
  const found: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = batchLengthAt(bytes, at) ?? 0
    found.push(bytes.subarray(at, at + length))
    at += length
  }
  return found
}

const SAME = 'the same text again and again and again and again and again'
const written = [0, 1, 2, 3, 4, 5].map(index => ({
  timestamp: 1_700_000_000_000 + (index === 2 ? -1500 : index * 1000),
  key: index === 3 ? null : Buffer.from(`schlüssel-${index}`),
  value: index === 4 ? null : Buffer.from(index === 5 ? '' : `{"id":${index},"text":"${SAME}"}`),
  headers: index % 2 === 0 ? [] : [['source', Buffer.from(`sensor-${index}`)], ['none', null], ['empty', Buffer.alloc(0)]] as [string, Uint8Array | null][],
}))

for (const name of CODEC_NAMES) {
  test(`the records of Kafka's own batches are read, ${name}`, () => {
    const batches = batchesOf(name)
    assert.equal(batches.length, 4)
    for (const batch of batches) assert.deepEqual(checkBatch(batch), { ok: true, length: batch.length })
    const [committed, commit, aborted, abort] = batches as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    assert.equal(compressionOf(committed), name)
    assert.deepEqual([...records(committed)], written.map((record, index) => ({ offset: BigInt(index), ...record })))
    assert.deepEqual([...records(Buffer.concat(batches))].map(record => record.offset), [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12].map(BigInt))
    assert.equal(isTransactional(aborted), true)
    assert.equal(lastOffsetOf(aborted), 12n)
    assert.deepEqual([isControl(aborted), isControl(commit), isControl(abort)], [false, true, true])
    assert.deepEqual(decodeControlBatch(commit), { commit: true, coordinatorEpoch: 0 })
    assert.deepEqual(decodeControlBatch(abort), { commit: false, coordinatorEpoch: 0 })
  })
}

test('the same records give the very bytes of Kafka', () => {
  const [committed, commit] = batchesOf('none') as [Uint8Array, Uint8Array]
  const writer = new BatchWriter()
  for (const { key, value, headers, timestamp } of written) writer.add(key, value, headers, timestamp)
  const batch = writer.finish()
  stamp(batch, { baseOffset: 0n, leaderEpoch: 0 })
  sign(batch, { producerId: producerIdOf(committed), epoch: producerEpochOf(committed), sequence: baseSequenceOf(committed), transactional: true })
  assert.equal(Buffer.from(batch).toString('hex'), Buffer.from(committed).toString('hex'))

  const marker = encodeMarker({ commit: true, producerId: producerIdOf(commit), epoch: producerEpochOf(commit), timestamp: maxTimestampOf(commit) })
  stamp(marker, { baseOffset: 6n, leaderEpoch: 0 })
  assert.equal(Buffer.from(marker).toString('hex'), Buffer.from(commit).toString('hex'))
})

test("the log's own time counts where the topic says so", () => {
  const [batch] = batchesOf('append') as [Uint8Array]
  assert.equal(hasLogAppendTime(batch), true)
  const times = [...records(batch)].map(record => record.timestamp)
  assert.deepEqual(times, [1_795_227_621_809, 1_795_227_621_809, 1_795_227_621_809])
})

for (const { name, codec, lines, hex } of golden.frames) {
  test(`what another library packed is unpacked: ${name}`, () => {
    const text = Array.from({ length: lines }, (_, index) => `line ${index % 50} of the text;`).join('')
    const unpacked = decompress(CODECS.findIndex(known => known === codec), Buffer.from(hex, 'hex'))
    assert.equal(Buffer.from(unpacked).toString(), text)
  })
}

test('a batch of Kafka with any byte changed is noticed, or differs in its offset or leader epoch alone', () => {
  for (const name of CODEC_NAMES) {
    for (const batch of batchesOf(name)) {
      for (let at = 0; at < batch.length; at++) {
        const changed = Uint8Array.from(batch)
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
        const check = checkBatch(changed)
        // The log itself writes offset and epoch, outside of the checksum.
        const isFree = at < 8 || (at >= 12 && at < 16)
        assert.equal(check.ok, isFree, `byte ${at} of ${name}`)
      }
    }
  }
})

test('the example of the format page is a batch, and says what the page says', () => {
  const page = readFileSync(new URL('../../../docs/formats/record-batch.md', import.meta.url), 'utf8')
  const lines = [...page.matchAll(/^ *(\d+) {2}((?:[0-9a-f]{2} )+) +\S/gm)]
  const batch = Buffer.concat(lines.map(line => Buffer.from((line[2] ?? '').replaceAll(' ', ''), 'hex')))
  assert.deepEqual(checkBatch(batch), { ok: true, length: 112 })
  assert.deepEqual([...records(batch)], [
    { offset: 1000n, timestamp: 1_772_344_800_000, key: Buffer.from('LH400'), value: Buffer.from('delay: 20m'), headers: [] },
    { offset: 1001n, timestamp: 1_772_344_800_007, key: null, value: Buffer.from('boarding'), headers: [['gate', Buffer.from('Terminal')]] },
  ])
  assert.deepEqual([producerIdOf(batch), producerEpochOf(batch), baseSequenceOf(batch), isTransactional(batch)], [4711n, 2, 40, true])
})
