import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { ZstdFrames, unzstd } from './zstd.ts'

async function unpacked(chunks: readonly Buffer[], through = new ZstdFrames()): Promise<Buffer> {
  const [found] = await Promise.all([buffer(through), pipeline(Readable.from(chunks, { objectMode: false }), through)])
  return found
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map(place => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end)).filter(({ length }) => length > 0)
}

const skippable = (content: Uint8Array, kind: number): Buffer => {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x184d2a50 + kind)
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, content])
}
const content = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  // One byte again and again, and blocks that can't be made smaller.
  fc.tuple(fc.nat(255), fc.nat(400_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
  fc.nat(2 ** 31).map(seed => Uint8Array.from({ length: 200_000 }, (_, n) => Math.imul(n + seed, 2654435761) >>> 13)),
)
const frame = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(content, fc.boolean(), fc.integer({ min: 1, max: 9 })).map(([raw, checksum, level]) => ({ raw, packed: zstdCompressSync(raw, { params: { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0, [constants.ZSTD_c_compressionLevel]: level } }) })) },
  { weight: 1, arbitrary: fc.tuple(fc.uint8Array({ maxLength: 100 }), fc.nat(15)).map(([inside, kind]) => ({ raw: new Uint8Array(), packed: skippable(inside, kind) })) },
)
const frames = fc.array(frame, { minLength: 1, maxLength: 5 }).filter(all => all.some(({ packed }) => packed.readUInt32LE() === 0xfd2fb528))

test('frames behind each other are unpacked to their end, however they come', async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.nat(), { maxLength: 12 }), async (all, places) => {
      const bytes = Buffer.concat(all.map(({ packed }) => packed))
      const raw = Buffer.concat(all.map(one => one.raw))
      assert.ok((await unpacked(cut(bytes, places))).equals(raw))
      assert.ok((await unpacked([bytes], unzstd() as ZstdFrames)).equals(raw))
    }),
    { numRuns: 60 },
  )
})

test('an input that is torn within a frame is an error, byte by byte', async () => {
  const one = zstdCompressSync(Buffer.from('one and one and one'), { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
  const bytes = Buffer.concat([one, skippable(Buffer.from('passed over'), 3), zstdCompressSync(Buffer.alloc(1000, 'two'))])
  const ends = [one.length, one.length + 19, bytes.length]
  for (let length = 1; length <= bytes.length; length++) {
    const found = unpacked([bytes.subarray(0, length)])
    if (ends.includes(length)) await found
    else await assert.rejects(found, Error, String(length))
  }
})

test('what is no frame is an error, at the start and behind one', async () => {
  const one = zstdCompressSync(Buffer.from('one'))
  for (const bytes of [Buffer.from('{"a":1}\n'), Buffer.from('no'), Buffer.concat([one, Buffer.from('rubbish')]), Buffer.concat([one, Buffer.alloc(8)])]) await assert.rejects(unpacked([bytes]))
})

test('who reads slowly is waited for', async () => {
  const one = zstdCompressSync(Buffer.alloc(8 << 20))
  const through = new ZstdFrames()
  const fed = pipeline(Readable.from([one, one, one]), through)
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.ok(through.readableLength < 1 << 20, String(through.readableLength))
  let bytes = 0
  for await (const chunk of through as AsyncIterable<Buffer>) bytes += chunk.length
  await fed
  assert.equal(bytes, 3 * (8 << 20))
})

test('a stream that is given up ends what it had begun', async () => {
  const through = new ZstdFrames()
  const fed = pipeline(Readable.from([zstdCompressSync(Buffer.alloc(8 << 20))]), through)
  through.destroy(new Error('enough'))
  await assert.rejects(fed, /enough/)
})
