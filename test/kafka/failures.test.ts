/** Each error of the log, provoked once on a real Apache Kafka: what a caller is told when the broker refuses, or has lost what it had. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { ErrorCode } from '../../src/base/index.ts'
import { bytes, record, Trial } from '../../src/log/conformance/trial.testing.ts'
import { openLog } from '../../src/log/index.ts'
import type { Log, Producer } from '../../src/log/index.ts'
import { expiredPort } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'

const server = await startService('kafka', { args: ['--secure'], ports: 6 })
if (typeof server === 'string') test('failures of Apache Kafka', { skip: server }, () => undefined)
else {
  const place = `kafka://${server.value('bootstrap')}`
  const sasl = `kafka://${server.value('sasl')}`
  const ca = readFileSync(server.value('ca'), 'utf8')
  const login = { mechanism: 'PLAIN', username: server.value('user'), password: server.value('password') } as const
  const { folder } = server
  const quiet = { warn: () => undefined }
  const log = await openLog(place, quiet)
  const trial = new Trial({ log, close: () => log.close() })
  after(async () => {
    await log.close()
    await server.dispose()
  })

  /** The work fails with this error, and the message says so much. */
  const refused = (work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> => assert.rejects(work, error => {
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  })
  const sending = async (topic: string, more: Partial<Parameters<Producer['send']>[0]> = {}, timeout?: number): Promise<void> => {
    const producer = log.producer()
    try {
      await producer.send({ ...record(topic, 'a'), ...more }, timeout === undefined ? {} : { timeout })
    } finally {
      await producer.close({ timeout: 100 }).catch(() => undefined)
    }
  }
  const as = async (address: string, kafka: Parameters<typeof openLog>[1], work: (own: Log) => Promise<unknown>): Promise<void> => {
    const own = await openLog(address, { ...quiet, ...kafka })
    try {
      await work(own)
    } finally {
      await own.close()
    }
  }

  test('a topic that is not there, and one that is there already', async () => {
    await refused(sending('nowhere', {}, 1000), 'LOG_UNKNOWN_TOPIC', /nowhere/)
    await refused(log.consumer().assign([{ topic: 'nowhere', partition: 0, start: 'earliest' }], { timeout: 1000 }), 'LOG_UNKNOWN_TOPIC', /nowhere/)
    await refused(log.admin.createTopics([{ name: await trial.topic() }]), 'LOG_TOPIC_EXISTS', /there is a topic of that name/)
  })

  test('a name and settings that the broker does not take', async () => {
    await log.admin.createTopics([{ name: 'with.dot' }])
    await refused(log.admin.createTopics([{ name: 'with_dot' }]), 'LOG_TOPIC_NAME', /with_dot.*collides/)
    await refused(log.admin.createTopics([{ name: 'copied', replicas: 3 }]), 'LOG_SETTING', /there are fewer brokers/)
  })

  test('an offset that the partition does not hold', async () => {
    const topic = await trial.topic()
    const consumer = log.consumer()
    await consumer.assign([{ topic, partition: 0, start: 100n }])
    await refused(consumer.fetch({ wait: 0 }), 'LOG_OFFSET_OUT_OF_RANGE', /100/)
    await consumer.close()
  })

  test('a record that is too large, and one that a topic does not take', async () => {
    const narrow = await trial.topic(1, { maxBatchBytes: 500 })
    await refused(sending(narrow, { value: bytes('x'.repeat(1000)) }), 'LOG_BATCH_TOO_LARGE', /max\.message\.bytes/)
    const compacted = await trial.topic(1, { cleanup: 'compact' })
    await refused(sending(compacted), 'LOG_RECORD', /without a key in a compacted topic/)
  })

  test('a quota that is used up: tried again, and told when the time is over', async () => {
    const limit = (rate: string): Promise<string> => server.run('tool', 'kafka.admin.ConfigCommand', '--bootstrap-server', server.value('bootstrap'), '--alter', '--entity-type', 'clients', '--entity-name', 'limited', '--add-config', `controller_mutation_rate=${rate}`)
    await limit('0.01')
    await as(place, { kafka: { clientId: 'limited' } }, async own => {
      await refused((async () => {
        for (;;) await own.admin.createTopics([{ name: trial.name(), partitions: 5 }], { timeout: 1000 })
      })(), 'LOG_BROKER', /the quota for such requests is used up/)
    })
  })

  test('what a user may not do', async () => {
    const topic = await trial.topic()
    await server.run('tool', 'org.apache.kafka.tools.AclCommand', '--bootstrap-server', server.value('bootstrap'), '--add', '--allow-principal', 'User:sluice', '--operation', 'All', '--topic', topic)
    await as(sasl, { kafka: { tls: { ca }, login: { ...login, username: 'guest' } } }, async own => {
      const producer = own.producer()
      await refused(producer.send(record(topic, 'a')), 'LOG_DENIED', /this user may not/)
      await refused(own.consumer().assign([{ topic, partition: 0, start: 'earliest' }]), 'LOG_DENIED', /this user may not/)
    })
  })

  test('a wrong password, an address where nobody listens, and a certificate that has expired', async t => {
    await refused(openLog(sasl, { ...quiet, kafka: { tls: { ca }, login: { ...login, password: 'wrong' } } }), 'LOG_AUTH', /refused the login of "sluice" by PLAIN/)
    await refused(openLog('kafka://127.0.0.1:9', quiet), 'LOG_CONNECT', /nothing listens there/)
    await refused(openLog(`kafka://localhost:${await expiredPort(t, server)}`, { ...quiet, kafka: { tls: { ca }, login } }), 'LOG_TLS', /out of its time: renew it/)
  })

  test('a group that has members, and a member that is not in it yet', async t => {
    const topic = await trial.topic()
    const group = trial.name('group')
    const member = log.group({ group, topics: [topic] })
    t.after(() => member.close())
    await refused(member.fetch(), 'LOG_GROUP_REBALANCE', /Join the group/)
    await member.join()
    await refused(log.admin.deleteGroup(group), 'LOG_GROUP_BUSY', /has members/)
  })

  test('a second producer of one name, and a transaction that was not begun', async () => {
    const topic = await trial.topic()
    const transactionalId = trial.name('twice')
    const [first, second] = [log.producer({ transactionalId }), log.producer({ transactionalId })]
    await refused(first.commit(), 'LOG_TRANSACTION_STATE', /transaction/)
    await first.begin()
    await first.send(record(topic, 'a'))
    await second.begin()
    await refused(first.commit(), 'LOG_FENCED', /newer producer/)
    await second.abort()
    await Promise.all([first.close().catch(() => undefined), second.close()])
  })

  test('offsets in a transaction with the newer protocol of groups, which has none', async () => {
    const topic = await trial.topic()
    await as(place, { kafka: { groupProtocol: 'consumer' } }, async own => {
      const member = own.group({ group: trial.name('group'), topics: [topic] })
      await member.join()
      const producer = own.producer({ transactionalId: trial.name('name') })
      await producer.begin()
      await refused(producer.sendOffsets(member.reference, [{ topic, partition: 0, offset: 0n }]), 'LOG_UNSUPPORTED', /classic/)
      await producer.abort()
      await member.close()
    })
  })

  test('calls after the end', async () => {
    const own = await openLog(place, quiet)
    const producer = own.producer()
    await own.close()
    await refused(producer.send(record('any', 'a')), 'LOG_CLOSED', /closed/)
  })

  // The last ones: they break what the broker has on its disk.
  test('a batch that the disk of the broker damaged', async () => {
    const topic = await trial.topic()
    await trial.fill(topic, ['first'])
    await trial.fill(topic, ['second'])
    const file = segmentOf(topic)
    const content = readFileSync(file)
    content[content.indexOf('second')] = 0x53
    writeFileSync(file, content)
    const consumer = log.consumer()
    await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
    await refused((async () => {
      for (;;) await consumer.fetch()
    })(), 'LOG_CORRUPT', /checksum|damaged/)
    await consumer.close()
  })

  test('a broker that lost what it had acknowledged', async () => {
    const topic = await trial.topic()
    const producer = log.producer()
    const file = segmentOf(topic)
    await producer.send(record(topic, 'kept'))
    const kept = readFileSync(file).length
    for (const value of ['lost', 'lost too']) await producer.send(record(topic, value))
    // It stops in order, which is quicker, and is made to believe that it did not.
    await server.stop()
    rmSync(join(folder, 'data/.kafka_cleanshutdown'), { force: true })
    truncateSync(file, kept)
    for (const name of readdirSync(join(file, '..'))) if (/\.(snapshot|index|timeindex)$/.test(name)) rmSync(join(file, '..', name))
    await server.start()
    await refused(producer.send(record(topic, 'next')), 'LOG_SEQUENCE', /batch of this producer is missing/)
    await producer.close({ timeout: 500 }).catch(() => undefined)
  })

  function segmentOf(topic: string): string {
    return join(folder, `data/${topic}-0/00000000000000000000.log`)
  }
}
