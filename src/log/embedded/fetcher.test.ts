import assert from 'node:assert/strict'
import test from 'node:test'
import { systemClock } from '../../platform/index.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { openTestLog, testGround, text, valuesOf } from './naive-log.fixture.ts'

async function opened(partitions = 3, each = 3) {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't', partitions }])
  const producer = log.producer()
  for (let partition = 0; partition < partitions; partition++) {
    for (let count = 0; count < each; count++) await producer.send({ topic: 't', partition, value: text(`${count}`) })
  }
  return { log, ground, producer }
}

const at = (partition: number) => ({ topic: 't', partition })

test('what was read before a seek, a pause or an assignment is not handed out after it', async () => {
  const { log } = await opened(3, 1)
  const consumer = log.consumer()
  await consumer.assign([at(0), at(1), at(2)])
  const fetching = consumer.fetch({ wait: 0 })
  const seeking = consumer.seek(at(0), 'latest')
  consumer.pause([at(1)])
  assert.deepEqual(valuesOf(await fetching), ['2:0 0'])
  await seeking
  assert.deepEqual([consumer.position(at(0)), consumer.position(at(1)), consumer.position(at(2))], [1n, 0n, 1n])
  consumer.resume([at(1)])
  assert.deepEqual(valuesOf(await consumer.fetch({ wait: 0 })), ['1:0 0'])
  await log.close()
})

test('a partition that always has more does not keep others waiting', async () => {
  const { log } = await opened(3, 3)
  const consumer = log.consumer({ maxBytes: 1 })
  await consumer.assign([at(0), at(1), at(2)])
  const order: number[] = []
  for (let round = 0; round < 9; round++) order.push(...(await consumer.fetch({ wait: 0 })).map(({ partition }) => partition))
  assert.deepEqual(order, [0, 1, 2, 0, 1, 2, 0, 1, 2])
  await log.close()
})

test('an answer keeps to its bytes, and a batch that is larger comes alone', async () => {
  const { log, producer } = await opened(2, 1)
  await producer.send({ ...at(0), value: text('x'.repeat(500)) })
  const consumer = log.consumer({ maxBytes: 200 })
  await consumer.assign([at(0), at(1)])
  const sizes: number[] = []
  for (let fetched = await consumer.fetch({ wait: 0 }); fetched.length > 0; fetched = await consumer.fetch({ wait: 0 })) {
    const size = fetched.reduce((sum, { bytes }) => sum + bytes.length, 0)
    assert.ok(size <= 200 || fetched.length === 1)
    sizes.push(size)
  }
  assert.ok(sizes.some(size => size > 500))
  await log.close()
})

test('a fetch waits for the first record, for no longer than it was told, and ends when the consumer is closed', async () => {
  const { log, ground, producer } = await opened(2, 0)
  const consumer = log.consumer()
  await consumer.assign([at(0), at(1)])
  const early = consumer.fetch({ wait: 100 })
  await ground.clock.advance(99)
  await producer.send({ ...at(1), value: text('v') })
  assert.deepEqual(valuesOf(await early), ['1:0 v'])
  const none = consumer.fetch({ wait: 100 })
  await ground.clock.advance(100)
  assert.deepEqual(await none, [])
  const long = consumer.fetch({ wait: 60_000 })
  await ground.clock.advance(60_000)
  assert.deepEqual(await long, [])
  const late = assert.rejects(consumer.fetch({ wait: 60_000, timeout: 50 }), { code: 'TIMED_OUT' })
  await ground.clock.advance(50)
  await late
  const cancelled = assert.rejects(consumer.fetch({ wait: 100, signal: AbortSignal.abort() }), { code: 'ABORTED' })
  await cancelled
  const closing = assert.rejects(consumer.fetch({ wait: 60_000 }), { code: 'LOG_CLOSED' })
  await assert.rejects(consumer.fetch(), { code: 'LOG_UNSUPPORTED' })
  await consumer.close()
  await closing
  assert.equal(ground.clock.waiting, 1, 'only the cleaning waits')
  await log.close()
  assert.equal(ground.clock.waiting, 0)
})

test('a record that comes in the moment before the wait begins is not slept over', async () => {
  const { log, producer } = await opened(1, 1)
  const consumer = log.consumer()
  await consumer.assign([{ ...at(0), start: 'latest' }])
  for (let turns = 0; turns < 30; turns++) {
    const waiting = consumer.fetch({ wait: 60_000 })
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    await producer.send({ ...at(0), value: text('v') })
    assert.equal(valuesOf(await waiting).length, 1, 'the clock stands still: only the record can have ended the wait')
  }
  for (let turns = 0; turns < 30; turns++) {
    consumer.pause([at(0)])
    await producer.send({ ...at(0), value: text('v') })
    const waiting = consumer.fetch({ wait: 60_000 })
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    consumer.resume([at(0)])
    assert.equal(valuesOf(await waiting).length, 1)
  }
  await log.close()
})

test('what a fetch that was given up had read is read again', async () => {
  const { log } = await opened(1, 3)
  const consumer = log.consumer()
  await consumer.assign([at(0)])
  const abort = new AbortController()
  const cancelled = assert.rejects(consumer.fetch({ signal: abort.signal }), { code: 'ABORTED' })
  abort.abort()
  await cancelled
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(consumer.position(at(0)), 0n)
  assert.equal(valuesOf(await consumer.fetch({ wait: 0 })).length, 3)
  await log.close()
})

test('a fetch that waits keeps the process alive, and nothing else does', async () => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const ground = testGround()
  const before = timers()
  const log = await EmbeddedLog.open({ ...ground, clock: systemClock })
  await log.admin.createTopics([{ name: 't' }])
  await log.producer().send({ ...at(0), value: text('v') })
  const consumer = log.consumer()
  await consumer.assign([{ ...at(0), start: 'latest' }])
  assert.equal(timers(), before)
  const abort = new AbortController()
  const waiting = assert.rejects(consumer.fetch({ wait: 60_000, signal: abort.signal }), { code: 'ABORTED' })
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(timers(), before + 1)
  abort.abort()
  await waiting
  assert.equal(timers(), before)
  await log.close()
})

test('positions that retention or the end leave outside are told', async () => {
  const { log } = await opened(1, 3)
  const consumer = log.consumer()
  await consumer.assign([at(0)])
  await assert.rejects(consumer.seek(at(0), 4n), { code: 'LOG_OFFSET_OUT_OF_RANGE', message: /0 to 3, not 4/ })
  await log.admin.deleteRecords([{ ...at(0), offset: 2n }])
  await assert.rejects(consumer.fetch({ wait: 0 }), { code: 'LOG_OFFSET_OUT_OF_RANGE' })
  await consumer.seek(at(0), 'earliest')
  assert.deepEqual(valuesOf(await consumer.fetch({ wait: 0 })), ['0:2 2'])
  await log.admin.deleteTopics(['t'])
  await assert.rejects(consumer.fetch({ wait: 0 }), { code: 'LOG_UNKNOWN_TOPIC' })
  await log.close()
})

test('a topic that is deleted in the middle of a read is told as that', async () => {
  const { log } = await opened(1, 3)
  const consumer = log.consumer()
  await consumer.assign([at(0)])
  const { storage } = log.parts.catalog.partition(at(0))
  storage.read = async () => {
    await log.admin.deleteTopics(['t'])
    throw new Error('the file is closed')
  }
  await assert.rejects(consumer.fetch({ wait: 0 }), { code: 'LOG_UNKNOWN_TOPIC', message: /was deleted/ })
  await log.close()
})

test('retention is applied now and then, without keeping the process alive', async () => {
  const { log, ground } = await opened(1, 3)
  await log.admin.alterTopic('t', { settings: { retentionMs: 30_000 } })
  await ground.clock.advance(60_000)
  assert.equal(ground.folders.cleanings, 1)
  assert.equal((await log.admin.describeTopics(['t']))[0]?.partitions[0]?.start, 3n)
  await log.close()
})
