/** Batches that arrive again, and markers that arrive late: what a client does whose answer was lost. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sequenceAfter, sign } from '../../src/log/batch/index.ts'
import { batchOf, coded } from '../../src/log/conformance/trial.testing.ts'
import { storageSettings } from '../../src/log/embedded/topic-settings.ts'
import type { AppendedBatch, PartitionStorage } from '../../src/log/embedded/storage/partition-port.ts'
import { records } from '../../src/log/batch/index.ts'
import { seededRandom } from '../../src/platform/index.ts'
import { fullAt, SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { SOAK, evidence } from './evidence.ts'
import { readAll } from './inspect.ts'
import { open, openPartition } from './open.ts'

const SETTINGS = storageSettings({ segmentBytes: 1 << 16 }, 'fsync')

interface Identity {
  readonly producerId: bigint
  readonly epoch: number
  readonly transactional?: boolean
}

function signed(value: string, { producerId, epoch, transactional = false }: Identity, sequence: number): Uint8Array {
  const batch = batchOf(value)
  sign(batch, { producerId, epoch, sequence, transactional })
  return batch
}

async function valuesOf(storage: PartitionStorage): Promise<string[]> {
  const values: string[] = []
  for (let from = storage.start; from < storage.end;) {
    const { bytes, next } = await storage.read(from, 1 << 20, storage.end)
    for (const { value } of records(bytes)) values.push(new TextDecoder().decode(value ?? new Uint8Array(0)))
    from = next
  }
  return values
}

test('10,000 batches whose answers are lost at random, five in flight: none is doubled, the order stays', async () => {
  const random = seededRandom(15)
  const files = new SimulatedFiles({ seed: 15 })
  let storage = await openPartition(files, '/log/t-0', SETTINGS)
  const me = { producerId: 7n, epoch: 0 }
  const count = 10_000
  const offsets = new Map<number, bigint>()
  let duplicates = 0
  /** First sequence whose answer did not arrive. */
  for (let first = 0; first < count;) {
    const burst = Array.from({ length: Math.min(5, count - first) }, (_, index) => first + index)
    const answers = await Promise.allSettled(burst.map(sequence => storage.append(signed(`v${sequence}`, me, sequence))))
    let arrived = 0
    for (const [index, answer] of answers.entries()) {
      // The batches of this burst came in order, so each one was taken or known.
      if (answer.status === 'rejected') throw answer.reason
      const { offset, duplicate } = answer.value
      const sequence = burst[index] ?? -1
      if (duplicate) duplicates++
      assert.equal(offset, offsets.get(sequence) ?? offset, `batch ${sequence} keeps its offset`)
      offsets.set(sequence, offset)
      // From the first lost answer on the client sends again.
      if (arrived === index && random() < 0.8) arrived++
    }
    first += arrived
    if (random() < 0.001) {
      await storage.close()
      storage = await openPartition(files, '/log/t-0', SETTINGS)
    }
  }
  assert.ok(duplicates > 1000, `${duplicates} came again`)
  assert.deepEqual(await valuesOf(storage), Array.from({ length: count }, (_, index) => `v${index}`))
  await storage.close()
  evidence('R15-retries', { batches: count, 'came again': duplicates })
})

test('batches out of order, of an old epoch, or older than what is remembered are refused and leave nothing', async () => {
  const files = new SimulatedFiles({ seed: 1 })
  const storage = await openPartition(files, '/log/t-0', SETTINGS)
  const me = { producerId: 1n, epoch: 3 }
  const sent: AppendedBatch[] = []
  for (let sequence = 0; sequence < 8; sequence++) sent.push(await storage.append(signed(`v${sequence}`, me, sequence)))
  for (let sequence = 3; sequence < 8; sequence++) assert.deepEqual(await storage.append(signed(`v${sequence}`, me, sequence)), { offset: BigInt(sequence), duplicate: true })
  await assert.rejects(storage.append(signed('gap', me, 9)), coded('LOG_SEQUENCE'))
  await assert.rejects(storage.append(signed('old', me, 0)), coded('LOG_SEQUENCE'))
  await assert.rejects(storage.append(signed('old epoch', { ...me, epoch: 2 }, 8)), coded('LOG_FENCED'))
  await assert.rejects(storage.append(signed('new epoch in the middle', { ...me, epoch: 4 }, 5)), coded('LOG_SEQUENCE'))
  assert.deepEqual(await storage.append(signed('new epoch', { ...me, epoch: 4 }, 0)), { offset: 8n, duplicate: false })
  assert.equal((await valuesOf(storage)).length, 9)
  assert.equal(sent.length, 8)
  await storage.close()
})

test('a sequence that was used up goes on at zero', async () => {
  const files = new SimulatedFiles({ seed: 1 })
  const storage = await openPartition(files, '/log/t-0', SETTINGS)
  const me = { producerId: 1n, epoch: 0 }
  // A producer that is not known may begin anywhere: its records before were deleted by retention.
  let sequence = 0x7fff_fffd
  for (let step = 0; step < 6; step++) {
    await storage.append(signed(`v${step}`, me, sequence))
    sequence = sequenceAfter(sequence, 1)
  }
  assert.equal(sequence, 3)
  assert.deepEqual(await storage.append(signed('again', me, 1)), { offset: 4n, duplicate: true })
  await storage.close()
})

test('a marker that comes late, after the next transaction began, is refused and tears nothing', async () => {
  for (const commit of [true, false]) {
    const files = new SimulatedFiles({ seed: 1 })
    let storage = await openPartition(files, '/log/t-0', SETTINGS)
    const first = { producerId: 9n, epoch: 0, transactional: true }
    await storage.append(signed('first', first, 0))
    await storage.appendMarker(9n, 1, true)
    // The next transaction has the epoch that the marker brought.
    await storage.append(signed('second', { ...first, epoch: 1 }, 0))
    await assert.rejects(storage.appendMarker(9n, 0, commit), coded('LOG_FENCED'))
    await assert.rejects(storage.append(signed('late', first, 1)), coded('LOG_FENCED'))
    assert.equal(storage.stable, 2n)
    await storage.close()
    storage = await openPartition(files, '/log/t-0', SETTINGS)
    assert.equal(storage.stable, 2n)
    assert.deepEqual(storage.transactions.map(({ producerId, epoch, first }) => [producerId, epoch, first]), [[9n, 1, 2n]])
    await assert.rejects(storage.appendMarker(9n, 0, commit), coded('LOG_FENCED'))
    await storage.appendMarker(9n, 2, false)
    assert.equal(storage.stable, storage.end)
    await storage.close()
  }
})

test('a transactional id goes on through many transactions and restarts, and none is torn', async () => {
  const files = new SimulatedFiles({ record: false })
  let { log } = await open(files)
  await log.admin.createTopics([{ name: 't' }])
  let producer = log.producer({ transactionalId: 'mover' })
  // Each transaction raises the epoch.
  const count = 300 * SOAK
  for (let number = 0; number < count; number++) {
    await producer.begin()
    await producer.send({ topic: 't', value: new TextEncoder().encode(`${number}`) })
    await (number % 3 === 0 ? producer.abort() : producer.commit())
    if (number % 97 === 0) {
      await log.close()
      log = (await open(files)).log
      producer = log.producer({ transactionalId: 'mover' })
    }
  }
  const found = (await readAll(log, { topic: 't', partition: 0 })).map(({ value }) => Number(value))
  assert.deepEqual(found, Array.from({ length: count }, (_, number) => number).filter(number => number % 3 !== 0))
  await log.close()
  evidence('R14-late-markers', { transactions: count })
})

test('what was sent behind a batch that a full disk refused is refused too, and all of it can be sent again', async () => {
  const files = new SimulatedFiles({ seed: 3 })
  const storage = await openPartition(files, '/log/t-0', SETTINGS)
  const me = { producerId: 5n, epoch: 0 }
  const values = ['first', 'x'.repeat(5000), 'small', 'smaller', 'last']
  files.failures = fullAt(files.used() + 1000)
  const before = files.calls
  const send = (sequence: number): Promise<AppendedBatch> => storage.append(signed(values[sequence] ?? '', me, sequence))
  const sent = [send(0), send(1)]
  // The others come while the first ones are on their way.
  while (files.calls === before) await Promise.resolve()
  const refused = await Promise.allSettled([...sent, send(2), send(3), send(4)])
  // The first one may have been written together with those behind it.
  assert.deepEqual(refused.slice(1).map(({ status }) => status), ['rejected', 'rejected', 'rejected', 'rejected'])
  for (const answer of refused) if (answer.status === 'rejected') coded('LOG_DISK_FULL')(answer.reason)
  files.failures = undefined
  const again = await Promise.all(values.map((_, sequence) => send(sequence)))
  assert.deepEqual(again.map(({ offset, duplicate }) => [offset, duplicate]), [[0n, refused[0]?.status === 'fulfilled'], [1n, false], [2n, false], [3n, false], [4n, false]])
  assert.deepEqual(await valuesOf(storage), values)
  await storage.close()
})
