import assert from 'node:assert/strict'
import test from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { BatchWriter, isControl, producerEpochOf } from '../batch/index.ts'
import type { Log } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { afterCrash, openTestLog, text, valuesOf } from './naive-log.fixture.ts'
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from './topic-settings.ts'
import { EPOCH_MAX } from './transactions.ts'
import { encodeTransaction } from './transaction-records.ts'

async function opened() {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't', partitions: 2 }])
  return { log, ground }
}

const at = (partition: number) => ({ topic: 't', partition })
const record = (value: string, partition = 0) => ({ ...at(partition), value: text(value) })

async function committed(log: Log): Promise<string[]> {
  const consumer = log.consumer()
  await consumer.assign([at(0), at(1)])
  const values = valuesOf(await consumer.fetch({ wait: 0 })).map(value => value.split(' ')[1] ?? '')
  await consumer.close()
  return values.sort()
}

test('a newer producer of a name fences the older one, in the middle of its transaction', async () => {
  const { log } = await opened()
  const old = log.producer({ transactionalId: 'x' })
  await old.begin()
  await old.send(record('old'))
  const fresh = log.producer({ transactionalId: 'x' })
  await fresh.begin()
  await fresh.send(record('fresh'))
  await assert.rejects(old.send(record('more')), { code: 'LOG_FENCED' })
  await assert.rejects(old.commit(), { code: 'LOG_FENCED' })
  await assert.rejects(old.begin(), { code: 'LOG_FENCED' })
  await fresh.commit()
  assert.deepEqual(await committed(log), ['fresh'])
  await log.close()
})

test('a transaction that is open for longer than its timeout is aborted; after abort() the producer goes on', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x', transactionTimeout: 1000 })
  await producer.begin()
  await producer.send(record('late'))
  await ground.clock.advance(1000)
  await assert.rejects(producer.commit(), { code: 'LOG_TRANSACTION_STATE', message: /longer than its timeout/ })
  await assert.rejects(producer.send(record('later')), { code: 'LOG_TRANSACTION_STATE' })
  await producer.abort()
  await producer.begin()
  await producer.send(record('next'))
  await producer.commit()
  assert.deepEqual(await committed(log), ['next'])
  await log.close()
})

test('after its timeout, a producer does not take the name back from a newer one', async () => {
  const { log, ground } = await opened()
  const slow = log.producer({ transactionalId: 'x', transactionTimeout: 1000 })
  await slow.begin()
  await slow.send(record('slow'))
  await ground.clock.advance(1000)
  const fresh = log.producer({ transactionalId: 'x' })
  await fresh.begin()
  await assert.rejects(slow.commit(), { code: 'LOG_FENCED' })
  await assert.rejects(slow.abort(), { code: 'LOG_FENCED' })
  await fresh.send(record('fresh'))
  await fresh.commit()
  assert.deepEqual(await committed(log), ['fresh'])
  await log.close()
})

test('a commit or abort that comes late never meets a later transaction', async () => {
  const { log } = await opened()
  const { transactions, catalog } = log.parts
  const first = await transactions.init('x', 60_000)
  const partition = catalog.partition(at(0))
  transactions.add('x', first, partition)
  const second = await transactions.end('x', first, true)
  transactions.add('x', second, partition)
  for (const commit of [true, false]) assert.throws(() => transactions.end('x', first, commit), { code: 'LOG_FENCED' })
  assert.throws(() => transactions.add('x', first, partition), { code: 'LOG_FENCED' })
  await transactions.end('x', second, true)
  await log.close()
})

test('a late record of an earlier transaction is refused by the partition itself', async () => {
  const { log } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  for (const value of ['a', 'b']) {
    await producer.begin()
    await producer.send(record(value))
    await producer.commit()
  }
  const { catalog } = log.parts
  const { storage } = catalog.partition(at(0))
  const { bytes } = await storage.read(0n, 1, storage.end)
  const late = bytes.slice()
  assert.ok(!isControl(late) && producerEpochOf(late) === 0)
  await assert.rejects(storage.append(late), { code: 'LOG_FENCED' })
  await log.close()
})

test('an epoch that is used up takes a new producer id', async () => {
  const { log, ground } = await opened()
  await log.producer({ transactionalId: 'x' }).begin()
  await log.close()
  // The state as it is after so many transactions.
  const { log: crafted } = await openTestLog(ground)
  const { catalog } = crafted.parts
  const writer = new BatchWriter()
  const state = { name: 'x', producerId: 7n, epoch: EPOCH_MAX - 3, timeout: 1000, status: 'complete_commit' as const, partitions: new Map(), updated: 0, started: 0 }
  const { key, value } = encodeTransaction(state)
  writer.add(key, value, [], 0)
  await catalog.partition({ topic: TRANSACTIONS_TOPIC, partition: 0 }).storage.append(writer.finish())
  await crafted.close()

  const { log: again } = await openTestLog(ground)
  const { transactions, catalog: topics } = again.parts
  let identity = await transactions.init('x', 60_000)
  assert.deepEqual(identity, { producerId: 7n, epoch: EPOCH_MAX - 2 })
  const epochs: number[] = []
  for (let round = 0; round < 4; round++) {
    transactions.add('x', identity, topics.partition(at(1)))
    identity = await transactions.end('x', identity, round % 2 === 0)
    epochs.push(identity.epoch)
    assert.equal(identity.producerId === 7n, round === 0)
  }
  assert.deepEqual(epochs, [EPOCH_MAX - 1, 0, 1, 2])
  await again.close()
})

test('a commit counts from its record on: a crash before it aborts, a crash behind it commits', async () => {
  const outcomes = new Set<string>()
  for (let stop = 0; stop < 12; stop++) {
    const { log, ground } = await opened()
    const producer = log.producer({ transactionalId: 'x' })
    await producer.begin()
    await Promise.all([producer.send(record('a', 0)), producer.send(record('b', 1))])
    await producer.sendOffsets({ group: 'g' }, [{ ...at(0), offset: 1n }])
    // The disk takes so many more appends, then nothing returns.
    let left = stop
    ground.folders.fail = () => {
      if (left-- === 0) ground.folders.hold()
      return undefined
    }
    let isDone = false
    void producer.commit().then(() => (isDone = true), () => undefined)
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    const after = afterCrash(ground)
    after.folders.fail = () => undefined
    const again = await EmbeddedLog.open(after)
    const values = (await committed(again)).join()
    const offsets = (await again.admin.describeGroup('g')).offsets.length
    outcomes.add(`${values} ${offsets}`)
    assert.ok(`${values} ${offsets}` === ' 0' || `${values} ${offsets}` === 'a,b 1', `stop ${stop}: ${values} ${offsets}`)
    if (isDone) assert.equal(values, 'a,b')
    const next = again.producer({ transactionalId: 'x' })
    await next.begin()
    await next.send(record('c'))
    await next.commit()
    assert.ok((await committed(again)).includes('c'))
    await again.close()
  }
  assert.equal(outcomes.size, 2)
})

test('what a dead producer left open holds nobody up after a restart', async () => {
  const { log, ground } = await opened()
  const dead = log.producer({ transactionalId: 'x' })
  await dead.begin()
  await dead.send(record('open'))
  await log.producer().send(record('behind'))
  assert.deepEqual(await committed(log), [])
  const again = await EmbeddedLog.open(afterCrash(ground))
  assert.deepEqual(await committed(again), ['behind'])
  assert.deepEqual((await again.admin.describeTopics(['t']))[0]?.partitions.map(({ end, stable }) => end === stable), [true, true])
  await again.close()
})

test('a decision that stands counts for its own transaction only, though its end could not be noted', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await producer.send(record('first'))
  let appends = 0
  ground.folders.fail = folder => (folder.includes(TRANSACTIONS_TOPIC) && ++appends > 1 ? new SluiceError('LOG_DISK_FULL', 'full') : undefined)
  await producer.commit()
  ground.folders.fail = () => undefined
  await producer.begin()
  await producer.send(record('second'))
  assert.equal(appends, 2, 'the decision, and its end, which was refused')
  const again = await EmbeddedLog.open(afterCrash(ground))
  assert.deepEqual(await committed(again), ['first'])
  assert.match(ground.warnings.join(), /could not be noted/)
  await again.close()
})

test('a state of a later version keeps the log from opening, and gives the folder free again', async () => {
  const { log, ground } = await opened()
  await log.producer({ transactionalId: 'x' }).begin()
  const writer = new BatchWriter()
  writer.add(Uint8Array.of(0, 0, 0, 1, 0x78), Uint8Array.of(0, 9), [], 0)
  await log.parts.catalog.partition({ topic: TRANSACTIONS_TOPIC, partition: 0 }).storage.append(writer.finish())
  await log.close()
  for (let attempt = 0; attempt < 2; attempt++) await assert.rejects(EmbeddedLog.open(ground), { code: 'LOG_FORMAT', message: /version 9/ })
})

test('a transaction with a record that was refused can only be aborted', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await producer.send(record('a'))
  ground.folders.fail = folder => (folder.endsWith('t-1') ? new SluiceError('LOG_DISK_FULL', 'full') : undefined)
  await assert.rejects(producer.send(record('b', 1)), { code: 'LOG_DISK_FULL' })
  ground.folders.fail = () => undefined
  await assert.rejects(producer.commit(), { code: 'LOG_DISK_FULL', message: /can only be aborted/ })
  await assert.rejects(producer.send(record('c')), { code: 'LOG_DISK_FULL' })
  await producer.abort()
  assert.deepEqual(await committed(log), [])
  await log.close()
})

test('a commit that a full disk refused can be tried again, and a marker waits for room', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await producer.send(record('a'))
  ground.folders.fail = folder => (folder.includes(TRANSACTIONS_TOPIC) ? new SluiceError('LOG_DISK_FULL', 'full') : undefined)
  await assert.rejects(producer.commit(), { code: 'LOG_DISK_FULL' })
  ground.folders.fail = folder => (folder.endsWith('t-0') ? new SluiceError('LOG_DISK_FULL', 'full') : undefined)
  const commit = producer.commit()
  await ground.clock.advance(200)
  assert.deepEqual(await committed(log), [])
  ground.folders.fail = () => undefined
  await ground.clock.advance(1000)
  await commit
  assert.deepEqual(await committed(log), ['a'])
  await log.close()
})

test('a partition that takes no marker keeps it from no other one', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await Promise.all([producer.send(record('a')), producer.send(record('b', 1))])
  ground.folders.fail = folder => (folder.endsWith('t-0') ? new SluiceError('LOG_STOPPED', 'fsync failed') : undefined)
  await assert.rejects(producer.commit(), { code: 'LOG_STOPPED' })
  assert.deepEqual(await committed(log), ['b'])
  ground.folders.fail = () => undefined
  const again = await EmbeddedLog.open(afterCrash(ground))
  assert.deepEqual(await committed(again), ['a', 'b'])
  await again.close()
})

test('offsets that could not be written keep their transaction from being committed', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x', bufferBytes: 100 })
  await producer.begin()
  await producer.sendOffsets({ group: 'g' }, [{ ...at(0), offset: 1n }])
  ground.folders.hold()
  const slow = producer.send(record('x'.repeat(90)))
  const late = assert.rejects(producer.sendOffsets({ group: 'g' }, [{ ...at(0), offset: 2n }], { timeout: 50 }), { code: 'TIMED_OUT' })
  await ground.clock.advance(50)
  await late
  ground.folders.release()
  await slow
  await assert.rejects(producer.commit(), { code: 'TIMED_OUT', message: /can only be aborted/ })
  await producer.abort()
  assert.deepEqual((await log.admin.describeGroup('g')).offsets, [])
  await log.close()
})

test('while the decision is not known, nobody ends the transaction; the disk decides at the next opening', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await producer.send(record('a'))
  ground.folders.fail = folder => (folder.includes(TRANSACTIONS_TOPIC) ? new SluiceError('LOG_STOPPED', 'fsync failed') : undefined)
  await assert.rejects(producer.commit(), { code: 'LOG_STOPPED' })
  ground.folders.fail = () => undefined
  await assert.rejects(producer.abort(), { code: 'LOG_STOPPED' })
  await ground.clock.advance(120_000)
  assert.deepEqual(await committed(log), [])
  const again = await EmbeddedLog.open(afterCrash(ground))
  assert.deepEqual(await committed(again), [], 'the decision was not on disk')
  await again.close()
})

test('what is sent outside of a transaction, or ended twice, is refused', async () => {
  const { log } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await assert.rejects(producer.send(record('a')), { code: 'LOG_TRANSACTION_STATE' })
  await assert.rejects(producer.commit(), { code: 'LOG_TRANSACTION_STATE' })
  await producer.begin()
  await assert.rejects(producer.begin(), { code: 'LOG_TRANSACTION_STATE' })
  await producer.commit()
  await assert.rejects(producer.abort(), { code: 'LOG_TRANSACTION_STATE' })
  await assert.rejects(log.producer().begin(), { code: 'LOG_TRANSACTION_STATE' })
  await log.close()
})

test('an empty transaction writes nothing', async () => {
  const { log, ground } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  const before = ground.folders.appends
  await producer.commit()
  await producer.begin()
  await producer.abort()
  assert.equal(ground.folders.appends, before)
  await log.close()
})

test('ids that nobody used for a week are forgotten, those in use are not', async () => {
  const { log, ground } = await opened()
  const [used, left] = [log.producer({ transactionalId: 'used' }), log.producer({ transactionalId: 'left' })]
  await used.begin()
  await left.begin()
  await used.commit()
  await left.close()
  await ground.clock.advance(8 * 24 * 60 * 60 * 1000)
  await log.clean()
  await used.begin()
  await used.commit()
  const state = (await log.admin.describeTopics([TRANSACTIONS_TOPIC]))[0]?.partitions[0]
  assert.equal(state?.end, 3n, 'two beginnings and one tombstone')
  await log.close()
})

test('the log\'s own topics can be read', async () => {
  const { log } = await opened()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await producer.sendOffsets({ group: 'g' }, [{ ...at(0), offset: 0n, metadata: 'm' }])
  await producer.commit()
  const consumer = log.consumer()
  await consumer.assign([{ topic: OFFSETS_TOPIC, partition: 0 }])
  const [fetched] = await consumer.fetch()
  assert.match(Buffer.from(fetched?.bytes ?? []).toString('latin1'), /g\0\x01t/)
  assert.deepEqual(await log.admin.listTopics(), ['t'])
  await log.close()
})
