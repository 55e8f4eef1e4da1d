/** Writing: order, partitions, batches, what a record may hold, limits. */
import assert from 'node:assert/strict'
import { compressBatch, countOf } from '../batch/index.ts'
import type { Partitioner } from '../log.ts'
import { batchOf, bytes, coded, numbered, record } from './trial.testing.ts'
import type { Say } from './trial.testing.ts'

/** Keys with what Java's murmur2 gives for them, as 32 bits with a sign. */
const MURMUR2: readonly (readonly [string, number])[] = [
  ['21', -973932308], ['foobar', -790332482], ['a-little-bit-long-string', -985981536], ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971], ['abc', 479470107],
]

export function producing(say: Say): void {
  say('acknowledged records get offsets without gaps, in the order of the calls', async trial => {
    const topic = await trial.topic()
    assert.deepEqual(await trial.fill(topic, numbered(1000)), Array.from({ length: 1000 }, (_, index) => BigInt(index)))
    assert.deepEqual(await trial.values(topic), numbered(1000))
  })

  say('several producers share a partition: each one keeps its order', async trial => {
    const topic = await trial.topic()
    const prefixes = ['a', 'b', 'c', 'd']
    await Promise.all(prefixes.map(prefix => trial.fill(topic, numbered(200, prefix))))
    const found = await trial.values(topic)
    assert.equal(found.length, 800)
    for (const prefix of prefixes) assert.deepEqual(found.filter(value => value?.startsWith(prefix)), numbered(200, prefix))
  })

  say('a key goes where Java\'s partitioner would put it', async trial => {
    const topic = await trial.topic(7)
    const producer = trial.log.producer()
    for (const [key, hash] of MURMUR2) {
      const { partition } = await producer.send({ topic, key: bytes(key), value: null })
      assert.equal(partition, (hash & 0x7fffffff) % 7, key)
    }
    await producer.close()
  })

  say('records of one key stay together', async trial => {
    const topic = await trial.topic(5)
    const producer = trial.log.producer()
    const acks = await Promise.all(numbered(100).map(value => producer.send({ topic, key: bytes('same'), value: bytes(value) })))
    assert.equal(new Set(acks.map(({ partition }) => partition)).size, 1)
    await producer.close()
  })

  say('a partitioner of one\'s own is asked with the key and the number of partitions', async trial => {
    const topic = await trial.topic(4)
    const partitioner: Partitioner = (key, partitions, sticky) => (key === null ? sticky : (key[0] ?? 0) % partitions)
    const producer = trial.log.producer({ partitioner })
    for (const first of [0, 1, 2, 3, 255]) {
      const { partition } = await producer.send({ topic, key: Uint8Array.of(first), value: null })
      assert.equal(partition, first % 4)
    }
    const { partition } = await producer.send({ topic, value: null })
    assert.ok(partition >= 0 && partition < 4)
    await producer.close()
  })

  say('keys, values, headers and times come back as they were given, absent ones and empty ones apart', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    const timestamp = 1_712_345_678_901
    await producer.send({ topic, partition: 0, key: null, value: null, timestamp })
    await producer.send({ topic, partition: 0, key: bytes(''), value: bytes(''), timestamp })
    await producer.send({ topic, partition: 0, key: bytes('k'), value: bytes('välue'), headers: [['a', bytes('1')], ['a', bytes('2')], ['empty', bytes('')], ['none', null], ['ü', bytes('ö')]], timestamp })
    await producer.close()
    const found = await trial.all(topic)
    assert.deepEqual(found.map(({ key, value, headers, timestamp }) => ({ key, value, headers, timestamp })), [
      { key: null, value: null, headers: [], timestamp },
      { key: '', value: '', headers: [], timestamp },
      { key: 'k', value: 'välue', headers: [['a', '1'], ['a', '2'], ['empty', ''], ['none', null], ['ü', 'ö']], timestamp },
    ])
  })

  say('a record without a time gets the time of its sending', async trial => {
    const topic = await trial.topic()
    const before = Date.now()
    await trial.fill(topic, ['now'])
    const [found] = await trial.all(topic)
    assert.ok(found !== undefined && found.timestamp >= before - 1000 && found.timestamp <= Date.now() + 1000)
  })

  say('a topic may put its own time in place of the producer\'s', async trial => {
    const topic = await trial.topic(1, { timestamps: 'append' })
    await trial.fill(topic, ['old'], { timestamp: () => 1000 })
    const [found] = await trial.all(topic)
    assert.ok(found !== undefined && Math.abs(found.timestamp - Date.now()) < 60_000)
  })

  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    say(`records compressed with ${codec} come back whole`, async trial => {
      const topic = await trial.topic()
      const producer = trial.log.producer({ compression: codec, linger: 5 })
      const values = numbered(300, `some text that repeats and repeats ${codec} `)
      await Promise.all(values.map(value => producer.send(record(topic, value, { key: bytes('k'), headers: [['h', bytes(value)]] }))))
      await producer.close()
      const found = await trial.all(topic)
      assert.deepEqual(found.map(({ value }) => value), values)
      assert.deepEqual(found.map(({ headers }) => headers[0]?.[1]), values)
    }, { needs: log => log.features.codecs.includes(codec) })
  }

  say('a finished batch is appended as it is, and counts all of its records', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    assert.deepEqual(await producer.append(topic, 0, batchOf('a', 'b', 'c')), { partition: 0, offset: 0n })
    assert.deepEqual(await producer.append(topic, 0, await compressBatch(batchOf(...numbered(50, 'long enough to shrink ')), 'gzip')), { partition: 0, offset: 3n })
    assert.deepEqual(await producer.send(record(topic, 'after')), { partition: 0, offset: 53n })
    await producer.close()
    assert.deepEqual(await trial.values(topic), ['a', 'b', 'c', ...numbered(50, 'long enough to shrink '), 'after'])
  })

  say('a batch as it was fetched is appended elsewhere, whatever place and producer it had', async trial => {
    const [from, to] = [await trial.topic(), await trial.topic()]
    await trial.fill(from, numbered(3))
    await trial.fill(from, numbered(3, 'w'))
    const consumer = await trial.reader(from, { start: 3n })
    const [fetched] = await consumer.fetch()
    await consumer.close()
    const producer = trial.log.producer()
    assert.deepEqual(await producer.append(to, 0, Uint8Array.from(fetched?.bytes ?? [])), { partition: 0, offset: 0n })
    await producer.close()
    assert.deepEqual(await trial.values(to), numbered(3, 'w'))
  })

  say('a damaged batch is refused, and leaves nothing behind', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    const batch = batchOf('to be damaged')
    const last = batch.length - 2
    batch[last] = (batch[last] ?? 0) ^ 1
    await assert.rejects(producer.append(topic, 0, batch), coded('LOG_CORRUPT'))
    await assert.rejects(producer.append(topic, 0, new Uint8Array(10)), coded('LOG_CORRUPT'))
    const fresh = trial.log.producer()
    assert.deepEqual(await fresh.append(topic, 0, batchOf('whole')), { partition: 0, offset: 0n })
    assert.deepEqual(await trial.values(topic), ['whole'])
  })

  say('a record beyond the limit of the topic is refused; what comes after it is taken', async trial => {
    const topic = await trial.topic(1, { maxBatchBytes: 10_000 })
    const producer = trial.log.producer()
    await assert.rejects(producer.send(record(topic, 'x'.repeat(20_000))), coded('LOG_BATCH_TOO_LARGE'))
    await producer.send(record(topic, 'small'))
    await producer.close()
    assert.deepEqual(await trial.values(topic), ['small'])
  })

  say('many small records never add up to a batch beyond the limit of the topic', async trial => {
    const topic = await trial.topic(1, { maxBatchBytes: 2000 })
    const values = numbered(200, 'x'.repeat(100))
    await trial.fill(topic, values)
    assert.deepEqual(await trial.values(topic), values)
  })

  say('a large record passes where the topic allows it', async trial => {
    const topic = await trial.topic(1, { maxBatchBytes: 4 << 20 })
    const value = 'y'.repeat(3 << 20)
    await trial.fill(topic, ['before', value, 'behind'])
    assert.deepEqual((await trial.values(topic)).map(found => found?.length), [6, 3 << 20, 6])
  })

  say('a full buffer makes `send` wait, and loses nothing', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ bufferBytes: 2000, batchBytes: 500 })
    const values = numbered(300, 'z'.repeat(50))
    await Promise.all(values.map(value => producer.send(record(topic, value))))
    await producer.close()
    assert.deepEqual(await trial.values(topic), values)
  })

  say('`flush` resolves when all that was handed over is acknowledged', async trial => {
    const topic = await trial.topic(3)
    const producer = trial.log.producer({ linger: 50 })
    let acked = 0
    for (const [index, value] of numbered(60).entries()) void producer.send(record(topic, value, { partition: index % 3 })).then(() => acked++)
    await producer.flush()
    await Promise.resolve()
    assert.equal(acked, 60)
    assert.equal((await trial.values(topic, { partitions: 3 })).length, 60)
    await producer.close()
  })

  say('a send that was given up before it began writes nothing', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    await assert.rejects(producer.send(record(topic, 'never'), { signal: AbortSignal.abort() }), coded('ABORTED'))
    await producer.send(record(topic, 'after'))
    await producer.close()
    assert.deepEqual(await trial.values(topic), ['after'])
  })

  say('without idempotence records are written all the same', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ idempotent: false })
    await Promise.all(numbered(50).map(value => producer.send(record(topic, value))))
    await producer.close()
    assert.deepEqual(await trial.values(topic), numbered(50))
  })

  say('batches hold what gathers while one is written', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(2000))
    const consumer = await trial.reader(topic)
    const [part] = await consumer.fetch()
    assert.ok(part !== undefined && countOf(part.bytes, 0) >= 1)
    await consumer.close()
  })

  say('what was acknowledged is there after the log was opened again', async trial => {
    const topic = await trial.topic(2)
    await trial.fill(topic, numbered(100))
    await trial.fill(topic, numbered(10, 'w'), { partition: 1 })
    const { reopen } = trial.tested
    if (reopen === undefined) return
    trial.log = await reopen()
    assert.deepEqual(await trial.values(topic, { partitions: 2 }), [...numbered(100), ...numbered(10, 'w')])
    assert.deepEqual(await trial.fill(topic, ['next']), [100n])
  })
}
