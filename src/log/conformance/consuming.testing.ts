/** Reading: where it begins, how much comes, how long it waits. */
import assert from 'node:assert/strict'
import { batchOf, bytes, coded, nameOf, numbered, read, record, recordsOf } from './trial.testing.ts'
import type { Say } from './trial.testing.ts'

export function consuming(say: Say): void {
  say('reading begins at the first record, behind the last, at an offset, or at a time', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(10), { timestamp: index => 1_000_000 + index * 100 })
    for (const [start, first] of [['earliest', 0n], [7n, 7n], [{ time: 1_000_350 }, 4n], [{ time: 1_000_400 }, 4n]] as const) {
      const consumer = await trial.reader(topic, { start })
      assert.equal(consumer.position({ topic, partition: 0 }), first)
      assert.deepEqual((await read(consumer, 10 - Number(first))).map(({ value }) => value), numbered(10).slice(Number(first)))
      await consumer.close()
    }
    const latest = await trial.reader(topic, { start: 'latest' })
    await trial.fill(topic, ['new'])
    assert.deepEqual((await read(latest, 1)).map(({ value }) => value), ['new'])
  })

  say('an answer says where it begins, where to read on and where the end is', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(10))
    const consumer = await trial.reader(topic, { start: 4n })
    const [part] = await consumer.fetch()
    assert.equal(part?.from, 4n)
    assert.equal(part?.end, 10n)
    assert.ok(part !== undefined && part.next > 4n && part.next <= 10n)
    assert.equal(consumer.position({ topic, partition: 0 }), part?.next)
  })

  say('an offset in the middle of a batch is told by `from`: what lies below is to be skipped', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    await producer.append(topic, 0, batchOf(...numbered(10)))
    await producer.close()
    const consumer = await trial.reader(topic, { start: 6n })
    const parts = await consumer.fetch()
    assert.deepEqual(recordsOf(parts).map(({ value }) => value), numbered(10).slice(6))
  })

  say('several partitions are read by one consumer, each one in order', async trial => {
    const topic = await trial.topic(3)
    for (const partition of [0, 1, 2]) await trial.fill(topic, numbered(50, `p${partition}-`), { partition })
    const consumer = await trial.reader(topic, { partitions: [0, 1, 2] })
    const found = await read(consumer, 150)
    for (const partition of [0, 1, 2]) {
      assert.deepEqual(found.filter(({ at }) => at === nameOf({ topic, partition })).map(({ value }) => value), numbered(50, `p${partition}-`))
    }
  })

  say('an answer keeps to the limit of bytes, and what is left comes with the next ones', async trial => {
    const topic = await trial.topic(2)
    const producer = trial.log.producer()
    for (const value of numbered(20, 'x'.repeat(500))) for (const partition of [0, 1]) await producer.append(topic, partition, batchOf(value))
    await producer.close()
    const consumer = await trial.reader(topic, { partitions: [0, 1], maxBytes: 2000 })
    const counts = new Map<string, number>()
    for (let rounds = 0; rounds < 60 && [...counts.values()].reduce((sum, count) => sum + count, 0) < 40; rounds++) {
      const parts = await consumer.fetch()
      assert.ok(parts.reduce((sum, part) => sum + part.bytes.length, 0) <= 2000)
      for (const { at } of recordsOf(parts)) counts.set(at, (counts.get(at) ?? 0) + 1)
    }
    assert.deepEqual([...counts.values()], [20, 20])
  })

  say('a batch beyond the limit is returned alone', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    for (const value of ['small', 'L'.repeat(50_000), 'last']) await producer.append(topic, 0, batchOf(value))
    await producer.close()
    const consumer = await trial.reader(topic, { maxBytes: 1000 })
    assert.deepEqual((await read(consumer, 3)).map(({ value }) => value?.length), [5, 50_000, 4])
  })

  say('a fetch that finds nothing waits, and wakes when a record is acknowledged', async trial => {
    const topic = await trial.topic()
    const consumer = await trial.reader(topic)
    const waiting = consumer.fetch({ wait: 25_000 })
    await trial.fill(topic, ['at last'])
    assert.deepEqual(recordsOf(await waiting).map(({ value }) => value), ['at last'])
  })

  say('a fetch that finds nothing answers with nothing in the end', async trial => {
    const consumer = await trial.reader(await trial.topic())
    assert.deepEqual(recordsOf(await consumer.fetch({ wait: 0 })), [])
    assert.deepEqual(recordsOf(await consumer.fetch({ wait: 5 })), [])
  })

  say('a waiting fetch can be given up, and nothing is lost by it', async trial => {
    const topic = await trial.topic()
    const consumer = await trial.reader(topic)
    const giveUp = new AbortController()
    const waiting = consumer.fetch({ wait: 25_000, signal: giveUp.signal })
    giveUp.abort()
    await assert.rejects(waiting, coded('ABORTED'))
    await trial.fill(topic, ['still here'])
    assert.deepEqual((await read(consumer, 1)).map(({ value }) => value), ['still here'])
  })

  say('seeking goes forward and back', async trial => {
    const topic = await trial.topic()
    const at = { topic, partition: 0 }
    await trial.fill(topic, numbered(10), { timestamp: index => 1_000_000 + index })
    const consumer = await trial.reader(topic)
    await read(consumer, 10)
    await consumer.seek(at, 2n)
    assert.deepEqual((await read(consumer, 8))[0]?.value, 'v2')
    await consumer.seek(at, { time: 1_000_009 })
    assert.deepEqual((await read(consumer, 1))[0]?.value, 'v9')
    await consumer.seek(at, 'earliest')
    assert.equal(consumer.position(at), 0n)
    await consumer.seek(at, 'latest')
    assert.equal(consumer.position(at), 10n)
  })

  say('an offset behind the end is refused, never moved in silence', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(3))
    const consumer = trial.log.consumer()
    const reading = async (): Promise<unknown> => {
      await consumer.assign([{ topic, partition: 0, start: 100n }])
      return consumer.fetch({ wait: 100 })
    }
    await assert.rejects(reading(), coded('LOG_OFFSET_OUT_OF_RANGE'))
  })

  say('a position whose records were given up is told, never moved in silence', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(10))
    const consumer = await trial.reader(topic, { start: 2n })
    await trial.log.admin.deleteRecords([{ topic, partition: 0, offset: 5n }])
    await assert.rejects(consumer.fetch({ wait: 100 }), coded('LOG_OFFSET_OUT_OF_RANGE'))
    await consumer.seek({ topic, partition: 0 }, 'earliest')
    assert.deepEqual((await read(consumer, 5)).map(({ value }) => value), numbered(10).slice(5))
  }, { needs: log => log.features.deleteRecords })

  say('a paused partition keeps still, and goes on where it stood', async trial => {
    const topic = await trial.topic(2)
    await trial.fill(topic, numbered(5, 'a'))
    await trial.fill(topic, numbered(5, 'b'), { partition: 1 })
    const consumer = await trial.reader(topic, { partitions: [0, 1] })
    consumer.pause([{ topic, partition: 0 }])
    assert.deepEqual((await read(consumer, 5)).map(({ value }) => value), numbered(5, 'b'))
    assert.deepEqual(recordsOf(await consumer.fetch({ wait: 0 })), [])
    assert.equal(consumer.position({ topic, partition: 0 }), 0n)
    consumer.resume([{ topic, partition: 0 }])
    assert.deepEqual((await read(consumer, 5)).map(({ value }) => value), numbered(5, 'a'))
  })

  say('partitions that stay assigned keep their positions', async trial => {
    const topic = await trial.topic(2)
    for (const partition of [0, 1]) await trial.fill(topic, numbered(4, `p${partition}-`), { partition })
    const consumer = await trial.reader(topic)
    await read(consumer, 4)
    await consumer.assign([{ topic, partition: 0 }, { topic, partition: 1, start: 2n }])
    assert.equal(consumer.position({ topic, partition: 0 }), 4n)
    assert.deepEqual((await read(consumer, 2)).map(({ value }) => value), ['p1-2', 'p1-3'])
    await consumer.assign([{ topic, partition: 1 }])
    assert.deepEqual(consumer.assigned.map(nameOf), [nameOf({ topic, partition: 1 })])
    assert.equal(consumer.position({ topic, partition: 0 }), undefined)
  })

  say('consumers do not disturb each other', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(20))
    const [first, second] = [await trial.reader(topic), await trial.reader(topic)]
    assert.equal((await read(first, 20)).length, 20)
    assert.equal((await read(second, 20)).length, 20)
  })

  say('what is acknowledged can be read at once, by another client as well', async trial => {
    const topic = await trial.topic()
    const consumer = (trial.tested.other ?? trial.log).consumer()
    await consumer.assign([{ topic, partition: 0 }])
    const producer = trial.log.producer()
    for (const value of numbered(20)) {
      await producer.send(record(topic, value))
      assert.deepEqual((await read(consumer, 1)).map(found => found.value), [value])
    }
    await producer.close()
    await consumer.close()
  })

  say('reading by offset and by time finds the same places among many segments', async trial => {
    const topic = await trial.topic(1, { segmentBytes: 1 << 20 })
    const producer = trial.log.producer()
    const count = 300
    const base = Date.now() - count * 1000
    for (let index = 0; index < count; index++) {
      await producer.send({ topic, partition: 0, key: bytes(`${index}`), value: new Uint8Array(10_000), timestamp: base + index * 1000 })
    }
    await producer.close()
    for (const index of [0, 1, 99, 100, 101, 250, 299]) {
      const consumer = await trial.reader(topic, { start: { time: base + index * 1000 } })
      assert.equal(consumer.position({ topic, partition: 0 }), BigInt(index))
      assert.equal(recordsOf(await consumer.fetch())[0]?.key, `${index}`)
      await consumer.close()
    }
  })
}
