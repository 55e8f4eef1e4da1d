/**
 * The adapter on a way that is cut, reset and stalled while it writes, reads and commits: nothing is lost or doubled, and nothing waits for longer than it must.
 *
 * Where a wait for a deadline would be a mistake the deadlines are ten minutes: the test would not end.
 */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { batchOf, coded, eventually, numbered, record, recordsOf, Trial } from '../../src/log/conformance/trial.testing.ts'
import { openLog } from '../../src/log/index.ts'
import type { Log, Producer } from '../../src/log/index.ts'
import { connectKafka } from '../../src/log/kafka/index.ts'
import { startBroker } from './broker.ts'
import { Proxy } from './proxy.ts'

const LONG = 600_000

/** Closes the connections that are begun while `work` runs, without an error, as soon as they are begun: so many of them. */
async function closingNew(count: number, work: () => Promise<void>): Promise<void> {
  let closed = 0
  const onSocket = (message: unknown): void => {
    const socket = typeof message === 'object' && message !== null && 'socket' in message ? message.socket : undefined
    if (socket instanceof Socket && closed++ < count) queueMicrotask(() => void socket.destroy())
  }
  subscribe('net.client.socket', onSocket)
  try {
    await work()
  } finally {
    unsubscribe('net.client.socket', onSocket)
  }
  assert.ok(closed >= count, `${closed} connections were begun`)
}

const broker = await startBroker()
if (typeof broker === 'string') test('a bad way to Apache Kafka', { skip: broker }, () => undefined)
else {
  const direct = await openLog(`kafka://${broker.plain}`, { warn: () => undefined })
  const trial = new Trial({ log: direct, close: () => direct.close() })
  after(async () => {
    await direct.close()
    await broker.stop()
  })

  /** A proxy for one test, and a log that is reached through it. */
  async function behind(t: TestContext, options: Parameters<typeof connectKafka>[1] = {}): Promise<{ readonly proxy: Proxy; readonly log: Log; readonly address: string }> {
    const { behind: to, proxy: at } = broker as Exclude<typeof broker, string> // The tests are skipped where there is none.
    const proxy = new Proxy(to)
    const address = `kafka://${await proxy.listen(Number(at.split(':')[1]))}`
    const log = await connectKafka(address, options)
    t.after(async () => {
      await log.close()
      await proxy.close()
    })
    return { proxy, log, address }
  }

  test('a connection that is closed here while it is being made, without an error, is made anew at once', async t => {
    const { proxy, log } = await behind(t, { connectTimeout: LONG, requestTimeout: LONG })
    const topic = await trial.topic()
    const producer = log.producer()
    await closingNew(3, async () => void (await producer.send(record(topic, 'a'))))
    proxy.cut()
    await closingNew(2, async () => void (await producer.send(record(topic, 'b'))))
    const consumer = log.consumer()
    await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
    const found: (string | null)[] = []
    await closingNew(2, async () => {
      while (found.length < 2) found.push(...recordsOf(await consumer.fetch()).map(({ value }) => value))
    })
    assert.deepEqual(found, ['a', 'b'])
  })

  test('a broker that takes a connection and never answers is given up after the time for connecting', async t => {
    const { proxy, address } = await behind(t)
    proxy.stall()
    await assert.rejects(connectKafka(address, { connectTimeout: 300, requestTimeout: LONG }), error => {
      assert.ok(coded('LOG_CONNECT')(error) && error instanceof Error)
      assert.match(error.message, /no answer in time/)
      return true
    })
    proxy.reset()
    proxy.resume()
  })

  const HURTS: Readonly<Record<string, (proxy: Proxy) => void>> = { cut: proxy => proxy.cut(), reset: proxy => proxy.reset(), stalled: proxy => proxy.stallOpen() }

  for (const [name, hurt] of Object.entries(HURTS)) {
    test(`what is written while connections are ${name} is there once and in order`, async t => {
      const { proxy, log } = await behind(t, { requestTimeout: 400 })
      const topic = await trial.topic(2)
      const producer = log.producer()
      const acks: Promise<unknown>[] = []
      const appended = [0, 0]
      const put = (partition: number): void => {
        const from = appended[partition] ?? 0
        acks.push(producer.append(topic, partition, batchOf(...numbered(10).map((_, n) => `${partition}-${from + n}`))))
        appended[partition] = from + 10
      }
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 20; n++) put(n % 2)
        // Some of them are under way, one is acknowledged.
        await acks.at(-20)
        hurt(proxy)
        for (let n = 0; n < 20; n++) put(n % 2)
        await Promise.all(acks)
      }
      const all = await trial.all(topic, { partitions: 2 })
      for (const partition of [0, 1]) {
        assert.equal(all.filter(({ at }) => at === `${topic}/${partition}`).map(({ value }) => value).join(), numbered(appended[partition] ?? 0, `${partition}-`).join())
      }
    })

    test(`what is read while connections are ${name} comes once and in order, and its commits hold`, async t => {
      const { proxy, log } = await behind(t, { requestTimeout: 400 })
      const topic = await trial.topic()
      const writer = direct.producer()
      for (let n = 0; n < 300; n += 10) await writer.append(topic, 0, batchOf(...numbered(10).map((_, index) => `v${n + index}`)))
      await writer.close()
      const group = trial.name('group')
      const member = log.group({ group, topics: [topic], maxBytes: 500, sessionTimeout: 9000 })
      await member.join()
      const found: (string | null)[] = []
      while (found.length < 300) {
        const fetched = await member.fetch({ wait: 100 })
        found.push(...recordsOf(fetched).map(({ value }) => value))
        if (fetched.length === 0) continue
        if (found.length % 100 === 0) hurt(proxy)
        await member.commit(fetched.map(({ partition, next }) => ({ topic, partition, offset: next })))
      }
      assert.equal(found.join(), numbered(300).join())
      await member.close()
      assert.deepEqual((await direct.admin.describeGroup(group)).offsets.map(({ offset }) => offset), [300n])
    })

    test(`a transaction while connections are ${name} is committed once, or aborted`, async t => {
      const { proxy, log } = await behind(t, { requestTimeout: 400 })
      const topic = await trial.topic(2)
      const group = trial.name('group')
      const producer = log.producer({ transactionalId: trial.name('name') })
      const committed: string[] = []
      const run = async (value: string, at: number): Promise<void> => {
        const steps: ((own: Producer) => Promise<unknown>)[] = [
          own => Promise.all([0, 1].map(partition => own.send(record(topic, value, { partition })))),
          own => own.sendOffsets({ group }, [{ topic, partition: 0, offset: BigInt(committed.length + 1) }]),
          own => own.commit(),
        ]
        for (const [step, work] of steps.entries()) {
          const working = work(producer)
          if (step === at) hurt(proxy)
          await working
        }
        committed.push(value)
      }
      for (let n = 0; n < 6; n++) {
        await producer.begin()
        await run(`v${n}`, n % 3).catch(async (error: unknown) => {
          assert.ok(coded('LOG_CONNECT', 'LOG_TRANSACTION_STATE', 'LOG_BROKER')(error))
          await producer.abort()
        })
      }
      assert.deepEqual(await trial.values(topic, { partitions: 2 }), [...committed, ...committed])
      assert.deepEqual((await direct.admin.describeGroup(group)).offsets.map(({ offset }) => offset), [BigInt(committed.length)])
      assert.ok(committed.length > 0)
    })
  }

  test('a log on a way that is stalled is closed all the same, and nothing of it stays', async t => {
    const { proxy, log } = await behind(t, { connectTimeout: LONG, requestTimeout: LONG })
    const topic = await trial.topic()
    const member = log.group({ group: trial.name('group'), topics: [topic] })
    await member.join()
    const producer = log.producer()
    await producer.send(record(topic, 'a'))
    proxy.stall()
    // More than the buffers of the way take: it can't be written out.
    const acks = Array.from({ length: 24 }, () => producer.append(topic, 0, batchOf('x'.repeat(900_000))))
    const refused = Promise.all(acks.map(ack => assert.rejects(ack)))
    await log.close({ timeout: 500 }).catch((error: unknown) => assert.ok(coded('TIMED_OUT')(error)))
    await refused
    proxy.resume()
    await eventually(() => Promise.resolve(proxy.open()), open => open === 0)
    assert.equal(proxy.open(), 0)
  })

  test('a member gives signs of life though another connection of its process is stalled', async t => {
    const { proxy, address } = await behind(t)
    // Looks at the topics all the time, on a connection that never answers.
    const log = await connectKafka(address, { lookEvery: 50, requestTimeout: LONG })
    const topic = await trial.topic()
    const lost: number[] = []
    const member = log.group({ group: trial.name('group'), topics: [topic], sessionTimeout: 1000, onLost: partitions => lost.push(partitions.length) })
    await member.join()
    proxy.stallOpen('metadata')
    const before = performance.now()
    while (performance.now() - before < 2500) await member.fetch({ wait: 100 })
    await member.commit([{ topic, partition: 0, offset: 0n }])
    assert.deepEqual(lost, [])
    await member.close()
    await log.close({ timeout: 500 }).catch(() => undefined)
  })

  test('a join whose connection is stalled is sent again, and one that waits for another member is no other for it', async t => {
    const { proxy, log } = await behind(t, { requestTimeout: 300 })
    const topic = await trial.topic(2)
    const group = trial.name('group')
    const finish = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const other = direct.group({
      group, topics: [topic], sessionTimeout: 1500,
      onRevoked: () => {
        asked.resolve()
        return finish.promise
      },
    })
    await other.join()
    const member = log.group({ group, topics: [topic], sessionTimeout: 9000 })
    const joining = member.join()
    await asked.promise
    proxy.stallOpen('join')
    const before = proxy.taken.length
    // It waits for the other one, over several connections.
    await eventually(() => Promise.resolve(proxy.taken.length), taken => taken > before + 2)
    finish.resolve()
    await joining
    assert.equal(member.assigned.length, 1)
    assert.equal((await direct.admin.describeGroup(group)).members.length, 2)
    await member.close()
    await other.close()
  })

  test('a member whose connection is stalled while it joins leaves at once, and its group goes on without it', async t => {
    const { proxy, log } = await behind(t, { connectTimeout: LONG, requestTimeout: LONG })
    const topic = await trial.topic(2)
    const group = trial.name('group')
    const other = direct.group({ group, topics: [topic], sessionTimeout: 1500 })
    await other.join()
    const member = log.group({ group, topics: [topic], sessionTimeout: 1500 })
    const joining = member.join({ timeout: 300 })
    proxy.stall()
    await assert.rejects(joining, coded('TIMED_OUT', 'ABORTED'))
    await member.close()
    await eventually(() => other.fetch({ wait: 0 }), () => other.assigned.length === 2)
    assert.equal(other.assigned.length, 2)
    await other.close()
    proxy.resume()
  })
}
