import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { copy, testContext } from './testing.ts'
import { file as fileSink } from './sinks/file.ts'
import { prepareConfig } from '../engine/index.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-files-'))
})
after(() => rmSync(folder, { recursive: true }))

const out = (name = 'out.ndjson'): string[] => readFileSync(join(folder, name), 'utf8').split('\n').filter(line => line !== '')
const letters = (): { code: string; position: unknown; original: string }[] => out('dead.ndjson').map(line => JSON.parse(line) as { code: string; position: unknown; original: string })

test('every record of a file is read once, whatever the size of the pieces, the line ends and the byte order mark', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ n: fc.integer(), s: fc.string({ maxLength: 30 }) }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 200 }),
      fc.constantFrom('\n', '\r\n', '\n\n'),
      fc.boolean(),
      fc.boolean(),
      async (events, bytes, end, mark, open) => {
        const lines = events.map(event => JSON.stringify(event))
        writeFileSync(join(folder, 'in.ndjson'), (mark ? '\ufeff' : '') + lines.join(end) + (open ? '' : end))
        const report = await copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, undefined, { batch: { bytes, events: 1000, age: 1 } })
        assert.deepEqual(out(), lines)
        assert.equal(report.events_in, lines.length)
      },
    ),
    // A range that held the mark and nothing else once lost the first line.
    { numRuns: 60, examples: [[[{ n: 0, s: '' }], 3, '\n', true, false]] },
  )
})

test('gzip with several members, zstd and plain files are read in the order of their names', async () => {
  writeFileSync(join(folder, 'part-1.ndjson.gz'), Buffer.concat([gzipSync('{"n":1}\n{"n":'), gzipSync('2}\n')]))
  writeFileSync(join(folder, 'part-2.ndjson.zst'), zstdCompressSync('{"n":3}\n'))
  writeFileSync(join(folder, 'part-3.ndjson'), '{"n":4}')
  await copy(folder, { type: 'file', config: { path: 'part-*', format: 'ndjson' } })
  assert.deepEqual(out(), ['{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}'])
})

test('a gzip file that was cut off is an error that names it', async () => {
  writeFileSync(join(folder, 'cut.ndjson.gz'), gzipSync('{"n":1}\n'.repeat(1000)).subarray(0, 40))
  await assert.rejects(copy(folder, { type: 'file', config: { path: 'cut.ndjson.gz' } }), (error: Error & { code?: string }) => error.code === 'FILE_READ' && error.message.includes('cut.ndjson.gz'))
})

test('a line over the limit goes to the dead letters with its beginning and its place', async () => {
  const long = `{"n":"${'x'.repeat(5000)}"}`
  writeFileSync(join(folder, 'long.ndjson'), `{"n":1}\n${long}\n{"n":2}\n`)
  for (const bytes of [64, 512, 65536]) {
    const report = await copy(folder, { type: 'file', config: { path: 'long.ndjson', line_max: 1000 } }, undefined, { batch: { bytes, events: 1000, age: 1 } })
    assert.deepEqual(out(), ['{"n":1}', '{"n":2}'])
    assert.equal(report.dead_lettered, 1)
    assert.equal(letters()[0]?.code, 'RECORD_TOO_LONG')
    assert.deepEqual(letters()[0]?.position, { path: join(folder, 'long.ndjson'), offset: 8 })
  }
})

test('a JSON array becomes one event for each element', async () => {
  writeFileSync(join(folder, 'list.json'), '[ {"a": 1,\n "b":"],["}\n, 2, [3],\n"x"]\n')
  await copy(folder, { type: 'file', config: { path: 'list.json' } }, undefined, { batch: { bytes: 5, events: 10, age: 1 } })
  assert.deepEqual(out().map(line => JSON.parse(line) as unknown), [{ a: 1, b: '],[' }, 2, [3], 'x'])
})

test('CSV with quotes over lines, types and nulls is read the same in any pieces, and a bad record is told', async () => {
  writeFileSync(join(folder, 'in.csv'), 'id,name,price\r\n1,"a ""b""\nc",2.5\r\n2,,x\r\n3,plain,-\r\n4,too,many,fields\n')
  for (const bytes of [3, 20, 1000]) {
    const report = await copy(folder, { type: 'file', config: { path: 'in.csv', options: { types: { id: 'integer', price: 'number' }, nulls: ['-'] } } }, undefined, { batch: { bytes, events: 10, age: 1 } })
    assert.deepEqual(out().map(line => JSON.parse(line) as unknown), [{ id: 1, name: 'a "b"\nc', price: 2.5 }, { id: 3, name: 'plain', price: null }])
    assert.equal(report.dead_lettered, 2)
    assert.deepEqual(letters().map(({ original }) => original), ['2,,x', '4,too,many,fields'])
  }
})

test('a file that is not there is told before anything runs', async () => {
  await assert.rejects(copy(folder, { type: 'file', config: { path: 'nowhere.ndjson' } }), { code: 'FILE_MISSING' })
})

test('following survives appending, rotation and truncation', async () => {
  const path = join(folder, 'grow.log')
  writeFileSync(path, 'one\ntwo\n')
  const stop = new AbortController()
  let stage = 0
  const options = {
    signal: stop.signal,
    progressInterval: 5,
    onProgress: ({ events_in }: { events_in: number }) => {
      if (stage === 0 && events_in >= 2) {
        stage = 1
        appendFileSync(path, 'three\n')
      } else if (stage === 1 && events_in >= 3) {
        stage = 2
        renameSync(path, `${path}.1`)
        appendFileSync(`${path}.1`, 'late\n')
        writeFileSync(path, 'four\n')
      } else if (stage === 2 && events_in >= 5) {
        stage = 3
        truncateSync(path, 0)
        appendFileSync(path, '5\n')
      } else if (stage === 3 && events_in >= 6) stop.abort()
    },
  }
  await copy(folder, { type: 'file', config: { path: 'grow.log', format: 'lines', follow: true } }, undefined, { options })
  assert.deepEqual(out().map(line => (JSON.parse(line) as { line: string }).line), ['one', 'two', 'three', 'late', 'four', '5'])
})

/** Reads `grow.log` until so many lines have come; answers them. */
async function follow(count: number, state: string, more: object = {}): Promise<{ readonly lines: string[]; readonly warnings: string[] }> {
  const stop = new AbortController()
  const warnings: string[] = []
  await copy(folder, { type: 'file', config: { path: 'grow.log', format: 'lines', follow: true, ...more } }, undefined, {
    state: join(folder, state),
    options: {
      signal: stop.signal, progressInterval: 5, onWarning: (_place: string, message: string) => warnings.push(message),
      onProgress: ({ events_in }: { events_in: number }) => {
        if (events_in >= count) stop.abort()
      },
    },
  })
  return { lines: out().map(line => (JSON.parse(line) as { line: string }).line), warnings }
}

test('a followed file that was replaced by a longer one while nobody read is read from its start, which is told', async () => {
  const path = join(folder, 'grow.log')
  writeFileSync(path, 'one\ntwo\n')
  await follow(2, 'replaced')
  renameSync(path, `${path}.old`)
  writeFileSync(path, 'three\nfour\nfive\n')
  const { lines, warnings } = await follow(3, 'replaced')
  assert.deepEqual(lines, ['one', 'two', 'three', 'four', 'five'])
  assert.match(warnings.join('\n'), /grow\.log is another file than the one that was being read: it is read from its start/)
})

test('a file that was followed is read on to its end where it no longer is, and the other way round', async () => {
  const path = join(folder, 'grow.log')
  writeFileSync(path, 'one\ntwo\n')
  await follow(2, 'turned')
  appendFileSync(path, 'three\n')
  await follow(Infinity, 'turned', { follow: false })
  appendFileSync(path, 'four\n')
  assert.deepEqual((await follow(1, 'turned')).lines, ['one', 'two', 'three', 'four'])
})

test('a file for each city can not be led out of its folder, nor have a name that no file can have', async () => {
  writeFileSync(join(folder, 'cities.ndjson'), `{"c":"oslo"}\n{"c":"../../evil"}\n{"c":"pune"}\n{"c":"oslo"}\n{"c":"${'x'.repeat(300)}"}\n{"c":"${'d/'.repeat(2500)}"}\n`)
  const report = await copy(folder, { type: 'file', config: { path: 'cities.ndjson' } }, { type: 'file', config: { path: 'by/{event.c}.ndjson' } })
  assert.deepEqual(out('by/oslo.ndjson'), ['{"c":"oslo"}', '{"c":"oslo"}'])
  assert.equal(report.dead_lettered, 3)
  assert.deepEqual(letters().map(({ code }) => code), ['PATH_ESCAPE', 'PATH_ESCAPE', 'PATH_ESCAPE'])
})

test('files rotate by size, and a compressed one reads back', async () => {
  writeFileSync(join(folder, 'r.ndjson'), Array.from({ length: 50 }, (_, n) => `{"n":${n}}\n`).join(''))
  await copy(folder, { type: 'file', config: { path: 'r.ndjson' } }, { type: 'file', config: { path: 'rot.ndjson', rotate: { size: 200 } } }, { batch: { bytes: 100, events: 100, age: 1 } })
  const all = ['rot-000001.ndjson', 'rot-000002.ndjson', 'rot-000003.ndjson'].flatMap(name => out(name))
  assert.equal(all.length, 50)
  await copy(folder, { type: 'file', config: { path: 'r.ndjson' } }, { type: 'file', config: { path: 'z.ndjson.gz' } })
  assert.equal(gunzipSync(readFileSync(join(folder, 'z.ndjson.gz'))).toString(), readFileSync(join(folder, 'r.ndjson'), 'utf8'))
})

test('a file sink that opens at a mark holds exactly what was written before it', async () => {
  const context = testContext({ folder })
  for (const config of [{ path: 'mark.ndjson' }, { path: 'mark.ndjson', atomic: true }, { path: 'rotated.ndjson', rotate: { size: 30 } }]) {
    const make = () => fileSink.create(prepareConfig(fileSink.config, config, context), context)
    const chunk = (n: number, number = n - 1) => ({ number, target: '', bytes: Buffer.from(`line ${n} of it\n`), rows: 1, ends: undefined })
    const first = make()
    await first.open(undefined)
    for (const n of [1, 2, 3]) await first.write(chunk(n), context.signal)
    const mark = await first.flush()
    for (const n of [4, 5, 6]) await first.write(chunk(n), context.signal)
    await first.close('failed')
    const second = make()
    await second.open(mark)
    await second.write(chunk(7, 0), context.signal)
    await second.flush()
    await second.close('done')
    const names = 'rotate' in config ? ['rotated-000001.ndjson', 'rotated-000002.ndjson', 'rotated-000003.ndjson', 'rotated-000004.ndjson'] : ['mark.ndjson']
    const text = names.map(name => readMaybe(join(folder, name))).join('')
    assert.equal(text, [1, 2, 3, 7].map(n => `line ${n} of it\n`).join(''))
    for (const name of names) rmSync(join(folder, name), { force: true })
  }
})

function readMaybe(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

test('a device can be written to, though it has nothing to cut or make durable', async () => {
  writeFileSync(join(folder, 'in.ndjson'), '{"a":1}\n{"a":2}\n')
  const report = await copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, { type: 'file', config: { path: '/dev/null' } })
  assert.deepEqual([report.events_in, report.stopped_by], [2, 'end of input'])
})
