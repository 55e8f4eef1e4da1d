/** Rows and positions in one transaction: pipelines are killed at every step of a commit, run beside each other and lose their server; each event is in the table once. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { postgresSink } from '../../src/connect/index.ts'
import { PostgresCommitter, placeOf } from '../../src/connect/postgres/committer.ts'
import { testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { SinkChunk } from '../../src/engine/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { killAtEach } from '../crash/failpoints.ts'
import { openRedis } from '../redis/client.ts'
import { startService } from '../servers/service.ts'
import { openDatabase } from './database.ts'

const COUNT = 3000
const STEPS = ['commit.begin', 'commit.cut-sent', 'commit.done'] as const
const OFTEN = 'delivery: exactly_once\ncheckpoint_interval: 1ms\nbatch: { bytes: 2KiB }\nmemory: 16KiB\n'
const STAGES = 'stages:\n  - partition_by: event.k\n  - score: { field: event.n, key: event.k, as: score }\n'

const server = await startService('postgres')
if (typeof server === 'string') test('exactly once on PostgreSQL', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const database = await openDatabase(url)
  after(async () => {
    await database.close()
    await server.dispose()
  })

  const events = Array.from({ length: COUNT }, (_, n) => ({ n, k: `k${n % 20}` }))
  const numbers = async (table: string): Promise<number[]> => (await database.sql(`SELECT n FROM ${table} ORDER BY n`)).map(({ n }) => Number(n))
  const sinkTo = (table: string): string => `sinks:\n  out: { postgres: { url: "${url}", table: ${table} } }\n`

  /** No key: whatever is written twice is there twice. */
  const makeTable = (table: string): Promise<unknown> => database.sql(`CREATE TABLE ${table} (n integer, k text, score json)`)

  test('from a file with stages that remember, killed at every step', async (t: TestContext) => {
    const folder = folderOf(t)
    writeFileSync(join(folder, 'in.ndjson'), events.map(event => `${JSON.stringify(event)}\n`).join(''))
    for (const [name, more] of [['whole', 'delivery: exactly_once\n'], ['killed', OFTEN]] as const) {
      await makeTable(name)
      writeFileSync(join(folder, `${name}.yaml`), `pipeline: ${name}\nsources: { in: { file: { path: in.ndjson } } }\n${STAGES}${sinkTo(name)}${more}`)
    }
    await killAtEach(folder, 'whole.yaml', [])
    assert.ok((await killAtEach(folder, 'killed.yaml', STEPS)) >= STEPS.length)
    assert.deepEqual(await numbers('killed'), events.map(({ n }) => n))
    assert.deepEqual(await database.sql('SELECT n, score::text FROM killed ORDER BY n'), await database.sql('SELECT n, score::text FROM whole ORDER BY n'))
  })

  test('from table to two tables, killed at every step', async (t: TestContext) => {
    const folder = folderOf(t)
    for (const table of ['moved', 'moved_too']) await makeTable(table)
    await database.sql('CREATE TABLE origin (n integer PRIMARY KEY, k text)')
    await database.sql('INSERT INTO origin SELECT * FROM json_populate_recordset(NULL::origin, $1)', [JSON.stringify(events)])
    writeFileSync(join(folder, 'move.yaml'), `pipeline: move\nsources: { in: { postgres: { url: "${url}", table: origin, watermark: { column: n } } } }\n${sinkTo('moved')}  too: { from: in, postgres: { url: "${url}", table: moved_too } }\n${OFTEN}`)
    assert.ok((await killAtEach(folder, 'move.yaml', STEPS)) >= STEPS.length)
    for (const table of ['moved', 'moved_too']) assert.deepEqual(await numbers(table), events.map(({ n }) => n))
  })

  test('from a stream of Redis, killed at every step: what a commit has is acknowledged by the next run, not read again', async t => {
    const redisServer = await startService('redis')
    if (typeof redisServer === 'string') return t.skip(redisServer)
    const redis = await openRedis(redisServer.value('url'))
    t.after(async () => {
      redis.close()
      await redisServer.dispose()
    })
    const folder = folderOf(t)
    await makeTable('streamed')
    await Promise.all(events.map(event => redis.call('XADD', 'events', '*', 'body', JSON.stringify(event))))
    writeFileSync(join(folder, 'stream.yaml'), `pipeline: stream\nsources: { in: { redis_streams: { url: "${redisServer.value('url')}", stream: events, group: g, until: end } } }\n${sinkTo('streamed')}${OFTEN}`)
    assert.ok((await killAtEach(folder, 'stream.yaml', STEPS)) >= STEPS.length)
    assert.deepEqual(await numbers('streamed'), events.map(({ n }) => n))
    assert.deepEqual((await redis.call('XPENDING', 'events', 'g') as readonly unknown[])[0], 0)
  })

  /** A sink on a ground that it shares with nobody, and a chunk for it. */
  async function onGround(pipeline: string, table: string) {
    const config = prepareConfig(postgresSink.config, { url, table }, testContext())
    const committer = new PostgresCommitter(placeOf(config), pipeline, () => undefined)
    const cuts = await committer.open()
    const sink = postgresSink.create(config, testContext())
    await sink.open(undefined, committer)
    const write = (n: number) => sink.write(chunkOf([{ n }]), new AbortController().signal)
    return { committer, cuts: cuts.map(cut => Buffer.from(cut).toString()), sink, write, close: async () => {
      await sink.close('failed')
      await committer.close()
    } }
  }

  function chunkOf(values: readonly object[]): SinkChunk {
    const lines = values.map(value => Buffer.from(`${JSON.stringify(value)}\n`))
    let end = 0
    return { number: 0, target: '', bytes: Buffer.concat(lines), rows: lines.length, ends: Uint32Array.from(lines, line => (end += line.length)) }
  }

  test('a run that is taken over writes no more, and what it had not committed was never there', async t => {
    await makeTable('fenced')
    const older = await onGround('fenced', 'fenced')
    await older.write(1)
    await older.committer.commit(Buffer.from('one'), true)
    await older.write(2)
    const newer = await onGround('fenced', 'fenced')
    t.after(() => newer.close())
    assert.deepEqual(newer.cuts, ['one'])
    await assert.rejects(older.committer.commit(Buffer.from('two'), false), { code: 'POSTGRES_LOST', message: /open transaction was lost|taken over/ })
    await older.close()
    await newer.write(3)
    await newer.committer.commit(Buffer.from('three'), false)
    assert.deepEqual(await numbers('fenced'), [1, 3])
  })

  test('a full cut replaces those before it, and a pipeline has its own', async t => {
    await makeTable('cuts')
    const first = await onGround('cuts', 'cuts')
    for (const [cut, full] of [['a', true], ['b', false], ['c', true], ['d', false]] as const) await first.committer.commit(Buffer.from(cut), full)
    await first.close()
    const other = await onGround('other', 'cuts')
    t.after(() => other.close())
    assert.deepEqual(other.cuts, [])
    const second = await onGround('cuts', 'cuts')
    t.after(() => second.close())
    assert.deepEqual(second.cuts, ['c', 'd'])
  })

  test('a row that the server refuses costs the transaction nothing else', async t => {
    await makeTable('partly')
    const ground = await onGround('partly', 'partly')
    t.after(() => ground.close())
    const answers = await ground.sink.write(chunkOf([{ n: 1 }, { n: 'two' }, { n: 3 }, { n: 99999999999 }, { n: 5 }]), new AbortController().signal)
    assert.deepEqual(answers?.map(({ row, answer }) => ({ row, answer })), [{ row: 1, answer: 'reject' }, { row: 3, answer: 'reject' }])
    await ground.committer.commit(Buffer.from('cut'), true)
    assert.deepEqual(await numbers('partly'), [1, 3, 5])
  })

  test('a server that dies in the middle of a transaction ends the run, and the next one goes on from the last commit', async t => {
    await makeTable('died')
    const run = await onGround('died', 'died')
    await run.write(1)
    await run.committer.commit(Buffer.from('one'), true)
    await run.write(2)
    await server.kill()
    await server.start()
    await assert.rejects(run.write(3).then(() => run.committer.commit(Buffer.from('two'), false)), { code: 'POSTGRES_LOST', retry: false, message: /open transaction was lost.*Start the pipeline again/ })
    await run.close()
    const next = await onGround('died', 'died')
    t.after(() => next.close())
    assert.deepEqual(next.cuts, ['one'])
    await next.write(2)
    await next.committer.commit(Buffer.from('two'), false)
    assert.deepEqual(await database.sql('SELECT n FROM died ORDER BY n').catch(() => database.sql('SELECT n FROM died ORDER BY n')), [{ n: '1' }, { n: '2' }])
  })
}
