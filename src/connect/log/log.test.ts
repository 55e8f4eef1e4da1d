import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../platform/index.ts'
import { openTestLog } from '../../log/embedded/naive-log.fixture.ts'
import type { EmbeddedLog } from '../../log/embedded/embedded-log.ts'
import { copy, testContext } from '../testing.ts'
import { recordsOf } from '../../log/index.ts'
import { shareLog } from './open-logs.ts'
import { log } from './source.ts'

let folder = ''
let data: EmbeddedLog
let unshare = (): void => undefined
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-log-'))
})
after(() => rmSync(folder, { recursive: true }))
beforeEach(async () => {
  unshare()
  // Fetches wait in real time here: the pipeline runs in it.
  data = (await openTestLog({ clock: systemClock as never })).log
  unshare = shareLog(join(folder, 'data'), data)
})
after(() => unshare())

const lines = (name = 'out.ndjson'): unknown[] => readFileSync(join(folder, name), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
const numbered = (count: number): string => Array.from({ length: count }, (_, n) => `${JSON.stringify({ n, k: `k${n % 7}` })}\n`).join('')
const source = (config: object = {}): { type: string; config: object } => ({ type: 'log', config: { log: './data', topic: 'events', until: 'end', ...config } })
const sink = (config: object = {}): { type: string; config: object } => ({ type: 'log', config: { log: './data', topic: 'events', create: { partitions: 3 }, ...config } })

async function fill(count: number, config: object = {}): Promise<void> {
  writeFileSync(join(folder, 'in.ndjson'), numbered(count))
  const report = await copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, sink(config), { batch: { bytes: 300, events: 1000, age: 1 } })
  assert.equal(report.events_out['out'], count)
}

const sorted = (events: unknown[]): unknown[] => [...events].sort((a, b) => (a as { n: number }).n - (b as { n: number }).n)
const expected = (count: number): unknown[] => Array.from({ length: count }, (_, n) => ({ n, k: `k${n % 7}` }))

test('what is written to a topic is read back, each record once', async () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    await fill(200, { topic: compression, compression })
    const report = await copy(folder, source({ topic: compression }))
    assert.equal(report.events_in, 200)
    assert.deepEqual(sorted(lines()), expected(200), compression)
  }
})

test('a key puts its records into one partition, in order, with columns and without', async () => {
  for (const columns of [true, false]) {
    const topic = `keyed-${columns}`
    writeFileSync(join(folder, 'in.ndjson'), numbered(300))
    await copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, sink({ topic, key: 'event.k' }), { batch: { bytes: 500, events: 1000, age: 1 }, options: { columns } })
    await copy(folder, source({ topic }))
    const byKey = Map.groupBy(lines() as { n: number; k: string }[], event => event.k)
    assert.equal(byKey.size, 7)
    for (const [, events] of byKey) assert.deepEqual(events.map(event => event.n), events.map(event => event.n).toSorted((a, b) => a - b))
    const [topicNow] = await data.admin.describeTopics([topic])
    assert.equal(topicNow?.partitions.reduce((sum, one) => sum + Number(one.end), 0), 300)
  }
})

test('key, headers and time of a record reach expressions and go on to the next topic', async () => {
  await fill(20, { key: 'event.k', headers: { from: '"file"' }, time: '1000 + event.n' })
  await copy(folder, source(), sink({ topic: 'second' }))
  const consumer = data.consumer()
  await consumer.assign([0, 1, 2].map(partition => ({ topic: 'second', partition, start: 'earliest' as const })))
  const { records } = await import('../../log/batch/index.ts')
  const all = (await consumer.fetch()).flatMap(({ bytes }) => [...records(bytes)])
  assert.equal(all.length, 20)
  for (const { key, value, headers, timestamp } of all) {
    const event = JSON.parse(Buffer.from(value ?? []).toString()) as { n: number; k: string }
    assert.equal(Buffer.from(key ?? []).toString(), event.k)
    assert.equal(timestamp, 1000 + event.n)
    assert.deepEqual(headers.map(([name, content]) => [name, Buffer.from(content ?? []).toString()]), [['from', 'file']])
  }
})

test('a group goes on where it has committed, and only after the sink had it', async () => {
  await fill(50)
  await copy(folder, source({ group: 'g' }))
  assert.equal(lines().length, 50)
  await fill(30)
  await copy(folder, source({ group: 'g' }))
  assert.equal(lines().length, 30)
  const { offsets } = await data.admin.describeGroup('g')
  assert.equal(offsets.reduce((sum, one) => sum + Number(one.lag), 0), 0)
})

const readAs = (group: string, more: Partial<Parameters<typeof log.create>[0]> = {}): Parameters<typeof log.create>[0] =>
  ({ log: './data', sasl: undefined, tls: undefined, topic: 'events', pattern: undefined, group_protocol: undefined, session_timeout: undefined, group, start: 'earliest', until: 'end', isolation: 'read_committed', value: 'json', ...more })

test('a member that was taken for dead is not at the end: it joins again, and reads what was not committed', async () => {
  await fill(300)
  const member = log.create(readAs('taken'), testContext({ folder }))
  await member.open(undefined)
  const { signal } = new AbortController()
  const first = await member.next(1 << 20, signal)
  assert.ok(first !== undefined)
  await data.admin.removeMembers('taken')
  // Nothing was committed: all of it comes, in this life of the member or the next.
  const seen = new Set<string>()
  let committed = first.position
  for (let piece = await member.next(1 << 20, signal); piece !== undefined; piece = await member.next(1 << 20, signal)) {
    committed = piece.position
    for (const { offset } of recordsOf(piece.data as Uint8Array)) seen.add(`${(piece.meta as { partition: number }).partition} ${offset}`) // Made by the source.
  }
  assert.equal(seen.size, 300)
  await member.commit?.(committed)
  await member.close()
})

test('a member without partitions is at the end when the group has done all that was there', async () => {
  await fill(50)
  const member = log.create(readAs('idle'), testContext({ folder }))
  await member.open(undefined)
  await data.admin.removeMembers('idle')
  const ends = await data.admin.offsets([0, 1, 2].map(partition => ({ topic: 'events', partition, start: 'latest' as const })))
  await data.admin.resetOffsets('idle', ends)
  assert.equal(await member.next(1 << 20, new AbortController().signal), undefined)
  await member.close()
})

test('with checkpoints a run goes on at its own positions', async () => {
  await fill(40)
  const state = join(folder, 'state')
  await copy(folder, source(), undefined, { state })
  assert.equal(lines().length, 40)
  await fill(5)
  await copy(folder, source(), undefined, { state })
  assert.equal(lines().length, 45)
  rmSync(state, { recursive: true })
})

/** What a source hands out, until as many records as are wanted have come: `<topic> <partition>: <value>`. */
async function take(reader: ReturnType<typeof log.create>, wanted: number): Promise<string[]> {
  const found: string[] = []
  while (found.length < wanted) {
    const piece = await reader.next(1 << 20, new AbortController().signal)
    const { topic, partition } = piece?.meta as { topic: string; partition: number } // Made by the source.
    for (const { value } of recordsOf(piece?.data as Uint8Array)) found.push(`${topic} ${partition}: ${Buffer.from(value ?? []).toString()}`)
  }
  return found.toSorted()
}

for (const keeps of [true, false]) {
  test(`topics that match a pattern, and those and their partitions that appear later, are read by one that reads all by itself (state: ${keeps})`, async () => {
    await data.admin.createTopics([{ name: 'orders-de', partitions: 1 }, { name: 'returns', partitions: 1 }, { name: 'sluice-state-orders-x', partitions: 1 }])
    const producer = data.producer()
    const put = (topic: string, partition = 0): Promise<unknown> => producer.send({ topic, partition, value: Buffer.from(topic) })
    for (const topic of ['orders-de', 'returns', 'sluice-state-orders-x']) await put(topic)
    let now = 0
    const config = { ...readAs('all', { topic: undefined, pattern: '.*orders-.*', until: undefined }), ...(keeps ? {} : { group: undefined }) }
    const reader = log.create(config, testContext({ folder, keeps, now: () => now }))
    await reader.open(undefined)
    assert.deepEqual(await take(reader, 1), ['orders-de 0: orders-de'])
    // A group would have a member now; what the checkpoint has would then not be what the group has.
    if (keeps) assert.ok(!(await data.admin.listGroups()).includes('all'))
    await data.admin.createTopics([{ name: 'orders-fr', partitions: 1 }])
    await data.admin.alterTopic('orders-de', { partitions: 2 })
    await put('orders-fr')
    await put('orders-de', 1)
    await put('orders-de')
    assert.deepEqual(await take(reader, 1), ['orders-de 0: orders-de'])
    now += 10_000
    assert.deepEqual(await take(reader, 2), ['orders-de 1: orders-de', 'orders-fr 0: orders-fr'])
    await reader.close()
  })
}

test('members of a group take in topics that match a pattern', async () => {
  await data.admin.createTopics([{ name: 'a-1', partitions: 1 }, { name: 'b-1', partitions: 1 }])
  const reader = log.create(readAs('some', { topic: undefined, pattern: 'a-\\d', until: undefined }), testContext({ folder }))
  await reader.open(undefined)
  await data.admin.createTopics([{ name: 'a-2', partitions: 1 }])
  const producer = data.producer()
  for (const topic of ['a-1', 'a-2', 'b-1']) await producer.send({ topic, value: Buffer.from(topic) })
  assert.deepEqual(await take(reader, 2), ['a-1 0: a-1', 'a-2 0: a-2'])
  await reader.close()
})

test('topics are given by name or by pattern, and what only Apache Kafka has is refused for a folder', () => {
  const refused = (config: Parameters<typeof log.create>[0], message: RegExp): void => assert.throws(() => log.create(config, testContext({ folder })), { code: 'CONFIG_VALUE', message })
  refused(readAs('g', { pattern: 'a' }), /by "topic", or by "pattern"/)
  refused(readAs('g', { topic: undefined }), /by "topic", or by "pattern"/)
  refused(readAs('g', { topic: undefined, pattern: '(' }), /"pattern" is no regular expression/)
  refused(readAs('g', { topic: undefined, pattern: 'x'.repeat(1001) }), /1000 is the most/)
  refused(readAs('g', { group_protocol: 'consumer' }), /"group_protocol" is for Apache Kafka/)
})

test('a record that is not JSON is a dead letter with its bytes and its place', async () => {
  await data.admin.createTopics([{ name: 'odd', partitions: 1 }])
  const producer = data.producer()
  for (const value of ['{"n":1}', 'not json', '{"n":2}']) await producer.send({ topic: 'odd', value: Buffer.from(value) })
  await copy(folder, source({ topic: 'odd' }))
  assert.deepEqual(lines(), [{ n: 1 }, { n: 2 }])
  const [letter] = lines('dead.ndjson') as { code: string; original: string; position: unknown }[]
  assert.deepEqual([letter?.code, letter?.original, letter?.position], ['JSON_SYNTAX', 'not json', { topic: 'odd', partition: 0, offset: 1 }])
})

test('a topic that is not there is told, by source and sink', async () => {
  await assert.rejects(copy(folder, source({ topic: 'none' })), { code: 'LOG_UNKNOWN_TOPIC' })
  writeFileSync(join(folder, 'in.ndjson'), numbered(1))
  await assert.rejects(copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, { type: 'log', config: { log: './data', topic: 'none' } }), { code: 'LOG_UNKNOWN_TOPIC' })
})

async function valuesOf(topic: string, isolation: 'read_committed' | 'read_uncommitted' = 'read_committed'): Promise<unknown[]> {
  await copy(folder, source({ topic, isolation }))
  return sorted(lines())
}

test('from log to log with a group, output, offsets and cut are one transaction', async () => {
  await fill(100)
  await copy(folder, source({ group: 'g' }), sink({ topic: 'out', key: 'event.k' }))
  assert.deepEqual(await valuesOf('out'), expected(100))
  const { offsets } = await data.admin.describeGroup('g')
  assert.equal(offsets.reduce((sum, one) => sum + Number(one.lag), 0), 0)
  assert.ok((await data.admin.listTopics()).includes('sluice-state-copy'))
  await fill(10, {})
  const report = await copy(folder, source({ group: 'g' }), sink({ topic: 'out', key: 'event.k' }))
  assert.equal(report.events_in, 10)
})

test('runs that are stopped at once, again and again, leave each record once', async () => {
  await fill(2000)
  let runs = 0
  for (let read = 0; read < 2000; runs++) {
    const stop = new AbortController()
    const after = 1 + ((runs * 337) % 1900)
    // A read may bring a whole partition at once: some runs go on for long enough to commit something.
    let longer = runs % 9
    const report = await copy(folder, source({ group: 'g' }), sink({ topic: 'out', key: 'event.k' }), {
      checkpointInterval: 2,
      memory: 2000,
      batch: { bytes: 400, events: 1000, age: 1 },
      options: { stopNow: stop.signal, progressInterval: 1, onProgress: ({ events_in }) => (events_in > after && longer-- <= 0 ? stop.abort() : undefined) },
    }).catch((error: unknown) => {
      if ((error as { code?: string }).code === 'ABORTED') return undefined
      throw error
    })
    assert.ok(runs < 500, 'the runs get nowhere')
    const { offsets } = await data.admin.describeGroup('g').catch(() => ({ offsets: [] }))
    read = offsets.reduce((sum, one) => sum + Number(one.offset), 0)
    if (report?.stopped_by === 'end of input') break
  }
  assert.ok(runs > 1, 'nothing was stopped')
  assert.deepEqual(await valuesOf('out'), expected(2000))
})

test('with "at_least_once" there is no transaction', async () => {
  await fill(10)
  await copy(folder, source({ group: 'g' }), sink({ topic: 'out' }), { delivery: 'at_least_once' })
  assert.equal((await valuesOf('out')).length, 10)
  assert.ok(!(await data.admin.listTopics()).includes('sluice-state-copy'))
})

test('a file is read to a log exactly once where that is asked for', async () => {
  writeFileSync(join(folder, 'in.ndjson'), numbered(100))
  const run = (): Promise<unknown> => copy(folder, { type: 'file', config: { path: 'in.ndjson' } }, sink({ topic: 'out' }), { delivery: 'exactly_once' })
  await run()
  await run()
  assert.deepEqual(await valuesOf('out'), expected(100))
})
