/** Ways into a real cluster, and what is seen there by others: logins, encryption, kcat, and Kafka's own tools on our files. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openLog, recordsOf } from '../../src/log/index.ts'
import type { Compression, KafkaAccess, Log } from '../../src/log/index.ts'
import { openPartition } from '../../src/log/embedded/storage/index.ts'
import type { StorageSettings } from '../../src/log/embedded/storage/partition-port.ts'
import { systemClock, systemFiles } from '../../src/platform/index.ts'
import { runFile } from '../../src/runtime.ts'
import { COMMIT, killAtEach } from '../crash/failpoints.ts'
import { startBroker, tokenFor } from './broker.ts'

const run = promisify(execFile)
const CODECS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const text = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('utf8')
const quiet = { warn: () => undefined }

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-access-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** kcat, an independent client, from Debian; installed where that may be done. */
function kcat(): string | undefined {
  const there = (): boolean => spawnSync('kcat', ['-V']).status === 0
  if (!there() && process.getuid?.() === 0) spawnSync('bash', ['-c', 'apt-get update -qq && apt-get install -qq -y kcat'], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  if (there()) return undefined
  if (process.env['CI'] !== undefined) throw new Error('kcat is not there and can not be installed')
  return 'kcat is not there'
}

const broker = await startBroker()
if (typeof broker === 'string') test('access to Apache Kafka', { skip: broker }, () => undefined)
else {
  const { plain, sasl, mutual, ca, strangerCa, cert, key, user: username, password } = broker
  after(() => broker.stop())
  const plainLog = await openLog(`kafka://${plain}`, quiet)
  after(() => plainLog.close())
  await plainLog.admin.createTopics([{ name: 'seen' }])

  const topicsBy = async (address: string, kafka?: KafkaAccess): Promise<string[]> => {
    const log = await openLog(`kafka://${address}`, { ...quiet, kafka })
    try {
      return await log.admin.listTopics()
    } finally {
      await log.close()
    }
  }

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    test(`a login by ${mechanism} over TLS`, async () => {
      assert.ok((await topicsBy(sasl, { tls: { ca }, login: { mechanism, username, password } })).includes('seen'))
    })
  }
  test('a login by OAUTHBEARER, and one by the certificate of the client', async () => {
    assert.ok((await topicsBy(sasl, { tls: { ca }, login: { mechanism: 'OAUTHBEARER', token: tokenFor(username) } })).includes('seen'))
    assert.ok((await topicsBy(mutual, { tls: { ca, cert, key } })).includes('seen'))
  })

  const login = { mechanism: 'SCRAM-SHA-256', username, password } as const
  const atAddress = sasl.replace('localhost', '127.0.0.1')
  const WRONG: Readonly<Record<string, readonly [address: string, access: KafkaAccess | undefined, code: string, says: RegExp]>> = {
    'a wrong password': [sasl, { tls: { ca }, login: { ...login, password: 'no' } }, 'LOG_AUTH', new RegExp(`refused the login of "${username}" by SCRAM-SHA-256`)],
    'a user that is not there': [sasl, { tls: { ca }, login: { mechanism: 'PLAIN', username: 'nobody', password } }, 'LOG_AUTH', /refused the login of "nobody" by PLAIN/],
    'an authority that is not trusted': [sasl, { tls: { ca: strangerCa }, login }, 'LOG_TLS', /not signed by an authority that is trusted here/],
    'a certificate for another name': [atAddress, { tls: { ca }, login }, 'LOG_TLS', /is for .*localhost.*, not for "127\.0\.0\.1"/],
    'no certificate where one is asked for': [mutual, { tls: { ca } }, 'LOG_CONNECT', /ask for the certificate of a client: if this is one, give `cert` and `key`/],
    'a plain connection to an encrypted port': [sasl, undefined, 'LOG_TLS', /speaks TLS, and the connection was begun without/],
    'an encrypted connection to a plain port': [plain, { tls: { ca }, login }, 'LOG_TLS', /does not speak TLS/],
    'nobody who listens': ['127.0.0.1:9', undefined, 'LOG_CONNECT', /nothing listens there/],
  }
  for (const [name, [address, access, code, says]] of Object.entries(WRONG)) {
    test(`${name} is told as what it is`, async () => {
      await assert.rejects(topicsBy(address, access), { code, message: says })
    })
  }
  test('a certificate for another name is taken where that name is given', async () => {
    assert.ok((await topicsBy(atAddress, { tls: { ca, serverName: 'localhost' }, login })).includes('seen'))
  })

  test('pipelines write to and read from a cluster with login and encryption, exactly once', async t => {
    const folder = folderFor(t)
    await plainLog.admin.createTopics([{ name: 'raw', partitions: 2 }, { name: 'warm', partitions: 2 }])
    writeFileSync(join(folder, 'ca.pem'), ca)
    const access = `sasl: { mechanism: SCRAM-SHA-512, username: ${username}, password: '${password}' }, tls: { ca: '\${file:ca.pem}' }`
    writeFileSync(join(folder, 'collect.yaml'), `pipeline: collect\nsources:\n  in:\n    generate: { shape: sensor, count: 500, seed: 7 }\nsinks:\n  out:\n    log: { log: 'kafka://${sasl}', ${access}, topic: raw, key: event.id }\n`)
    writeFileSync(join(folder, 'warm.yaml'), `pipeline: warm\nsources:\n  in:\n    log: { log: 'kafka://${sasl}', ${access}, topic: raw, group: warm, until: end }\nstages:\n  - map: { id: event.id }\nsinks:\n  out:\n    log: { log: 'kafka://${sasl}', ${access}, topic: warm }\n`)
    await runFile(join(folder, 'collect.yaml'), { folder })
    const report = await runFile(join(folder, 'warm.yaml'), { folder })
    assert.equal(report.events_out['out'], 500)
    assert.equal((await runFile(join(folder, 'warm.yaml'), { folder })).events_in, 0)
    assert.equal((await valuesOf(plainLog, 'warm', 2)).length, 500)
    writeFileSync(join(folder, 'wrong.yaml'), `pipeline: wrong\nsources:\n  in:\n    generate: { shape: sensor, count: 5 }\nsinks:\n  out:\n    log: { log: ./folder, sasl: { mechanism: PLAIN, username: a, password: b }, topic: raw }\n`)
    await assert.rejects(runFile(join(folder, 'wrong.yaml'), { folder }), { code: 'CONFIG_VALUE', message: /"sasl" and "tls" are for Apache Kafka/ })
  })

  test('a pipeline from topic to topic that is killed at every step of a commit moves each record once', async t => {
    const folder = folderFor(t)
    const count = 3000
    await plainLog.admin.createTopics([{ name: 'numbers', partitions: 3 }, { name: 'moved', partitions: 2 }])
    const producer = plainLog.producer({ linger: 10 })
    await Promise.all(Array.from({ length: count }, (_, n) => producer.send({ topic: 'numbers', key: Buffer.from(`k${n % 20}`), value: Buffer.from(JSON.stringify({ n, k: `k${n % 20}` })) })))
    await producer.close()
    const at = `log: 'kafka://${plain}'`
    writeFileSync(join(folder, 'move.yaml'), `pipeline: move-numbers\nsources:\n  in:\n    log: { ${at}, topic: numbers, group: move, until: end }\nstages:\n  - partition_by: event.k\n  - score: { field: event.n, key: event.k, as: score }\nsinks:\n  out:\n    log: { ${at}, topic: moved }\ncheckpoint_interval: 1ms\nbatch: { bytes: 2KiB }\nmemory: 16KiB\n`)
    assert.ok((await killAtEach(folder, 'move.yaml', COMMIT)) >= COMMIT.length)
    const found = (await valuesOf(plainLog, 'moved', 2)).map(value => (JSON.parse(value) as { n: number }).n)
    assert.deepEqual(found.toSorted((one, other) => one - other), Array.from({ length: count }, (_, n) => n))
  })

  test('kcat reads what we wrote and we read what it wrote, in every codec, with keys, headers and times', { skip: kcat() }, async () => {
    for (const codec of CODECS) {
      const [ours, theirs] = [`ours-${codec}`, `theirs-${codec}`]
      await plainLog.admin.createTopics([{ name: ours }, { name: theirs }])
      const producer = plainLog.producer({ compression: codec, linger: 20 })
      await Promise.all([1, 2, 3].map(n => producer.send({ topic: ours, key: Buffer.from(`k${n}`), value: Buffer.from(`value ${n} `.repeat(40)), headers: [['h', Buffer.from(`x${n}`)]], timestamp: 1_700_000_000_000 + n })))
      await producer.close()
      const { stdout } = await run('kcat', ['-b', plain, '-C', '-t', ours, '-e', '-q', '-f', '%o %k %T %h %S\\n'])
      assert.equal(stdout, [1, 2, 3].map(n => `${n - 1} k${n} ${1_700_000_000_000 + n} h=x${n} ${'value 1 '.length * 40}\n`).join(''))
      const writing = run('kcat', ['-b', plain, '-P', '-t', theirs, '-K', ':', '-H', 'from=kcat', ...(codec === 'none' ? [] : ['-z', codec])])
      writing.child.stdin?.end(['a', 'b', 'c'].map(name => `${name}:${name.repeat(300)}\n`).join(''))
      await writing
      const found = await recordsIn(plainLog, theirs, 1)
      assert.deepEqual(found.map(({ key: name, value, headers }) => [text(name), text(value), headers.map(([header, content]) => `${header}=${text(content)}`)]), ['a', 'b', 'c'].map(name => [name, name.repeat(300), ['from=kcat']]))
    }
  })

  test('Kafka\'s own tool reads our segments: every batch, codec, key, header and marker, with checksums that fit', async t => {
    const folder = folderFor(t)
    const log = await openLog(folder)
    await log.admin.createTopics([{ name: 't' }])
    for (const codec of CODECS) {
      const producer = log.producer({ compression: codec, transactionalId: codec, linger: 20 })
      await producer.begin()
      await Promise.all([1, 2, 3].map(n => producer.send({ topic: 't', key: Buffer.from(`${codec}-${n}`), value: Buffer.from(`payload ${n} of ${codec} ${'.'.repeat(100)}`), headers: [['h', Buffer.from('x')]] })))
      await (codec === 'snappy' ? producer.abort() : producer.commit())
      await producer.close()
    }
    await log.close()
    const printed = await broker.tool('org.apache.kafka.tools.DumpLogSegments', ['--deep-iteration', '--print-data-log', '--files', join(folder, 't-0/00000000000000000000.log')])
    const rows = printed.split('\n')
    const offsets = rows.flatMap(row => /^\| offset: (\d+)/.exec(row)?.[1] ?? [])
    assert.deepEqual(offsets.map(Number), Array.from({ length: CODECS.length * 4 }, (_, offset) => offset))
    for (const codec of CODECS) for (const n of [1, 2, 3]) assert.ok(rows.some(row => row.includes(`key: ${codec}-${n} payload: payload ${n} of ${codec} `) && row.includes('headerKeys: [h]')), `${codec}-${n}`)
    assert.deepEqual(rows.flatMap(row => /endTxnMarker: (\w+)/.exec(row)?.[1] ?? []), CODECS.map(codec => (codec === 'snappy' ? 'ABORT' : 'COMMIT')))
    assert.deepEqual(new Set(rows.flatMap(row => /^baseOffset.*isvalid: (\w+)/.exec(row)?.[1] ?? [])), new Set(['true']))
    assert.deepEqual([...new Set(rows.flatMap(row => /^baseOffset.*compresscodec: (\w+)/.exec(row)?.[1] ?? []))].sort(), [...CODECS].sort())
  })

  test('the embedded log reads segments that a real Kafka wrote', async t => {
    await plainLog.admin.createTopics([{ name: 'theirs' }])
    for (const codec of CODECS) {
      const producer = plainLog.producer({ compression: codec, transactionalId: `theirs-${codec}`, linger: 20 })
      await producer.begin()
      await Promise.all([1, 2, 3].map(n => producer.send({ topic: 'theirs', key: Buffer.from(`${codec}-${n}`), value: Buffer.from('x'.repeat(200)) })))
      await (codec === 'lz4' ? producer.abort() : producer.commit())
      await producer.close()
    }
    const folder = join(folderFor(t), 'theirs-0')
    mkdirSync(folder)
    const from = join(broker.folder, 'data/theirs-0')
    for (const name of readdirSync(from).filter(each => each.endsWith('.log'))) cpSync(join(from, name), join(folder, name))
    const warnings: string[] = []
    const storage = await openPartition(folder, SETTINGS, { files: systemFiles, clock: systemClock, warn: message => void warnings.push(message) })
    t.after(() => storage.close())
    const { bytes, aborted } = await storage.read(0n, 1 << 20, storage.end)
    assert.deepEqual([storage.end, storage.stable, warnings], [20n, 20n, []])
    assert.deepEqual(aborted.map(({ first, last }) => [first, last]), [[12n, 15n]])
    assert.deepEqual([...recordsOf(bytes)].map(({ key: name }) => text(name)), CODECS.flatMap(codec => [1, 2, 3].map(n => `${codec}-${n}`)))
  })
}

const SETTINGS: StorageSettings = {
  durability: 'fsync', retentionMs: -1, retentionBytes: -1, cleanup: 'delete', segmentBytes: 1 << 30, segmentMs: 7 * 86_400_000, maxBatchBytes: 1 << 20, deleteRetentionMs: 86_400_000, timestamps: 'create',
}

async function recordsIn(log: Log, topic: string, partitions: number): Promise<ReturnType<typeof recordsOf> extends Iterable<infer R> ? R[] : never> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await log.admin.offsets(all.map(each => ({ ...each, start: 'latest' as const })))
  const consumer = log.consumer()
  await consumer.assign(all.map(each => ({ ...each, start: 'earliest' as const })))
  const found = []
  while (ends.some(({ partition, offset }) => (consumer.position({ topic, partition }) ?? 0n) < offset)) for (const { bytes } of await consumer.fetch()) found.push(...recordsOf(bytes))
  await consumer.close()
  return found
}

async function valuesOf(log: Log, topic: string, partitions: number): Promise<string[]> {
  return (await recordsIn(log, topic, partitions)).map(({ value }) => text(value))
}
