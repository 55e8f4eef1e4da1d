import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CHECKSUM, compileKernel } from '../../../tools/build-kernel.ts'
import { CRC32C } from './crc32c-binary.ts'
import { crc32c, crc32cCombine, portableCrc32c } from './crc32c.ts'
import { naiveCrc32c } from './naive.testing.ts'

test('the committed kernel is what its source compiles to', async () => {
  assert.ok(Buffer.from(await compileKernel(CHECKSUM)).toString('base64') === CRC32C, 'Run node tools/build-kernel.ts and commit src/log/batch/crc32c-binary.ts.')
})

test('the checksum is that of RFC 3720', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe306_9283)
  assert.equal(crc32c(new Uint8Array(32)), 0x8a91_36aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8_ab43)
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd_794e)
})

test('the checksum is that of the polynomial, in one piece or in two', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1500 }), fc.nat(1500), fc.nat(20), (all, cut, skip) => {
      const from = Math.min(skip, all.length)
      const middle = Math.min(Math.max(cut, from), all.length)
      const expected = naiveCrc32c(all.subarray(from))
      assert.equal(crc32c(all, from), expected)
      assert.equal(portableCrc32c(all, from, all.length, 0), expected)
      assert.equal(crc32cCombine(crc32c(all, from, middle), crc32c(all, middle), all.length - middle), expected)
      assert.equal(crc32c(all, middle, all.length, crc32c(all, from, middle)), expected)
    }),
  )
})

test('the kernel agrees with plain JavaScript at every length around its steps, and on long pieces', () => {
  let seed = 7
  const all = Uint8Array.from({ length: 300_000 }, () => (seed = (seed * 16_807) % 2_147_483_647))
  // Folding begins at 2 * 209 blocks of 16; the kernel takes 128 KiB at a time.
  const steps = [512, 209 * 16, 2 * 209 * 16, 3 * 209 * 16, 65_536, 131_072, 131_072 + 2 * 209 * 16, 262_144]
  for (const step of steps) {
    for (let length = step - 40; length <= step + 40; length++) {
      const from = length % 17
      assert.equal(crc32c(all, from, from + length, 0x1234_5678), portableCrc32c(all, from, from + length, 0x1234_5678), `${length} bytes`)
    }
  }
})
