import assert from 'node:assert/strict'
import test from 'node:test'
import { SimulatedFiles } from '../../platform/simulated-files.ts'
import { openTestLog, text, valuesOf } from './naive-log.fixture.ts'

test('a record that was sent comes back at its offset', async () => {
  const { log } = await openTestLog()
  await log.admin.createTopics([{ name: 'orders' }])
  const producer = log.producer()
  assert.deepEqual(await producer.send({ topic: 'orders', value: text('a') }), { partition: 0, offset: 0n })
  const consumer = log.consumer()
  await consumer.assign([{ topic: 'orders', partition: 0 }])
  assert.deepEqual(valuesOf(await consumer.fetch()), ['0:0 a'])
  assert.equal(consumer.position({ topic: 'orders', partition: 0 }), 1n)
  await log.close()
})

test('records and consumed offsets of a transaction are visible together', async () => {
  const { log } = await openTestLog()
  await log.admin.createTopics([{ name: 'in' }, { name: 'out', partitions: 2 }])
  const producer = log.producer({ transactionalId: 'p' })
  const consumer = log.consumer()
  await consumer.assign([{ topic: 'out', partition: 0 }, { topic: 'out', partition: 1 }])
  await log.producer().send({ topic: 'in', value: text('i') })

  await producer.begin()
  await Promise.all([producer.send({ topic: 'out', partition: 0, value: text('x') }), producer.send({ topic: 'out', partition: 1, value: text('y') })])
  await producer.sendOffsets({ group: 'g' }, [{ topic: 'in', partition: 0, offset: 1n }])
  assert.deepEqual(await consumer.fetch({ wait: 0 }), [])
  assert.deepEqual((await log.admin.describeGroup('g')).offsets, [])

  await producer.commit()
  assert.deepEqual(valuesOf(await consumer.fetch({ wait: 0 })), ['0:0 x', '1:0 y'])
  assert.deepEqual((await log.admin.describeGroup('g')).offsets, [{ topic: 'in', partition: 0, offset: 1n, metadata: '', lag: 0n }])

  await producer.begin()
  await producer.send({ topic: 'out', partition: 0, value: text('no') })
  await producer.abort()
  await producer.begin()
  await producer.send({ topic: 'out', partition: 0, value: text('yes') })
  await producer.commit()
  assert.deepEqual(valuesOf(await consumer.fetch({ wait: 0 })), ['0:4 yes'])
  await log.close()
})

test('the name of the folder is durable in the folder above, the last one included', async () => {
  for (const folder of ['/log', '/data/of/log']) {
    const files = new SimulatedFiles({ seed: 3 })
    const { log } = await openTestLog({ folder, files })
    await log.admin.createTopics([{ name: 'orders' }])
    const left = files.cut(files.trace.length, 0)
    assert.ok(left.paths().includes(`${folder}/meta/topics`), folder)
    await log.close()
  }
})

test('closing ends when its time is over, whatever hangs', async () => {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't' }])
  const producer = log.producer()
  await producer.send({ topic: 't', value: text('a') })
  ground.folders.hold()
  const never = producer.send({ topic: 't', value: text('b') })
  const closing = assert.rejects(log.close({ timeout: 100 }), { code: 'TIMED_OUT' })
  await ground.clock.advance(100)
  await closing
  ground.folders.release()
  await never
  await log.close()
  assert.throws(() => log.producer(), { code: 'LOG_CLOSED' })
  await assert.rejects(log.admin.listTopics(), { code: 'LOG_CLOSED' })
})

test('closing waits for what was handed over', async () => {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't' }])
  const acks = Promise.all(Array.from({ length: 5 }, (_, index) => log.producer({ linger: 1000 }).send({ topic: 't', value: text(`${index}`) })))
  await log.close()
  await acks
  const { log: again } = await openTestLog({ ...ground })
  assert.equal((await again.admin.describeTopics(['t']))[0]?.partitions[0]?.end, 5n)
  await again.close()
})
