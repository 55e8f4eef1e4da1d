/** The sink of objects on a real S3 server: what it writes, how it goes on when the server is gone, and what it says when something is wrong. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { s3Sink } from '../../src/connect/index.ts'
import type { JsonValue } from '../../src/event/index.ts'
import { runFile } from '../../src/runtime.ts'
import { connectorConformance } from '../../src/testing/index.ts'
import { startS3 } from './server.ts'
import { sinkFor } from './sink-for.ts'

const LINES = 3000
const server = await startS3()
if (typeof server === 'string') test('objects as a sink', { skip: server }, () => undefined)
else {
  const secure = await startS3(['--secure'])
  const folder = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
    if (typeof secure !== 'string') await secure.dispose()
  })
  const events = Array.from({ length: LINES }, (_, n) => ({ n, city: ['Köln', 'a/../../b', 'Oslo'][n % 3], text: 'a "b", c' }))
  const text = (of: readonly unknown[]): string => of.map(event => `${JSON.stringify(event)}\n`).join('')
  writeFileSync(join(folder, 'in.ndjson'), text(events))
  const { config } = server

  /** Runs a pipeline from the file into the bucket. */
  const write = async (sink: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}, source = 'in.ndjson'): Promise<void> => {
    writeFileSync(join(folder, 'p.yaml'), JSON.stringify({ pipeline: 'p', sources: { in: { file: { path: source } } }, sinks: { out: { s3: { ...config, ...sink }, retry: { attempts: 2, backoff: '1ms' } } }, ...more }, null, 1))
    await runFile('p.yaml', { folder })
  }
  const linesBelow = async (prefix: string): Promise<string[]> => (await server.textBelow(prefix)).split('\n').filter(line => line !== '')

  let places = 0
  connectorConformance({
    sink: {
      declaration: s3Sink,
      open: () => {
        const prefix = `kit/${places++}/`
        const received = async (below: string) => (await linesBelow(below)).map(line => ({ value: JSON.parse(line) as JsonValue })) // Each line is the JSON of an event.
        return {
          config: { ...config, key: `${prefix}rows.ndjson.gz` },
          received: () => received(prefix),
          cut: async () => {
            await server.service.kill()
            await server.service.start()
          },
          targets: { config: { ...config, key: `${prefix}group={event.group}/rows.ndjson` }, received: group => received(`${prefix}group=${group}/`) },
        }
      },
    },
    except: { output_only_send_batch: 'an object is taken as a whole', metadata: 'objects hold values alone' },
  })

  test('an object for each value of the key, which are cleaned so that none leads elsewhere', async () => {
    await write({ key: 'cities/{event.city}/{event.n % 2}/rows-{{id}}.ndjson.zst' })
    const keys = await server.keys('cities/')
    assert.deepEqual([...new Set(keys.map(key => key.split('/').slice(1, 3).join('/')))], ['Köln/0', 'Köln/1', 'Oslo/0', 'Oslo/1', 'a_.._.._b/0', 'a_.._.._b/1'])
    assert.match(keys[0] ?? '', /^cities\/Köln\/0\/rows-[0-9TZa-z]{23}-\d{6}\.ndjson\.zst$/)
    assert.deepEqual((await linesBelow('cities/Oslo/')).length, LINES / 3)
  })

  test('CSV begins each object with its header', async () => {
    await write({ key: 'csv/rows.csv.gz', options: { columns: ['n', 'text'] }, events: 1000, storage_class: 'STANDARD', tags: { team: 'data: more' } }, { batch: { bytes: '16KiB' } })
    const keys = await server.keys('csv/')
    assert.ok(keys.length >= 2)
    for (const key of keys) assert.match(await server.text(key), /^n,text\n\d+,"a ""b"", c"\n/)
    assert.equal((await linesBelow('csv/')).length, LINES + keys.length)
    assert.deepEqual(await server.tags(keys[0] ?? ''), { team: 'data: more' })
    assert.equal((await server.head(keys[0] ?? '')).type, 'text/csv')
  })

  for (const state of [undefined, 'letters-state']) {
    test(`dead letters go into the bucket too, under a prefix of their own${state === undefined ? '' : ', with checkpoints too'}`, async () => {
      const below = `letters-${state ?? 'plain'}`
      const deadLetters = { s3: { ...config, key: `${below}/errors/code={event.code}/letters.ndjson.gz` } }
      await write({ key: `${below}/rows/rows.ndjson` }, { stages: [{ filter: 'event.n >= 10 || event.n % (event.n % 2) == 0' }], dead_letters: deadLetters, ...(state === undefined ? {} : { state }) })
      assert.equal((await linesBelow(`${below}/rows/`)).length, LINES - 5)
      const letters = (await linesBelow(`${below}/errors/`)).map(line => JSON.parse(line) as { position: { offset: number }; original: string })
      assert.deepEqual(letters.map(({ original }) => (JSON.parse(original) as { n: number }).n), [0, 2, 4, 6, 8])
      assert.match((await server.keys(`${below}/errors/`))[0] ?? '', /\/errors\/code=EXPR_[A-Z_]+\/letters-/)
    })
  }

  test('a manifest tells what is complete, of which input, and names may hold its first offset', async () => {
    await write({ key: 'told/rows-{{first}}-{{id}}.ndjson', manifest: 'told-manifest/' })
    const [key = ''] = await server.keys('told/')
    assert.match(key, /^told\/rows-000000000000-/)
    const body = await server.get(key)
    const { time, ...rest } = JSON.parse(await server.textBelow('told-manifest/')) as Record<string, unknown>
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000)
    assert.deepEqual(rest, {
      bucket: config.bucket, key, events: LINES, bytes: body.length, sha256: createHash('sha256').update(body).digest('hex'),
      input: [{ source: 'in', path: join(folder, 'in.ndjson'), first: 0, end: Buffer.byteLength(text(events)) }],
    })
  })

  for (const state of [undefined, 'large-state']) {
    test(`a large object goes in parts${state === undefined ? '' : ', with checkpoints too'}, and nothing unfinished is left`, async () => {
      const rows = Array.from({ length: 18_000 }, (_, n) => ({ n, text: `${n}`.repeat(240) }))
      writeFileSync(join(folder, 'large.ndjson'), text(rows))
      const key = state === undefined ? 'large' : 'large-kept'
      await write({ key: `${key}/rows.ndjson`, part_size: '5MiB' }, state === undefined ? {} : { state }, 'large.ndjson')
      const keys = await server.keys(`${key}/`)
      assert.equal(keys.length, 1)
      assert.equal(await server.text(keys[0] ?? ''), text(rows))
      assert.deepEqual(await server.unfinished(), [])
    })
  }

  test('an object ends at so many bytes', async () => {
    await write({ key: 'size/rows.ndjson', size: '64KiB' }, { batch: { bytes: '16KiB' } })
    const keys = await server.keys('size/')
    for (const key of keys.slice(0, -1)) assert.ok((await server.get(key)).length >= 64 * 1024 && (await server.get(key)).length < 128 * 1024)
    assert.equal(await server.textBelow('size/'), text(events))
  })

  test('while the server is gone the pipeline waits, and then goes on', async () => {
    const rows = Array.from({ length: 100_000 }, (_, n) => ({ n, text: 'x'.repeat(20) }))
    writeFileSync(join(folder, 'gone.ndjson'), text(rows))
    writeFileSync(join(folder, 'gone.yaml'), JSON.stringify({
      pipeline: 'gone', sources: { in: { file: { path: 'gone.ndjson' } } }, batch: { bytes: '4KiB' }, memory: '64KiB', state: 'gone-state', checkpoint_interval: '1ms',
      sinks: { out: { s3: { ...config, key: 'gone/rows.ndjson', age: '1ms', events: 500 }, retry: { attempts: 0, backoff: '5ms', backoff_max: '20ms', deadline: '0s' } } },
    }))
    const warnings: string[] = []
    let isOver = false
    const run = runFile('gone.yaml', { folder, onWarning: (at, message) => void warnings.push(`${at}: ${message}`) }).finally(() => (isOver = true))
    while ((await server.keys('gone/')).length < 2) await new Promise(resolve => setImmediate(resolve))
    await server.service.kill()
    while (!isOver && !warnings.some(warning => warning.startsWith('out: '))) await new Promise(resolve => setImmediate(resolve))
    assert.ok(!isOver, 'the run was over before the server was gone')
    await server.service.start()
    await run
    assert.equal(await server.textBelow('gone/'), text(rows))
  })

  test('says what is wrong, and how to mend it', async t => {
    const key = 'wrong/rows.ndjson'
    const says = async (code: string, message: RegExp, sink: Readonly<Record<string, unknown>>, more = {}): Promise<void> => {
      await assert.rejects(write({ key, ...sink }, more), error => {
        assert.ok(error instanceof Error && 'code' in error)
        assert.equal(error.code, code, error.message)
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /sluice-secret/)
        return true
      })
    }
    await t.test('a wrong access key', () => says('S3_AUTH', /does not know the access key. Check "access_key"/, { access_key: 'nobody' }))
    await t.test('a wrong secret', () => says('S3_AUTH', /the secret key is wrong, or the region "us-east-1" is not/, { secret_key: 'nothing' }))
    await t.test('a wrong region', () => says('S3_AUTH', /"eu-north-1" is not the bucket's|region/, { region: 'eu-north-1' }))
    await t.test('a bucket that is not there', () => says('S3_BUCKET', /There is no bucket "nowhere" at the S3 server at http:/, { bucket: 'nowhere' }))
    await t.test('a user without the permission', () => says('S3_DENIED', /does not allow that in the bucket "results".*s3:PutObject/, { access_key: 'guest' }))
    await t.test('nobody at the address', async () => says('S3_CONNECT', /nobody listens there. Is it running, and is "endpoint" right\?/, { endpoint: `http://127.0.0.1:${await freePort()}` }))
    await t.test('a host that there is not', () => says('S3_CONNECT', /there is no host of that name|could not be looked up/, { endpoint: 'http://nowhere.invalid:9000' }))
    await t.test('a certificate of a stranger', { skip: typeof secure === 'string' ? secure : false }, () => says('S3_TLS', /NODE_EXTRA_CA_CERTS/, typeof secure === 'string' ? {} : { endpoint: secure.config.endpoint }))
    await t.test('half of the credentials', () => says('CONFIG_VALUE', /go together/, { secret_key: undefined }))
    await t.test('a key that begins with an expression', () => says('CONFIG_VALUE', /must begin with a literal part/, { key: '{event.city}/rows.ndjson' }))
    await t.test('parts that are too small', () => says('CONFIG_VALUE', /no parts below 5MiB/, { part_size: '1MiB' }))
    assert.deepEqual(await server.keys('wrong/'), [])
  })

  test('an upload of the last checkpoint that somebody gave up is told, not passed over', async () => {
    const upload = { key: 'lost/rows-1.ndjson', upload: '11111111-1111-1111-1111-111111111111', parts: [{ number: 1, tag: '"d41d8cd98f00b204e9800998ecf8427e"' }], events: 1, bytes: 1 }
    const sink = sinkFor({ ...config, key: 'lost/rows.ndjson' })
    await assert.rejects(sink.open({ objects: [upload] }), { code: 'S3_GONE', message: /lost\/rows-1.ndjson of the last checkpoint is neither there nor still being uploaded.*its events are lost/ })
    await sink.close('failed')
    const warnings: string[] = []
    const easy = sinkFor({ ...config, key: 'lost/rows.ndjson', on_gone: 'warn' }, warnings)
    await easy.open({ objects: [upload] })
    assert.equal(warnings.length, 1)
    await easy.close('stopped')
  })
}

async function freePort(): Promise<number> {
  const socket = createServer()
  await new Promise<void>(resolve => socket.listen(0, '127.0.0.1', resolve))
  const { port } = socket.address() as AddressInfo // It listens on a port.
  await new Promise(resolve => socket.close(resolve))
  return port
}
