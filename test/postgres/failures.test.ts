/** What goes wrong between a pipeline and a real PostgreSQL: told in plain words, and nothing lost. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { postgresSink, postgresSource } from '../../src/connect/index.ts'
import { copy, testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { PipelineConfig, Sink, Source } from '../../src/engine/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { smallVolume } from '../faults/volume.ts'
import { expire } from '../servers/certificates.ts'
import { startService } from '../servers/service.ts'
import { openDatabase, until } from './database.ts'

interface Told extends Error {
  readonly code: string
  readonly retry: boolean
}

const server = await startService('postgres', { args: ['--secure'], env: { POSTGRES_CONFIG: 'max_connections = 20\nfsync = on' } })
if (typeof server === 'string') test('failures of PostgreSQL', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const plain = url.replace(/\/\/.*@/, '//')
  const login = { username: server.value('user'), password: server.value('password') }
  const database = await openDatabase(url)
  after(async () => {
    await database.close()
    await server.dispose()
  })
  const ca = await readFile(server.value('ca'), 'utf8')
  await database.sql('CREATE TABLE orders (id integer PRIMARY KEY, city text, price numeric(8,2))')

  const sinkOf = (config: object): Sink => postgresSink.create(prepareConfig(postgresSink.config, { url: plain, ...login, table: 'orders', ...config }, testContext()), testContext())
  const sourceOf = (config: object): Source => postgresSource.create(prepareConfig(postgresSource.config, { url: plain, ...login, table: 'orders', watermark: { column: 'id' }, ...config }, testContext()), testContext())

  async function refusal(one: Sink | Source): Promise<Told> {
    try {
      const error: unknown = await one.open(undefined).then(() => assert.fail('it was let in'), (why: unknown) => why)
      assert.ok(error instanceof Error && 'code' in error && 'retry' in error)
      return error as Told // Looked at in the line above.
    } finally {
      await one.close('failed')
    }
  }
  const says = async (config: object, code: string, words: RegExp): Promise<void> => {
    const error = await refusal(sinkOf(config))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, words)
  }

  const retry = { attempts: 100, backoff: 20, factor: 2, backoffMax: 200, deadline: 60_000, budget: 0 }

  /** Lines of JSON into a table. */
  async function fill(t: TestContext, events: readonly object[], config: object, more: Partial<PipelineConfig> = {}) {
    const folder = folderOf(t)
    await writeFile(join(folder, 'in.ndjson'), events.map(event => `${JSON.stringify(event)}\n`).join(''))
    const report = await copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, { type: 'postgres', config: { url, ...config } }, more)
    const letters = await readFile(join(folder, 'dead.ndjson'), 'utf8').catch(() => '')
    const parsed = letters.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as { readonly reason: string; readonly code: string })
    return { report, reasons: parsed.map(({ reason }) => reason), codes: parsed.map(({ code }) => code) }
  }

  /** What a source reads, once. */
  async function readAll(t: TestContext, config: object): Promise<unknown[]> {
    const folder = folderOf(t)
    await copy(folder, { type: 'postgres', config: { url, ...config } })
    return (await readFile(join(folder, 'out.ndjson'), 'utf8')).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
  }

  test('a wrong password is told as such, and shown nowhere', async () => {
    for (const one of [sinkOf({ password: 'not-the-secret' }), sourceOf({ password: 'not-the-secret' }), sinkOf({ url: url.replace('sluice-secret', 'not-the-secret'), username: undefined, password: undefined })]) {
      const error = await refusal(one)
      assert.equal(error.code, 'POSTGRES_AUTH')
      assert.equal(error.retry, false)
      assert.match(error.message, /the user or the password is wrong/)
      assert.doesNotMatch(`${error.message} ${error.stack}`, /not-the-secret|sluice-secret/)
    }
  })

  test('a database, a schema, a table and a column that are not there are each named', async () => {
    await says({ url: plain.replace('/postgres', '/shop') }, 'POSTGRES_MISSING', /database "shop" does not exist.*CREATE DATABASE/)
    await says({ table: 'order' }, 'POSTGRES_MISSING', /no table "order".*Check "table" and "schema"/)
    await says({ schema: 'archive' }, 'POSTGRES_MISSING', /no table "archive"\."orders"/)
    await says({ columns: ['id', 'cty'] }, 'POSTGRES_MISSING', /"columns" names "cty".*Did you mean "city"\?/)
    const table = await refusal(sourceOf({ table: 'order' }))
    assert.match(table.message, /relation "order" does not exist/)
    const column = await refusal(sourceOf({ watermark: { column: 'updated' } }))
    assert.equal(column.code, 'POSTGRES_MISSING')
    assert.match(column.message, /"?updated"? does not exist/)
    const start = await refusal(sourceOf({ watermark: { column: 'id', start: 'yesterday' } }))
    assert.equal(start.code, 'CONFIG_VALUE')
    assert.match(start.message, /"yesterday" is no value of the column "id", whose type is integer/)
  })

  test('a key that no index covers, and a missing right, are told before anything is read', async () => {
    await says({ key: ['city'] }, 'POSTGRES_KEY', /no unique key.*CREATE UNIQUE INDEX/)
    await database.sql("CREATE ROLE reader LOGIN PASSWORD 'reader-secret'")
    await database.sql('GRANT SELECT ON orders TO reader')
    await says({ username: 'reader', password: 'reader-secret' }, 'POSTGRES_DENIED', /permission denied for table orders.*GRANT/)
  })

  test('a port where nobody listens, and too few connections, may be tried again', async () => {
    const error = await refusal(sinkOf({ url: 'postgres://127.0.0.1:1/postgres' }))
    assert.equal(error.retry, true)
    assert.match(error.message, /127\.0\.0\.1:1\/postgres could not be reached.*nobody listens there/)
    await database.sql("CREATE ROLE one LOGIN PASSWORD 'one-secret' CONNECTION LIMIT 0")
    const full = await refusal(sinkOf({ username: 'one', password: 'one-secret' }))
    assert.equal(full.code, 'POSTGRES_BUSY')
    assert.match(full.message, /no connection left/)
  })

  test('over TLS the certificate must be right, and errors name what is wrong with it', async t => {
    const named = plain.replace('127.0.0.1', 'localhost')
    await says({ url: named, tls: true }, 'POSTGRES_TLS', /give that as tls\.ca/)
    await says({ url: plain, tls: { ca } }, 'POSTGRES_TLS', /tls\.server_name/)
    await expire(server.folder)
    const certificate = async (name: string): Promise<void> => {
      await copyFile(join(server.folder, name), join(server.folder, 'server.pem'))
      await database.sql('SELECT pg_reload_conf()')
    }
    await copyFile(join(server.folder, 'server.pem'), join(server.folder, 'right.pem'))
    await certificate('expired.pem')
    await until(() => refusal(sinkOf({ url: named, tls: { ca } })).then(({ code, message }) => code === 'POSTGRES_TLS' && /expired.*has to be renewed/.test(message), () => false))
    await certificate('right.pem')
    await until(() => refusal(sinkOf({ url: named, tls: { ca } })).then(() => false, () => true))
    const sink = sinkOf({ url: named, tls: { ca } })
    t.after(() => sink.close('done'))
    await sink.open(undefined)
    const [row] = await database.sql("SELECT count(*) AS n FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.application_name = 'sluice'")
    assert.ok(Number(row?.['n']) >= 1)
  })

  test('rows that are refused are dead letters with the reason, the others are written in order', async t => {
    await database.sql('CREATE TABLE prices (n integer NOT NULL, price numeric(4,2) CHECK (price > 0), "order" bigint GENERATED ALWAYS AS IDENTITY)')
    const events = [{ n: 1, price: 1.5 }, { n: 'x' }, { n: 2, price: -1 }, { n: 3, price: 123 }, { price: 1 }, { n: 4, prize: 1 }, { n: 5, order: 7 }, { n: 6, price: '2.25' }, { n: 7, price: 'a\u0000b' }]
    const { report, reasons, codes } = await fill(t, events, { table: 'prices' })
    assert.equal(report.dead_lettered, 7)
    assert.deepEqual(codes.toSorted(), ['FIELD_TYPE', 'FIELD_TYPE', ...Array.from({ length: 5 }, () => 'POSTGRES_ROW')])
    for (const words of [/invalid input syntax for type integer: "x"/, /violates check constraint/, /numeric field overflow/, /null value in column "n"/, /no column "prize" to write. Did you mean "price"\?/, /no column "order" to write/]) assert.ok(reasons.some(reason => words.test(reason)), `${words} in ${reasons.join('\n')}`)
    assert.deepEqual(await database.sql('SELECT n, price FROM prices ORDER BY "order"'), [{ n: '1', price: '1.50' }, { n: '6', price: '2.25' }])
  })

  test('what is wrong for all rows ends the run instead of filling the dead letters, what passes is tried again', async t => {
    await database.sql('CREATE TABLE moody (n integer)')
    await database.sql('CREATE SEQUENCE attempts')
    await database.sql("CREATE FUNCTION mood() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = 1 AND nextval('attempts') < 3 THEN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; ELSIF NEW.n = 2 THEN RAISE EXCEPTION 'not two'; ELSIF NEW.n = 3 THEN RAISE insufficient_privilege USING MESSAGE = 'not any more'; END IF; RETURN NEW; END $$")
    await database.sql('CREATE TRIGGER mood BEFORE INSERT ON moody FOR EACH ROW EXECUTE FUNCTION mood()')
    const config = { url, table: 'moody' }
    const more = { sinks: [{ id: 'out', from: ['in'], type: 'postgres', config, retry, breaker: undefined, rateLimit: undefined }] }
    const { report, reasons } = await fill(t, [{ n: 0 }, { n: 1 }, { n: 2 }], config, more)
    assert.equal(report.retries, 2)
    assert.deepEqual(reasons.map(reason => /not two/.test(reason)), [true])
    await assert.rejects(fill(t, [{ n: 3 }, { n: 4 }], config, more), { code: 'POSTGRES_DENIED', message: /not any more.*GRANT/ })
    assert.deepEqual((await database.sql('SELECT n FROM moody ORDER BY n')).map(({ n }) => n), ['0', '1'])
  })

  test('while its disk is full a table takes nothing, and all rows are in it once there is room', async t => {
    const volume = smallVolume(4 << 20)
    if (typeof volume === 'string') return t.skip(volume)
    t.after(async () => {
      await database.sql('DROP TABLE filled')
      await database.sql('DROP TABLESPACE small')
      volume.dispose()
    })
    // The server's own processes must get there.
    spawnSync('chmod', ['777', volume.folder])
    const space = join(volume.folder, 'space')
    mkdirSync(space)
    spawnSync('chown', ['postgres:', space])
    await database.sql(`CREATE TABLESPACE small LOCATION '${space}'`)
    await database.sql('CREATE TABLE filled (n integer, text text) TABLESPACE small')
    volume.fill(1 << 19)
    const config = { url, table: 'filled', rows: 50 }
    const run = fill(t, Array.from({ length: 1500 }, (_, n) => ({ n, text: `${n}`.padEnd(1000, 'x') })), config, { sinks: [{ id: 'out', from: ['in'], type: 'postgres', config, retry, breaker: undefined, rateLimit: undefined }] })
    let isOver = false
    void run.finally(() => (isOver = true)).catch(() => undefined)
    await until(() => Promise.resolve(isOver || volume.free() < 8192))
    await until(async () => isOver || Number((await database.sql("SELECT xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()"))[0]?.['n']) > 0)
    assert.ok(!isOver, 'it did not wait for room')
    volume.clear()
    const { report } = await run
    assert.deepEqual([report.dead_lettered, report.retries > 0], [0, true])
    assert.deepEqual(await database.sql('SELECT count(*) AS n, count(DISTINCT n) AS different FROM filled'), [{ n: '1500', different: '1500' }])
  })

  test('a query that is none, and one that takes too long, are told with the words of the server', async () => {
    const broken = await refusal(sourceOf({ table: undefined, query: 'SELECT FROM WHERE' }))
    assert.equal(broken.code, 'POSTGRES_REPLY')
    assert.match(broken.message, /syntax error at or near "WHERE"/)
    const slow = sourceOf({ table: undefined, query: 'SELECT 1 AS id, pg_sleep(60) AS nothing OFFSET 0', timeout: '100ms' })
    await slow.open(undefined)
    await assert.rejects(slow.next(1000, new AbortController().signal), { code: 'POSTGRES_BUSY', message: /took longer than "timeout"/ })
    await slow.close()
  })

  test('a server that stands still is given up after a while, and the next attempt finds it again', async t => {
    const sink = sinkOf({ timeout: '100ms', key: ['id'] })
    t.after(() => sink.close('done'))
    await sink.open(undefined)
    const [row] = await database.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'sluice' AND pid <> pg_backend_pid() AND query LIKE 'EXPLAIN%'")
    const pid = Number(row?.['pid'])
    process.kill(pid, 'SIGSTOP')
    const line = Buffer.from('{"id":4711,"city":"Zürich"}\n')
    const write = () => sink.write({ number: 0, target: '', bytes: line, rows: 1, ends: Uint32Array.of(line.length) }, new AbortController().signal)
    await assert.rejects(write().then(() => undefined), { code: 'POSTGRES_CONNECT', retry: true, message: /There was no answer to a query within .* stand still/ })
    await write()
    process.kill(pid, 'SIGCONT')
    assert.deepEqual(await database.sql('SELECT city FROM orders WHERE id = 4711'), [{ city: 'Zürich' }])
  })

  test('names and values of any kind stay what they are', async t => {
    await database.sql('CREATE SCHEMA "odd; DROP"')
    await database.sql('CREATE TABLE "odd; DROP"."a ""table"" \'x\'" ("Id" integer, "the ""name"" \\ \'it\'s" text, tags text[], more jsonb, at timestamptz)')
    const name = 'the "name" \\ \'it\'s'
    const value = "'); DROP TABLE orders; -- $1 \\ \n ä 🙂"
    const { report } = await fill(t, [{ Id: 1, [name]: value, tags: ['a', 'b,"c'], more: { deep: [1, null] }, at: '2026-01-31T10:00:00.123456Z' }], { schema: 'odd; DROP', table: 'a "table" \'x\'' })
    assert.equal(report.dead_lettered, 0)
    const [row] = await readAll(t, { schema: 'odd; DROP', table: 'a "table" \'x\'', watermark: { column: 'Id' } })
    assert.deepEqual(row, { Id: 1, [name]: value, tags: ['a', 'b,"c'], more: { deep: [1, null] }, at: '2026-01-31T10:00:00.123456+00:00' })
  })

  test('with a key the last event of a row counts, also within one batch; rows whose key holds a null are all different', async t => {
    await database.sql('CREATE TABLE stock (shop text, item text, count integer, UNIQUE (shop, item))')
    const first = [{ shop: 'a', item: 'x', count: 1 }, { shop: 'a', item: 'x', count: 2 }, { shop: 'b', item: null, count: 3 }, { shop: 'b', item: null, count: 4 }]
    await fill(t, first, { table: 'stock', key: ['shop', 'item'] })
    await fill(t, [{ shop: 'a', item: 'x', count: 9 }, { shop: 'c', item: 'y', count: 5 }], { table: 'stock', key: ['shop', 'item'] })
    assert.deepEqual((await database.sql('SELECT shop, count FROM stock ORDER BY shop, count')).map(({ shop, count }) => `${shop}${count}`), ['a9', 'b3', 'b4', 'c5'])
    await fill(t, [{ shop: 'a', item: 'x', count: 0 }, { shop: 'd', item: 'z', count: 6 }], { table: 'stock', key: ['shop', 'item'], on_conflict: 'ignore' })
    assert.deepEqual((await database.sql('SELECT shop, count FROM stock ORDER BY shop, count')).map(({ shop, count }) => `${shop}${count}`), ['a9', 'b3', 'b4', 'c5', 'd6'])
    const { reasons } = await fill(t, [{ shop: 'a', item: 'x', count: 0 }], { table: 'stock', key: ['shop', 'item'], on_conflict: 'fail' })
    assert.match(reasons.join(), /duplicate key value violates unique constraint/)
  })

  test('columns that an event does not have get their defaults, and null stays null', async t => {
    await database.sql("CREATE TABLE presets (id serial PRIMARY KEY, n integer GENERATED BY DEFAULT AS IDENTITY (START 100), word text DEFAULT 'none', at timestamptz DEFAULT now())")
    await fill(t, [{}, { id: 50, n: 7, word: null }, { word: 'x', at: null }], { table: 'presets' })
    assert.deepEqual(await database.sql('SELECT id, n, word, at IS NULL AS "no time" FROM presets ORDER BY id'), [
      { id: '1', n: '100', word: 'none', 'no time': 'f' }, { id: '2', n: '101', word: 'x', 'no time': 't' }, { id: '50', n: '7', word: null, 'no time': 'f' },
    ])
  })

  test('a source tells rows of one time apart, to the microsecond, and goes on behind the last one with a checkpoint', async t => {
    await database.sql('CREATE TABLE changes (id integer PRIMARY KEY, at timestamptz)')
    await database.sql("INSERT INTO changes SELECT n, '2026-01-31T10:00:00Z'::timestamptz + (n / 100) * interval '1 microsecond' FROM generate_series(0, 999) n")
    for (const key of [undefined, 'id']) {
      const config = { url, table: 'changes', watermark: { column: 'at', delay: '1s' }, ...(key === undefined ? {} : { key }) }
      const folder = folderOf(t)
      const ids = async (): Promise<number[]> => (await readFile(join(folder, 'out.ndjson'), 'utf8')).trimEnd().split('\n').map(line => (JSON.parse(line) as { readonly id: number }).id)
      const more = { state: join(folder, 'state'), batch: { bytes: 1500, events: 100_000, age: 1 } }
      await copy(folder, { type: 'postgres', config }, undefined, more)
      assert.deepEqual((await ids()).sort((a, b) => a - b), Array.from({ length: key === undefined ? 1000 : 1001 }, (_, n) => n))
      await database.sql("INSERT INTO changes VALUES ($1, '2026-01-31T10:00:01Z')", [key === undefined ? 1000 : 1001])
      await copy(folder, { type: 'postgres', config }, undefined, more)
      assert.equal((await ids()).length, key === undefined ? 1001 : 1002)
    }
    await database.sql('INSERT INTO changes VALUES (2000, now() + interval \'1 hour\')')
    assert.equal((await readAll(t, { table: 'changes', watermark: { column: 'at', delay: '1s' } })).length, 1002)
    assert.deepEqual(await readAll(t, { query: 'SELECT id * 2 AS double, at FROM changes -- all of them\n', watermark: { column: 'at', start: '2026-01-31T10:30:00Z' } }).then(rows => rows.map(row => (row as { readonly double: number }).double)), [4000])
  })

  test('a query of a source changes nothing', async () => {
    const source = sourceOf({ table: undefined, query: "SELECT nextval('presets_id_seq') AS id" })
    await source.open(undefined)
    await assert.rejects(source.next(1000, new AbortController().signal), { code: 'POSTGRES_BUSY', message: /read-only transaction/ }).catch(async (error: unknown) => {
      await source.close()
      throw error
    })
    await source.close()
  })

  test('a server that dies and comes back loses nothing, at either end of a pipeline', async t => {
    await database.sql('CREATE TABLE origin (n integer PRIMARY KEY)')
    await database.sql('CREATE TABLE target (n integer PRIMARY KEY)')
    await database.sql('INSERT INTO origin SELECT generate_series(0, 1999)')
    const stop = new AbortController()
    const warnings: string[] = []
    const config = { url, table: 'target', key: ['n'], rows: 20 }
    const run = copy(folderOf(t), { type: 'postgres', config: { url, table: 'origin', watermark: { column: 'n' }, every: '10ms' } }, { type: 'postgres', config }, {
      sinks: [{ id: 'out', from: ['in'], type: 'postgres', config, retry, breaker: undefined, rateLimit: undefined }],
      batch: { bytes: 2000, events: 1000, age: 1 },
      options: { signal: stop.signal, onWarning: (_place, message) => void warnings.push(message) },
    })
    const count = async (): Promise<number> => Number((await database.sql('SELECT count(*) AS n FROM target').catch(() => [{ n: '0' }]))[0]?.['n'])
    await until(async () => (await count()) > 0)
    await server.kill()
    await server.start()
    await until(() => database.sql('INSERT INTO origin SELECT generate_series(2000, 2999)').then(() => true, () => false))
    await until(async () => (await count()) === 3000)
    stop.abort()
    const report = await run
    assert.equal(report.dead_lettered, 0)
    assert.match(warnings.join('\n'), /It is tried again/)
  })

  test('a run that commits with its rows ends when the server dies, gives nothing up, and the next run ends the job', async t => {
    await database.sql('CREATE TABLE once (n integer)')
    const folder = folderOf(t)
    await writeFile(join(folder, 'in.ndjson'), Array.from({ length: 20_000 }, (_, n) => `{"n":${n}}\n`).join(''))
    const go = () => copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, { type: 'postgres', config: { url, table: 'once', rows: 50 } }, { delivery: 'exactly_once', checkpointInterval: 20, batch: { bytes: 2000, events: 1000, age: 1 }, memory: 20_000 })
    const first = go()
    first.catch(() => undefined)
    const count = async (): Promise<number> => Number((await database.sql('SELECT count(*) AS n FROM once').catch(() => [{ n: '0' }]))[0]?.['n'])
    await until(async () => (await count()) > 0)
    await server.kill()
    await assert.rejects(first, { code: 'POSTGRES_LOST' })
    await server.start()
    const report = await go()
    assert.equal(report.dead_lettered, 0)
    assert.equal((await readFile(join(folder, 'dead.ndjson'), 'utf8').catch(() => '')), '')
    await until(() => count().then(found => found > 0))
    assert.deepEqual(await database.sql('SELECT count(*) AS n, count(DISTINCT n) AS different FROM once'), [{ n: '20000', different: '20000' }])
  })
}
