/** A broker whose disk fills under pipelines that read from it and write to it: it ends, they wait and say so, and once it has room and runs again all is there, exactly once where that is asked for. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openLog } from '../../src/log/index.ts'
import { runFile } from '../../src/runtime.ts'
import { smallVolume } from '../faults/volume.ts'
import { until, upTo } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { countsIn } from './counts.ts'

const COUNT = 5000
const MIB = 2 ** 20

const volume = smallVolume(32 * MIB)
const server = typeof volume === 'string' ? volume : await startService('kafka', { ports: 2, data: volume.folder })
if (typeof volume === 'string' || typeof server === 'string') {
  if (typeof volume !== 'string') volume.dispose()
  test('a full disk of Kafka', { skip: typeof server === 'string' ? server : false }, () => undefined)
} else {
  const bootstrap = server.value('bootstrap')
  const place = `kafka://${bootstrap}`
  const log = await openLog(place, { warn: () => undefined })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'))
  after(async () => {
    await log.close()
    await server.dispose()
    volume.dispose()
    rmSync(folder, { recursive: true })
  })
  const listens = (): Promise<boolean> => new Promise(resolve => {
    const [host = '', port = ''] = bootstrap.split(':')
    const socket = connect(Number(port), host, () => resolve(true)).on('error', () => resolve(false)).on('close', () => socket.destroy())
    socket.unref()
  })

  test('a broker that ends because its disk is full is waited for, and has all records once it runs again with room', async t => {
    await log.admin.createTopics(['in', 'from_log', 'from_file'].map(name => ({ name, partitions: 2 })))
    const lines = upTo(COUNT).map(n => JSON.stringify({ n, text: 'x'.repeat(300) }))
    const producer = log.producer()
    await Promise.all(lines.map((line, at) => producer.send({ topic: 'in', partition: at % 2, value: Buffer.from(line) })))
    await producer.close()
    writeFileSync(join(folder, 'in.ndjson'), lines.map(line => `${line}\n`).join(''))
    volume.fill(2 * MIB)
    const stop = new AbortController()
    t.after(() => stop.abort())
    const warnings: string[] = []
    const options = { folder, workers: 0, signal: stop.signal, onWarning: (at: string, message: string) => void warnings.push(`${at}: ${message}`) }
    const more = 'checkpoint_interval: 20ms\nbatch: { bytes: 2KiB }\nmemory: 16KiB\n'
    const run = (name: string, delivery: string, source: string) => runFile(`${name}.yaml`, {
      ...options, text: `pipeline: ${name}\ndelivery: ${delivery}\nsources: { in: { ${source} } }\nsinks: { out: { log: { log: '${place}', topic: ${name}, key: event.n } } }\n${more}`,
    })
    const fromFile = run('from_file', 'at_least_once', 'file: { path: in.ndjson }')
    const ended = Promise.all([fromFile, run('from_log', 'exactly_once', `log: { log: '${place}', topic: in, group: g }`)])
    let isOver = false
    ended.catch(() => (isOver = true))
    await until(async () => isOver || !(await listens()))
    await until(() => isOver || warnings.some(warning => /^out: .*nothing listens there.*tried again/.test(warning)))
    await server.stop()
    volume.clear()
    await server.start()
    await fromFile
    await until(async () => isOver || (await log.admin.describeGroup('g')).offsets.reduce((sum, { offset }) => sum + Number(offset), 0) === COUNT)
    stop.abort()
    for (const { dead_lettered: letters } of await ended) assert.equal(letters, 0)
    const [once, atLeast] = await Promise.all([countsIn(log, 'from_log'), countsIn(log, 'from_file')])
    assert.deepEqual([once.size, atLeast.size], [COUNT, COUNT])
    assert.ok([...once.values()].every(times => times === 1))
  })
}
