/** Parquet files as sources, over row groups and restarts. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { prepareConfig } from '../../engine/index.ts'
import { copy, testContext } from '../testing.ts'
import { file } from './file.ts'
import { parquetFile } from './parquet.testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-parquet-'))
after(() => rmSync(folder, { recursive: true }))
const out = (): string[] => readFileSync(join(folder, 'out.ndjson'), 'utf8').split('\n').filter(line => line !== '')

const row = fc.record({ id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), v: fc.double({ noDefaultInfinity: true, noNaN: true }), s: fc.string() })
const groups = fc.array(fc.array(row, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 })

test('each row becomes a line with all digits of its numbers, and as many bytes are counted as the files have', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(groups, { minLength: 1, maxLength: 2 }), fc.integer({ min: 1, max: 600 }), async (files, bytes) => {
      let size = 0
      files.forEach((rows, at) => {
        const made = parquetFile(rows.map(group => ({ id: group.map(({ id }) => id), v: group.map(({ v }) => v), s: group.map(({ s }) => s) })))
        size += made.length
        writeFileSync(join(folder, `in-${at}.parquet`), made)
      })
      if (files.length === 1) rmSync(join(folder, 'in-1.parquet'), { force: true })
      const report = await copy(folder, { type: 'file', config: { path: 'in-*.parquet' } }, undefined, { batch: { bytes, events: 1000, age: 1 } })
      const safe = (id: bigint): number | string => (Number.isSafeInteger(Number(id)) ? Number(id) : String(id))
      // JSON knows no -0.
      assert.deepEqual(out().map(line => JSON.parse(line) as unknown), files.flat(2).map(({ id, v, s }) => ({ id: safe(id), v: v === 0 ? 0 : v, s })))
      assert.equal(report.bytes_in, size)
    }),
    { numRuns: 60 },
  )
})

test('more files than are held open are read in their order, each row once', async () => {
  const files = 30
  for (let at = 0; at < files; at++) writeFileSync(join(folder, `many-${String(at).padStart(2, '0')}.parquet`), parquetFile([{ n: [at * 10, at * 10 + 1] }, { n: [at * 10 + 2] }]))
  await copy(folder, { type: 'file', config: { path: 'many-*.parquet' } })
  assert.deepEqual(out(), Array.from({ length: files }, (_, at) => [0, 1, 2].map(n => `{"n":${at * 10 + n}}`)).flat())
})

test('the size of Parquet files is known, so that the progress has a bar', async () => {
  const made = parquetFile([{ n: [1, 2, 3] }, { n: [4] }])
  writeFileSync(join(folder, 'a.parquet'), made)
  const context = testContext({ folder })
  const source = file.create(prepareConfig(file.config, { path: 'a.parquet' }, context), context)
  await source.open(undefined)
  assert.equal(source.size, made.length)
  await source.close()
})

test('a restart reads on behind the last row', async () => {
  writeFileSync(join(folder, 'b.parquet'), parquetFile([{ n: [1, 2, 3] }, { n: [4, 5] }]))
  const context = testContext({ folder })
  const config = prepareConfig(file.config, { path: 'b.parquet' }, context)
  const open = async (position: Parameters<ReturnType<typeof file.create>['open']>[0]): Promise<ReturnType<typeof file.create>> => {
    const source = file.create(config, context)
    await source.open(position)
    return source
  }
  const first = await open(undefined)
  const piece = await first.next(1 << 20, context.signal)
  await first.close()
  const second = await open(piece?.position)
  assert.deepEqual((await second.next(1 << 20, context.signal))?.request, { path: join(folder, 'b.parquet'), from: 3, to: 5 })
  assert.equal(await second.next(1 << 20, context.signal), undefined)
  await second.close()
})

test('what is no Parquet file, or one that was cut off, is an error that names it', async () => {
  const whole = parquetFile([{ n: [1, 2, 3] }])
  for (const bytes of [Buffer.from('{"n":1}\n'), whole.subarray(0, -5), Buffer.alloc(0)]) {
    writeFileSync(join(folder, 'bad.parquet'), bytes)
    await assert.rejects(copy(folder, { type: 'file', config: { path: 'bad.parquet' } }), (error: Error & { code?: string }) => error.code === 'FILE_READ' && error.message.includes('bad.parquet'))
  }
})
