/** The end: nothing under way is lost, and nothing works afterwards. */
import assert from 'node:assert/strict'
import { coded, numbered, record } from './trial.testing.ts'
import type { Say } from './trial.testing.ts'

export function closing(say: Say): void {
  say('closing a producer waits for the acknowledgements of what was handed over', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer({ linger: 20 })
    const acks = numbered(100).map(value => producer.send(record(topic, value)))
    await producer.close()
    assert.equal((await Promise.all(acks)).length, 100)
    assert.deepEqual(await trial.values(topic), numbered(100))
  })

  say('a closed producer, consumer or log says so', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    await producer.close()
    await assert.rejects(producer.send(record(topic, 'late')), coded('LOG_CLOSED'))
    const consumer = await trial.reader(topic)
    await consumer.close()
    await assert.rejects(consumer.fetch(), coded('LOG_CLOSED'))
  })

  say('closing twice is no mistake', async trial => {
    const topic = await trial.topic()
    const producer = trial.log.producer()
    const consumer = await trial.reader(topic)
    for (const one of [producer, consumer]) {
      await one.close()
      await one.close()
    }
  })

  say('closing a consumer ends its waiting fetch', async trial => {
    const consumer = await trial.reader(await trial.topic())
    const waiting = consumer.fetch({ wait: 25_000 }).then(found => found.length, coded('LOG_CLOSED', 'ABORTED'))
    await consumer.close()
    assert.ok([0, true].includes(await waiting))
  })

  say('closing the log closes what was made from it', async trial => {
    const { reopen } = trial.tested
    if (reopen === undefined) return
    const topic = await trial.topic()
    const producer = trial.log.producer({ linger: 20 })
    const consumer = await trial.reader(topic)
    const acks = numbered(50).map(value => producer.send(record(topic, value)))
    const again = await reopen()
    assert.equal((await Promise.all(acks)).length, 50)
    await assert.rejects(producer.send(record(topic, 'late')), coded('LOG_CLOSED'))
    await assert.rejects(consumer.fetch(), coded('LOG_CLOSED'))
    trial.log = again
    assert.deepEqual(await trial.values(topic), numbered(50))
  })

  say('the log describes itself for people', async trial => {
    assert.ok(trial.log.describe().length > 10)
  })
}
