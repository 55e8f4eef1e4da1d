/** What goes wrong between a pipeline and a real Redis: told in plain words, and nothing lost. */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { copy, testContext } from '../../src/connect/testing.ts'
import { packEntry } from '../../src/connect/redis/entries-codec.ts'
import { RedisConnection } from '../../src/connect/redis/connection.ts'
import { GroupReader } from '../../src/connect/redis/group.ts'
import { redisSink, redisSource } from '../../src/connect/index.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import type { Sink, Source } from '../../src/engine/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { expire } from '../servers/certificates.ts'
import { startService } from '../servers/service.ts'
import { openRedis, until } from './client.ts'

const server = await startService('redis', { args: ['--secure'], ports: 2, env: { REDIS_CONFIG: 'appendfsync always\nrepl-diskless-sync-delay 0\nuser limited on >limited-secret ~orders* +@all -xadd' } })
if (typeof server === 'string') test('failures of Redis', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const redis = await openRedis(url)
  after(async () => {
    redis.close()
    await server.dispose()
  })
  const ca = await readFile(server.value('ca'), 'utf8')
  const login = { username: server.value('user'), password: server.value('password') }

  const sinkOf = (config: object): Sink => redisSink.create(prepareConfig(redisSink.config, { stream: 'orders', ...config }, testContext()), testContext())
  const sourceOf = (config: object): Source => redisSource.create(prepareConfig(redisSource.config, { stream: 'orders', group: 'g', ...config }, testContext()), testContext())

  /** Opens a sink, and perhaps writes an event; answers the error. */
  async function refusal(config: object): Promise<Error & { readonly code: string; readonly retry: boolean }> {
    const sink = sinkOf(config)
    try {
      const error: unknown = await sink.open(undefined).then(() => assert.fail('it was let in'), (why: unknown) => why)
      assert.ok(error instanceof Error && 'code' in error && 'retry' in error)
      return error as Error & { readonly code: string; readonly retry: boolean } // Looked at in the line above.
    } finally {
      await sink.close('failed')
    }
  }

  /** A pipeline between a stream and a file, or another stream, that runs until the test ends it. */
  function running(t: TestContext, config: object, sink: { readonly type: string; readonly config: object }, id = 'in') {
    const stop = new AbortController()
    const folder = folderOf(t)
    const warnings: string[] = []
    const report = copy(folder, { type: 'redis_streams', config }, sink, {
      sources: [{ id, type: 'redis_streams', config }],
      sinks: [{ id: 'out', from: [id], ...sink, breaker: undefined, rateLimit: undefined, retry: { attempts: 100, backoff: 20, factor: 2, backoffMax: 200, deadline: 60_000, budget: 0 } }],
      options: { signal: stop.signal, onWarning: (_place: string, message: string) => void warnings.push(message) },
    })
    return {
      folder, warnings,
      finish: () => {
        stop.abort()
        return report
      },
    }
  }

  const add = (stream: string, count: number, from = 0): Promise<unknown> => Promise.all(Array.from({ length: count }, (_, n) => redis.call('XADD', stream, '*', 'body', JSON.stringify({ n: from + n }))))
  const numbers = async (stream: string): Promise<number[]> => (await redis.events(stream)).map(({ value }) => (value as { readonly n: number }).n) // Made by `add`.
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

  test('a wrong password is told as such, and shown nowhere', async () => {
    const error = await refusal({ url, username: 'sluice', password: 'not-the-secret' })
    assert.equal(error.code, 'REDIS_AUTH')
    assert.equal(error.retry, false)
    assert.match(error.message, /refused the login: the user or the password is wrong/)
    const inUrl = await refusal({ url: url.replace('redis://', 'redis://sluice:not-the-secret@') })
    assert.equal(inUrl.code, 'REDIS_AUTH')
    for (const { message, stack = '' } of [error, inUrl]) assert.doesNotMatch(message + stack, /not-the-secret/)
  })

  test('a user who may not is told what to ask for', async () => {
    const sink = sinkOf({ url, username: 'limited', password: 'limited-secret', value: 'fields' })
    await sink.open(undefined)
    await assert.rejects(sink.write({ number: 0, target: 'orders', bytes: Buffer.from([2, 0, 0, 0, 1, 0, 0, 0, 97, 1, 0, 0, 0, 98]), rows: 1, ends: undefined }, new AbortController().signal).then(() => undefined), { code: 'REDIS_DENIED', message: /does not allow that to this user: .*'xadd'.*ACL SETUSER/ })
    await sink.close('failed')
  })

  test('a port where nobody listens, and a host that is not there, are told apart', async () => {
    assert.match((await refusal({ url: 'redis://127.0.0.1:1' })).message, /127\.0\.0\.1:1 could not be reached.*nobody listens there/)
    const error = await refusal({ url: 'redis://redis.invalid' })
    assert.equal(error.code, 'REDIS_CONNECT')
    assert.equal(error.retry, true)
  })

  test('over TLS the certificate must be right, and errors name what is wrong with it', async t => {
    const tls = server.value('tls')
    assert.match((await refusal({ url: tls })).message, /encrypted connection.*give that as tls\.ca/)
    assert.match((await refusal({ url: tls.replace('localhost', '127.0.0.1'), tls: { ca } })).message, /tls\.server_name/)
    assert.match((await refusal({ url: url.replace('redis:', 'rediss:'), connect_timeout: '300ms' })).message, /does not speak TLS, write redis:/)
    const sink = sinkOf({ url: tls, ...login, tls: { ca } })
    t.after(() => sink.close('done'))
    await sink.open(undefined)
  })

  test('a key that is no stream is named at once by the source, and refuses the events of the sink', async t => {
    await redis.call('SET', 'text', 'x')
    const source = sourceOf({ url, stream: 'text' })
    await assert.rejects(source.open(undefined), { code: 'REDIS_TYPE', message: /something that is no stream/ })
    await source.close()
    await add('fine', 3)
    const folder = folderOf(t)
    const report = await copy(folder, { type: 'redis_streams', config: { url, stream: 'fine', group: 'g', until: 'end' } }, { type: 'redis_streams', config: { url, stream: 'text' } })
    assert.equal(report.dead_lettered, 3)
    assert.match(await readFile(join(folder, 'dead.ndjson'), 'utf8'), /something that is no stream/)
  })

  test('entries without a body, or with one that is not JSON, are dead letters with their place, and are acknowledged', async t => {
    await redis.call('XADD', 'mixed', '1-1', 'other', 'x')
    await redis.call('XADD', 'mixed', '1-2', 'body', '{"n":')
    await redis.call('XADD', 'mixed', '1-3', 'body', '{"n":3}')
    const folder = folderOf(t)
    const report = await copy(folder, { type: 'redis_streams', config: { url, stream: 'mixed', group: 'g', until: 'end' } })
    assert.equal(report.dead_lettered, 2)
    const letters = (await readFile(join(folder, 'dead.ndjson'), 'utf8')).trimEnd().split('\n').map(line => JSON.parse(line) as { readonly position: unknown; readonly original: string; readonly code: string })
    assert.deepEqual(letters.map(({ code, position, original }) => ({ code, position, original })), [
      { code: 'FIELD_TYPE', position: { stream: 'mixed', id: '1-1' }, original: '{"other":"x"}' },
      { code: 'JSON_SYNTAX', position: { stream: 'mixed', id: '1-2' }, original: '{"n":' },
    ])
    assert.deepEqual((await redis.call('XPENDING', 'mixed', 'g') as readonly unknown[])[0], 0)
  })

  test('plain fields become the fields of an event, and the other way round', async t => {
    await redis.call('XADD', 'plain', '*', 'city', 'Zürich', 'n', '1')
    await copy(folderOf(t), { type: 'redis_streams', config: { url, stream: 'plain', group: 'g', until: 'end', value: 'fields' } }, { type: 'redis_streams', config: { url, stream: 'plain-out', value: 'fields' } })
    assert.deepEqual(await redis.entries('plain-out'), [{ city: 'Zürich', n: '1' }])
  })

  test('a stream keeps as many entries as it may', async t => {
    await add('long', 50)
    await copy(folderOf(t), { type: 'redis_streams', config: { url, stream: 'long', group: 'g', until: 'end', delete: true } }, { type: 'redis_streams', config: { url, stream: 'short', max_length: 10, trim: 'exact' } })
    assert.deepEqual(await numbers('short'), upTo(50).slice(40))
    assert.equal(await redis.call('XLEN', 'long'), 0)
  })

  test('what a consumer that died was given is taken over', async t => {
    await add('left', 20)
    await redis.call('XGROUP', 'CREATE', 'left', 'g', '0')
    await redis.call('XREADGROUP', 'GROUP', 'g', 'dead', 'COUNT', '12', 'STREAMS', 'left', '>')
    const run = running(t, { url, stream: 'left', group: 'g', claim_after: '50ms' }, { type: 'redis_streams', config: { url, stream: 'left-out' } })
    await until(async () => (await redis.call('XLEN', 'left-out')) === 20)
    await run.finish()
    assert.deepEqual((await numbers('left-out')).sort((a, b) => a - b), upTo(20))
    assert.deepEqual((await redis.call('XPENDING', 'left', 'g') as readonly unknown[])[0], 0)
  })

  test('entries that wait long for their sink stay with the consumer that works on them', async t => {
    await add('slow', 5)
    const busy = sourceOf({ url, stream: 'slow', consumer: 'busy', claim_after: '200ms' })
    await busy.open(undefined)
    const piece = await busy.next(65_536, new AbortController().signal)
    assert.ok(piece !== undefined)
    const other = running(t, { url, stream: 'slow', group: 'g', consumer: 'other', claim_after: '200ms' }, { type: 'redis_streams', config: { url, stream: 'slow-out' } })
    const asked = async (): Promise<number> => Number(/cmdstat_xautoclaim:calls=(\d+)/.exec(String(await redis.call('INFO', 'commandstats')))?.[1] ?? 0)
    const before = await asked()
    await until(async () => (await asked()) >= before + 3)
    assert.equal(await redis.call('XLEN', 'slow-out'), 0)
    await busy.commit?.(piece.position)
    await busy.close()
    await other.finish()
    assert.equal(await redis.call('XLEN', 'slow-out'), 0)
  })

  test('a group that is gone is made anew, and what was added meanwhile is read', async t => {
    await add('lost', 3)
    const run = running(t, { url, stream: 'lost', group: 'g' }, { type: 'redis_streams', config: { url, stream: 'lost-out' } })
    await until(async () => (await redis.call('XLEN', 'lost-out')) === 3)
    await redis.call('DEL', 'lost')
    await add('lost', 3, 3)
    await until(async () => (await redis.call('XLEN', 'lost-out')) === 6)
    await run.finish()
    assert.deepEqual(await numbers('lost-out'), upTo(6))
    assert.match(run.warnings.join('\n'), /The group "g" was gone from "lost"/)
    const connection = new RedisConnection({ ...prepareConfig(redisSink.config, { url, stream: 'lost' }, testContext()) })
    t.after(() => connection.close())
    await assert.rejects(new GroupReader(connection, connection, 'never', 'c').given('lost', '0', 1), { code: 'REDIS_GROUP', retry: true, message: /The consumer group is gone.*No such key 'lost' or consumer group 'never'/ })
  })

  test('a server that stands still is given up after a while, and nothing is lost', async t => {
    const run = running(t, { url, stream: 'still', group: 'g', timeout: '200ms' }, { type: 'redis_streams', config: { url, stream: 'still-out', timeout: '200ms' } })
    await add('still', 10)
    await until(async () => (await redis.call('XLEN', 'still-out')) === 10)
    await server.pause()
    await until(() => Promise.resolve(run.warnings.some(warning => /There was no answer to .* within 200 ms.*stand still/.test(warning))))
    await server.resume()
    await add('still', 10, 10)
    await until(async () => new Set(await numbers('still-out')).size === 20)
    await run.finish()
    assert.deepEqual([...new Set(await numbers('still-out'))].sort((a, b) => a - b), upTo(20))
  })

  test('a server without memory left is waited for', async t => {
    const run = running(t, { url, stream: 'room', group: 'g' }, { type: 'redis_streams', config: { url, stream: 'room-out' } })
    await add('room', 1)
    await until(async () => (await redis.call('XLEN', 'room-out')) === 1)
    const sink = sinkOf({ url, stream: 'room-out' })
    t.after(() => sink.close('done'))
    await sink.open(undefined)
    await redis.call('CONFIG', 'SET', 'maxmemory', '1')
    const entry = packEntry(['body', '{"n":1}'])
    await assert.rejects(sink.write({ number: 0, target: 'room-out', bytes: entry, rows: 1, ends: Uint32Array.of(entry.length) }, new AbortController().signal).then(() => undefined), { code: 'REDIS_BUSY', retry: true, message: /has used up its memory/ })
    await redis.call('CONFIG', 'SET', 'maxmemory', '0')
    await add('room', 9, 1)
    await until(async () => (await redis.call('XLEN', 'room-out')) === 10)
    await run.finish()
    assert.deepEqual(await numbers('room-out'), upTo(10))
  })

  test('a server that can not save to its disk takes nothing, and says so', async t => {
    const sink = sinkOf({ url, stream: 'unsaved' })
    t.after(() => sink.close('done'))
    await sink.open(undefined)
    await redis.call('SADD', 'something', 'to save')
    await redis.call('CONFIG', 'SET', 'save', '1 1')
    const place = String(((await redis.call('CONFIG', 'GET', 'dir')) as readonly unknown[])[1])
    t.after(async () => {
      await redis.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
      await redis.call('CONFIG', 'SET', 'save', '')
      await rm(join(place, 'dump.rdb'), { recursive: true })
    })
    // Where a folder stands, no file can be put.
    const file = join(place, 'dump.rdb')
    await rm(file, { force: true })
    await mkdir(join(file, 'full'), { recursive: true })
    await until(async () => {
      // Redis may be saving by itself at this moment.
      await redis.call('BGSAVE').catch((error: unknown) => assert.match(String(error), /already in progress/))
      return /rdb_last_bgsave_status:err/.test(String(await redis.call('INFO', 'persistence')))
    })
    const entry = packEntry(['body', '{"n":1}'])
    await assert.rejects(sink.write({ number: 0, target: 'unsaved', bytes: entry, rows: 1, ends: Uint32Array.of(entry.length) }, new AbortController().signal).then(() => undefined), { code: 'REDIS_BUSY', retry: true, message: /takes no writes, because it can't save them to disk/ })
  })

  test('a certificate that has expired, and a database that is not there, are told as such', async () => {
    await expire(server.folder)
    await redis.call('CONFIG', 'SET', 'tls-cert-file', join(server.folder, 'expired.pem'))
    const expired = await refusal({ url: server.value('tls'), tls: { ca } })
    assert.equal(expired.code, 'REDIS_TLS')
    assert.match(expired.message, /expired.*has to be renewed/)
    await redis.call('CONFIG', 'SET', 'tls-cert-file', join(server.folder, 'server.pem'))
    const missing = await refusal({ url: `${url}/99` })
    assert.equal(missing.code, 'REDIS_REPLY')
    assert.match(missing.message, /DB index is out of range/)
  })

  test('a replica has what the sink waited for, and one that is missing is told', async t => {
    const replica = await startService('redis', { env: { REDIS_CONFIG: `replicaof 127.0.0.1 ${new URL(url).port}` } })
    if (typeof replica === 'string') return t.skip(replica)
    t.after(() => replica.dispose())
    await until(async () => /connected_slaves:1[^]*state=online/.test(String(await redis.call('INFO', 'replication'))))
    await add('copied', 5)
    await copy(folderOf(t), { type: 'redis_streams', config: { url, stream: 'copied', group: 'g', until: 'end' } }, { type: 'redis_streams', config: { url, stream: 'copied-out', replicas: 1 } })
    const other = await openRedis(replica.value('url'))
    assert.deepEqual((await other.events('copied-out')).length, 5)
    other.close()
    const readOnly = sinkOf({ url: replica.value('url') })
    const lonely = sinkOf({ url, replicas: 2, timeout: '1s' })
    t.after(() => Promise.all([readOnly.close('done'), lonely.close('done')]))
    const entry = packEntry(['body', '{"n":1}'])
    const write = (sink: Sink) => sink.open(undefined).then(() => sink.write({ number: 0, target: 'copied-out', bytes: entry, rows: 1, ends: Uint32Array.of(entry.length) }, new AbortController().signal))
    await assert.rejects(write(readOnly).then(() => undefined), { code: 'REDIS_BUSY', message: /is a replica, which takes no writes/ })
    await assert.rejects(write(lonely).then(() => undefined), { code: 'REDIS_BUSY', message: /only 1 of 2 replicas/ })
  })

  test('a server that dies and comes back loses nothing, at either end of a pipeline', async t => {
    const run = running(t, { url, stream: 'gone', group: 'g' }, { type: 'redis_streams', config: { url, stream: 'gone-out', entries: 50 } })
    await add('gone', 500)
    await until(async () => Number(await redis.call('XLEN', 'gone-out')) > 0)
    await server.kill()
    await server.start()
    await until(() => redis.call('PING').then(() => true, () => false))
    await add('gone', 500, 500)
    await until(async () => new Set(await numbers('gone-out')).size === 1000)
    await run.finish()
    assert.deepEqual([...new Set(await numbers('gone-out'))].sort((a, b) => a - b), upTo(1000))
    assert.deepEqual((await redis.call('XPENDING', 'gone', 'g') as readonly unknown[])[0], 0)
  })
}
