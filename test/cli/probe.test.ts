/** `sluice probe`: what is told of each connection, that nothing is touched by it, and that it ends in time. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { startBroker } from '../kafka/broker.ts'
import { startS3 } from '../s3/server.ts'
import { folderWith, sluice } from './sluice.ts'

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // It listens on a port.
  return port
}

/** A port that nobody listens on. */
async function nobody(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on a port.
  await new Promise(resolve => server.close(resolve))
  return port
}

test('what is there is told as such, and nothing is written', async t => {
  const asked: string[] = []
  const port = await listening(t, createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(request.method === 'HEAD' ? 405 : 200).end('[]')
  }))
  const folder = folderWith(t, {
    'in.ndjson': '{}\n',
    'p.yaml': `pipeline: p
sources: { file: { file: { path: in.ndjson } }, api: { http_client: { url: 'http://127.0.0.1:${port}/rows' } }, made: { generate: { count: 1 } } }
sinks: { out: { file: { path: new/out.ndjson } }, each: { file: { path: 'in/{event.city}.ndjson' } }, post: { http: { url: 'http://127.0.0.1:${port}/events' } } }
dead_letters: { file: { path: failed.ndjson } }
`,
  })
  const { code, out, err } = await sluice(['probe', 'p.yaml'], { folder })
  assert.equal(code, 0, out + err)
  assert.deepEqual(out.trimEnd().split('\n').map(line => line.replaceAll(/ {2,}/g, ' | ')), [
    'file | source file | ok',
    'api | source http_client | ok',
    'made | source generate | not tested: it connects to nothing, or not before it runs',
    'out | sink file | ok',
    'each | sink file | ok',
    'post | sink http | ok',
    'dead_letters | sink file | ok',
  ])
  assert.deepEqual(asked.toSorted(), ['GET /rows', 'HEAD /events'])
  assert.deepEqual(['new', 'in', 'failed.ndjson'].map(name => existsSync(join(folder, name))), [false, false, false])
})

test('everything that is wrong is told at once, in words', async t => {
  const port = await nobody()
  const login = await listening(t, createServer((_request, response) => response.writeHead(401).end('who are you?')))
  const at = `127.0.0.1:${port}`
  const folder = folderWith(t, {
    'in.ndjson': '{}\n',
    'p.yaml': `pipeline: p
sources:
  file: { file: { path: gone.ndjson } }
  api: { http_client: { url: 'http://127.0.0.1:${login}/rows' } }
  kafka: { log: { log: 'kafka://${at}', topic: t, group: g } }
  folder: { log: { log: ./no-log, topic: t } }
  redis: { redis_streams: { url: 'redis://${at}', stream: s, group: g } }
  nats: { nats: { servers: 'nats://${at}', stream: S, consumer: c } }
  mqtt: { mqtt: { url: 'mqtt://${at}', topic: t, client_id: c } }
  postgres: { postgres: { url: 'postgres://u@${at}/d', table: t, watermark: { column: id } } }
sinks:
  out: { file: { path: in.ndjson/out.ndjson } }
  post: { http: { url: 'http://127.0.0.1:${login}/events' } }
  s3: { s3: { bucket: b, key: k.ndjson, endpoint: 'http://${at}', access_key: a, secret_key: b } }
`,
  })
  const { code, out, err } = await sluice(['probe', 'p.yaml'], { folder })
  assert.equal(code, 1, out + err)
  assert.deepEqual(out.match(/^.* ok$/gm), ['dead_letters  sink file               ok'])
  for (const code of ['FILE_MISSING', 'HTTP_STATUS', 'LOG_UNKNOWN_TOPIC', 'REDIS_CONNECT', 'NATS_CONNECT', 'MQTT_CONNECT', 'POSTGRES_CONNECT', 'FILE_WRITE', 'S3_CONNECT']) assert.match(out, new RegExp(`^ {2}${code} {2}`, 'm'), out)
  assert.match(out, /kafka +source log +failed\n {2}(LOG_|It gave)/)
  assert.match(out, /in\.ndjson is no folder/)
})

test('a server that takes connections and says nothing is given up in time', async t => {
  const port = await listening(t, createTcpServer(() => undefined))
  const folder = folderWith(t, { 'p.yaml': `pipeline: p\nsources: { in: { http_client: { url: 'http://127.0.0.1:${port}/' } } }\nsinks: { out: { stdout: {} } }\n` })
  const { code, out } = await sluice(['probe', 'p.yaml', '--timeout', '300ms'], { folder })
  assert.equal(code, 1)
  assert.match(out, /in +source http_client +failed\n {2}It gave no answer within 300ms\./)
})

test('a wrong pipeline is told before anything is asked', async t => {
  const { code, err } = await sluice(['probe', 'p.yaml'], { folder: folderWith(t, { 'p.yaml': 'pipeline: p\nsources: { in: { file: { pth: x } } }\nsinks: { out: { stdout: {} } }\n' }) })
  assert.equal(code, 2)
  assert.match(err, /CONFIG_UNKNOWN_FIELD/)
})

const s3 = await startS3()
const broker = typeof s3 === 'string' ? s3 : await startBroker()
if (typeof s3 === 'string' || typeof broker === 'string') {
  test('real servers', { skip: broker as string }, () => undefined) // One of them is missing, and says why.
  if (typeof s3 !== 'string') await s3.dispose()
} else {
  after(async () => {
    await s3.dispose()
    await broker.stop()
  })
  const { endpoint, bucket, access_key: key, secret_key: secret } = s3.config
  const pipeline = (topic: string, to: string): string => `pipeline: p
sources: { in: { log: { log: 'kafka://${broker.plain}', topic: ${topic}, group: watched } } }
sinks:
  lake: { s3: { bucket: ${to}, key: probed/k.ndjson, endpoint: '${endpoint}', access_key: ${key}, secret_key: ${secret} } }
  copy: { log: { log: 'kafka://${broker.plain}', topic: made-later, create: { partitions: 1 } } }
state: ./state
`

  test('Kafka and S3 are tested without joining a group, making a topic or leaving anything in the bucket', async t => {
    await broker.tool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', broker.plain, '--create', '--topic', 'there', '--partitions', '1'])
    const folder = folderWith(t, { 'good.yaml': pipeline('there', bucket), 'bad.yaml': pipeline('not-there', 'no-such-bucket') })
    const good = await sluice(['probe', 'good.yaml'], { folder })
    assert.equal(good.code, 0, good.out + good.err)
    assert.equal(good.out.match(/ ok$/gm)?.length, 4)
    const bad = await sluice(['probe', 'bad.yaml'], { folder })
    assert.equal(bad.code, 1)
    assert.match(bad.out, /There is no topic "not-there" in kafka:/)
    assert.match(bad.out, /There is no bucket "no-such-bucket"/)
    assert.deepEqual([await s3.keys('probed/'), await s3.unfinished()], [[], []])
    assert.doesNotMatch(await broker.tool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', broker.plain, '--list']), /made-later/)
    assert.doesNotMatch(await broker.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', ['--bootstrap-server', broker.plain, '--list']), /watched/)
    assert.equal(existsSync(join(folder, 'state')), false)
  })
}
