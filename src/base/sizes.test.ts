import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatSize, parseSize } from './sizes.ts'

test('sizes are decimal or binary, as their unit says', () => {
  const cases: readonly (readonly [string | number, number])[] = [
    [4096, 4096], ['4096', 4096], ['0', 0], ['64KiB', 65_536], ['1.5 MB', 1_500_000], ['1MiB', 2 ** 20], ['2g', 2 ** 31], ['1kb', 1000], ['3B', 3], ['1TiB', 2 ** 40],
  ]
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, String(text))
})

test('what is no size is none', () => {
  for (const text of ['', 'MiB', '-1', '1.', '1 2', '5 elephants', '0x10', '1e3', '99999999TiB', -1, 1.5, Number.NaN, 2 ** 60]) assert.equal(parseSize(text), undefined, String(text))
})

test('a size for people is within five in a hundred of the size', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 48 }), bytes => {
    const read = parseSize(formatSize(bytes))
    assert.ok(read !== undefined && Math.abs(read - bytes) <= Math.max(1, bytes * 0.05), `${bytes} is shown as ${formatSize(bytes)}`)
  }))
  assert.deepEqual([0, 1023, 1024, 1_572_864, 20 * 2 ** 30, 2 ** 41].map(formatSize), ['0 B', '1023 B', '1 KiB', '1.5 MiB', '20 GiB', '2 TiB'])
})
