import assert from 'node:assert/strict'
import { after, before, mock, test } from 'node:test'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { prepareConfig } from '../../engine/index.ts'
import type { Sink, SinkChunk } from '../../engine/index.ts'
import { testContext } from '../testing.ts'
import { file as fileSink } from './file.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-file-sink-'))
})
after(() => rmSync(folder, { recursive: true }))

const signal = new AbortController().signal
const line = (n: number): string => `line ${n} of it\n`
/** Chunks that each sink was given. */
const given = new WeakMap<Sink, number>()
const chunkOf = (sink: Sink, content: string): SinkChunk => {
  const number = given.get(sink) ?? 0
  given.set(sink, number + 1)
  return { number, target: '', bytes: Buffer.from(content), rows: 1, ends: undefined }
}
const write = async (sink: Sink, ...numbers: readonly number[]): Promise<void> => {
  for (const n of numbers) await sink.write(chunkOf(sink, line(n)), signal)
}
const text = (...numbers: readonly number[]): string => numbers.map(line).join('')
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')

function makeSink(config: object): Sink {
  const context = testContext({ folder })
  return fileSink.create(prepareConfig(fileSink.config, config, context), context)
}

/** Notes what file handles are asked to make durable, while `work` runs. */
async function syncsOf(work: () => Promise<void>): Promise<string[]> {
  const handle = await open(join(folder, 'any'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle // All handles have one prototype.
  await handle.close()
  const seen: string[] = []
  const spies = (['datasync', 'sync'] as const).map(name => {
    const original = prototype[name]
    return mock.method(prototype, name, function (this: FileHandle) {
      seen.push(name)
      return original.call(this)
    })
  })
  try {
    await work()
  } finally {
    for (const spy of spies) spy.mock.restore()
  }
  return seen
}

test('a flush has the bytes and the name on disk before it answers', async () => {
  const sink = makeSink({ path: 'durable.ndjson' })
  await sink.open(undefined)
  await write(sink, 1)
  assert.deepEqual(await syncsOf(async () => void (await sink.flush())), ['datasync', 'sync'])
  await write(sink, 2)
  assert.deepEqual(await syncsOf(async () => void (await sink.flush())), ['datasync'])
  assert.deepEqual(await syncsOf(async () => void (await sink.flush())), [])
  await sink.close('done')
})

test('a file is on disk before the next one is begun', async () => {
  const sink = makeSink({ path: 'turned.ndjson', rotate: { size: 30 } })
  await sink.open(undefined)
  await write(sink, 1, 2)
  assert.deepEqual(await syncsOf(() => write(sink, 3)), ['datasync', 'sync'])
  assert.equal(read('turned-000001.ndjson'), text(1, 2))
  await sink.close('done')
})

test('chunks that are given at once are parted among files by size, as if they came one by one', async () => {
  const sink = makeSink({ path: 'gathered.ndjson', rotate: { size: 30 } })
  await sink.open(undefined)
  await Promise.all([1, 2, 3, 4, 5].map(n => sink.write(chunkOf(sink, line(n)), signal)))
  await sink.flush()
  await sink.close('done')
  assert.deepEqual(['1', '2', '3'].map(n => read(`gathered-00000${n}.ndjson`)), [text(1, 2), text(3, 4), text(5)])
})

test('a failed sync is final', async () => {
  const sink = makeSink({ path: 'failing.ndjson' })
  await sink.open(undefined)
  await write(sink, 1)
  const handle = await open(join(folder, 'any'), 'w')
  const failing = mock.method(Object.getPrototypeOf(handle) as FileHandle, 'datasync', () => Promise.reject(new Error('EIO')))
  try {
    await assert.rejects(sink.flush(), { code: 'FILE_WRITE', retry: false })
  } finally {
    failing.mock.restore()
  }
  await handle.close()
  await sink.close('failed')
})

test('a file that is shorter than its mark is an error', async () => {
  const sink = makeSink({ path: 'short.ndjson' })
  await sink.open(undefined)
  await write(sink, 1, 2)
  const mark = await sink.flush()
  await sink.close('stopped')
  truncateSync(join(folder, 'short.ndjson'), 10)
  await assert.rejects(makeSink({ path: 'short.ndjson' }).open(mark), { code: 'FILE_MARK' })
  assert.equal(read('short.ndjson').length, 10)
})

test('what is gathered for compression is part of a flush', async () => {
  const sink = makeSink({ path: 'packed.ndjson.gz' })
  await sink.open(undefined)
  await write(sink, 1, 2)
  await sink.flush()
  assert.equal(gunzipSync(readFileSync(join(folder, 'packed.ndjson.gz'))).toString(), text(1, 2))
  await sink.close('stopped')
})

test('what is gathered for compression is a copy, so that nothing else is held for it, and the chunk can be used again', async () => {
  const sink = makeSink({ path: 'copied.ndjson.gz' })
  await sink.open(undefined)
  const chunk = chunkOf(sink, line(1))
  await sink.write(chunk, signal)
  chunk.bytes.fill(0)
  await sink.flush()
  assert.equal(gunzipSync(readFileSync(join(folder, 'copied.ndjson.gz'))).toString(), text(1))
  await sink.close('stopped')
})

test('many compressed files do not gather more together than there is room for', async () => {
  const sink = makeSink({ path: 'each/{event.n}.ndjson.gz' })
  await sink.open(undefined)
  const content = `${'x'.repeat(999_999)}\n`
  const paths = Array.from({ length: 70 }, (_, n) => join(folder, 'each', `${n}.ndjson.gz`))
  const sizes = (): number[] => paths.map(path => (existsSync(path) ? statSync(path).size : 0))
  for (const [n, target] of paths.entries()) {
    // Sixty-four of 2 ** 20 bytes are room for sixty-seven of a million.
    if (n === 68) assert.ok(sizes().every(size => size === 0))
    await sink.write({ ...chunkOf(sink, content), target }, signal)
  }
  assert.deepEqual(sizes().map(size => size > 0), paths.map((_, n) => n < 68))
  await sink.flush()
  for (const path of paths) assert.equal(gunzipSync(readFileSync(path)).toString(), content)
  await sink.close('done')
})

test('a file that is not finished does not get its name', async () => {
  for (const outcome of ['stopped', 'failed'] as const) {
    const sink = makeSink({ path: `${outcome}.ndjson`, atomic: true })
    await sink.open(undefined)
    await write(sink, 1)
    await sink.flush()
    await sink.close(outcome)
    assert.equal(existsSync(join(folder, `${outcome}.ndjson`)), false)
    assert.equal(read(`${outcome}.ndjson.part`), text(1))
  }
})

test('a finished file that a crash undoes is unfinished again', async () => {
  const first = makeSink({ path: 'undone.ndjson', atomic: true })
  await first.open(undefined)
  await write(first, 1)
  const mark = await first.flush()
  await write(first, 2)
  await first.close('done')
  // The cut behind the end was not committed: the run goes on from the one before.
  const second = makeSink({ path: 'undone.ndjson', atomic: true })
  await second.open(mark)
  await write(second, 3)
  await second.flush()
  assert.equal(existsSync(join(folder, 'undone.ndjson')), false)
  await second.close('done')
  assert.equal(read('undone.ndjson'), text(1, 3))
  assert.equal(existsSync(join(folder, 'undone.ndjson.part')), false)
})

test('going back to a mark removes all files begun behind it, those with their final name too', async () => {
  const config = { path: 'many.ndjson', rotate: { size: 30 }, atomic: true }
  const first = makeSink(config)
  await first.open(undefined)
  await write(first, 1)
  const mark = await first.flush()
  await write(first, 2, 3, 4, 5, 6)
  await first.close('failed')
  const names = (): string[] => readdirSync(folder).filter(name => name.startsWith('many-')).sort()
  assert.deepEqual(names(), ['many-000001.ndjson', 'many-000002.ndjson', 'many-000003.ndjson.part'])
  const second = makeSink(config)
  await second.open(mark)
  await write(second, 7)
  await second.close('done')
  assert.deepEqual(names(), ['many-000001.ndjson'])
  assert.equal(read('many-000001.ndjson'), text(1, 7))
})

test('a line that a crash tore gets its end before more is added', async () => {
  const path = join(folder, 'torn.ndjson')
  writeFileSync(path, `${line(1)}line 2 of`)
  const sink = makeSink({ path: 'torn.ndjson', mode: 'append' })
  await sink.open(undefined)
  await write(sink, 3)
  await sink.close('done')
  assert.equal(read('torn.ndjson'), `${line(1)}line 2 of\n${line(3)}`)
})

test('a sink that adds to a file knows from the start where it began', async () => {
  writeFileSync(join(folder, 'added.ndjson'), line(1))
  const first = makeSink({ path: 'added.ndjson', mode: 'append' })
  await first.open(undefined)
  const mark = await first.flush()
  await write(first, 2)
  await first.close('failed')
  const second = makeSink({ path: 'added.ndjson', mode: 'append' })
  await second.open(mark)
  await write(second, 3)
  await second.close('done')
  assert.equal(read('added.ndjson'), text(1, 3))
})

test('a finished file is never replaced where it is to be kept', async () => {
  assert.throws(() => makeSink({ path: 'kept.ndjson', mode: 'append', atomic: true }), { code: 'CONFIG_VALUE' })
  for (const run of [1, 2]) {
    const sink = makeSink({ path: 'kept.ndjson', mode: 'append', atomic: true, rotate: { size: 1000 } })
    await sink.open(undefined)
    await write(sink, run)
    await sink.close('done')
  }
  assert.deepEqual([read('kept-000001.ndjson'), read('kept-000002.ndjson')], [text(1), text(2)])
  const once = makeSink({ path: 'once.ndjson', mode: 'create', atomic: true })
  await once.open(undefined)
  await once.close('done')
  await assert.rejects(makeSink({ path: 'once.ndjson', mode: 'create', atomic: true }).open(undefined), { code: 'FILE_WRITE', message: /is there already/ })
})
