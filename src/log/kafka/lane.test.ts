/** Lanes against a broker that judges numbers as Kafka does, and on whose way requests and answers get lost. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../platform/index.ts'
import { BatchWriter, baseSequenceOf, countOf, producerEpochOf, producerIdOf, records } from '../batch/index.ts'
import { Away } from './away.ts'
import { BROKER, brokerError } from './errors.ts'
import { Lane } from './lane.ts'
import type { Bundle, Identity, LaneOwner } from './lane.ts'
import { SluiceError } from '../../base/index.ts'

type Fate = 'taken' | 'answer lost' | 'request lost' | 'not leader' | 'too large' | 'too few replicas' | 'taken, and another lane asks for a new id'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function batchOf(...values: readonly string[]): Uint8Array {
  const writer = new BatchWriter()
  for (const value of values) writer.add(null, bytes(value), [], 1)
  return writer.finish()
}

interface Kept {
  readonly sequence: number
  readonly count: number
  readonly offset: bigint
}

/** One partition of a broker. It remembers five batches of each producer, and takes any number from one that it does not know. */
class Partition {
  readonly values: string[] = []
  readonly #producers = new Map<string, Kept[]>()

  append(batch: Uint8Array): { readonly error: number; readonly offset: bigint } {
    const sequence = baseSequenceOf(batch)
    const count = countOf(batch)
    const producer = `${producerIdOf(batch)}/${producerEpochOf(batch)}`
    const kept = this.#producers.get(producer) ?? []
    const again = kept.find(each => each.sequence === sequence && each.count === count)
    if (again !== undefined) return { error: 0, offset: again.offset }
    const last = kept.at(-1)
    if (last !== undefined && sequence !== last.sequence + last.count) return { error: BROKER.OUT_OF_ORDER_SEQUENCE, offset: -1n }
    const offset = BigInt(this.values.length)
    for (const { value } of records(batch)) this.values.push(new TextDecoder().decode(value ?? undefined))
    this.#producers.set(producer, [...kept, { sequence, count, offset }].slice(-5))
    return { error: 0, offset }
  }
}

/** What stands between a lane and the partition: requests go out in order and come back in order. */
class World {
  readonly clock: SimulatedClock
  readonly partition = new Partition()
  readonly lane: Lane
  readonly underWay: Bundle[] = []
  readonly #fates: Fate[]
  #identity: Identity | undefined = { producerId: 1n, epoch: 0 }
  #nextId = 2n
  looks = 0

  constructor(fates: readonly Fate[], owner: Partial<LaneOwner> = {}, clock = new SimulatedClock()) {
    this.clock = clock
    this.#fates = [...fates]
    const identity = (): Identity | undefined => this.#identity
    const full: LaneOwner = {
      clock: this.clock, away: new Away(this.clock, undefined), compression: 'none', linger: 0, batchBytes: 1000, deliveryTimeout: 30_000, transactional: false, admit: () => true, offer: () => undefined,
      get identity() {
        return identity()
      },
      lookAgain: () => {
        this.looks++
        return Promise.resolve()
      },
      settled: (_bytes, error) => {
        if (error instanceof SluiceError && error.code === 'LOG_SEQUENCE') this.#renew()
      },
      giveUp: () => this.#renew(),
      ...owner,
    }
    this.lane = new Lane('t', 0, full)
  }

  /** Sends what may go, answers what is under way, lets time pass, until nothing is left. */
  async run(): Promise<void> {
    for (let rounds = 0; rounds < 2000 && !(this.lane.isIdle && this.underWay.length === 0); rounds++) {
      for (let bundle = this.lane.take(Number.POSITIVE_INFINITY); bundle !== undefined && bundle !== 'later'; bundle = this.lane.take(Number.POSITIVE_INFINITY)) this.underWay.push(bundle)
      if (this.underWay.length > 0) this.#exchange()
      else await this.clock.advance(1000)
    }
  }

  /** The requests under way reach the broker in order; where the connection breaks, all behind are lost with it. */
  #exchange(): void {
    const requests = this.underWay.splice(0)
    let isBroken = false
    const answers: (() => void)[] = []
    for (const bundle of requests) {
      const fate = isBroken ? 'request lost' : (this.#fates.shift() ?? 'taken')
      const batch = bundle.batch ?? new Uint8Array(0)
      if (fate === 'request lost' || fate === 'answer lost') {
        if (fate === 'answer lost' && !isBroken) this.partition.append(batch)
        isBroken = true
        answers.push(() => this.lane.failed(bundle, new SluiceError('LOG_CONNECT', 'The connection broke.'), true))
      } else if (fate === 'not leader') answers.push(() => this.lane.failed(bundle, brokerError(BROKER.NOT_LEADER, 'Writing'), false))
      else if (fate === 'too large' && !bundle.isUnknown) answers.push(() => this.lane.failed(bundle, brokerError(BROKER.MESSAGE_TOO_LARGE, 'Writing'), false))
      else {
        if (fate === 'taken, and another lane asks for a new id') this.#renew()
        const { error, offset } = this.partition.append(batch)
        if (error !== 0) answers.push(() => this.lane.failed(bundle, brokerError(error, 'Writing'), false))
        // Written by the leader, and told only after it gave up waiting for the others.
        else if (fate === 'too few replicas') answers.push(() => this.lane.failed(bundle, brokerError(20, 'Writing'), true))
        else answers.push(() => this.lane.acknowledged(bundle, offset))
      }
    }
    for (const answer of answers) answer()
  }

  #renew(): void {
    this.#identity = { producerId: this.#nextId++, epoch: 0 }
  }
}

const anyFates = fc.array(fc.constantFrom<Fate>('taken', 'taken', 'answer lost', 'request lost', 'not leader', 'too few replicas', 'too large', 'taken, and another lane asks for a new id'), { maxLength: 30 })

test('each batch is there once and in order, whatever gets lost or is refused on the way', async () => {
  await fc.assert(fc.asyncProperty(anyFates, fc.integer({ min: 1, max: 25 }), async (fates, count) => {
    const world = new World(fates)
    const acks = Array.from({ length: count }, (_, index) => world.lane.append(batchOf(`${index}a`, `${index}b`)))
    const outcomes = Promise.allSettled(acks)
    await world.run()
    const taken = (await outcomes).flatMap((outcome, index) => {
      if (outcome.status === 'fulfilled') return [{ index, offset: outcome.value.offset }]
      assert.ok(outcome.reason instanceof SluiceError && outcome.reason.code === 'LOG_BATCH_TOO_LARGE', String(outcome.reason))
      return []
    })
    assert.deepEqual(world.partition.values, taken.flatMap(({ index }) => [`${index}a`, `${index}b`]))
    for (const { index, offset } of taken) assert.equal(world.partition.values[Number(offset)], `${index}a`)
  }))
})

test('records that are too many for one batch are cut until they fit, and keep their order', async () => {
  await fc.assert(fc.asyncProperty(anyFates, fc.integer({ min: 1, max: 40 }), async (fates, count) => {
    const world = new World(fates)
    const acks = Array.from({ length: count }, (_, index) => world.lane.add({ topic: 't', value: bytes(`${index}`) }, 10))
    const outcomes = Promise.allSettled(acks)
    await world.run()
    const taken = (await outcomes).flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [`${index}`] : []))
    assert.deepEqual(world.partition.values, taken)
  }))
})

test('the first batch to a partition goes alone: a broker that knows nothing of a producer would let the second one pass', async () => {
  const world = new World([])
  const acks = ['one', 'two', 'three'].map(value => world.lane.append(batchOf(value)))
  const first = world.lane.take(1e9)
  assert.ok(first !== undefined && first !== 'later')
  assert.equal(world.lane.take(1e9), undefined)
  world.lane.acknowledged(first, world.partition.append(first.batch ?? new Uint8Array(0)).offset)
  await world.run()
  await Promise.all(acks)
  assert.deepEqual(world.partition.values, ['one', 'two', 'three'])
})

test('five batches are on their way at most', async () => {
  const world = new World([])
  const acks = Array.from({ length: 9 }, (_, index) => world.lane.append(batchOf(`${index}`)))
  const first = world.lane.take(1e9)
  assert.ok(first !== undefined && first !== 'later')
  world.lane.acknowledged(first, world.partition.append(first.batch ?? new Uint8Array(0)).offset)
  const taken: Bundle[] = []
  for (let bundle = world.lane.take(1e9); bundle !== undefined && bundle !== 'later'; bundle = world.lane.take(1e9)) taken.push(bundle)
  assert.equal(taken.length, 5)
  for (const bundle of taken) world.lane.acknowledged(bundle, world.partition.append(bundle.batch ?? new Uint8Array(0)).offset)
  await world.run()
  assert.equal((await Promise.all(acks)).length, 9)
})

test('a batch that is larger than what is left of a request waits for the next one', () => {
  const world = new World([])
  void world.lane.append(batchOf('x'.repeat(500)))
  assert.equal(world.lane.take(100), 'later')
  assert.notEqual(world.lane.take(10_000), undefined)
})

test('what never went out is dropped at its deadline, with the reason why it did not', async () => {
  const world = new World([])
  const ack = world.lane.append(batchOf('never'))
  world.lane.unreachable(new SluiceError('LOG_CONNECT', 'nobody:9092: nothing listens there.'))
  const told = assert.rejects(ack, (error: unknown) => error instanceof SluiceError && error.code === 'LOG_CONNECT')
  await world.clock.advance(31_000)
  await told
  assert.ok(world.lane.isIdle)
  assert.deepEqual(world.partition.values, [])
})

test('without a deadline batches go again and again, each once and in order, for as long as nobody takes them', async () => {
  const lost = Array.from({ length: 400 }, (_, n): Fate => (n % 3 === 0 ? 'answer lost' : n % 3 === 1 ? 'request lost' : 'too few replicas'))
  const world = new World(lost, { deliveryTimeout: Infinity })
  const acks = Array.from({ length: 8 }, (_, index) => world.lane.append(batchOf(`${index}a`, `${index}b`)))
  await world.run()
  assert.deepEqual((await Promise.all(acks)).map(({ offset }) => Number(offset)), acks.map((_, index) => index * 2))
  assert.deepEqual(world.partition.values, acks.flatMap((_, index) => [`${index}a`, `${index}b`]))
  assert.ok(world.clock.monotonic() > 300_000, 'no time went by')
})

test('a batch of which nobody knows whether it was taken is not counted on from: what follows has another producer id', async () => {
  const world = new World(['answer lost'])
  const lost = world.lane.append(batchOf('maybe'))
  const told = assert.rejects(lost, (error: unknown) => error instanceof SluiceError && error.code === 'LOG_CONNECT')
  const bundle = world.lane.take(1e9)
  assert.ok(bundle !== undefined && bundle !== 'later')
  world.partition.append(bundle.batch ?? new Uint8Array(0))
  world.lane.failed(bundle, new SluiceError('LOG_CONNECT', 'The connection broke.'), true)
  await world.clock.advance(31_000)
  await told
  const next = world.lane.append(batchOf('next'))
  await world.run()
  assert.deepEqual(await next, { partition: 0, offset: 1n })
  assert.deepEqual(world.partition.values, ['maybe', 'next'])
})

test('a login that is refused refuses all that waits, at once', async () => {
  const world = new World([])
  const acks = ['one', 'two'].map(value => world.lane.append(batchOf(value)))
  const told = Promise.all(acks.map(ack => assert.rejects(ack, (error: unknown) => error instanceof SluiceError && error.code === 'LOG_AUTH')))
  world.lane.unreachable(new SluiceError('LOG_AUTH', 'wrong password'))
  await told
})

test('a broker that takes nothing for a second is told of once, and once more when it takes what waits', async () => {
  const told: unknown[] = []
  const clock = new SimulatedClock()
  const world = new World([], { away: new Away(clock, error => void told.push(error instanceof SluiceError ? error.code : error)) }, clock)
  const ack = world.lane.append(batchOf('late'))
  const refused = new SluiceError('LOG_CONNECT', 'nobody:9092: nothing listens there.')
  world.lane.unreachable(refused)
  await clock.advance(500)
  world.lane.unreachable(refused)
  assert.deepEqual(told, [])
  await clock.advance(600)
  world.lane.unreachable(refused)
  assert.deepEqual(told, ['LOG_CONNECT'])
  await clock.advance(2000)
  await world.run()
  await ack
  assert.deepEqual(told, ['LOG_CONNECT', undefined])
})

test('a leader that moves is no news', async () => {
  const told: unknown[] = []
  const clock = new SimulatedClock()
  const world = new World([], { away: new Away(clock, error => void told.push(error)) }, clock)
  const ack = world.lane.append(batchOf('one'))
  const first = world.lane.take(1e9)
  assert.ok(first !== undefined && first !== 'later')
  world.lane.failed(first, brokerError(BROKER.NOT_LEADER, 'Writing'), false)
  await clock.advance(500)
  await world.run()
  await ack
  await clock.advance(10_000)
  assert.deepEqual(told, [])
})
