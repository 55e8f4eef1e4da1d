/** One case for each thing that a reader must notice: bytes whose checksum is right and whose content is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decompress } from './compression.ts'
import { CODECS, RecordCursor, checkBatch, decodeControlBatch } from './index.ts'
import { naiveBatch, naiveVarint } from './naive.testing.ts'

const HEADER = {
  baseOffset: 0n, leaderEpoch: 0, attributes: 0, lastOffsetDelta: 0, baseTimestamp: 1000n, maxTimestamp: 1000n, producerId: -1n, producerEpoch: -1, baseSequence: -1,
}
const NULL = 1
const bytes = (value: string): number[] => [...naiveVarint(value.length), ...Buffer.from(value)]
/** A record of the parts behind its attributes. */
const record = (...parts: readonly (number | readonly number[])[]): number[] => {
  const body = [0, ...parts.flat()]
  return [...naiveVarint(body.length), ...body]
}
const GOOD = record(0, 0, NULL, bytes('a value of some length'), 0)
const SECOND = naiveVarint(1)
/** Read as anything else, each of its bytes is a length of 1. */
const ONES = record(0, SECOND, NULL, naiveVarint(40), new Array<number>(40).fill(2), 0)

function read(batch: Uint8Array): void {
  for (const cursor = new RecordCursor().open(batch); cursor.next(); ) cursor.headers()
}

/** What is wrong, the count, the records. The last offset is that of the count, unless the count is 0. */
const RECORDS: readonly (readonly [reason: RegExp, count: number, raw: readonly number[]])[] = [
  [/bytes behind the last record/, 0, [1, 2, 3]],
  [/bytes behind the last record/, 1, [...GOOD, 0]],
  [/reaches beyond its batch/, 1, [...naiveVarint(-5), 0, 0, 0, 0, 0, 0, 0]],
  [/reaches beyond its batch/, 1, [...naiveVarint(100), ...GOOD]],
  [/offsets that do not grow/, 2, [...GOOD, ...GOOD]],
  [/offsets that do not grow/, 1, record(0, naiveVarint(1), NULL, NULL, 0)],
  [/offsets that do not grow/, 1, record(0, naiveVarint(-1), NULL, NULL, 0)],
  [/timestamp beyond 2\^53/, 1, record(naiveVarint(2 ** 53), 0, NULL, NULL, 0)],
  [/timestamp beyond 2\^53/, 1, record(naiveVarint(-(2n ** 60n)), 0, NULL, NULL, 0)],
  [/length is not that of its fields/, 1, record(0, 0, NULL, NULL, 0, 7)],
  [/a negative length/, 1, record(0, 0, naiveVarint(-2), NULL, 0)],
  [/a negative length/, 1, record(0, 0, NULL, naiveVarint(-2), 0)],
  [/key or value that reaches beyond/, 2, [...record(0, 0, naiveVarint(20), 1, 1, 1), ...ONES]],
  [/key or value that reaches beyond/, 2, [...record(0, 0, NULL, naiveVarint(20), 1, 1), ...ONES]],
  [/a negative number of headers/, 1, record(0, 0, NULL, NULL, naiveVarint(-1))],
  [/header without a name/, 1, record(0, 0, NULL, NULL, naiveVarint(1), NULL, NULL)],
  [/a negative length/, 1, record(0, 0, NULL, NULL, naiveVarint(1), bytes('h'), naiveVarint(-2))],
  [/headers that reach beyond/, 2, [...record(0, 0, NULL, NULL, naiveVarint(1), bytes('h'), naiveVarint(10)), ...ONES]],
  [/headers that reach beyond/, 2, [...record(0, 0, NULL, NULL, naiveVarint(4)), ...new Array<number>(40).fill(2)]],
  [/a record that ends too early/, 2, [...GOOD, ...record(0, SECOND)]],
  [/a record that ends too early/, 2, [...GOOD, ...record(0, 0x80)]],
  [/a record that ends too early/, 2, [...GOOD, ...record(0x80)]],
  [/a record that ends too early/, 2, [...GOOD, ...record()]],
  [/more than 32 bits/, 1, record(0, [0x80, 0x80, 0x80, 0x80, 0x10], NULL, NULL, 0)],
  [/more than 32 bits/, 1, record(0, [0x80, 0x80, 0x80, 0x80, 0x80, 0], NULL, NULL, 0)],
  [/more than 64 bits/, 1, record([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2], 0, NULL, NULL, 0)],
]

for (const [index, [reason, count, raw]] of RECORDS.entries()) {
  test(`records: ${reason.source}, case ${index + 1}`, () => {
    const batch = naiveBatch({ ...HEADER, lastOffsetDelta: Math.max(count - 1, 0) }, count, raw)
    assert.equal(checkBatch(batch).ok, true)
    assert.throws(() => read(batch), { code: 'LOG_CORRUPT', message: reason })
    // What follows in the same array makes no difference.
    assert.throws(() => read(Buffer.concat([batch, naiveBatch(HEADER, 1, GOOD)])), { code: 'LOG_CORRUPT', message: reason })
  })
}

test('the records that these cases were made from are right', () => {
  read(naiveBatch({ ...HEADER, lastOffsetDelta: 1 }, 2, [...GOOD, ...record(naiveVarint(-5), SECOND, bytes('k'), NULL, naiveVarint(1), bytes('h'), NULL)]))
  read(naiveBatch(HEADER, 1, record(naiveVarint(2 ** 53 - 1001), 0, NULL, NULL, 0)))
})

test('a header that does not agree with itself is refused', () => {
  const cases: readonly (readonly [reason: RegExp, fields: Partial<typeof HEADER>, count?: number])[] = [
    [/unknown attributes 0x80/, { attributes: 0x80 }],
    [/unknown attributes 0x8000/, { attributes: 0x8000 }],
    [/unknown compression 5/, { attributes: 5 }],
    [/a negative offset/, { baseOffset: -1n }],
    [/a negative last offset/, { lastOffsetDelta: -1 }, 0],
    [/2 records for 1 offsets/, {}, 2],
    [/-1 records/, {}, -1],
    [/9 records do not fit/, { lastOffsetDelta: 8 }, 9],
    [/timestamp beyond/, { baseTimestamp: 2n ** 53n }],
    [/timestamp beyond/, { maxTimestamp: -(2n ** 62n) }],
    [/producer without an epoch/, { producerId: 5n }],
    [/transaction without a producer/, { attributes: 0x10 }],
  ]
  for (const [reason, fields, count = 1] of cases) {
    const check = checkBatch(naiveBatch({ ...HEADER, ...fields }, count, GOOD))
    assert.ok(!check.ok && !check.torn)
    assert.match(check.reason, reason)
  }
  const short = naiveBatch(HEADER, 1, GOOD)
  for (const length of [48, 0, -1]) {
    new DataView(short.buffer).setInt32(8, length)
    assert.deepEqual(checkBatch(short), { ok: false, reason: 'the length is impossible', torn: false })
  }
})

test('control records that say nothing possible are refused', () => {
  const control = (key: readonly number[], value: readonly number[]): Uint8Array =>
    naiveBatch({ ...HEADER, attributes: 0x20 }, 1, record(0, 0, naiveVarint(key.length), [...key], naiveVarint(value.length), [...value], 0))
  const value = [0, 0, 0, 0, 0, 9]
  assert.deepEqual(decodeControlBatch(control([0, 0, 0, 1], value)), { commit: true, coordinatorEpoch: 9 })
  assert.deepEqual(decodeControlBatch(control([0, 0, 0, 0], value)), { commit: false, coordinatorEpoch: 9 })
  assert.equal(decodeControlBatch(control([0, 0, 0, 2], value)), undefined)
  for (const key of [[0, 0, 0], [0x80, 0, 0, 1]]) assert.throws(() => decodeControlBatch(control(key, value)), { code: 'LOG_CORRUPT', message: /impossible key/ })
  for (const wrong of [[0, 0, 0, 0, 0], [0x80, 0, 0, 0, 0, 0]]) assert.throws(() => decodeControlBatch(control([0, 0, 0, 1], wrong)), { code: 'LOG_CORRUPT', message: /impossible value/ })
  for (const batch of [naiveBatch(HEADER, 1, GOOD), naiveBatch({ ...HEADER, attributes: 0x20 }, 0, [])]) {
    assert.throws(() => decodeControlBatch(batch), { code: 'LOG_CORRUPT', message: /no control record/ })
  }
})

const A = 0x61
const word = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24]
const frame = (flags: number, sizes: number, ...blocks: readonly (readonly number[])[]): number[] => [
  ...word(0x184d_2204), flags, sizes, 0, ...blocks.flatMap(block => [...word(block.length), ...block]),
]
const block = (...content: readonly number[]): number[] => [...frame(0x60, 0x40, content), ...word(0)]
/** Unpacks to 1 + 19 + 255 * 260 bytes and more. */
const LONG = [0x1f, A, 1, 0, ...new Array<number>(260).fill(255), 0, 0]

const LZ4: readonly (readonly [reason: RegExp, bytes: readonly number[]])[] = [
  [/no LZ4 frame/, [...word(0x184d_2205), 0x60, 0x40, 0, ...word(0)]],
  [/no LZ4 frame/, [4, 0x22, 0x4d, 0x18, 0x60]],
  [/unknown version/, frame(0xa0, 0x40)],
  [/needs a dictionary/, frame(0x61, 0x40)],
  [/impossible block size/, frame(0x60, 0x30)],
  [/frame that ends too early/, frame(0x60, 0x40)],
  [/frame that ends too early/, frame(0x60, 0x40, [0x10, A])],
  [/beyond its frame/, [...frame(0x60, 0x40), ...word(65_537), ...new Array<number>(65_540).fill(0)]],
  [/beyond its frame/, [...frame(0x60, 0x40), ...word(100), 0x10, A]],
  [/more than its frame allows/, block(...LONG)],
  [/behind an LZ4 frame/, [...block(0x10, A), 0]],
  [/behind an LZ4 frame, or too few/, [...frame(0x64, 0x40, [0x10, A]), ...word(0), 1, 2]],
  [/block that ends too early/, block(0x10, A, 1, 0)],
  [/block that ends too early/, block(0xf0, 255)],
  [/literals that reach beyond/, block(0x50, A)],
  [/block that ends too early/, block(0x10, A, 1)],
  [/block that ends too early/, block(0x1f, A, 1, 0, 255)],
  [/repetition of what is not there/, block(0x10, A, 0, 0, 0)],
  [/repetition of what is not there/, block(0x10, A, 2, 0, 0)],
  [/repetition of what is not there/, [...frame(0x60, 0x40, [0x10, A], [0x10, A, 2, 0, 0]), ...word(0)]],
]

const XERIAL = [0x82, ...Buffer.from('SNAPPY'), 0, 0, 0, 0, 1, 0, 0, 0, 1]
const SNAPPY: typeof LZ4 = [
  [/ends too early/, [...XERIAL, 0, 0]],
  [/beyond its frame/, [...XERIAL, 0, 0, 0, 9, 1, 0, A]],
  [/impossible size/, []],
  [/impossible size/, [0x80]],
  [/impossible size/, [0x80, 0x80, 0x80, 0x80, 0x80, 0]],
  [/more than 100000 bytes/, [0xff, 0xff, 0xff, 0x7f, 0, A]],
  [/literals that reach beyond/, [5, 4 << 2, A]],
  [/longer than it says/, [1, 1 << 2, A, A]],
  [/longer than it says/, [2, 0, A, 1, 1]],
  [/shorter than it says/, [5, 0, A]],
  [/ends too early/, [5, 0, A, 1]],
  [/ends too early/, [5, 60 << 2]],
  [/repetition of what is not there/, [5, 0, A, 1, 0]],
  [/repetition of what is not there/, [5, 0, A, 1, 2]],
]

for (const [name, cases] of [['lz4', LZ4], ['snappy', SNAPPY]] as const) {
  test(`packed records: whatever is wrong with ${name} is told`, () => {
    for (const [reason, packed] of cases) {
      // Also where the array goes on behind.
      const larger = Uint8Array.from([...packed, ...new Array<number>(300).fill(0)])
      for (const input of [Uint8Array.from(packed), larger.subarray(0, packed.length)]) {
        assert.throws(() => decompress(CODECS.indexOf(name), input, 100_000), { code: 'LOG_CORRUPT', message: reason }, `${reason} ${packed.slice(0, 40).join(' ')}`)
      }
    }
  })
}

test('the packed records that these cases were made from are right', () => {
  const text = (codec: 'lz4' | 'snappy', packed: readonly number[]): string => Buffer.from(decompress(CODECS.indexOf(codec), Uint8Array.from(packed))).toString()
  assert.equal(text('lz4', block(0x10, A, 1, 0, 0)), 'aaaaa')
  // Linked blocks may repeat what the block before holds.
  assert.equal(text('lz4', [...frame(0x40, 0x40, [0x20, A, 0x62], [0x10, 0x63, 3, 0, 0]), ...word(0)]), 'abcabca')
  assert.equal(text('snappy', [5, 0, A, 1, 1]), 'aaaaa')
  assert.equal(text('snappy', [...XERIAL, 0, 0, 0, 3, 1, 0, A, 0, 0, 0, 5, 5, 0, A, 1, 1]), 'aaaaaa')
})

test('a packed batch whose header counts more records than it holds is refused, without counting to the end', () => {
  const batch = naiveBatch({ ...HEADER, attributes: 3, lastOffsetDelta: 2 ** 31 - 2 }, 2 ** 31 - 1, block(0x10, A))
  assert.throws(() => read(batch), { code: 'LOG_CORRUPT' })
})
