import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { SluiceError } from '../../base/index.ts'
import { loadParquet, makeRowGroup } from './parquet-rows.ts'
import type { Columns } from './parquet-rows.ts'
import { ParquetThreads } from './parquet-threads.ts'
import { ParquetFile } from './parquet.ts'
import type { MakeRowGroup } from './parquet.ts'

const library = await loadParquet()
const linesOf = (rows: readonly unknown[]): Uint8Array => Buffer.from(rows.map(row => `${JSON.stringify(row)}\n`).join(''))
const row = fc.record({ n: fc.integer(), text: fc.string({ unit: 'grapheme' }), half: fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0.5) }, { noNullPrototype: true })
const groups = fc.array(fc.array(row, { minLength: 1, maxLength: 30 }), { maxLength: 6 })

async function fileOf(file: ParquetFile, parts: readonly Uint8Array[]): Promise<ArrayBuffer> {
  const answers = await Promise.all(parts.map(part => file.add(part)))
  return new Uint8Array(Buffer.concat([...answers, await file.finish()])).buffer
}

const plain = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value)
async function rowsOf(file: ArrayBuffer): Promise<unknown[]> {
  const rows = await parquetReadObjects({ file, compressors })
  return rows.map(({ _rest, ...others }) => {
    assert.equal(_rest ?? null, null)
    return Object.fromEntries(Object.entries(others).map(([name, value]) => [name, plain(value)]))
  })
}

for (const columns of [undefined, { n: 'integer', text: 'string', half: 'number' } satisfies Columns]) {
  test(`row groups that are made in any order stand in the file in that of their rows, columns ${columns === undefined ? 'made up' : 'given'}`, async () => {
    await fc.assert(
      fc.asyncProperty(groups, fc.constantFrom('none', 'gzip', 'zstd'), fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }), async (found, compression, waits) => {
        const make: MakeRowGroup = async (form, lines) => {
          await sleep(waits.pop() ?? 0)
          return makeRowGroup(library, form, lines)
        }
        const bytes = await fileOf(new ParquetFile(library, make, compression, columns), found.map(linesOf))
        assert.deepEqual(parquetMetadata(bytes).row_groups.map(group => Number(group.num_rows)), found.map(group => group.length))
        assert.deepEqual(await rowsOf(bytes), found.flat())
        // One after the other it becomes the same file.
        const file = new ParquetFile(library, (form, lines) => Promise.resolve(makeRowGroup(library, form, lines)), compression, columns)
        const parts: Uint8Array[] = []
        for (const group of found) parts.push(await file.add(linesOf(group)))
        assert.deepEqual(Buffer.from(bytes), Buffer.concat([...parts, await file.finish()]))
      }),
      { numRuns: 60 },
    )
  })
}

test('threads make the row groups of several files at the same time', async () => {
  const threads = new ParquetThreads()
  const make: MakeRowGroup = (form, lines) => threads.make(form, lines)
  // Pages of columns that have several are found by places, too.
  const found = Array.from({ length: 5 }, (_, group) => Array.from({ length: 20_000 }, (__, n) => ({ n: group * 20_000 + n, text: `${(n * 7919) % 100_003} of ${group} ${'and more text that fills pages '.repeat(3)}` })))
  const files = await Promise.all([1, 2, 3].map(() => fileOf(new ParquetFile(library, make, 'zstd', undefined), found.map(linesOf))))
  await threads.close()
  for (const file of files) assert.deepEqual(Buffer.from(file), Buffer.from(files[0] as ArrayBuffer))
  const [file] = files
  assert.ok(file !== undefined && parquetMetadata(file).row_groups.some(group => group.columns.some(column => column.offset_index_offset !== undefined)))
  assert.deepEqual(await rowsOf(file), found.flat())
  const some = await parquetReadObjects({ file, compressors, columns: ['text'], rowStart: 59_990, rowEnd: 60_010, useOffsetIndex: true })
  assert.deepEqual(some.map(({ text }) => text as string), found.flat().slice(59_990, 60_010).map(({ text }) => text))
})

test('a row group that can\'t be made is told, and the next one can', async () => {
  const threads = new ParquetThreads()
  const form = { compression: 'none', hasRest: true, columns: undefined } as const
  await assert.rejects(threads.make(form, Buffer.from('{"a":\n')), { code: 'INTERNAL', message: /could not be made/ })
  assert.deepEqual((await threads.make(form, Buffer.from('{"a":1}\n'))).columns, { a: 'integer' })
  await threads.close()
})

test('a thread that ends fails the row group that it was at, and the next row group gets another thread', async () => {
  const ending = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', ({ lines }) => lines[0] === 33 ? process.exit(3) : parentPort.postMessage({ made: { columns: { n: 'integer' } } }))`
  const threads = new ParquetThreads(new URL(`data:text/javascript,${encodeURIComponent(ending)}`))
  const form = { compression: 'none', hasRest: true, columns: undefined } as const
  const [ended, ...others] = await Promise.allSettled(['!', '1\n', '2\n', '3\n', '4\n', '5\n'].map(text => threads.make(form, Buffer.from(text))))
  assert.ok(ended?.status === 'rejected' && ended.reason instanceof SluiceError && ended.reason.code === 'WORKER_CRASHED' && ended.reason.message.includes('"row_group"'))
  assert.deepEqual(others.map(({ status }) => status), Array(5).fill('fulfilled'))
  assert.deepEqual((await threads.make(form, Buffer.from('6\n'))).columns, { n: 'integer' })
  await threads.close()
})

test('a thread that ended while it had nothing to do is not asked again', async () => {
  const ending = `import { parentPort } from 'node:worker_threads'; parentPort.once('message', () => { parentPort.postMessage({ made: { columns: { n: 'integer' } } }); setTimeout(() => process.exit(3), 10) })`
  const threads = new ParquetThreads(new URL(`data:text/javascript,${encodeURIComponent(ending)}`))
  const form = { compression: 'none', hasRest: true, columns: undefined } as const
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual((await threads.make(form, Buffer.from('1\n'))).columns, { n: 'integer' })
    await sleep(100)
  }
  await threads.close()
})

test('what waits for a thread that is closed is told so', async () => {
  const threads = new ParquetThreads()
  const form = { compression: 'none', hasRest: true, columns: undefined } as const
  const all = Promise.allSettled(Array.from({ length: 6 }, () => threads.make(form, linesOf(Array.from({ length: 10_000 }, (_, n) => ({ n }))))))
  await threads.close()
  for (const one of await all) assert.equal(one.status, 'rejected')
})
