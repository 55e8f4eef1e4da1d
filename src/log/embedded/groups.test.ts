import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { RecordCursor } from '../batch/index.ts'
import type { Fetched, GroupConsumer, GroupOptions, OffsetToCommit, Producer } from '../log.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { afterCrash, openTestLog, segmentGround, testGround, text, valuesOf } from './naive-log.fixture.ts'
import type { AnyGround } from './naive-log.fixture.ts'

async function opened(partitions = 4) {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 't', partitions }])
  const member = async (options: Partial<GroupOptions> = {}) => {
    const consumer = log.group({ group: 'g', topics: ['t'], ...options })
    await consumer.join()
    return consumer
  }
  return { log, ground, member }
}

const partitionsOf = ({ assigned }: GroupConsumer) => assigned.map(({ topic, partition }) => `${topic}${partition}`).sort().join(' ')
const settled = () => new Promise(resolve => setImmediate(resolve))
const at = (partition: number) => ({ topic: 't', partition })

test('a partition whose offset a transaction may still move is not read by its new owner until the transaction ends', async () => {
  const { log, ground, member } = await opened(1)
  await Promise.all([0, 1, 2].map(value => log.producer().send({ ...at(0), value: text(`${value}`) })))
  const old = await member()
  assert.equal(valuesOf(await old.fetch()).length, 3)
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await producer.sendOffsets(old.reference, [{ ...at(0), offset: 2n }])
  await old.close()
  const fresh = await member()
  assert.equal(partitionsOf(fresh), 't0')
  const early = fresh.fetch({ wait: 100 })
  await ground.clock.advance(100)
  assert.deepEqual(await early, [])
  const waiting = fresh.fetch({ wait: 1000 })
  await producer.commit()
  assert.deepEqual(valuesOf(await waiting), ['0:2 2'])
  await log.close()
})

test('offsets of an older generation, or of partitions of another member, are refused', async () => {
  const { log, member } = await opened(2)
  const first = await member()
  const old = first.reference
  const second = await member()
  await settled()
  const producer = log.producer({ transactionalId: 'x' })
  await producer.begin()
  await assert.rejects(producer.sendOffsets(old, [{ ...at(0), offset: 0n }]), { code: 'LOG_FENCED', message: /generation/ })
  await assert.rejects(producer.sendOffsets({ group: 'g' }, [{ ...at(0), offset: 0n }]), { code: 'LOG_FENCED', message: /members/ })
  await producer.abort()
  await producer.begin()
  await producer.sendOffsets(first.reference, [{ ...at(0), offset: 0n }])
  await assert.rejects(producer.sendOffsets(first.reference, [{ ...at(1), offset: 0n }]), { code: 'LOG_FENCED', message: /does not belong/ })
  await producer.commit()
  await assert.rejects(first.commit([{ ...at(1), offset: 0n }]), { code: 'LOG_FENCED' })
  await second.commit([{ ...at(1), offset: 0n }])
  await log.close()
})

test('a member that is slow to give partitions back loses all of them when its time is over', async () => {
  const { log, ground, member } = await opened(2)
  const lost: number[] = []
  const slow = await member({ rebalanceTimeout: 5000, onRevoked: () => new Promise(() => undefined), onLost: partitions => lost.push(partitions.length) })
  const fresh = log.group({ group: 'g', topics: ['t'] })
  const joining = fresh.join()
  await ground.clock.advance(4999)
  assert.equal(partitionsOf(fresh), '')
  await ground.clock.advance(1)
  await joining
  assert.deepEqual([partitionsOf(fresh), partitionsOf(slow), lost], ['t0 t1', '', [2]])
  await assert.rejects(slow.commit([{ ...at(0), offset: 0n }]), { code: 'LOG_FENCED' })
})

test('a member that gives partitions back is not dropped meanwhile, and reads nothing more from them', async () => {
  const { log, ground, member } = await opened(2)
  for (const partition of [0, 1]) await log.producer().send({ ...at(partition), value: text('v') })
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const lost: number[] = []
  const giver = await member({ sessionTimeout: 1000, rebalanceTimeout: 5000, onRevoked: () => finished, onLost: partitions => lost.push(partitions.length) })
  const fresh = log.group({ group: 'g', topics: ['t'], sessionTimeout: 1000 })
  const joining = fresh.join()
  await ground.clock.advance(3000)
  assert.equal(giver.position(at(1)), 0n, 'its position can be committed')
  assert.deepEqual(valuesOf(await giver.fetch({ wait: 0 })), ['0:0 v'])
  finish()
  await joining
  assert.deepEqual([partitionsOf(giver), partitionsOf(fresh), lost], ['t0', 't1', []])
  // The time that it waited for the other is not counted against it.
  await ground.clock.advance(1000)
  assert.equal(partitionsOf(fresh), 't1')
  await log.close()
})

test('work that ends after its partition was taken and given again takes nothing away', async () => {
  const { log, ground, member } = await opened(1)
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const slow = await member({ rebalanceTimeout: 1000, assignor: 'sticky', onRevoked: () => finished })
  await log.admin.alterTopic('t', { partitions: 2 })
  await settled()
  const other = log.group({ group: 'g', topics: ['t'], assignor: 'sticky' })
  const joining = other.join()
  await ground.clock.advance(1000)
  await joining
  assert.equal(partitionsOf(slow), '')
  await other.close()
  await slow.fetch({ wait: 0 })
  assert.equal(partitionsOf(slow), 't0 t1')
  finish()
  await settled()
  assert.equal(partitionsOf(slow), 't0 t1')
  await log.close()
})

test('a member that does not fetch is dropped, and joins again at its next fetch', async () => {
  const { log, ground, member } = await opened(1)
  await log.producer().send({ ...at(0), value: text('a') })
  const lost: number[] = []
  const sleeper = await member({ sessionTimeout: 1000, onLost: partitions => lost.push(partitions.length) })
  await ground.clock.advance(1002)
  assert.deepEqual([lost, (await log.admin.describeGroup('g')).state], [[1], 'dead'])
  assert.deepEqual(valuesOf(await sleeper.fetch()), ['0:0 a'])
  // Waiting for records is a sign of life.
  const waiting = sleeper.fetch({ wait: 5000 })
  await ground.clock.advance(5000)
  await waiting
  assert.equal((await log.admin.describeGroup('g')).members.length, 1)
  assert.deepEqual(lost, [1])
  await log.close()
})

test('a pattern takes in topics that appear later, partitions that are added are shared out, deleted topics go', async () => {
  const { log } = await openTestLog()
  await log.admin.createTopics([{ name: 'a.1' }, { name: 'xa.1' }])
  const lost: string[] = []
  const consumer = log.group({ group: 'g', topics: /a\.\d/, onLost: partitions => lost.push(...partitions.map(({ topic }) => topic)) })
  await consumer.join()
  assert.equal(partitionsOf(consumer), 'a.10')
  await log.admin.createTopics([{ name: 'a.2' }])
  await settled()
  assert.equal(partitionsOf(consumer), 'a.10 a.20')
  await log.admin.alterTopic('a.2', { partitions: 2 })
  await settled()
  assert.equal(partitionsOf(consumer), 'a.10 a.20 a.21')
  await log.admin.deleteTopics(['a.1'])
  await settled()
  assert.deepEqual([partitionsOf(consumer), lost], ['a.20 a.21', ['a.1']])
  await log.close()
})

test('a topic made anew is read from its start, not from where the old one was left', async () => {
  const { log, ground, member } = await opened(1)
  await log.producer().send({ ...at(0), value: text('old') })
  const consumer = await member()
  await consumer.fetch()
  await consumer.commit([{ ...at(0), offset: 1n }])
  await consumer.close()
  await log.admin.deleteTopics(['t'])
  await log.admin.createTopics([{ name: 't' }])
  await log.producer().send({ ...at(0), value: text('new') })
  const again = await member()
  assert.deepEqual(valuesOf(await again.fetch()), ['0:0 new'])
  const restarted = await EmbeddedLog.open(afterCrash(ground))
  assert.deepEqual((await restarted.admin.describeGroup('g')).offsets, [])
  await restarted.close()
})

test('offsets that are committed while their topic is deleted do not move one of the same name', async () => {
  for (const isInside of [false, true]) {
    const { log, ground, member } = await opened(1)
    const consumer = await member()
    const producer = log.producer({ transactionalId: 'x' })
    await producer.begin()
    if (isInside) await producer.sendOffsets(consumer.reference, [{ ...at(0), offset: 7n }])
    ground.folders.hold()
    const late = isInside ? Promise.resolve() : consumer.commit([{ ...at(0), offset: 7n }])
    const deleted = log.admin.deleteTopics(['t'])
    await settled()
    ground.folders.release()
    await Promise.all([late, deleted])
    await log.admin.createTopics([{ name: 't' }])
    await producer.commit()
    assert.deepEqual((await log.admin.describeGroup('g')).offsets, [])
    const again = await EmbeddedLog.open(afterCrash(ground))
    assert.deepEqual((await again.admin.describeGroup('g')).offsets, [])
    await again.close()
  }
})

test('the lag is counted from the first record that is kept, and never below nothing', async () => {
  const { log } = await opened(2)
  const producer = log.producer()
  for (let count = 0; count < 5; count++) await producer.send({ ...at(0), value: text('v') })
  await log.admin.resetOffsets('g', [{ ...at(0), offset: 1n }, { ...at(1), offset: 0n }])
  await log.admin.deleteRecords([{ ...at(0), offset: 3n }])
  assert.deepEqual((await log.admin.describeGroup('g')).offsets.map(({ lag }) => lag), [2n, 0n])
  await assert.rejects(log.admin.resetOffsets('g', [{ ...at(0), offset: 6n }]), { code: 'LOG_OFFSET_OUT_OF_RANGE' })
  await log.close()
})

test('members of one group share in one way', async () => {
  const { log, member } = await opened()
  await member({ assignor: 'sticky' })
  await assert.rejects(member({ assignor: 'range' }), { code: 'LOG_SETTING', message: /sticky/ })
  await log.close()
})

const PARTITIONS = 3

/** A worker that moves records from `in` to `out` with their offsets, one transaction per fetch. */
interface Worker {
  readonly consumer: GroupConsumer
  producer: Producer
}

class Pipeline {
  ground: AnyGround
  log: EmbeddedLog
  workers: Worker[] = []
  readonly sent: string[] = []
  #id = 0

  constructor(ground: AnyGround, log: EmbeddedLog) {
    this.ground = ground
    this.log = log
  }

  async start(): Promise<void> {
    if (this.workers.length >= 4) return
    const worker: Worker = { consumer: this.log.group({ group: 'g', topics: ['in'], assignor: 'sticky', maxBytes: 200 }), producer: this.#producer() }
    await worker.consumer.join()
    this.workers.push(worker)
  }

  /** One round of a worker; whatever goes wrong, it aborts and reads again from what was committed. */
  async work(index: number, end: 'commit' | 'abort' | 'leave open'): Promise<void> {
    const worker = this.workers[index]
    if (worker === undefined) return
    const { consumer } = worker
    const fetched = await consumer.fetch({ wait: 0 })
    if (fetched.length === 0) return
    try {
      await worker.producer.begin()
      for (const value of valuesOf(fetched)) void worker.producer.send({ topic: 'out', value: text(value) })
      await worker.producer.sendOffsets(consumer.reference, nextOffsets(fetched))
      // It hangs, and never comes back: its session and its transaction run out.
      if (end === 'leave open') return void this.workers.splice(index, 1)
      if (end === 'commit') return await worker.producer.commit()
      await worker.producer.abort()
    } catch {
      await worker.producer.abort().catch(() => undefined)
      worker.producer = this.#producer()
    }
    for (const { topic, partition, from } of fetched) {
      if (consumer.position({ topic, partition }) !== undefined) await consumer.seek({ topic, partition }, from)
    }
  }

  async restart(): Promise<void> {
    this.ground = afterCrash(this.ground)
    this.log = await EmbeddedLog.open(this.ground)
    this.workers = []
  }

  #producer(): Producer {
    return this.log.producer({ transactionalId: `p${this.#id++}`, transactionTimeout: 1000 })
  }
}

const nextOffsets = (fetched: readonly Fetched[]): OffsetToCommit[] => fetched.map(({ topic, partition, next }) => ({ topic, partition, offset: next }))

type Step =
  | { readonly kind: 'send' }
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'crash' }
  | { readonly kind: 'time' }
  | { readonly kind: 'work'; readonly worker: number; readonly end: 'commit' | 'abort' | 'leave open' }

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Step>({ kind: 'send' }, { kind: 'start' }, { kind: 'stop' }, { kind: 'time' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'crash' }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('work' as const), worker: fc.nat({ max: 3 }), end: fc.constantFrom('commit' as const, 'commit' as const, 'abort' as const, 'leave open' as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
)

for (const [name, makeGround] of Object.entries<() => AnyGround>({ 'the naive storage': testGround, segments: segmentGround })) {
  test(`each record reaches the other topic once, however members come, go, abort and crash, on ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async list => {
        const ground = makeGround()
        const log = await EmbeddedLog.open(ground)
        await log.admin.createTopics([{ name: 'in', partitions: PARTITIONS }, { name: 'out' }])
        const pipeline = new Pipeline(ground, log)
        const all: readonly Step[] = [...list, { kind: 'send' }]
        for (const step of all) {
          if (step.kind === 'send') {
            const source = pipeline.log.producer()
            for (let partition = 0; partition < PARTITIONS; partition++) {
              const { offset } = await source.send({ topic: 'in', partition, value: text('v') })
              pipeline.sent.push(`${partition}:${offset}`)
            }
          } else if (step.kind === 'start') await pipeline.start()
          else if (step.kind === 'stop') await pipeline.workers.shift()?.consumer.close()
          else if (step.kind === 'crash') await pipeline.restart()
          else if (step.kind === 'time') await pipeline.ground.clock.advance(1000)
          else if (step.kind === 'work') await pipeline.work(step.worker, step.end)
        }
        // One member that does its work finishes what is left, once the transactions that were left open are aborted.
        await pipeline.ground.clock.advance(20_000)
        await pipeline.start()
        for (let round = 0; round < 100; round++) await pipeline.work(pipeline.workers.length - 1, 'commit')
        assert.deepEqual((await readOut(pipeline.log)).sort(), pipeline.sent.sort())
        await pipeline.log.close()
      }),
      { numRuns: 80 },
    )
  })
}

/** Where each record of the other topic came from. */
async function readOut(log: EmbeddedLog): Promise<string[]> {
  const consumer = log.consumer()
  await consumer.assign([{ topic: 'out', partition: 0 }])
  const found: string[] = []
  const cursor = new RecordCursor()
  for (let fetched = await consumer.fetch({ wait: 0 }); fetched.length > 0; fetched = await consumer.fetch({ wait: 0 })) {
    for (const { bytes } of fetched) {
      for (cursor.open(bytes); cursor.next(); ) found.push(Buffer.from(cursor.bytes).toString('utf8', cursor.valueStart, cursor.valueEnd).split(' ')[0] ?? '')
    }
  }
  return found
}
