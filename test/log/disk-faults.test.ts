/** What the log does when the disk fails a sync, is full, or turns read-only. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { SluiceError } from '../../src/base/index.ts'
import { coded, record } from '../../src/log/conformance/trial.testing.ts'
import type { Log } from '../../src/log/index.ts'
import { failCall, failSync, fullAt, readOnly, SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { Clients } from './client.ts'
import { SOAK, evidence } from './evidence.ts'
import { open } from './open.ts'

const TOPIC = 'orders'
const BOTH = [{ topic: TOPIC, partition: 0 }, { topic: TOPIC, partition: 1 }]

async function fresh(seed: number, segmentBytes = 4096): Promise<{ files: SimulatedFiles; log: Log; clients: Clients; warnings: string[] }> {
  const files = new SimulatedFiles({ seed })
  const { log, warnings } = await open(files, { seed })
  await log.admin.createTopics([{ name: TOPIC, partitions: 2, settings: { segmentBytes } }])
  return { files, log, clients: new Clients(), warnings }
}

/** Sends in rounds, each one acknowledged or refused before the next. */
async function work(log: Log, clients: Clients, rounds: number, name: string): Promise<number> {
  const producer = log.producer()
  let acked = 0
  for (let round = 0; round < rounds; round++) acked += await clients.burst(name, producer, BOTH, 6)
  await producer.close().catch(() => undefined)
  return acked
}

test('a failed sync acknowledges nothing and stops the partition; what was acknowledged survives the power cut that follows', async () => {
  for (let nth = 1; nth <= 30 * SOAK; nth++) {
    const { files, log, clients } = await fresh(nth)
    files.failures = failSync(nth, { path: /orders-0/ })
    await work(log, clients, 20, `failing${nth}`)
    if (nth <= 12) {
      assert.ok((clients.errors.get('LOG_STOPPED') ?? 0) > 0, `sync ${nth}: the partition stopped`)
      assert.deepEqual([...clients.errors.keys()], ['LOG_STOPPED'])
      const [topic] = await log.admin.describeTopics([TOPIC])
      assert.match(topic?.partitions[0]?.trouble ?? '', /sync|EIO/)
      assert.equal(topic?.partitions[1]?.trouble, undefined)
      const other = log.producer()
      await assert.rejects(other.send(record(TOPIC, 'refused')), coded('LOG_STOPPED'))
      await other.send(record(TOPIC, 'the other partition goes on', { partition: 1 }))
      clients.history.send('other', `${TOPIC}/1`, 'the other partition goes on').unknown()
    }
    files.stop()
    for (const seed of [0, 1, 2, 3]) {
      const where = `sync ${nth} fails, power cut with seed ${seed}`
      const after = await open(files.cut(files.trace.length, seed))
      await clients.check(after.log, BOTH, where)
      await after.log.producer().send(record(TOPIC, 'works again'))
      await after.log.close()
    }
  }
  evidence('R06-failed-sync', { 'syncs failed': 30 * SOAK, 'power cuts': 120 * SOAK })
})

test('a full disk refuses with an error that may be tried again; reading and admin go on; work resumes without a restart when there is room', async () => {
  // The disk becomes full at any byte: within a batch, at a new segment, in an index, in a file of the topics.
  const rooms = Array.from({ length: 30 * SOAK }, (_, index) => Math.floor(index * 12_000 / (30 * SOAK)))
  for (const room of rooms) {
    const { files, log, clients } = await fresh(room)
    const producer = log.producer({ batchBytes: 300 })
    await clients.burst('before', producer, BOTH, 4)
    files.failures = fullAt(files.used() + room)
    for (let round = 0; round < 20; round++) await clients.burst('full', producer, BOTH, 6)
    await log.admin.createTopics([{ name: `while-full-${room}` }]).catch(coded('LOG_DISK_FULL'))
    assert.ok((clients.errors.get('LOG_DISK_FULL') ?? 0) > 0, `room for ${room} bytes: ${JSON.stringify([...clients.errors])}`)
    assert.deepEqual([...clients.errors.keys()], ['LOG_DISK_FULL'])
    assert.equal(clients.retriable, clients.errors.get('LOG_DISK_FULL'))
    await clients.check(log, BOTH, `room for ${room} bytes, while full`)
    files.failures = undefined
    assert.equal(await clients.burst('after', producer, BOTH, 20), 20, `room for ${room} bytes: all is taken again`)
    await clients.check(log, BOTH, `room for ${room} bytes, room again`)
    files.stop()
    const after = await open(files.cut(files.trace.length, room))
    await clients.check(after.log, BOTH, `room for ${room} bytes, after a power cut`)
    await after.log.close()
  }
  evidence('R07-disk-full', { 'sizes of the disk': rooms.length })
})

test('on a folder that turned read-only nothing is reset, reading goes on, and work resumes without a restart', async () => {
  for (let seed = 1; seed <= 10 * SOAK; seed++) {
    const { files, log, clients } = await fresh(seed)
    const producer = log.producer()
    for (let round = 0; round < 5; round++) await clients.burst('before', producer, BOTH, 6)
    const before = await log.admin.describeTopics([TOPIC])
    files.failures = readOnly()
    const trace = files.trace.length
    for (let round = 0; round < 5; round++) await clients.burst('read-only', producer, BOTH, 6)
    assert.deepEqual([...clients.errors.keys()], ['LOG_READ_ONLY'])
    await assert.rejects(log.admin.createTopics([{ name: 'new' }]), coded('LOG_READ_ONLY'))
    await clients.check(log, BOTH, `seed ${seed}, read-only`)
    const during = await log.admin.describeTopics([TOPIC])
    assert.deepEqual(during[0]?.partitions.map(({ start, end }) => [start, end]), before[0]?.partitions.map(({ start, end }) => [start, end]))
    assert.equal(files.trace.slice(trace).filter(({ kind }) => kind !== 'sync' && kind !== 'syncFolder').length, 0)
    files.failures = undefined
    assert.equal(await clients.burst('after', producer, BOTH, 10), 10)
    await clients.check(log, BOTH, `seed ${seed}, writable again`)
    await log.close()
  }
  evidence('R09-read-only', { runs: 10 * SOAK })
})

test('a log is not opened anew on a read-only folder as if it were empty', async () => {
  const { files, log, clients } = await fresh(1)
  await work(log, clients, 5, 'before')
  await log.close()
  const left = files.afterKill()
  left.failures = readOnly()
  const opened = await open(left).then(({ log }) => log, (error: unknown) => error)
  if (opened instanceof SluiceError) assert.equal(opened.code, 'LOG_READ_ONLY')
  else await clients.check(opened as Log, BOTH, 'opened read-only')
  assert.equal(left.trace.filter(({ kind }) => kind !== 'sync' && kind !== 'syncFolder').length, 0)
  left.failures = undefined
  const { log: again } = await open(left.afterKill())
  await clients.check(again, BOTH, 'writable again')
  await again.close()
})

test('any call to the disk may fail once: the log opens afterwards, and holds what was acknowledged', async () => {
  const calls = (await fresh(1)).files.calls
  for (let nth = 1; nth <= calls + 120; nth++) {
    const files = new SimulatedFiles({ seed: nth })
    files.failures = failCall(nth)
    const clients = new Clients()
    const where = `call ${nth} fails`
    try {
      const { log } = await open(files)
      await log.admin.createTopics([{ name: TOPIC, partitions: 2, settings: { segmentBytes: 4096 } }])
      await work(log, clients, 3, 'clients')
    } catch (error) {
      assert.ok(error instanceof SluiceError, `${where}: ${String(error)}`)
    }
    files.stop()
    const { log } = await open(files.cut(files.trace.length, nth)).catch((error: unknown) => assert.fail(`${where}: ${String(error)}`))
    if ((await log.admin.listTopics()).includes(TOPIC)) await clients.check(log, BOTH, where)
    else assert.equal(clients.history.acknowledged, 0, where)
    await log.close()
  }
  evidence('R06-any-call', { 'calls failed': calls + 120 })
})
