/** A NATS whose disk fills: it tells nobody, so the sink must; nothing is lost, and nothing is there twice. */
import { jetstreamManager } from '@nats-io/jetstream'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { natsSink } from '../../src/connect/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { smallVolume } from '../faults/volume.ts'
import { hand, lettersOf, running, sinkOf, until, upTo } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { openNats } from './client.ts'

const COUNT = 1500
const MIB = 2 ** 20

const volume = smallVolume(8 * MIB)
const server = typeof volume === 'string' ? volume : await startService('nats', { data: volume.folder })
if (typeof volume === 'string' || typeof server === 'string') {
  if (typeof volume !== 'string') volume.dispose()
  test('a full disk of NATS', { skip: typeof server === 'string' ? server : false }, () => undefined)
} else {
  const servers = server.value('url')
  const nats = await openNats(servers)
  const manager = await jetstreamManager(nats.connection)
  after(async () => {
    await nats.close()
    await server.dispose()
    volume.dispose()
  })

  test('a server whose disk is full is waited for and told as such; started again with room, it has each message once', async t => {
    await manager.streams.add({ name: 'full', subjects: ['full.>'] })
    const input = join(folderOf(t), 'in.ndjson')
    writeFileSync(input, upTo(COUNT).map(n => `${JSON.stringify({ n, text: 'x'.repeat(1000) })}\n`).join(''))
    volume.fill(MIB / 2)
    const run = running(t, { type: 'file', config: { path: input } }, { type: 'nats', config: { servers, subject: 'full.x', timeout: '500ms' } })
    await until(() => run.warnings.some(warning => /NATS at .* is there, but did not say within 500 ms that its stream keeps a message for "full\.x": its disk is full.*start the server again/.test(warning)))
    const [answer] = await hand(t, sinkOf(natsSink, { servers, subject: 'full.y', timeout: '500ms' }), 'full.y')
    assert.deepEqual([answer?.answer, answer?.code], ['retry', 'NATS_SILENT'])
    assert.equal(volume.free(), 0)
    await server.stop()
    volume.clear()
    await server.start()
    const report = await run.report
    assert.equal(report.dead_lettered, 0)
    assert.deepEqual(lettersOf(run), [])
    const events = (await nats.events('full', 'full.x')).map(({ value }) => (value as { readonly n: number }).n) // From the file above.
    assert.deepEqual(events.toSorted((a, b) => a - b), upTo(COUNT))
  })
}
