import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { lz4Compress, snappyCompress } from '@platformatic/wasm-utils/bundled'
import fc from 'fast-check'
import type { Compression } from '../log.ts'
import { decompress } from './compression.ts'
import { BatchWriter, CODECS, RecordCursor, checkBatch, compressBatch, compressionOf, decompressBatches, records, sign, stamp } from './index.ts'

const PACKED: readonly Compression[] = ['gzip', 'snappy', 'lz4', 'zstd']

function batchOf(values: readonly string[]): Uint8Array {
  const writer = new BatchWriter()
  for (const [index, value] of values.entries()) writer.add(Buffer.from(`key-${index}`), Buffer.from(value), [['h', Buffer.from(String(index))]], 1000 + index)
  return writer.finish()
}

const lines = Array.from({ length: 5000 }, (_, index) => `{"id":${index},"device":"device-${(index * 7919) % 97}","temperature":${((index * 31) % 400) / 10}}`)

for (const codec of PACKED) {
  test(`a batch packed with ${codec} holds the same records, and can be stamped and signed`, async () => {
    const plain = batchOf(lines)
    const packed = await compressBatch(plain, codec)
    assert.ok(packed.length < plain.length / 2, `${packed.length} of ${plain.length} bytes`)
    assert.equal(compressionOf(packed), codec)
    stamp(packed, { baseOffset: 500n, leaderEpoch: 1 })
    sign(packed, { producerId: 9n, epoch: 1, sequence: 4, transactional: false })
    assert.deepEqual(checkBatch(packed), { ok: true, length: packed.length })
    stamp(plain, { baseOffset: 500n, leaderEpoch: 1 })
    assert.deepEqual([...records(packed)], [...records(plain)])
  })

  test(`a batch packed with ${codec} that unpacks to more than the limit is an error`, async () => {
    const packed = await compressBatch(batchOf(['x'.repeat(1 << 20)]), codec)
    const cursor = new RecordCursor({ bytesMax: 1 << 16 })
    assert.throws(() => cursor.open(packed).next(), { code: 'LOG_CORRUPT', message: /more than 65536 bytes/ })
    await assert.rejects(decompressBatches(packed, 1 << 16), { code: 'LOG_CORRUPT', message: /more than 65536 bytes/ })
    assert.equal(new RecordCursor().open(packed).next(), true)
  })

  test(`bytes packed with ${codec} that are cut off or changed give a typed error or other bytes, never more than the limit`, async () => {
    const whole = (await compressBatch(batchOf(lines.slice(0, 40)), codec)).subarray(61)
    const damaged: Uint8Array[] = []
    for (let cut = 0; cut < whole.length; cut += 3) damaged.push(whole.subarray(0, cut))
    for (let at = 0; at < whole.length; at++) damaged.push(Uint8Array.from(whole, (byte, index) => (index === at ? byte ^ (1 << (at % 8)) : byte)))
    let errors = 0
    for (const bytes of damaged) {
      try {
        assert.ok(decompress(CODECS.indexOf(codec), bytes, 100_000).length <= 100_000)
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'LOG_CORRUPT')
        errors++
      }
    }
    assert.ok(errors >= whole.length / 3, `${errors} errors`)
  })
}

test('batches of all kinds one behind the other unpack to plain batches with the same records', async () => {
  const plain = await Promise.all(CODECS.map(codec => compressBatch(batchOf(lines.slice(0, 100)), codec)))
  // Large enough for the other thread.
  const large = batchOf(Array.from({ length: 3000 }, (_, index) => `${Math.sin(index)} ${Math.cos(index)} ${Math.tan(index)}`))
  const all = Buffer.concat([...plain, await compressBatch(large, 'gzip'), await compressBatch(large, 'zstd')])
  const unpacked = await decompressBatches(all)
  assert.deepEqual([...records(unpacked)], [...records(all)])
  for (let at = 0; at < unpacked.length; ) {
    const check = checkBatch(unpacked, at)
    assert.ok(check.ok)
    assert.equal(compressionOf(unpacked, at), 'none')
    at += check.length
  }
})

test('unpacking does not heal a damaged batch', async () => {
  const packed = await compressBatch(batchOf(lines), 'zstd')
  packed[packed.length - 1] = (packed[packed.length - 1] ?? 0) ^ 1
  await assert.rejects(decompressBatches(packed), { code: 'LOG_CORRUPT', message: /checksum/ })
})

test('plain batches are handed back as they are', async () => {
  const plain = batchOf(lines)
  assert.equal(await decompressBatches(plain), plain)
  assert.equal(await compressBatch(plain, 'none'), plain)
})

test('a batch that packing would not make smaller stays plain', async () => {
  const small = batchOf(['x'])
  for (const codec of PACKED) assert.equal(await compressBatch(small, codec), small)
})

test('a limit of many small bombs holds for all together', async () => {
  const bomb = await compressBatch(batchOf(['x'.repeat(60_000)]), 'lz4')
  assert.equal((await decompressBatches(Buffer.concat([bomb, bomb]), 130_000)).length > 120_000, true)
  await assert.rejects(decompressBatches(Buffer.concat([bomb, bomb, bomb]), 130_000), { code: 'LOG_CORRUPT' })
})

test('bytes behind packed records are noticed', () => {
  for (const [codec, packed] of [[1, gzipSync('abc')], [4, zstdCompressSync('abc')]] as const) {
    assert.equal(Buffer.from(decompress(codec, packed)).toString(), 'abc')
    assert.throws(() => decompress(codec, Buffer.concat([packed, Buffer.from('garbage')])), { code: 'LOG_CORRUPT' }, CODECS[codec])
  }
})

/** Bytes with repetitions of every distance and length. */
const repetitive = fc
  .array(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.tuple(fc.nat(300), fc.nat(400))), { maxLength: 60 })
  .map(parts => {
    const out: number[] = [1]
    for (const part of parts) {
      if (part instanceof Uint8Array) out.push(...part)
      else for (let count = part[1], from = Math.max(out.length - 1 - part[0], 0); count > 0; count--) out.push(out[from++] ?? 0)
    }
    return Buffer.from(out)
  })

test('what the package packs is unpacked to the same bytes, up to the very limit', () => {
  fc.assert(
    fc.property(repetitive, bytes => {
      for (const [codec, packed] of [['lz4', lz4Compress(bytes)], ['snappy', snappyCompress(bytes)]] as const) {
        const unpacked = decompress(CODECS.indexOf(codec), packed, bytes.length)
        assert.ok(bytes.equals(unpacked), codec)
        if (bytes.length > 0) assert.throws(() => decompress(CODECS.indexOf(codec), packed, bytes.length - 1), { code: 'LOG_CORRUPT', message: /more than/ })
      }
    }),
    { numRuns: 500 },
  )
})
