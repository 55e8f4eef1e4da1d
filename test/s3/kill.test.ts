/** Exactly once into a bucket: `sluice run` is killed at random moments and at every step of a checkpoint; in the end the objects hold each event once, and at no time one twice. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { killAtEach } from '../crash/failpoints.ts'
import { runKilled } from '../crash/killing.ts'
import { startBroker } from '../kafka/broker.ts'
import { checkManifest, killAtRandom, numbersBelow } from './killing.ts'
import { startS3 } from './server.ts'

const LINES = 30_000
const server = await startS3()
const broker = typeof server === 'string' ? server : await startBroker()
if (typeof server === 'string') test('killed while writing into a bucket', { skip: server }, () => undefined)
else {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-s3-'))
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
    if (typeof broker !== 'string') await broker.stop()
  })
  writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ n, city: `c${n % 3}`, text: 'x'.repeat(40) })}\n`).join(''))

  const pipeline = (name: string, source: string, key: string): string => {
    const file = join(folder, `${name}.yaml`)
    const { config } = server
    writeFileSync(file, `pipeline: ${name}
sources: { in: ${source} }
stages:
  - filter: event.n % 10 != 3
sinks:
  out:
    s3:
      bucket: ${config.bucket}
      key: ${name}/${key}
      endpoint: ${config.endpoint}
      access_key: ${config.access_key}
      secret_key: ${config.secret_key}
      age: 20ms
      events: 2000
      manifest: ${name}-manifest/
state: ./${name}-state
checkpoint_interval: 1ms
batch: { bytes: 4KiB }
memory: 64KiB
`)
    return file
  }
  const FILE = '{ file: { path: in.ndjson } }'
  const expected = Array.from({ length: LINES }, (_, n) => n).filter(n => n % 10 !== 3)
  const check = async (name: string): Promise<void> => {
    assert.deepEqual((await numbersBelow(server, `${name}/`)).toSorted((a, b) => a - b), expected)
    await checkManifest(server, name, expected.length)
  }

  test('killed at random moments, each event is there once, also between the runs', async () => {
    const kills = await killAtRandom(server, pipeline('random', FILE, 'city={event.city}/rows.ndjson.zst'), 'random', 6)
    assert.ok(kills >= 3, `only ${kills} runs were caught alive`)
    await check('random')
  })

  test('killed at every step of a checkpoint, each event is there once', async () => {
    pipeline('steps', FILE, 'city={event.city}/rows.ndjson.zst')
    assert.ok((await killAtEach(folder, 'steps.yaml', ['checkpoint.written', 'checkpoint.synced', 's3.uploaded', 's3.completed'])) >= 4)
    await check('steps')
  })

  test('from Apache Kafka, by topic and partition, killed at random moments, each event is there once', { skip: typeof broker === 'string' ? broker : false }, async () => {
    const log = `kafka://${typeof broker === 'string' ? '' : broker.plain}`
    // A read brings up to a megabyte of a partition: there must be more than a few of them.
    writeFileSync(join(folder, 'wide.ndjson'), Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ n, city: `c${n % 3}`, text: 'x'.repeat(500) })}\n`).join(''))
    writeFileSync(join(folder, 'fill.yaml'), `pipeline: fill\nsources: { in: { file: { path: wide.ndjson } } }\nsinks: { out: { log: { log: "${log}", topic: events, create: { partitions: 3 }, key: event.city } } }\n`)
    await runKilled(join(folder, 'fill.yaml'))
    const file = pipeline('kafka', `{ log: { log: "${log}", topic: events, until: end } }`, '{position.topic}/{position.partition}-{{first}}-{{id}}.ndjson.zst')
    const kills = await killAtRandom(server, file, 'kafka', 4)
    assert.ok(kills >= 2, `only ${kills} runs were caught alive`)
    await check('kafka')
    // Names tell the first offset, and the manifest which offsets an object was made of.
    for (const { key, input } of await checkManifest(server, 'kafka', expected.length)) {
      const [, partition, first] = /^kafka\/events\/(\d)-(\d{12})-/.exec(key) ?? []
      const [span] = input as readonly { readonly topic: string; readonly partition: number; readonly first: number; readonly last: number }[]
      assert.equal(input.length, 1)
      assert.deepEqual([span?.topic, span?.partition, span?.first], ['events', Number(partition), Number(first)])
      assert.ok(span !== undefined && span.last >= span.first)
    }
  })
}
