/** The codec against a naive one on random records, and against random damage. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../../base/index.ts'
import {
  BatchWriter, RecordCursor, attributesOf, baseOffsetOf, baseSequenceOf, baseTimestampOf, checkBatch, compressBatch, countOf, filterBatch, hasDeleteHorizon, lastOffsetDeltaOf,
  lastOffsetOf, leaderEpochOf, maxTimestampOf, producerEpochOf, producerIdOf, records, sealBatch, sequenceAfter, sign, stamp, stampAppendTime,
} from './index.ts'
import { naiveEncode, naiveVarint } from './naive.testing.ts'
import type { NaiveBatch, NaiveRecord } from './naive.testing.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts'

const bytes = fc.uint8Array({ maxLength: 80 })
const absent = fc.option(fc.oneof({ weight: 20, arbitrary: bytes }, { weight: 1, arbitrary: fc.uint8Array({ minLength: 8000, maxLength: 20_000 }) }), { nil: null })
const header = fc.tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.option(bytes, { nil: null }))
const timestamp = fc.oneof(fc.integer({ min: 1_700_000_000_000, max: 1_700_000_010_000 }), fc.integer({ min: -1, max: 2 ** 52 }))
const record = fc.record({ key: absent, value: absent, headers: fc.array(header, { maxLength: 4 }), timestamp })

const SIGNATURE = { producerId: -1n, producerEpoch: -1, baseSequence: -1 }

function naiveOf(given: readonly { key: Uint8Array | null; value: Uint8Array | null; headers: [string, Uint8Array | null][]; timestamp: number }[]): NaiveBatch {
  const times = given.map(one => BigInt(one.timestamp))
  return {
    ...SIGNATURE, baseOffset: 0n, leaderEpoch: -1, attributes: 0, lastOffsetDelta: Math.max(given.length - 1, 0), baseTimestamp: times[0] ?? -1n,
    maxTimestamp: times.reduce((most, time) => (time > most ? time : most), times[0] ?? -1n),
    records: given.map((one, index): NaiveRecord => ({ ...one, timestamp: BigInt(one.timestamp), offsetDelta: index })),
  }
}

test('the writer gives the bytes of the naive encoder, and the reader gives the records back', () => {
  const writer = new BatchWriter({ bytes: 64 })
  fc.assert(
    fc.property(fc.array(record, { maxLength: 30 }), given => {
      for (const { key, value, headers, timestamp: time } of given) writer.add(key, value, headers, time)
      const expected = naiveOf(given)
      assert.equal(writer.bytes, naiveEncode(expected).length)
      const batch = writer.finish()
      assert.deepEqual(Buffer.from(batch), Buffer.from(naiveEncode(expected)))
      assert.deepEqual([...records(batch)].map(({ key, value, headers, timestamp: time, offset }) => ({
        key: key && Uint8Array.from(key), value: value && Uint8Array.from(value), headers: headers.map(([name, one]) => [name, one && Uint8Array.from(one)]), time, offset,
      })), given.map(({ key, value, headers, timestamp: time }, index) => ({ key, value, headers, time, offset: BigInt(index) })))
    }),
    { numRuns: 300 },
  )
})

test('lines and slices give the bytes of single records', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { minLength: 1, maxLength: 300 }), timestamp, fc.integer({ min: 0, max: 3 }), (lines, time, gap) => {
      const ends: number[] = []
      const all = Buffer.concat([Buffer.from('before'), ...lines.flatMap(line => [Buffer.from(line), Buffer.alloc(gap, 10)])])
      let at = 6
      for (const line of lines) ends.push(at += line.length + gap)
      const [one, two, three] = [new BatchWriter(), new BatchWriter({ bytes: 64 }), new BatchWriter()]
      one.addLines(all, ends, lines.length, time, 6, gap)
      for (const [index, line] of lines.entries()) {
        two.add(null, line, [], time)
        three.addSlice(all, (ends[index] ?? 0) - gap - line.length, (ends[index] ?? 0) - gap, time)
      }
      const batch = one.finish()
      assert.deepEqual(batch, two.finish())
      assert.deepEqual(batch, three.finish())
    }),
    { numRuns: 200 },
  )
})

test('a key and a value of one array give the bytes of a record made of both', () => {
  const part = fc.tuple(fc.nat(200), fc.nat(200)).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 200, maxLength: 200 }), fc.array(fc.tuple(fc.option(part), part, timestamp), { maxLength: 10 }), (all, parts) => {
      const [one, two] = [new BatchWriter({ bytes: 64 }), new BatchWriter()]
      for (const [key, [from, to], time] of parts) {
        one.addKeyedSlice(all, key?.[0] ?? -1, key?.[1] ?? -1, from, to, time)
        two.add(key && all.subarray(...key), all.subarray(from, to), undefined, time)
      }
      assert.deepEqual(one.finish(), two.finish())
    }),
  )
})

test('what can not be written is refused before anything is', () => {
  const writer = new BatchWriter()
  const line = Buffer.from('abc\n')
  writer.addLines(line, [4], 1, 5)
  for (const time of [0.5, Number.NaN, Infinity, 2 ** 53, -(2 ** 53)]) {
    assert.throws(() => writer.add(null, line, [], time), { code: 'LOG_RECORD' })
    assert.throws(() => writer.addSlice(line, 0, 4, time), { code: 'LOG_RECORD' })
    assert.throws(() => writer.addLines(line, [4], 1, time), { code: 'LOG_RECORD' })
  }
  for (const [from, to] of [[-1, 2], [3, 2], [0, 5]] as const) {
    assert.throws(() => writer.addSlice(line, from, to, 5), { code: 'INTERNAL' })
    if (from >= 0) assert.throws(() => writer.addKeyedSlice(line, from, to, 0, 1, 5), { code: 'INTERNAL' })
  }
  assert.throws(() => writer.addLines(line, [4, 2], 2, 9), { code: 'INTERNAL' })
  assert.throws(() => writer.addLines(line, [4, 5], 2, 9), { code: 'INTERNAL' })
  writer.addLines(line, [], 0, 9)
  const batch = writer.finish()
  assert.deepEqual([...records(batch)].map(one => [one.timestamp, String(one.value)]), [[5, 'abc']])
  assert.equal(maxTimestampOf(batch), 5)
})

test('numbers of variable length are written as the format says', () => {
  const target = new Uint8Array(16)
  fc.assert(
    fc.property(fc.integer(), fc.maxSafeInteger(), (short, long) => {
      assert.deepEqual([...target.subarray(0, writeVarint(target, 0, short))], naiveVarint(short))
      assert.deepEqual([...target.subarray(0, writeVarlong(target, 0, long))], naiveVarint(long))
      assert.deepEqual([varintSize(short), varlongSize(long)], [naiveVarint(short).length, naiveVarint(long).length])
    }),
  )
  for (const power of [6, 7, 13, 14, 20, 21, 27, 28, 31]) {
    for (const value of [2 ** power - 1, -(2 ** power), -(2 ** power) + 1]) assert.deepEqual([...target.subarray(0, writeVarint(target, 0, value))], naiveVarint(value))
  }
})

const stamps = fc.record({ baseOffset: fc.bigInt(0n, 2n ** 63n - 1000n), leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }) })
const signatures = fc.record({ producerId: fc.bigInt(0n, 2n ** 63n - 1n), epoch: fc.nat(32_767), sequence: fc.nat(2 ** 31 - 1), transactional: fc.boolean() })

test('stamping and signing in place give what a batch with these fields would have been', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), stamps, signatures, fc.option(fc.nat(2 ** 50), { nil: undefined }), fc.nat(9), (given, place, signature, appendTime, at) => {
      const writer = new BatchWriter()
      for (const { key, value, headers, timestamp: time } of given) writer.add(key, value, headers, time)
      const all = Buffer.concat([Buffer.alloc(at, 0xaa), writer.finish()])
      // Twice: what was signed before leaves no trace.
      sign(all, { producerId: 77n, epoch: 7, sequence: 7, transactional: true }, at)
      sign(all, signature, at)
      if (appendTime !== undefined) stampAppendTime(all, appendTime, at)
      stamp(all, place, at)
      const expected = {
        ...naiveOf(given), ...place, producerId: signature.producerId, producerEpoch: signature.epoch, baseSequence: signature.sequence,
        attributes: (signature.transactional ? 0x10 : 0) | (appendTime === undefined ? 0 : 0x08),
      }
      assert.deepEqual(all.subarray(at), Buffer.from(naiveEncode(appendTime === undefined ? expected : { ...expected, maxTimestamp: BigInt(appendTime) })))
      assert.deepEqual(
        [baseOffsetOf(all, at), leaderEpochOf(all, at), attributesOf(all, at), lastOffsetDeltaOf(all, at), producerIdOf(all, at), producerEpochOf(all, at), baseSequenceOf(all, at), countOf(all, at)],
        [expected.baseOffset, expected.leaderEpoch, expected.attributes, expected.lastOffsetDelta, expected.producerId, expected.producerEpoch, expected.baseSequence, given.length],
      )
      assert.deepEqual([baseTimestampOf(all, at), maxTimestampOf(all, at)], [Number(expected.baseTimestamp), appendTime ?? Number(expected.maxTimestamp)])
      assert.equal(lastOffsetOf(all, at), place.baseOffset + BigInt(given.length - 1))
    }),
  )
})

test('what compaction leaves is read with its gaps', () => {
  const kept = [3, 4, 900].map((offsetDelta): NaiveRecord => ({ timestamp: 1000n, offsetDelta, key: Buffer.from('k'), value: null, headers: [] }))
  const compacted = naiveEncode({ ...SIGNATURE, baseOffset: 50n, leaderEpoch: 2, attributes: 0x40, lastOffsetDelta: 999, baseTimestamp: 5000n, maxTimestamp: 1000n, records: kept })
  const empty = naiveEncode({ ...SIGNATURE, baseOffset: 2000n, leaderEpoch: 2, attributes: 0, lastOffsetDelta: 9, baseTimestamp: -1n, maxTimestamp: -1n, records: [] })
  const both = Buffer.concat([empty, compacted, empty])
  assert.deepEqual([...records(both)].map(({ offset, timestamp: time }) => [offset, time]), [[53n, 1000], [54n, 1000], [950n, 1000]])
  assert.equal(hasDeleteHorizon(compacted), true)
  assert.equal(lastOffsetOf(compacted), 1049n)
})

test('a batch without some of its records keeps offsets, times and the rest of its header', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(record, fc.boolean()), { minLength: 1, maxLength: 20 }), stamps, signatures, fc.constantFrom('none', 'lz4', 'zstd'), async (given, place, signature, codec) => {
      const writer = new BatchWriter()
      for (const [{ key, value, headers, timestamp: time }] of given) writer.add(key, value, headers, time)
      const batch = await compressBatch(writer.finish(), codec)
      stamp(batch, place)
      sign(batch, signature)
      const filtered = filterBatch(batch, cursor => given[cursor.offsetDelta]?.[1] ?? false)
      assert.deepEqual(checkBatch(filtered), { ok: true, length: filtered.length })
      assert.equal(filtered === batch, given.every(([, keep]) => keep))
      assert.deepEqual([...records(filtered)], [...records(batch)].filter((_, index) => given[index]?.[1]))
      assert.deepEqual([lastOffsetOf(filtered), baseSequenceOf(filtered), producerIdOf(filtered)], [lastOffsetOf(batch), baseSequenceOf(batch), producerIdOf(batch)])
      const times = [...records(filtered)].map(one => one.timestamp)
      assert.equal(maxTimestampOf(filtered), times.length === 0 ? -1 : Math.max(...times))
    }),
  )
})

test('sequence numbers go round', () => {
  assert.equal(sequenceAfter(0, 5), 5)
  assert.equal(sequenceAfter(2 ** 31 - 1, 1), 0)
  assert.equal(sequenceAfter(2 ** 31 - 3, 10), 7)
})

/** Reads everything there is; answers the code of the error, or undefined. */
function readAll(damaged: Uint8Array, check: boolean): string | undefined {
  const cursor = new RecordCursor({ check, bytesMax: 1 << 20 })
  try {
    for (cursor.open(damaged); cursor.next(); ) {
      assert.ok(cursor.keyStart >= -1 && cursor.keyEnd <= cursor.bytes.length && cursor.valueStart >= -1 && cursor.valueEnd <= cursor.bytes.length)
      assert.ok(Number.isSafeInteger(cursor.timestamp) && cursor.headers().length === cursor.headerCount)
    }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    assert.match(error.message, /^Record(s| batch at byte \d)/)
    return error.code
  }
  return undefined
}

const plain = (() => {
  const writer = new BatchWriter()
  for (let index = 0; index < 12; index++) writer.add(index % 3 === 0 ? null : Buffer.from(`key-${index}`), Buffer.from('value'.repeat(index)), index % 4 === 0 ? [['h', Buffer.from('x')]] : [], 1000 + index)
  return writer.finish()
})()

test('every byte that is changed is noticed', () => {
  for (let at = 16; at < plain.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Uint8Array.from(plain)
      changed[at] = (changed[at] ?? 0) ^ (1 << bit)
      assert.equal(readAll(changed, true), 'LOG_CORRUPT', `bit ${bit} of byte ${at}`)
    }
  }
})

test('a batch that is cut off anywhere is torn', () => {
  for (let end = 0; end < plain.length; end++) {
    const check = checkBatch(plain, 0, end)
    assert.equal(check.ok || !check.torn, false, `${end} bytes`)
    if (end > 0) assert.equal(readAll(plain.subarray(0, end), true), 'LOG_CORRUPT')
  }
})

test('damage under a right checksum gives typed errors or other records, and never reaches beyond the batch', () => {
  const edit = fc.tuple(fc.nat(plain.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), fc.boolean(), (edits, reseal) => {
      const damaged = Buffer.concat([plain, plain])
      for (const [at, value] of edits) damaged[at] = value
      if (reseal) sealBatch(damaged, 0, plain.length)
      assert.ok([undefined, 'LOG_CORRUPT'].includes(readAll(damaged, reseal)))
    }),
    { numRuns: 5000 },
  )
})

test('random bytes are no batch', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), noise => readAll(noise, true) === 'LOG_CORRUPT'))
})

test('a record that does not fit any more is refused, and those before stay', () => {
  const writer = new BatchWriter({ bytes: 64, bytesMax: 300 })
  writer.add(null, Buffer.alloc(100), [], 1)
  assert.throws(() => writer.add(null, Buffer.alloc(200), [], 2), { code: 'LOG_BATCH_TOO_LARGE' })
  assert.throws(() => writer.addSlice(Buffer.alloc(200), 0, 200, 2), { code: 'LOG_BATCH_TOO_LARGE' })
  writer.add(null, Buffer.alloc(100), [], 1)
  assert.equal([...records(writer.finish())].length, 2)
})
