/** Transactions: all or nothing, and one producer per name. */
import assert from 'node:assert/strict'
import type { Producer } from '../log.ts'
import { batchOf, coded, numbered, record, recordsOf } from './trial.testing.ts'
import type { Say, Trial } from './trial.testing.ts'

const hasTransactions = { needs: (log: Trial['log']) => log.features.transactions }
const withGroups = { needs: (log: Trial['log']) => log.features.transactions && log.features.groups }

async function committed(trial: Trial, group: string): Promise<[string, bigint][]> {
  const { offsets } = await trial.log.admin.describeGroup(group)
  return offsets.map(({ topic, partition, offset }): [string, bigint] => [`${topic}/${partition}`, offset]).sort(([a], [b]) => (a < b ? -1 : 1))
}

async function transaction(producer: Producer, work: () => Promise<unknown>, end: 'commit' | 'abort' = 'commit'): Promise<void> {
  await producer.begin()
  await work()
  await producer[end]()
}

export function transactions(say: Say): void {
  say('records of a transaction appear together, over topics and partitions, when it is committed', async trial => {
    const [left, right] = [await trial.topic(2), await trial.topic()]
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await producer.begin()
    await producer.send(record(left, 'a'))
    await producer.send(record(left, 'b', { partition: 1 }))
    await producer.send(record(right, 'c'))
    assert.deepEqual([await trial.values(left, { partitions: 2 }), await trial.values(right)], [[], []])
    await producer.commit()
    assert.deepEqual([await trial.values(left, { partitions: 2 }), await trial.values(right)], [['a', 'b'], ['c']])
    await producer.close()
  }, hasTransactions)

  say('records of an aborted transaction are seen by nobody who reads what is committed', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await transaction(producer, () => producer.send(record(topic, 'kept')))
    await transaction(producer, () => producer.send(record(topic, 'dropped')), 'abort')
    await transaction(producer, () => producer.send(record(topic, 'kept too')))
    await producer.close()
    assert.deepEqual(await trial.values(topic), ['kept', 'kept too'])
    assert.deepEqual(await trial.values(topic, { isolation: 'read_uncommitted' }), ['kept', 'dropped', 'kept too'])
  }, hasTransactions)

  say('whoever reads uncommitted records sees those of an open transaction', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await producer.begin()
    await producer.send(record(topic, 'early'))
    assert.deepEqual(await trial.values(topic, { isolation: 'read_uncommitted' }), ['early'])
    await producer.abort()
    await producer.close()
  }, hasTransactions)

  say('what comes behind an open transaction waits for its end', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await trial.fill(topic, ['before'])
    await producer.begin()
    await producer.send(record(topic, 'inside'))
    await trial.fill(topic, ['behind'])
    assert.deepEqual(await trial.values(topic), ['before'])
    const consumer = await trial.reader(topic, { start: 1n })
    const waiting = consumer.fetch({ wait: 25_000 })
    await producer.commit()
    const first = recordsOf(await waiting)
    assert.equal(first[0]?.value, 'inside')
    assert.deepEqual(await trial.values(topic), ['before', 'inside', 'behind'])
    await consumer.close()
    await producer.close()
  }, hasTransactions)

  say('a reader passes over what was aborted, and its position with it', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await transaction(producer, () => Promise.all(numbered(50).map(value => producer.send(record(topic, value)))), 'abort')
    await trial.fill(topic, ['after'])
    const consumer = await trial.reader(topic)
    const found = []
    for (let rounds = 0; rounds < 40 && found.length === 0; rounds++) found.push(...recordsOf(await consumer.fetch({ wait: 100 })))
    assert.deepEqual(found.map(({ value }) => value), ['after'])
    assert.ok((consumer.position({ topic, partition: 0 }) ?? 0n) > 50n)
    await consumer.close()
    await producer.close()
  }, hasTransactions)

  say('whole batches and many concurrent sends belong to the transaction', async trial => {
    const topic = await trial.topic(3)
    const producer = trial.log.producer({ transactionalId: trial.name('tx'), batchBytes: 1000 })
    await transaction(producer, () => Promise.all([
      ...numbered(300).map((value, index) => producer.send(record(topic, value, { partition: index % 3 }))),
      producer.append(topic, 1, batchOf('whole', 'batch')),
    ]))
    await producer.close()
    const found = await trial.values(topic, { partitions: 3 })
    assert.equal(found.length, 302)
    assert.deepEqual(new Set(found), new Set([...numbered(300), 'whole', 'batch']))
  }, hasTransactions)

  say('a commit waits for sends that nobody waited for', async trial => {
    const topic = await trial.topic(2)
    const producer = trial.log.producer({ transactionalId: trial.name('tx'), linger: 20 })
    await producer.begin()
    const acks = numbered(100).map((value, index) => producer.send(record(topic, value, { partition: index % 2 })))
    await producer.commit()
    await Promise.all(acks)
    assert.equal((await trial.values(topic, { partitions: 2 })).length, 100)
    await producer.close()
  }, hasTransactions)

  say('transactions of two producers in one partition keep apart', async trial => {
    const topic = await trial.topic()
    const [good, bad] = [trial.log.producer({ transactionalId: trial.name('tx') }), trial.log.producer({ transactionalId: trial.name('tx') })]
    await good.begin()
    await bad.begin()
    for (let round = 0; round < 5; round++) {
      await good.send(record(topic, `good ${round}`))
      await bad.send(record(topic, `bad ${round}`))
    }
    await good.commit()
    await good.begin()
    await good.send(record(topic, 'good last'))
    await bad.abort()
    await good.commit()
    assert.deepEqual(await trial.values(topic), [...numbered(5, 'good '), 'good last'])
    await good.close()
    await bad.close()
  }, hasTransactions)

  say('offsets of several partitions and topics are committed with the records, or not at all', async trial => {
    const [left, right, out] = [await trial.topic(2), await trial.topic(1), await trial.topic()]
    const group = trial.name('group')
    for (const partition of [0, 1]) await trial.fill(left, numbered(9), { partition })
    await trial.fill(right, numbered(9))
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    const move = (offset: bigint) => async (): Promise<void> => {
      await producer.send(record(out, `up to ${offset}`))
      // At once, not one after the other: each of them must count.
      await Promise.all([
        producer.sendOffsets({ group }, [{ topic: left, partition: 0, offset }]),
        producer.sendOffsets({ group }, [{ topic: left, partition: 1, offset: offset + 1n }]),
        producer.sendOffsets({ group }, [{ topic: right, partition: 0, offset: offset + 2n }]),
      ])
    }
    await transaction(producer, move(1n))
    await transaction(producer, move(5n), 'abort')
    assert.deepEqual(new Map(await committed(trial, group)), new Map([[`${left}/0`, 1n], [`${left}/1`, 2n], [`${right}/0`, 3n]]))
    assert.deepEqual(await trial.values(out), ['up to 1'])
    await transaction(producer, move(6n))
    assert.deepEqual((await committed(trial, group)).map(([, offset]) => offset).sort((a, b) => Number(a - b)), [6n, 7n, 8n])
    await producer.close()
  }, withGroups)

  say('offsets of a transaction that is open are not seen', async trial => {
    const topic = await trial.topic()
    const group = trial.name('group')
    await trial.fill(topic, numbered(5))
    await trial.log.admin.resetOffsets(group, [{ topic, partition: 0, offset: 1n }])
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await producer.begin()
    await producer.sendOffsets({ group }, [{ topic, partition: 0, offset: 4n }])
    assert.deepEqual((await committed(trial, group)).map(([, offset]) => offset), [1n])
    await producer.commit()
    assert.deepEqual((await committed(trial, group)).map(([, offset]) => offset), [4n])
    await producer.close()
  }, withGroups)

  say('a second producer of the name fences the first, whose open transaction is aborted', async trial => {
    const topic = await trial.topic()
    const transactionalId = trial.name('tx')
    const first = trial.log.producer({ transactionalId })
    await first.begin()
    await first.send(record(topic, 'of the first'))
    const second = trial.log.producer({ transactionalId })
    await second.begin()
    await second.send(record(topic, 'of the second'))
    await assert.rejects(async () => {
      await first.send(record(topic, 'too late'))
      await first.commit()
    }, coded('LOG_FENCED'))
    await second.commit()
    await assert.rejects(async () => {
      await first.begin()
      await first.send(record(topic, 'still too late'))
      await first.commit()
    }, coded('LOG_FENCED'))
    assert.deepEqual(await trial.values(topic), ['of the second'])
    await first.close()
    await second.close()
  }, hasTransactions)

  say('a name is used again and again, each time by a new producer', async trial => {
    const topic = await trial.topic()
    const transactionalId = trial.name('tx')
    for (const value of numbered(6)) {
      const producer = trial.log.producer({ transactionalId })
      await transaction(producer, () => producer.send(record(topic, `${value} dropped`)), 'abort')
      await transaction(producer, () => producer.send(record(topic, value)))
      await producer.close()
    }
    assert.deepEqual(await trial.values(topic), numbered(6))
  }, hasTransactions)

  say('a name is used again after the log was opened again, and what was open is aborted', async trial => {
    const { reopen } = trial.tested
    if (reopen === undefined) return
    const topic = await trial.topic()
    const transactionalId = trial.name('tx')
    for (const value of numbered(4)) {
      const producer = trial.log.producer({ transactionalId })
      await transaction(producer, () => producer.send(record(topic, value)))
      await producer.begin()
      await producer.send(record(topic, `${value} open`))
      trial.log = await reopen()
    }
    const last = trial.log.producer({ transactionalId })
    await transaction(last, () => last.send(record(topic, 'last')))
    assert.deepEqual(await trial.values(topic), [...numbered(4), 'last'])
  }, hasTransactions)

  say('steps out of order are refused', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await assert.rejects(producer.send(record(topic, 'outside')), coded('LOG_TRANSACTION_STATE'))
    await assert.rejects(producer.commit(), coded('LOG_TRANSACTION_STATE'))
    await producer.begin()
    await assert.rejects(producer.begin(), coded('LOG_TRANSACTION_STATE'))
    await producer.send(record(topic, 'inside'))
    await producer.commit()
    await assert.rejects(producer.commit(), coded('LOG_TRANSACTION_STATE'))
    await producer.close()
    const plain = trial.log.producer()
    await assert.rejects(plain.begin(), coded('LOG_TRANSACTION_STATE'))
    await plain.close()
    assert.deepEqual(await trial.values(topic), ['inside'])
  }, hasTransactions)

  say('an empty transaction is no mistake', async trial => {
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await transaction(producer, () => Promise.resolve())
    await transaction(producer, () => Promise.resolve(), 'abort')
    await producer.close()
  }, hasTransactions)

  say('a producer that is closed aborts what it has open', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await producer.begin()
    await producer.send(record(topic, 'never'))
    await producer.close()
    await trial.fill(topic, ['after'])
    assert.deepEqual(await trial.values(topic), ['after'])
  }, hasTransactions)

  say('a transaction that takes too long is aborted, and its producer told', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ transactionalId: trial.name('tx'), transactionTimeout: 10_000 })
    await producer.begin()
    await producer.send(record(topic, 'too slow'))
    for (let second = 0; second < 12; second++) await trial.tested.advance?.(1000)
    await assert.rejects(producer.commit(), coded('LOG_TRANSACTION_STATE', 'LOG_FENCED'))
    const next = trial.log.producer()
    await next.send(record(topic, 'after'))
    const [{ partitions } = { partitions: [] }] = await trial.log.admin.describeTopics([topic])
    assert.equal(partitions[0]?.stable, partitions[0]?.end)
    const consumer = await trial.reader(topic)
    assert.deepEqual(recordsOf(await consumer.fetch({ wait: 0 })).map(({ value }) => value), ['after'])
  }, { ...hasTransactions, clock: 'simulated' })

  say('records of a transaction that failed in part are not committed', async trial => {
    const topic = await trial.topic(1, { maxBatchBytes: 5000 })
    const producer = trial.log.producer({ transactionalId: trial.name('tx') })
    await producer.begin()
    await producer.send(record(topic, 'fine'))
    void producer.send(record(topic, 'x'.repeat(20_000))).catch(() => undefined)
    await assert.rejects(producer.commit())
    await producer.abort().catch(() => undefined)
    await producer.close()
    assert.deepEqual(await trial.values(topic), [])
  }, hasTransactions)
}
