/** Results told: a message for each object, to a webhook and to a topic, checked against what is in the bucket by then. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Report } from '../../src/engine/index.ts'
import { openLog } from '../../src/log/index.ts'
import { runFile } from '../../src/runtime.ts'
import { startS3 } from './server.ts'
import { Receiver, SECRET, checkTold, toldIn, withoutRepeats } from './told.ts'

const LINES = 10_000
const server = await startS3()
if (typeof server === 'string') test('results told', { skip: server }, () => undefined)
else {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'))
  after(async () => {
    rmSync(folder, { recursive: true })
    await server.dispose()
  })
  writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ n, city: `c${n % 3}`, text: 'x'.repeat(40) })}\n`).join(''))

  /** Runs a pipeline from the file into many objects. */
  const write = (name: string, notify: unknown, { state, key = 'city={event.city}/rows.ndjson.gz', input = 'in.ndjson' }: { readonly state?: string; readonly key?: string; readonly input?: string } = {}): Promise<Report> => {
    const s3 = { ...server.config, key: `${name}/${key}`, events: 500, age: '10ms', manifest: `${name}-manifest/`, notify }
    const text = JSON.stringify({
      pipeline: name, sources: { in: { file: { path: input } } }, sinks: { out: { s3 } }, batch: { bytes: '4KiB' }, memory: '64KiB', checkpoint_interval: '1ms', ...(state === undefined ? {} : { state }),
    })
    return runFile(`${name}.yaml`, { folder, text })
  }
  const webhook = async (work: (receiver: Receiver, url: string) => Promise<void>): Promise<void> => {
    const receiver = new Receiver(server)
    try {
      await work(receiver, await receiver.listen())
    } finally {
      receiver.close()
    }
    assert.equal(receiver.forged, 0)
    assert.deepEqual(receiver.early, [])
  }

  test('a webhook is told of each object once it is there, in order, and once where nothing goes wrong', () => webhook(async (receiver, url) => {
    await write('hook', { url, secret: SECRET }, { state: 'hook-state' })
    await checkTold(server, 'hook', receiver.told)
    assert.ok(receiver.told.length > 10)
    assert.equal(withoutRepeats(receiver.told).length, receiver.told.length)
  }))

  test('without a state too, in the order in which objects ended', () => webhook(async (receiver, url) => {
    await write('plain', { url, secret: SECRET }, { key: 'rows.ndjson.gz' })
    assert.deepEqual(receiver.told.map(({ data }) => data.key), await server.keys('plain/'))
    assert.equal(receiver.told.reduce((sum, { data }) => sum + data.records, 0), LINES)
  }))

  test('a webhook that fails now and then is told everything in order all the same, while the pipeline goes on', () => webhook(async (receiver, url) => {
    receiver.status = () => (receiver.requests % 5 === 2 ? 503 : 200)
    await write('shaky', { url, secret: SECRET }, { state: 'shaky-state' })
    await checkTold(server, 'shaky', receiver.told)
  }))

  test('a webhook that is down holds the sink back within a bound, ends the run at the deadline, and the next run tells the rest', () => webhook(async (receiver, url) => {
    receiver.status = () => (receiver.requests > 3 ? 500 : 200)
    const notify = { url, secret: SECRET, pending: 5, deadline: '1s' }
    await assert.rejects(write('down', notify, { state: 'down-state' }), error => {
      assert.ok(error instanceof Error && 'code' in error)
      assert.equal(error.code, 'NOTIFY_FAILED')
      assert.match(error.message, /results could not be told to http:\/\/127\.0\.0\.1:\d+\/results for 1 s\. The next run tells them\. .*answered 500/)
      return true
    })
    const objects = (await server.keys('down/')).length
    assert.ok(objects > 3 && objects < 40, `${objects} objects were written meanwhile`)
    receiver.status = () => 200
    await write('down', notify, { state: 'down-state' })
    await checkTold(server, 'down', receiver.told)
  }))

  test('a topic is told by records with one key, so that they stand in order', async () => {
    const place = join(folder, 'results-log')
    const log = await openLog(place, { warn: () => undefined })
    await log.admin.createTopics([{ name: 'results', partitions: 3 }])
    await log.close()
    await write('topic', { topic: 'results', log: './results-log' }, { state: 'topic-state' })
    await checkTold(server, 'topic', await toldIn(place, 'results', 3))
  })

  test('a topic that is not there is told before anything is read', async () => {
    await assert.rejects(write('missing', { topic: 'nowhere', log: './results-log' }), /There is no such thing as the topic "nowhere" of \.\/results-log.*sluice topic create nowhere/)
    assert.deepEqual(await server.keys('missing/'), [])
  })
}
