/** What the log source does on a real Apache Kafka, as pipelines use it: topics by a pattern, starts, groups whose sink is slow, ways in, and records that are none. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { logSource } from '../../src/connect/index.ts'
import { copy, testContext } from '../../src/connect/testing.ts'
import { prepareConfig } from '../../src/engine/index.ts'
import { openLog } from '../../src/log/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { lettersOf, numbersIn, running, until, upTo } from '../servers/broker.testing.ts'
import { startBroker, tokenFor } from './broker.ts'

const broker = await startBroker()
if (typeof broker === 'string') test('the log source on Apache Kafka', { skip: broker }, () => undefined)
else {
  const place = `kafka://${broker.plain}`
  const log = await openLog(place, { warn: () => undefined })
  const producer = log.producer()
  after(async () => {
    await log.close()
    await broker.stop()
  })

  const made = async (name: string, partitions = 1): Promise<string> => {
    await log.admin.createTopics([{ name, partitions }])
    return name
  }
  const put = (topic: string, numbers: readonly number[], timestamp?: (n: number) => number): Promise<unknown> =>
    Promise.all(numbers.map(n => producer.send({ topic, value: Buffer.from(JSON.stringify({ n })), timestamp: timestamp?.(n) })))
  const source = (config: object) => ({ type: 'log', config: { log: place, until: 'end', ...config } })
  const read = async (t: Parameters<typeof folderOf>[0], config: object): Promise<number[]> => {
    const folder = folderOf(t)
    await copy(folder, source(config))
    return numbersIn(join(folder, 'out.ndjson')).toSorted((a, b) => a - b)
  }

  test('topics by a pattern, read by a group and by one alone, and those that appear later', async t => {
    await Promise.all(['eu-orders', 'us-orders', 'us-orders-old'].map(name => made(name)))
    await Promise.all([put('eu-orders', [1]), put('us-orders', [2]), put('us-orders-old', [3])])
    assert.deepEqual(await read(t, { pattern: '(eu|us)-orders' }), [1, 2])
    assert.deepEqual(await read(t, { pattern: '(eu|us)-orders', group: 'orders' }), [1, 2])
    let now = 0
    const context = testContext({ now: () => now })
    const reader = logSource.create(prepareConfig(logSource.config, { log: place, pattern: '..-orders' }, context), context)
    t.after(() => reader.close())
    await reader.open(undefined)
    const topics = new Set<string>()
    const take = async (count: number): Promise<void> => {
      while (topics.size < count) topics.add((((await reader.next(1000, new AbortController().signal))?.meta ?? {}) as { topic: string }).topic) // Made by the source.
    }
    await take(2)
    await made('in-orders')
    await put('in-orders', [4])
    now = 10_000
    await take(3)
    assert.deepEqual([...topics].toSorted(), ['eu-orders', 'in-orders', 'us-orders'])
  })

  test('reading begins at an offset, at a time, or at the end', async t => {
    const topic = await made('starts')
    const day = Date.parse('2026-01-31T00:00:00Z')
    await put(topic, upTo(10), n => day + n * 3_600_000)
    assert.deepEqual(await read(t, { topic, start: '7' }), [7, 8, 9])
    assert.deepEqual(await read(t, { topic, start: '2026-01-31T04:30:00Z' }), [5, 6, 7, 8, 9])
    assert.deepEqual(await read(t, { topic, start: '2026-01-31T04:30:00Z', group: 'by-time' }), [5, 6, 7, 8, 9])
    assert.deepEqual(await read(t, { topic, start: 'latest' }), [])
    await assert.rejects(read(t, { topic, start: 'yesterday' }), { code: 'CONFIG_VALUE', message: /earliest, latest, an offset or a time/ })
    await assert.rejects(read(t, { topic, start: '1000', until: undefined }), { code: 'LOG_OFFSET_OUT_OF_RANGE' })
  })

  for (const protocol of ['classic', 'consumer'] as const) {
    test(`a sink that takes longer than a session costs the group neither its member nor a record (${protocol} protocol)`, async t => {
      const topic = await made(`slow-${protocol}`, 2)
      await Promise.all(upTo(200).map(n => producer.send({ topic, partition: n % 2, value: Buffer.from(JSON.stringify({ n })) })))
      const seen: number[] = []
      let held: ServerResponse | undefined
      let isSlow = true
      const server = createServer((request, response) => {
        let text = ''
        request.on('data', part => void (text += String(part)))
        request.on('end', () => {
          for (const line of text.trim().split('\n')) seen.push((JSON.parse(line) as { n: number }).n) // As the source has them.
          if (isSlow) held = response
          else response.end()
        })
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      t.after(() => server.close())
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/` // It listens on a port.
      // The brokers of the tests take 4.5 s for the session of the newer protocol, which members can't choose.
      const session = protocol === 'classic' ? 1500 : 4500
      const run = running(t, source({ until: undefined, topic, group: topic, group_protocol: protocol, session_timeout: `${session}ms` }), { type: 'http', config: { url, events: 10, timeout: '60s' } })
      await until(() => held !== undefined)
      const membersNow = async (): Promise<string[]> => (await log.admin.describeGroup(topic)).members.map(({ id }) => id)
      const members = await membersNow()
      assert.equal(members.length, 1)
      const since = performance.now()
      await until(async () => {
        assert.deepEqual(await membersNow(), members)
        return performance.now() - since > session * 1.5
      })
      isSlow = false
      held?.end()
      await until(() => seen.length >= 200)
      await until(async () => (await log.admin.describeGroup(topic)).offsets.reduce((sum, { offset }) => sum + Number(offset), 0) === 200)
      await run.finish()
      assert.deepEqual(seen.toSorted((a, b) => a - b), upTo(200))
      assert.deepEqual(run.warnings, [])
    })
  }

  test('members of one group share its partitions by the newer protocol, each record once', async t => {
    const topic = await made('shared', 4)
    const config = { until: undefined, topic, group: 'shared', group_protocol: 'consumer' }
    const runs = [running(t, source(config)), running(t, source(config))]
    await until(async () => {
      const { members } = await log.admin.describeGroup('shared')
      return members.length === 2 && members.every(({ partitions }) => partitions.length === 2)
    })
    await Promise.all(upTo(400).map(n => producer.send({ topic, partition: n % 4, value: Buffer.from(JSON.stringify({ n })) })))
    await until(() => runs.reduce((sum, run) => sum + run.numbers().length, 0) >= 400)
    await Promise.all(runs.map(run => run.finish()))
    assert.deepEqual(runs.flatMap(run => run.numbers()).toSorted((a, b) => a - b), upTo(400))
    assert.ok(runs.every(run => run.numbers().length === 200))
  })

  test('with checkpoints the group says where the first run begins, and has no member of it', async t => {
    const topic = await made('kept', 2)
    await put(topic, upTo(20))
    await read(t, { topic, group: 'kept' })
    await put(topic, upTo(10, 20))
    const folder = folderOf(t)
    const state = join(folder, 'state')
    await copy(folder, source({ topic, group: 'kept' }), undefined, { state })
    await log.admin.alterTopic(topic, { partitions: 4 })
    await Promise.all(upTo(4).map(n => producer.send({ topic, partition: n, value: Buffer.from(JSON.stringify({ n: 30 + n })) })))
    await copy(folder, source({ topic, group: 'kept' }), undefined, { state })
    assert.deepEqual(numbersIn(join(folder, 'out.ndjson')).toSorted((a, b) => a - b), upTo(14, 20))
    assert.deepEqual((await log.admin.describeGroup('kept')).members, [])
  })

  test('a way in by a token, and one by the certificate of the client', async t => {
    const topic = await made('ways')
    await put(topic, [1])
    const { ca, cert, key } = broker
    assert.deepEqual(await read(t, { topic, log: `kafka://${broker.sasl}`, tls: { ca }, sasl: { mechanism: 'OAUTHBEARER', token: tokenFor(broker.user) } }), [1])
    assert.deepEqual(await read(t, { topic, log: `kafka://${broker.mutual}`, tls: { ca, cert, key } }), [1])
    const old = tokenFor(broker.user, -600)
    await assert.rejects(read(t, { topic, log: `kafka://${broker.sasl}`, tls: { ca }, sasl: { mechanism: 'OAUTHBEARER', token: old } }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'LOG_AUTH')
      assert.match(error.message, /refused the login by OAUTHBEARER/)
      assert.ok(!error.message.includes(old))
      return true
    })
  })

  test('records that are none become dead letters with their place and their bytes; the others go on', async t => {
    const topic = await made('poison')
    const values = [Buffer.from('{"n":1}'), Buffer.from('{"n":'), Buffer.from([0x22, 0xff, 0x22]), null, Buffer.from(''), Buffer.from('{"n":2}')]
    for (const value of values) await producer.send({ topic, value })
    const folder = folderOf(t)
    const report = await copy(folder, source({ topic, group: 'poison' }))
    // A record without a value, by which a key is taken away, is an event: null.
    assert.equal(readFileSync(join(folder, 'out.ndjson'), 'utf8'), '{"n":1}\nnull\n{"n":2}\n')
    const letters = readFileSync(join(folder, 'dead.ndjson'), 'utf8').trimEnd().split('\n').map(line => JSON.parse(line) as { position: unknown; code: string })
    assert.deepEqual(letters.map(({ position }) => position), [1, 2, 4].map(offset => ({ topic, partition: 0, offset })))
    assert.deepEqual(lettersOf({ folder }).map(({ code }) => code), ['JSON_SYNTAX', 'JSON_ENCODING', 'JSON_SYNTAX'])
    assert.equal(report.dead_lettered, 3)
    // They are done: the group does not read them again.
    assert.equal((await copy(folder, source({ topic, group: 'poison' }))).events_in, 0)
  })
}
