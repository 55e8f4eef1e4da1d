/** Objects of a real S3 server as a source: in order, as they appear, over cuts of the connection, and from the place where the last run ended. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { s3Source } from '../../src/connect/index.ts'
import { runFile } from '../../src/runtime.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import { linesOf, numbered } from '../conformance/outsides.ts'
import { startS3 } from './server.ts'

const server = await startS3()
if (typeof server === 'string') test('objects as a source', { skip: server }, () => undefined)
else {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
  })
  const { config } = server
  let places = 0

  for (const [ending, pack] of [['ndjson', Buffer.from], ['ndjson.gz', gzipSync], ['ndjson.zst', zstdCompressSync]] as const) {
    for (const poll of [undefined, '20ms']) {
      connectorConformance({
        source: {
          declaration: s3Source,
          open: (_t, count) => {
            const prefix = `kit/${places++}/`
            const events = numbered(count)
            const third = Math.ceil(count / 3)
            return {
              config: { ...config, prefix, match: `*.${ending}`, ...(poll === undefined ? {} : { poll }) },
              events,
              put: async () => {
                for (const at of [0, 1, 2]) await server.put(`${prefix}${at}.${ending}`, pack(Buffer.from(linesOf(events.slice(at * third, (at + 1) * third)))))
              },
              cut: async () => {
                await server.service.kill()
                await server.service.start()
              },
            }
          },
        },
        except: { metadata: 'objects hold values alone' },
      })
    }
  }

  const read = async (name: string, source: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}, signal?: AbortSignal): Promise<string[]> => {
    writeFileSync(join(folder, `${name}.yaml`), JSON.stringify({ pipeline: name, sources: { in: { s3: { ...config, ...source } } }, sinks: { out: { file: { path: `${name}.ndjson` } } }, ...more }, null, 1))
    await runFile(`${name}.yaml`, { folder, ...(signal === undefined ? {} : { signal }) })
    return readFileSync(join(folder, `${name}.ndjson`), 'utf8').split('\n').filter(line => line !== '')
  }
  const lines = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, n) => JSON.stringify({ n: from + n }))
  const put = (key: string, from: number, to: number): Promise<void> => server.put(key, lines(from, to).map(line => `${line}\n`).join(''))

  test('more objects than a page holds, in the order of their keys, and only those that match', async () => {
    await Promise.all(Array.from({ length: 20 }, async (_, of) => {
      for (let at = of; at < 1100; at += 20) await put(`many/${String(at).padStart(5, '0')}.ndjson`, at, at + 1)
    }))
    await put('many/other.txt', 5000, 5001)
    assert.deepEqual(await read('many', { prefix: 'many/', match: '*.ndjson' }), lines(0, 1100))
  })

  test('with checkpoints the next run reads what is new behind the last key', async () => {
    await put('next/a.ndjson', 0, 10)
    await put('next/b.ndjson', 10, 20)
    assert.deepEqual(await read('next', { prefix: 'next/' }, { state: 'next-state' }), lines(0, 20))
    await put('next/c.ndjson', 20, 30)
    assert.deepEqual(await read('next', { prefix: 'next/' }, { state: 'next-state' }), lines(0, 30))
  })

  test('with poll the next run reads what appeared meanwhile, whatever its key', async t => {
    const stopAt = (t: TestContext, count: number) => {
      const stop = new AbortController()
      const watch = setInterval(() => {
        try {
          if (readFileSync(join(folder, 'poll.ndjson'), 'utf8').split('\n').length > count) stop.abort()
        } catch {
          // Not there yet.
        }
      }, 5)
      t.after(() => clearInterval(watch))
      return stop.signal
    }
    const run = (count: number) => read('poll', { prefix: 'poll/', poll: '10ms' }, { state: 'poll-state', checkpoint_interval: '5ms' }, stopAt(t, count))
    await put('poll/m.ndjson', 0, 10)
    assert.deepEqual(await run(10), lines(0, 10))
    await put('poll/a.ndjson', 10, 20)
    assert.deepEqual(await run(20), lines(0, 20))
    await put('poll/z.ndjson', 20, 30)
    await server.put('poll/m.ndjson', lines(30, 40).map(line => `${line}\n`).join(''))
    assert.deepEqual((await run(40)).toSorted(), lines(0, 40).toSorted())
  })

  for (const workers of [0, 2]) {
    test(`Parquet files, by ranges of rows, with ${workers} workers, and from the place where the last run ended`, async () => {
      const rows = Array.from({ length: 30_000 }, (_, n) => JSON.stringify({ n, city: `c${n % 7}`, half: n / 2 }))
      writeFileSync(join(folder, 'rows.ndjson'), `${rows.join('\n')}\n`)
      const below = `parquet-${workers}`
      writeFileSync(join(folder, 'fill.yaml'), JSON.stringify({ pipeline: 'fill', sources: { in: { file: { path: 'rows.ndjson' } } }, sinks: { out: { s3: { ...config, key: `${below}/rows.parquet`, row_group: '200KiB', events: 8000 } } }, batch: { bytes: '64KiB' } }))
      await runFile('fill.yaml', { folder })
      const more = { state: `${below}-state`, workers, batch: { bytes: '16KiB' } }
      const plain = (found: readonly string[]): string[] => found.map(line => JSON.stringify({ ...(JSON.parse(line) as object), _rest: undefined }))
      assert.deepEqual(plain(await read(below, { prefix: `${below}/`, match: '*.parquet' }, more)), rows)
      await server.put(`${below}/z.parquet`, await server.get((await server.keys(`${below}/`))[0] ?? ''))
      assert.ok((await read(below, { prefix: `${below}/`, match: '*.parquet' }, more)).length > rows.length)
    })
  }

  test('CSV has its header in each object, and what is no record goes to the dead letters', async () => {
    await server.put('csv/1.csv.gz', gzipSync('n,city\n1,Oslo\n'))
    await server.put('csv/2.csv.gz', gzipSync('city,n\nKöln,2\n'))
    assert.deepEqual(await read('csv', { prefix: 'csv/', match: '*.csv.gz', options: { types: { n: 'number' } } }), ['{"n":1,"city":"Oslo"}', '{"city":"Köln","n":2}'])
    await server.put('bad/1.ndjson', '{"n":1}\nno json\n{"n":2}\n')
    assert.deepEqual(await read('bad', { prefix: 'bad/' }, { dead_letters: { file: { path: 'bad-dead.ndjson' } } }), ['{"n":1}', '{"n":2}'])
    assert.deepEqual((JSON.parse(readFileSync(join(folder, 'bad-dead.ndjson'), 'utf8')) as { position: unknown }).position, { key: 'bad/1.ndjson', offset: 8 })
  })

  test('says what is wrong, and how to mend it', async () => {
    const says = (code: string, message: RegExp, source: Readonly<Record<string, unknown>>): Promise<void> => assert.rejects(read('wrong', source), error => {
      assert.ok(error instanceof Error && 'code' in error)
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      return true
    })
    await says('S3_BUCKET', /There is no bucket "nowhere"/, { bucket: 'nowhere' })
    await says('S3_DENIED', /the source s3:GetObject and s3:ListBucket/, { access_key: 'guest' })
    await server.put('torn/1.ndjson.gz', gzipSync('{"n":1}\n').subarray(0, 15))
    await says('FILE_READ', /torn\/1.ndjson.gz can't be read behind byte \d+ of its content/, { prefix: 'torn/' })
  })

  test('an object that was replaced while it was being read is told', async () => {
    await put('replaced/a.ndjson', 0, 10)
    await read('replaced', { prefix: 'replaced/' }, { state: 'replaced-state' })
    await put('replaced/a.ndjson', 5, 20)
    await assert.rejects(read('replaced', { prefix: 'replaced/' }, { state: 'replaced-state' }), { code: 'S3_CHANGED' })
  })
}
