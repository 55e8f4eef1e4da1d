/** A Redis whose disk fills: it refuses writes, or ends, by how it syncs; all is waited for, told in plain words, and nothing is lost. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { redisSink } from '../../src/connect/index.ts'
import { packEntry } from '../../src/connect/redis/entries-codec.ts'
import { folderOf } from '../conformance/outsides.ts'
import { smallVolume } from '../faults/volume.ts'
import type { Volume } from '../faults/volume.ts'
import { lettersOf, running, sinkOf, until, upTo } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import type { Service } from '../servers/service.ts'
import { openRedis } from './client.ts'
import type { TestRedis } from './client.ts'

const COUNT = 1500
const MIB = 2 ** 20

const found = smallVolume(8 * MIB)
const skip = typeof found === 'string' ? found : false
if (typeof found !== 'string') after(() => found.dispose())

interface Bench {
  readonly volume: Volume
  readonly server: Service
  readonly redis: TestRedis
  readonly url: string
  /** A file with so many events of a kilobyte. */
  readonly input: string
}

/** A server whose data lie on the volume, which is nearly full. */
async function bench(t: TestContext, sync: 'always' | 'everysec'): Promise<Bench | string> {
  const volume = found as Volume // The tests are skipped where there is none.
  volume.empty()
  const server = await startService('redis', { data: volume.folder, env: { REDIS_CONFIG: `appendfsync ${sync}` } })
  if (typeof server === 'string') return server
  const url = server.value('url')
  const redis = await openRedis(url)
  t.after(async () => {
    redis.close()
    await server.dispose()
  })
  const input = join(folderOf(t), 'in.ndjson')
  writeFileSync(input, upTo(COUNT).map(n => `${JSON.stringify({ n, text: 'x'.repeat(1000) })}\n`).join(''))
  volume.fill(MIB / 2)
  return { volume, server, redis, url, input }
}

const numbers = async (redis: TestRedis, stream: string): Promise<number[]> => (await redis.events(stream)).map(({ value }) => (value as { readonly n: number }).n) // From the file above.
const ready = (redis: TestRedis): Promise<boolean> => redis.call('PING').then(() => true, () => false)

test('a server that can not append to its file takes nothing until there is room, and both ends of a pipeline wait for it', { skip }, async t => {
  const made = await bench(t, 'everysec')
  if (typeof made === 'string') return t.skip(made)
  const { volume, server, redis, url, input } = made
  const add = (from: number): Promise<unknown> => Promise.all(upTo(20, from).map(n => redis.call('XADD', 'read', '*', 'body', JSON.stringify({ n }))))
  await add(0)
  const read = running(t, { type: 'redis_streams', config: { url, stream: 'read', group: 'g' } })
  await until(() => read.numbers().length === 20)
  const written = running(t, { type: 'file', config: { path: input } }, { type: 'redis_streams', config: { url, stream: 'full', entries: 50 } })
  const misconf = /takes no writes, because it can't save them to disk: MISCONF Errors writing to the AOF file: No space left on device\. Make room there/
  await until(() => written.warnings.some(warning => misconf.test(warning)))
  const sink = sinkOf(redisSink, { url, stream: 'full' })
  t.after(() => sink.close('done'))
  const entry = packEntry(['body', '{"n":-1}'])
  // The server refuses even to say that it is there, so a sink that starts now is told as well.
  await assert.rejects(sink.open(undefined), { code: 'REDIS_BUSY', retry: true, message: misconf })
  await assert.rejects(Promise.resolve(sink.write({ number: 0, target: 'full', bytes: entry, rows: 1, ends: Uint32Array.of(entry.length) }, new AbortController().signal)), { code: 'REDIS_BUSY', retry: true, message: misconf })
  volume.clear()
  await until(() => ready(redis))
  await add(20)
  await until(() => read.numbers().length === 40)
  await read.finish()
  const report = await written.report
  assert.equal(report.dead_lettered, 0)
  assert.ok(report.retries > 0)
  assert.deepEqual(lettersOf(written), [])
  // What it has on its disk, not what it has in its memory.
  await server.stop()
  await server.start()
  await until(() => ready(redis))
  assert.deepEqual(await numbers(redis, 'full'), upTo(COUNT))
})

test('a server that syncs each write ends where its disk is full; started again with room, it has all', { skip }, async t => {
  const made = await bench(t, 'always')
  if (typeof made === 'string') return t.skip(made)
  const { volume, server, redis, url, input } = made
  const run = running(t, { type: 'file', config: { path: input } }, { type: 'redis_streams', config: { url, stream: 'full', entries: 50 } })
  await until(() => run.warnings.some(warning => /could not be reached.*(nobody listens there|was cut)/.test(warning)))
  volume.clear()
  await server.stop()
  await server.start()
  const report = await run.report
  assert.equal(report.dead_lettered, 0)
  await until(() => ready(redis))
  const all = await numbers(redis, 'full')
  assert.deepEqual([...new Set(all)].toSorted((a, b) => a - b), upTo(COUNT))
})
