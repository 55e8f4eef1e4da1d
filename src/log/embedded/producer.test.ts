import assert from 'node:assert/strict'
import test from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { BatchWriter, compressionOf, countOf, isControl } from '../batch/index.ts'
import type { ProducerOptions } from '../log.ts'
import { batchesIn } from './batches-in.ts'
import { openTestLog, text, valuesOf } from './naive-log.fixture.ts'

async function topicAnd(options?: ProducerOptions) {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't', partitions: 3 }])
  const producer = log.producer(options)
  const send = (value: string, partition = 0) => producer.send({ topic: 't', partition, value: text(value) })
  const consumer = log.consumer()
  await consumer.assign([{ topic: 't', partition: 0 }])
  const counts = async () => (await consumer.fetch({ wait: 0 })).flatMap(({ bytes }) => [...batchesIn(bytes)].map(({ at }) => countOf(bytes, at)))
  const values = async () => valuesOf(await consumer.fetch({ wait: 0 })).map(value => value.split(' ')[1])
  return { log, ground, producer, consumer, send, counts, values }
}

const full = () => new SluiceError('LOG_DISK_FULL', 'full')

test('what gathers while a write is under way goes out as one batch', async () => {
  const { ground, producer, send, counts } = await topicAnd()
  await send('first')
  ground.folders.hold()
  const acks = [send('a')]
  await Promise.resolve()
  acks.push(send('b'), send('c'), send('d'))
  ground.folders.release()
  assert.deepEqual((await Promise.all(acks)).map(({ offset }) => offset), [1n, 2n, 3n, 4n])
  assert.deepEqual(await counts(), [1, 1, 3])
  await producer.close()
})

test('records wait for more as long as linger says, and no longer', async () => {
  const { ground, producer, send, counts } = await topicAnd({ linger: 20 })
  const acks = [send('a')]
  await ground.clock.advance(19)
  assert.deepEqual(await counts(), [])
  acks.push(send('b'))
  await ground.clock.advance(1)
  await Promise.all(acks)
  assert.deepEqual(await counts(), [2])
  await producer.close()
})

test('a batch goes out when the next record would not fit any more', async () => {
  const { producer, send, counts } = await topicAnd({ batchBytes: 400 })
  await Promise.all(Array.from({ length: 10 }, () => send('x'.repeat(60))))
  const sizes = await counts()
  assert.equal(sizes.reduce((a, b) => a + b), 10)
  assert.ok(sizes.length >= 3 && sizes.every(count => count <= 5), String(sizes))
  await producer.close()
})

test('a record that is too large for the topic is refused alone', async () => {
  const { log, producer, send, values } = await topicAnd()
  await log.admin.alterTopic('t', { settings: { maxBatchBytes: 200 } })
  const outcomes = await Promise.allSettled([send('small'), send('x'.repeat(300)), send('after')])
  assert.deepEqual(outcomes.map(outcome => (outcome.status === 'rejected' ? outcome.reason.code : 'acked')), ['acked', 'LOG_BATCH_TOO_LARGE', 'acked'])
  assert.deepEqual(await values(), ['small', 'after'])
  await producer.close()
})

test('a full disk is told at once, and the producer goes on when there is room again', async () => {
  const { ground, producer, send, values } = await topicAnd()
  await send('a')
  ground.folders.fail = full
  await assert.rejects(send('b'), { code: 'LOG_DISK_FULL', retry: true })
  await assert.rejects(Promise.all([send('c'), send('d')]), { code: 'LOG_DISK_FULL' })
  ground.folders.fail = () => undefined
  await Promise.all([send('b'), send('e')])
  assert.deepEqual(await values(), ['a', 'b', 'e'])
  await producer.close()
})

test('batches that are under way behind a refused one are sent again: they leave no gap in the sequence', async () => {
  const { ground, producer, send, values } = await topicAnd({ batchBytes: 150 })
  let count = 0
  ground.folders.fail = () => (++count === 2 ? full() : undefined)
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd'].map(value => send(value.repeat(80))))
  ground.folders.fail = () => undefined
  assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  await send('after')
  assert.deepEqual((await values()).map(value => value?.slice(0, 5)), ['aaaaa', 'ccccc', 'ddddd', 'after'])
  await producer.close()
})

test('a producer that waits for room keeps the order over the time in which the disk is full', async () => {
  const told: unknown[] = []
  const { ground, producer, send, values } = await topicAnd({ batchBytes: 150, whileFull: error => told.push(error instanceof SluiceError ? error.code : error) })
  await send('0'.repeat(80))
  let appends = 0
  ground.folders.fail = () => (++appends > 1 ? full() : undefined)
  const sent = ['a', 'b', 'c', 'd'].map(value => send(value.repeat(80)))
  await ground.clock.advance(60_000)
  const late = send('e'.repeat(80))
  await ground.clock.advance(1000)
  assert.ok(told.length > 100 && told.every(code => code === 'LOG_DISK_FULL'), JSON.stringify([...new Set(told)]))
  // There is room for a moment, then none again.
  appends = 0
  ground.folders.fail = () => (++appends > 2 ? full() : undefined)
  await ground.clock.advance(1000)
  ground.folders.fail = () => undefined
  await ground.clock.advance(1000)
  await Promise.all([...sent, late])
  await producer.flush()
  assert.equal(told.at(-1), undefined)
  assert.deepEqual((await values()).map(value => value?.[0]), ['0', 'a', 'b', 'c', 'd', 'e'])
  await producer.close()
})

test('closing does not wait for room: what found none is refused', async () => {
  const { ground, producer, send, values } = await topicAnd({ whileFull: () => undefined })
  await send('a')
  ground.folders.fail = full
  const refused = assert.rejects(send('b'), { code: 'LOG_DISK_FULL' })
  await ground.clock.advance(1000)
  await producer.close()
  await refused
  ground.folders.fail = () => undefined
  assert.deepEqual(await values(), ['a'])
})

test('send waits while the buffer is full, and gives up without effect when its time is over', async () => {
  const { ground, producer, send, values } = await topicAnd({ bufferBytes: 100 })
  await send('first')
  ground.folders.hold()
  const first = send('x'.repeat(60))
  const second = send('y'.repeat(60))
  const late = assert.rejects(producer.send({ topic: 't', partition: 0, value: text('z'.repeat(60)) }, { timeout: 10 }), { code: 'TIMED_OUT' })
  await ground.clock.advance(10)
  await late
  ground.folders.release()
  await Promise.all([first, second])
  await producer.flush()
  assert.deepEqual(await values(), ['first', 'x'.repeat(60), 'y'.repeat(60)])
  await producer.close()
})

test('a call that is cancelled or takes too long says so; the record may be there all the same', async () => {
  const { ground, producer, send, values } = await topicAnd()
  await send('first')
  ground.folders.hold()
  const abort = new AbortController()
  const cancelled = assert.rejects(producer.send({ topic: 't', partition: 0, value: text('a') }, { signal: abort.signal }), { code: 'ABORTED' })
  abort.abort()
  await cancelled
  const late = assert.rejects(send('b'), { code: 'TIMED_OUT' })
  await ground.clock.advance(30_000)
  ground.folders.release()
  await ground.clock.advance(30_000)
  await late
  await producer.flush()
  assert.deepEqual(await values(), ['first', 'a', 'b'])
  assert.equal(ground.clock.waiting, 1, 'only the cleaning waits')
})

test('flush throws the first error, and errors that it told are no unhandled rejections', async () => {
  const { ground, producer, send } = await topicAnd()
  await send('a')
  ground.folders.fail = full
  for (let count = 0; count < 3; count++) void send('lost')
  await assert.rejects(producer.flush(), { code: 'LOG_DISK_FULL' })
  ground.folders.fail = () => undefined
  await producer.flush()
  await producer.close()
})

test('packed batches keep the order of the calls', async () => {
  const { producer, consumer, send } = await topicAnd({ compression: 'lz4', batchBytes: 2000 })
  const sent = Array.from({ length: 200 }, (_, index) => `${index}`)
  await Promise.all(sent.map(value => send(value)))
  const fetched = await consumer.fetch({ wait: 0 })
  assert.equal(compressionOf(fetched[0]?.bytes ?? new Uint8Array()), 'lz4')
  assert.deepEqual(valuesOf(fetched).map(value => value.split(' ')[1]), sent)
  await producer.close()
})

test('a finished batch is appended as it is, behind the records that were sent before', async () => {
  const { producer, send, counts, values, consumer } = await topicAnd()
  const writer = new BatchWriter()
  for (const value of ['x', 'y', 'z']) writer.add(null, text(value), [], 0)
  const ack = send('before')
  assert.deepEqual(await producer.append('t', 0, writer.finish()), { partition: 0, offset: 1n })
  await ack
  assert.deepEqual(await counts(), [1, 3])
  await consumer.seek({ topic: 't', partition: 0 }, 0n)
  assert.deepEqual(await values(), ['before', 'x', 'y', 'z'])
  await assert.rejects(producer.append('t', 0, new Uint8Array(10)), { code: 'LOG_CORRUPT' })
  await assert.rejects(producer.append('t', 9, new Uint8Array(10)), { code: 'LOG_UNKNOWN_TOPIC' })
  await producer.close()
})

test('records without a key fill one partition after the other; keys always go to theirs', async () => {
  const { log, producer } = await topicAnd({ batchBytes: 500 })
  const keyed = await Promise.all(Array.from({ length: 20 }, () => producer.send({ topic: 't', key: text('k'), value: text('v') })))
  assert.equal(new Set(keyed.map(({ partition }) => partition)).size, 1)
  const free = await Promise.all(Array.from({ length: 200 }, () => producer.send({ topic: 't', value: text('v'.repeat(20)) })))
  const runs = free.filter(({ partition }, index) => partition !== free[index - 1]?.partition).length
  assert.ok(new Set(free.map(({ partition }) => partition)).size === 3 && runs < 60, `${runs} runs`)
  await log.close()
})

test('nothing is written to a topic that is the log\'s own, nor to one that was deleted', async () => {
  const { log, producer, send } = await topicAnd()
  await send('a')
  await assert.rejects(producer.send({ topic: '__consumer_offsets', value: null }), { code: 'LOG_TOPIC_NAME' })
  await log.admin.deleteTopics(['t'])
  await assert.rejects(send('b'), { code: 'LOG_UNKNOWN_TOPIC' })
  await log.admin.createTopics([{ name: 't' }])
  assert.equal((await send('c')).offset, 0n)
  await producer.close()
  await assert.rejects(send('d'), { code: 'LOG_CLOSED' })
  await assert.rejects(producer.flush().then(() => send('e')), { code: 'LOG_CLOSED' })
})

test('producer ids are never given twice, also after a crash', async () => {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't' }])
  await Promise.all([log.producer(), log.producer()].map(producer => producer.send({ topic: 't', value: text('v') })))
  ground.folders.crash()
  const { log: again } = await openTestLog({ ...ground, files: ground.files.afterKill() })
  const { offset } = await again.producer().send({ topic: 't', value: text('v') })
  assert.equal(offset, 2n)
  const consumer = again.consumer({ isolation: 'read_uncommitted' })
  await consumer.assign([{ topic: 't', partition: 0 }])
  const [fetched] = await consumer.fetch()
  const bytes = Buffer.from(fetched?.bytes ?? [])
  const ids = [...batchesIn(bytes)].filter(({ at }) => !isControl(bytes, at)).map(({ at }) => bytes.readBigInt64BE(at + 43))
  assert.equal(new Set(ids).size, 3)
  await again.close()
})
