/** Topics: made, described, changed, deleted. */
import assert from 'node:assert/strict'
import { coded, numbered } from './trial.testing.ts'
import type { Say } from './trial.testing.ts'

export function admin(say: Say): void {
  say('a topic that was made is listed and described, empty', async trial => {
    const name = trial.name()
    await trial.log.admin.createTopics([{ name, partitions: 3 }])
    assert.ok((await trial.log.admin.listTopics()).includes(name))
    const [topic] = await trial.log.admin.describeTopics([name])
    assert.equal(topic?.internal, false)
    assert.deepEqual(topic?.partitions.map(({ partition, start, end }) => [partition, start, end]), [[0, 0n, 0n], [1, 0n, 0n], [2, 0n, 0n]])
  })

  say('a topic has one partition unless told otherwise', async trial => {
    const [topic] = await trial.log.admin.describeTopics([await trial.topic()])
    assert.equal(topic?.partitions.length, 1)
  })

  say('a name that is taken is refused, and nothing else of that call is made', async trial => {
    const taken = await trial.topic()
    const fresh = trial.name()
    await assert.rejects(trial.log.admin.createTopics([{ name: fresh }, { name: taken }]), coded('LOG_TOPIC_EXISTS'))
    assert.ok(!(await trial.log.admin.listTopics()).includes(fresh))
  })

  say('names of other characters, too long, or made of dots are refused', async trial => {
    for (const name of ['', '.', '..', 'a b', 'a/b', '../a', 'ä', 'x'.repeat(250)]) {
      await assert.rejects(trial.log.admin.createTopics([{ name }]), coded('LOG_TOPIC_NAME'), JSON.stringify(name))
    }
  })

  say('settings out of range are refused', async trial => {
    await assert.rejects(trial.log.admin.createTopics([{ name: trial.name(), partitions: 0 }]), coded('LOG_SETTING'))
    await assert.rejects(trial.log.admin.createTopics([{ name: trial.name(), settings: { retentionMs: -5 } }]), coded('LOG_SETTING'))
    await assert.rejects(trial.log.admin.createTopics([{ name: trial.name(), settings: { segmentBytes: 0 } }]), coded('LOG_SETTING'))
  })

  say('settings are described as they were given', async trial => {
    const name = await trial.topic(1, { retentionMs: 3_600_000, retentionBytes: 50_000_000, maxBatchBytes: 100_000 })
    const [topic] = await trial.log.admin.describeTopics([name])
    const { retentionMs, retentionBytes, maxBatchBytes } = topic?.settings ?? {}
    assert.deepEqual({ retentionMs, retentionBytes, maxBatchBytes }, { retentionMs: 3_600_000, retentionBytes: 50_000_000, maxBatchBytes: 100_000 })
  })

  say('a change of one setting leaves the others', async trial => {
    const name = await trial.topic(1, { retentionMs: 3_600_000, maxBatchBytes: 100_000 })
    await trial.log.admin.alterTopic(name, { settings: { retentionMs: 7_200_000 } })
    const [topic] = await trial.log.admin.describeTopics([name])
    assert.equal(topic?.settings.retentionMs, 7_200_000)
    assert.equal(topic?.settings.maxBatchBytes, 100_000)
  })

  say('partitions can be added, with the records staying, and never taken away', async trial => {
    const name = await trial.topic(1)
    await trial.fill(name, ['kept'])
    await trial.log.admin.alterTopic(name, { partitions: 3 })
    await trial.fill(name, ['new'], { partition: 2 })
    assert.deepEqual(await trial.values(name, { partitions: 3 }), ['kept', 'new'])
    await assert.rejects(trial.log.admin.alterTopic(name, { partitions: 2 }), coded('LOG_SETTING'))
  })

  say('a topic that was deleted is gone, and one made anew under its name is empty', async trial => {
    const name = await trial.topic()
    await trial.fill(name, numbered(5))
    await trial.log.admin.deleteTopics([name])
    assert.ok(!(await trial.log.admin.listTopics()).includes(name))
    await trial.log.admin.createTopics([{ name }])
    assert.deepEqual(await trial.values(name), [])
    assert.deepEqual(await trial.fill(name, ['first']), [0n])
  })

  say('whatever is asked of a topic that is not there says so', async trial => {
    const name = trial.name()
    await assert.rejects(trial.log.admin.describeTopics([name]), coded('LOG_UNKNOWN_TOPIC'))
    await assert.rejects(trial.log.admin.alterTopic(name, { partitions: 2 }), coded('LOG_UNKNOWN_TOPIC'))
    await assert.rejects(trial.log.admin.deleteTopics([name]), coded('LOG_UNKNOWN_TOPIC'))
    await assert.rejects(trial.log.admin.offsets([{ topic: name, partition: 0, start: 'latest' }]), coded('LOG_UNKNOWN_TOPIC'))
    await assert.rejects(trial.log.producer().send({ topic: name, value: null }), coded('LOG_UNKNOWN_TOPIC'))
    await assert.rejects(trial.log.consumer().assign([{ topic: name, partition: 0 }]), coded('LOG_UNKNOWN_TOPIC'))
  })

  say('a partition that is not there is told apart from one that is empty', async trial => {
    const topic = await trial.topic(2)
    await assert.rejects(trial.log.consumer().assign([{ topic, partition: 2 }]), coded('LOG_UNKNOWN_TOPIC'))
    await assert.rejects(trial.log.producer().send({ topic, partition: 7, value: null }), coded('LOG_UNKNOWN_TOPIC'))
  })

  say('starts are answered with offsets: the first, behind the last, and the first at or after a time', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(5), { timestamp: index => 1_000_000 + index * 1000 })
    const starts = ['earliest', 'latest', 3n, { time: 0 }, { time: 1_002_000 }, { time: 1_002_001 }, { time: 9_000_000 }] as const
    const answers = await trial.log.admin.offsets(starts.map(start => ({ topic, partition: 0, start })))
    assert.deepEqual(answers.map(({ offset }) => offset), [0n, 5n, 3n, 0n, 2n, 3n, 5n])
  })

  say('records below an offset can be given up: they are not read any more, the others keep their offsets', async trial => {
    const topic = await trial.topic()
    await trial.fill(topic, numbered(6))
    assert.deepEqual((await trial.log.admin.deleteRecords([{ topic, partition: 0, offset: 4n }])).map(({ start }) => start), [4n])
    assert.deepEqual((await trial.all(topic)).map(({ offset, value }) => [offset, value]), [[4n, 'v4'], [5n, 'v5']])
    assert.deepEqual((await trial.log.admin.deleteRecords([{ topic, partition: 0, offset: 2n }])).map(({ start }) => start), [4n])
    await assert.rejects(trial.log.admin.deleteRecords([{ topic, partition: 0, offset: 7n }]), coded('LOG_OFFSET_OUT_OF_RANGE'))
    assert.deepEqual(await trial.fill(topic, ['next']), [6n])
  }, { needs: log => log.features.deleteRecords })

  say('a call that was given up before it began does nothing', async trial => {
    const name = trial.name()
    await assert.rejects(trial.log.admin.createTopics([{ name }], { signal: AbortSignal.abort() }), coded('ABORTED'))
    assert.ok(!(await trial.log.admin.listTopics()).includes(name))
  })
}
