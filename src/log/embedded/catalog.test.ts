import assert from 'node:assert/strict'
import test from 'node:test'
import { SimulatedFiles, failCall, readOnly, stopAt } from '../../platform/simulated-files.ts'
import { encodeDurable } from './durable-file.ts'
import { EmbeddedLog } from './embedded-log.ts'
import { openTestLog, testGround, text } from './naive-log.fixture.ts'
import { NaiveDisk } from './naive-storage.fixture.ts'

test('several topics are created all or none, wherever the power goes', async () => {
  const files = new SimulatedFiles({ seed: 2 })
  const { log } = await openTestLog({ files })
  const before = files.trace.length
  await log.admin.createTopics([{ name: 'a' }, { name: 'b', partitions: 3 }])
  const end = files.trace.length
  const seen = new Set<string>()
  for (let after = before; after <= end; after++) {
    for (let seed = 1; seed <= 5; seed++) {
      const again = await EmbeddedLog.open(testGround({ files: files.cut(after, seed) }))
      const topics = (await again.admin.listTopics()).join()
      assert.ok(topics === '' || topics === 'a,b', `after ${after}: ${topics}`)
      if (after === end) assert.equal(topics, 'a,b')
      seen.add(topics)
      // What was left of the creation is gone: the names are free.
      if (topics === '') await again.admin.createTopics([{ name: 'b' }])
      await again.close()
    }
  }
  assert.deepEqual([...seen].sort(), ['', 'a,b'])
})

test('a deletion that a crash cut short goes on at the next opening, and a topic made anew is empty', async () => {
  for (let stop = 1; ; stop++) {
    const files = new SimulatedFiles({ seed: stop, record: false })
    const folders = new NaiveDisk()
    const { log } = await openTestLog({ files, folders })
    await log.admin.createTopics([{ name: 'a', partitions: 2 }])
    const producer = log.producer()
    await producer.send({ topic: 'a', partition: 1, value: text('old') })
    files.failures = stopAt(stop)
    const isDone = await Promise.race([log.admin.deleteTopics(['a']).then(() => true), new Promise<false>(resolve => setImmediate(() => setImmediate(() => resolve(false))))])
    folders.crash()
    const again = await EmbeddedLog.open(testGround({ files: files.afterKill(), folders }))
    if ((await again.admin.listTopics()).length === 0) {
      assert.deepEqual(folders.folders, [])
      await again.admin.createTopics([{ name: 'a', partitions: 2 }])
      assert.equal((await again.admin.describeTopics(['a']))[0]?.partitions[1]?.end, 0n)
    } else {
      assert.equal((await again.admin.describeTopics(['a']))[0]?.partitions[1]?.end, 1n, 'there as a whole')
    }
    await again.close()
    if (isDone) break
  }
})

test('a creation that fails leaves nothing behind and can be tried again', async () => {
  for (let nth = 1; ; nth++) {
    const files = new SimulatedFiles({ seed: nth, record: false })
    const { log } = await openTestLog({ files })
    files.failures = failCall(nth, { code: 'ENOSPC' })
    const outcome = await log.admin.createTopics([{ name: 'a' }, { name: 'b' }]).then(() => 'made', (error: unknown) => error)
    files.failures = undefined
    if (outcome === 'made') {
      assert.ok(nth > 5)
      await log.close()
      break
    }
    assert.ok(outcome instanceof Error && 'code' in outcome && outcome.code === 'LOG_DISK_FULL', String(outcome))
    assert.deepEqual(await log.admin.listTopics(), [])
    await log.admin.createTopics([{ name: 'b' }, { name: 'a' }])
    assert.deepEqual(await log.admin.listTopics(), ['a', 'b'])
    await log.close()
  }
})

test('partitions that are added are there as a whole or not at all, and the old ones keep their records', async () => {
  for (let nth = 1; ; nth++) {
    const files = new SimulatedFiles({ seed: nth, record: false })
    const folders = new NaiveDisk()
    const { log } = await openTestLog({ files, folders })
    await log.admin.createTopics([{ name: 'a' }])
    await log.producer().send({ topic: 'a', value: text('kept') })
    files.failures = failCall(nth, { code: 'EIO' })
    const isDone = await log.admin.alterTopic('a', { partitions: 3 }).then(() => true, () => false)
    files.failures = undefined
    folders.crash()
    const again = await EmbeddedLog.open(testGround({ files: files.afterKill(), folders }))
    const [topic] = await again.admin.describeTopics(['a'])
    assert.ok(topic?.partitions.length === 3 || (!isDone && topic?.partitions.length === 1))
    assert.equal(topic?.partitions[0]?.end, 1n)
    await again.close()
    if (isDone) break
  }
})

test('topics of a later version are refused and left as they are', async () => {
  const files = new SimulatedFiles({ seed: 1, record: false })
  const bytes = encodeDurable({ nextId: 1, topics: [] })
  bytes.writeUInt32BE(2, 4)
  await files.makeFolder('/log/meta')
  const file = await files.open('/log/meta/topics', true)
  await file.write(bytes, 0)
  const calls = files.calls
  await assert.rejects(openTestLog({ files }), { code: 'LOG_FORMAT', message: /version 2.*Nothing was changed/ })
  assert.equal(files.calls, calls + 1, 'it was read, and that is all')
  assert.deepEqual(files.paths(), ['/log/meta/topics'])
})

test('a flipped bit in the topics is found, and nothing is changed', async () => {
  const files = new SimulatedFiles({ seed: 1, record: false })
  const { log } = await openTestLog({ files })
  await log.admin.createTopics([{ name: 'a' }])
  await log.close()
  const bytes = await files.readFile('/log/meta/topics')
  for (let at = 0; at < (bytes?.length ?? 0); at++) {
    const broken = files.afterKill()
    const file = await broken.open('/log/meta/topics', false)
    await file.write(Uint8Array.of((bytes?.[at] ?? 0) ^ 0x04), at)
    await file.close()
    const paths = broken.paths()
    await assert.rejects(openTestLog({ files: broken }), { code: /LOG_CORRUPT|LOG_FORMAT/ })
    assert.deepEqual(broken.paths(), paths)
  }
})

test('a folder that can\'t be written is told, and nothing is made anew', async () => {
  const files = new SimulatedFiles({ seed: 1, record: false })
  files.failures = readOnly()
  await assert.rejects(openTestLog({ files }), { code: 'LOG_READ_ONLY', retry: true })
})

test('a folder takes one log at a time', async () => {
  const { log, ground } = await openTestLog()
  await assert.rejects(EmbeddedLog.open(ground), { code: 'LOG_LOCKED' })
  await log.close()
  await (await EmbeddedLog.open(ground)).close()
})

test('settings survive, and a change leaves the others as they are', async () => {
  const { log, ground } = await openTestLog()
  await log.admin.createTopics([{ name: 'a', settings: { cleanup: 'compact', durability: { interval: 50 } } }])
  await log.admin.alterTopic('a', { settings: { retentionMs: 5 } })
  await log.close()
  const again = await EmbeddedLog.open(ground)
  assert.deepEqual((await again.admin.describeTopics(['a']))[0]?.settings, { cleanup: 'compact', durability: { interval: 50 }, retentionMs: 5 })
  await assert.rejects(again.admin.alterTopic('a', { settings: { segmentBytes: 1 } }), { code: 'LOG_SETTING', message: /segmentBytes: 1/ })
  await assert.rejects(again.admin.alterTopic('a', { partitions: 1_000_000 }), { code: 'LOG_SETTING' })
  await again.close()
})
