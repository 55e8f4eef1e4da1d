import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import fc from 'fast-check'
import { unzstd } from '../zstd.ts'
import { Compressors, linesPacking } from './packing.ts'

const unpack = { gzip: (bytes: Uint8Array) => buffer(Readable.from([bytes]).pipe(createGunzip())), zstd: (bytes: Uint8Array) => buffer(Readable.from([bytes]).pipe(unzstd())) } as const

for (const compression of ['gzip', 'zstd'] as const) {
  test(`members of ${compression} that are packed at the same time, by compressors that were used before, are whole by themselves and one stream together`, async () => {
    const compressors = new Compressors(compression, undefined)
    const lines = fc.uint8Array({ minLength: 1, maxLength: 5000 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(lines, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }), async rounds => {
        const members: Uint8Array[] = []
        for (const round of rounds) {
          const packed = await Promise.all(round.map(raw => compressors.pack(raw)))
          for (const [at, member] of packed.entries()) assert.deepEqual(new Uint8Array(await unpack[compression](member)), round[at])
          members.push(...packed)
        }
        assert.deepEqual(await unpack[compression](Buffer.concat(members)), Buffer.concat(rounds.flat()))
      }),
      { numRuns: 50 },
    )
    compressors.close()
  })

  test(`a large member of ${compression} is whole`, async () => {
    const compressors = new Compressors(compression, 1)
    const raw = Buffer.from(Array.from({ length: 400_000 }, (_, n) => `${(n * 7919) % 100_003}\n`).join(''))
    assert.deepEqual(await unpack[compression](await compressors.pack(raw)), raw)
    compressors.close()
  })

  test(`what is packed while compressors of ${compression} are closed becomes whole`, async () => {
    const compressors = new Compressors(compression, undefined)
    const raw = Buffer.alloc(1 << 20)
    const packing = compressors.pack(raw)
    compressors.close()
    assert.deepEqual(await unpack[compression](await packing), raw)
  })
}

test('a level that gzip does not know is refused', async () => {
  await assert.rejects(new Compressors('gzip', 19).pack(Buffer.from('x')), { code: 'ERR_OUT_OF_RANGE' })
})

test('without compression lines stay as they are', async () => {
  const lines = Buffer.from('a\nb\n')
  assert.deepEqual(await linesPacking(undefined).add(lines), lines)
})
