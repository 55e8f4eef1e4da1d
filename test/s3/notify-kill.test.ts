/** Results told through crashes: `sluice run` from Apache Kafka into a bucket is killed at random moments and at every step; in the end each object was told, in order, and nothing that is not there. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openLog } from '../../src/log/index.ts'
import { killAtEach } from '../crash/failpoints.ts'
import { runKilled } from '../crash/killing.ts'
import { startBroker } from '../kafka/broker.ts'
import { killAtRandom, numbersBelow } from './killing.ts'
import { startS3 } from './server.ts'
import { Receiver, SECRET, checkTold, toldIn } from './told.ts'

const LINES = 8000
const server = await startS3()
const broker = typeof server === 'string' ? server : await startBroker()
if (typeof server === 'string' || typeof broker === 'string') test('results told through crashes', { skip: typeof server === 'string' ? server : String(broker) }, () => undefined)
else {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-told-'))
  const log = `kafka://${broker.plain}`
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
    await broker.stop()
  })
  // A read brings up to a megabyte of a partition: there must be more than a few of them.
  writeFileSync(join(folder, 'wide.ndjson'), Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ n, city: `c${n % 3}`, text: 'x'.repeat(1000) })}\n`).join(''))
  writeFileSync(join(folder, 'fill.yaml'), `pipeline: fill\nsources: { in: { file: { path: wide.ndjson } } }\nsinks: { out: { log: { log: "${log}", topic: events, create: { partitions: 3 }, key: event.city } } }\n`)
  await runKilled(join(folder, 'fill.yaml'))
  const admin = await openLog(log, { warn: () => undefined })
  await admin.admin.createTopics(['random', 'steps'].map(name => ({ name: `told-${name}`, partitions: 3 })))
  await admin.close()

  const pipeline = (name: string, notify: unknown): string => {
    const file = join(folder, `${name}.yaml`)
    const s3 = { ...server.config, key: `${name}/{position.topic}/{position.partition}/{{first}}-{{id}}.ndjson.zst`, age: '20ms', events: 500, manifest: `${name}-manifest/`, notify }
    writeFileSync(file, JSON.stringify({
      pipeline: name, sources: { in: { log: { log, topic: 'events', until: 'end' } } }, sinks: { out: { s3 } }, state: `./${name}-state`, checkpoint_interval: '1ms', batch: { bytes: '16KiB' }, memory: '256KiB',
    }))
    return file
  }
  const all = Array.from({ length: LINES }, (_, n) => n)
  const inBucket = async (name: string): Promise<number[]> => (await numbersBelow(server, `${name}/`)).toSorted((a, b) => a - b)

  test('killed at random moments, each object is told to a topic, in order, and none that is not there', async () => {
    const kills = await killAtRandom(server, pipeline('random', { topic: 'told-random', log }), 'random', 3)
    assert.ok(kills >= 2, `only ${kills} runs were caught alive`)
    assert.deepEqual(await inBucket('random'), all)
    await checkTold(server, 'random', await toldIn(log, 'told-random', 3))
  })

  test('killed at every step of a checkpoint, the same', async () => {
    pipeline('steps', { topic: 'told-steps', log })
    assert.ok((await killAtEach(folder, 'steps.yaml', ['s3.uploaded', 's3.completed', 's3.told'])) >= 3)
    assert.deepEqual(await inBucket('steps'), all)
    await checkTold(server, 'steps', await toldIn(log, 'told-steps', 3))
  })

  test('killed while a webhook is down now and then, the same, and no object was told before it was there', async () => {
    const receiver = new Receiver(server)
    try {
      const url = await receiver.listen()
      receiver.status = () => (receiver.requests % 7 === 3 ? 503 : 200)
      const kills = await killAtRandom(server, pipeline('hook', { url, secret: SECRET }), 'hook', 2)
      assert.ok(kills >= 1, `only ${kills} runs were caught alive`)
    } finally {
      receiver.close()
    }
    assert.deepEqual([receiver.forged, receiver.early], [0, []])
    assert.deepEqual(await inBucket('hook'), all)
    await checkTold(server, 'hook', receiver.told)
  })
}
