/** Traps of the client that the adapter stands on, each found by trying it against a real broker: held to the right behaviour through the port. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { batchOf, coded, eventually, numbered, read, record, Trial } from '../../src/log/conformance/trial.testing.ts'
import { batchLengthAt, openLog } from '../../src/log/index.ts'
import type { Fetched, GroupConsumer, Log, OffsetToCommit, Producer } from '../../src/log/index.ts'
import { startBroker } from './broker.ts'

const broker = await startBroker()
if (typeof broker === 'string') test('traps of the client', { skip: broker }, () => undefined)
else {
  const place = `kafka://${broker.plain}`
  const open = (): Promise<Log> => openLog(place, { warn: () => undefined })
  const log = await open()
  const trial = new Trial({ log, close: () => log.close() })
  after(async () => {
    await log.close()
    await broker.stop()
  })
  const sorted = (values: readonly (string | null)[]): string[] => values.map(value => value ?? 'null').toSorted()

  test('a restart with the same transactionalId is not fenced, however the one before ended', async () => {
    const topic = await trial.topic()
    const transactionalId = trial.name('restart')
    const orderly = async (value: string): Promise<void> => {
      const own = await open()
      const producer = own.producer({ transactionalId })
      await producer.begin()
      void producer.send(record(topic, value))
      await producer.commit()
      await own.close()
    }
    await orderly('first')
    await orderly('second')
    // One that stands still in the middle of a transaction: its connections are alive, and it never says goodbye.
    const standing = await open()
    const old = standing.producer({ transactionalId })
    await old.begin()
    await old.send(record(topic, 'left open'))
    await orderly('third')
    await orderly('fourth')
    await assert.rejects(old.commit(), coded('LOG_FENCED'))
    await standing.close()
    await orderly('fifth')
    assert.deepEqual(await trial.values(topic), ['first', 'second', 'third', 'fourth', 'fifth'])
  })

  test('sends and appends to many partitions at once, inside a transaction, are all committed once', async () => {
    const topics = [await trial.topic(4), await trial.topic(4)]
    const partitions = [0, 1, 2, 3]
    const producer = log.producer({ transactionalId: trial.name('concurrent') })
    for (const round of [0, 1, 2]) {
      await producer.begin()
      await Promise.all(topics.flatMap(topic => partitions.flatMap(partition => [
        producer.send(record(topic, `${round} sent`, { partition })),
        producer.append(topic, partition, batchOf(`${round} appended`, `${round} appended too`)),
      ])))
      await producer.commit()
    }
    await producer.close()
    const expected = [0, 1, 2].flatMap(round => [`${round} appended`, `${round} appended too`, `${round} sent`])
    for (const topic of topics) {
      const all = await trial.all(topic, { partitions: 4 })
      for (const partition of partitions) assert.deepEqual(sorted(all.filter(({ at }) => at === `${topic}/${partition}`).map(({ value }) => value)), expected)
    }
  })

  test('offsets that are put into a transaction by calls at once are all committed, as Kafka\'s own tool sees them', async () => {
    const input = await trial.topic(6)
    const output = await trial.topic(2)
    const group = trial.name('offsets')
    for (const partition of [0, 1, 2, 3, 4, 5]) await trial.fill(input, numbered(10), { partition })
    const producer = log.producer({ transactionalId: trial.name('offsets') })
    await producer.begin()
    const offsets = [0, 1, 2, 3, 4, 5].map((partition): OffsetToCommit => ({ topic: input, partition, offset: BigInt(partition + 1) }))
    await Promise.all([...offsets.map(offset => producer.sendOffsets({ group }, [offset])), producer.send(record(output, 'a')), producer.send(record(output, 'b', { partition: 1 }))])
    await producer.commit()
    await producer.close()
    const ours = (await log.admin.describeGroup(group)).offsets
    assert.deepEqual(ours.map(({ partition, offset }) => `${partition} ${offset}`).toSorted(), ['0 1', '1 2', '2 3', '3 4', '4 5', '5 6'])
    assert.deepEqual(sorted(await trial.values(output, { partitions: 2 })), ['a', 'b'])
    const seen = await broker.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', ['--bootstrap-server', broker.plain, '--describe', '--offsets', '--group', group])
    const rows = seen.split('\n').map(line => line.trim().split(/\s+/)).filter(([name]) => name === group)
    assert.deepEqual(rows.map(([, , partition, offset]) => `${partition} ${offset}`).toSorted(), ['0 1', '1 2', '2 3', '3 4', '4 5', '5 6'])
  })

  for (const idempotent of [true, false]) {
    test(`sends over all partitions of a topic that was made a moment ago are not doubled (idempotent: ${idempotent})`, async () => {
      for (let run = 0; run < 10; run++) {
        const topic = trial.name()
        const own = await open()
        const producer = own.producer({ idempotent })
        const making = log.admin.createTopics([{ name: topic, partitions: 8 }])
        while (!(await own.admin.listTopics()).includes(topic)) { /* The first moment at which it can be seen. */ }
        await Promise.all(numbered(80).map((value, n) => producer.send(record(topic, value, { partition: n % 8 }))))
        await making
        await own.close()
        assert.deepEqual(sorted(await trial.values(topic, { partitions: 8 })), sorted(numbered(80)))
      }
    })

    test(`what fails for one partition of a request is not repeated for the others (idempotent: ${idempotent})`, async () => {
      const narrow = await trial.topic(1, { maxBatchBytes: 500 })
      const wide = await trial.topic(3)
      const producer = log.producer({ idempotent })
      // Known places, so that all of it goes out in one request.
      await Promise.all([producer.send(record(narrow, 'short')), ...[0, 1, 2].map(partition => producer.send(record(wide, 'first', { partition })))])
      const refused = producer.append(narrow, 0, batchOf('x'.repeat(1000)))
      const taken = [0, 1, 2].map(partition => producer.append(wide, partition, batchOf('a', 'b')))
      await assert.rejects(refused, coded('LOG_BATCH_TOO_LARGE'))
      assert.deepEqual((await Promise.all(taken)).map(({ offset }) => offset), [1n, 1n, 1n])
      await producer.close()
      assert.deepEqual(await trial.values(wide, { partitions: 3 }), ['first', 'a', 'b', 'first', 'a', 'b', 'first', 'a', 'b'])
      assert.deepEqual(await trial.values(narrow), ['short'])
    })
  }

  const batchesIn = (bytes: Uint8Array): Uint8Array[] => {
    const batches: Uint8Array[] = []
    for (let at = 0, length = 0; at < bytes.length; at += length) {
      length = batchLengthAt(bytes, at) ?? bytes.length
      batches.push(Uint8Array.prototype.slice.call(bytes, at, at + length))
    }
    return batches
  }

  interface Copying {
    readonly done: Promise<void>
    readonly leave: () => void
    /** Transactions that were committed, and records in them. */
    readonly count: () => number
    readonly records: () => number
  }

  /** Reads a topic as a member of a group and writes what it read to another, offsets and records in one transaction, until it is told to leave. */
  function copy(enter: (onRevoked: () => Promise<void>) => GroupConsumer, producer: Producer, output: string): Copying {
    let working = Promise.resolve()
    const member = enter(() => working)
    let isLeaving = false
    let count = 0
    let records = 0
    const transaction = async (fetched: readonly Fetched[]): Promise<void> => {
      await producer.begin()
      try {
        const offsets = fetched.map(({ topic, partition, next }) => ({ topic, partition, offset: next }))
        const batches = fetched.flatMap(({ bytes, partition }) => batchesIn(bytes).map(batch => producer.append(output, partition, batch)))
        await Promise.all([...batches, producer.sendOffsets(member.reference, offsets)])
        await producer.commit()
        count++
        for (const { from, next } of fetched) records += Number(next - from)
      } catch (error) {
        // Where the group went on without this member meanwhile, its offsets are refused, and with them what it wrote.
        assert.ok(coded('LOG_FENCED', 'LOG_GROUP_REBALANCE')(error))
        await producer.abort()
        for (const { topic, partition, from } of fetched) if (member.position({ topic, partition }) !== undefined) await member.seek({ topic, partition }, from)
      }
    }
    const run = async (): Promise<void> => {
      await member.join()
      while (!isLeaving) {
        const fetched = await member.fetch({ wait: 50 })
        if (fetched.length > 0) await (working = transaction(fetched))
      }
      await member.close()
      await producer.close()
    }
    return { done: run(), leave: () => void (isLeaving = true), count: () => count, records: () => records }
  }

  for (const assignor of ['range', 'sticky'] as const) {
    test(`exactly once in a group: each record comes out once while members come and go (${assignor})`, async () => {
      const input = await trial.topic(4)
      const output = await trial.topic(4)
      const group = trial.name('once')
      const all: Copying[] = []
      const copied = (): number => all.reduce((sum, { records }) => sum + records(), 0)
      const enter = (): Copying => {
        const copying = copy(onRevoked => log.group({ group, topics: [input], assignor, sessionTimeout: 4500, maxBytes: 2000, onRevoked }), log.producer({ transactionalId: trial.name('once') }), output)
        all.push(copying)
        return copying
      }
      const producer = log.producer()
      let fed = 0
      const feedUntil = async (wanted: () => boolean): Promise<void> => {
        while (!wanted()) {
          // No more than they take: it is the coming and going that matters.
          if (fed * 4 > copied() + 1000) await new Promise(resolve => { setImmediate(resolve) })
          else await feed()
        }
      }
      const feed = async (): Promise<void> => {
        await Promise.all([0, 1, 2, 3].map(partition => producer.append(input, partition, batchOf(`${partition}-${fed}`, `${partition}-${fed + 1}`, `${partition}-${fed + 2}`))))
        fed += 3
      }
      const first = enter()
      await feedUntil(() => first.count() > 10)
      const second = enter()
      await feedUntil(() => second.count() > 10)
      const third = enter()
      first.leave()
      let hasLeft = false
      void first.done.then(() => (hasLeft = true))
      await feedUntil(() => hasLeft && third.count() > 10)
      await eventually(async () => (await log.admin.describeGroup(group)).offsets, offsets => offsets.length === 4 && offsets.every(({ offset }) => offset >= BigInt(fed)))
      for (const { leave } of [second, third]) leave()
      await Promise.all([first, second, third].map(({ done }) => done))
      await producer.close()
      const seen = await trial.all(output, { partitions: 4 })
      for (const partition of [0, 1, 2, 3]) {
        const values = seen.filter(({ at }) => at === `${output}/${partition}`).map(({ value }) => value)
        assert.equal(values.join(), numbered(fed, `${partition}-`).join())
      }
    })
  }

  test('a wrong password is told as such, once, and without another attempt', async () => {
    const tls = { ca: broker.ca }
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      const login = { mechanism, username: broker.user, password: 'wrong' }
      await assert.rejects(openLog(`kafka://${broker.sasl},${broker.sasl.replace('localhost', 'LOCALHOST')}`, { warn: () => undefined, kafka: { tls, login } }), error => {
        assert.ok(coded('LOG_AUTH')(error) && error instanceof Error && 'retry' in error)
        assert.equal(error.retry, false)
        assert.match(error.message, new RegExp(`refused the login of "${broker.user}" by ${mechanism}`))
        return true
      })
    }
    const good = await openLog(`kafka://${broker.sasl}`, { warn: () => undefined, kafka: { tls, login: { mechanism: 'SCRAM-SHA-256', username: broker.user, password: broker.password } } })
    const topic = await trial.topic()
    await trial.fill(topic, ['seen'])
    const consumer = good.consumer()
    await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
    assert.deepEqual((await read(consumer, 1)).map(({ value }) => value), ['seen'])
    await good.close()
  })
}
