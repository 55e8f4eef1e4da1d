/** `sluice probe` against real servers, all at once: what is right is told as such, and what is wrong in words that say what to do. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openLog } from '../../src/log/index.ts'
import { openAmqp } from '../amqp/client.ts'
import { openNats } from '../nats/client.ts'
import { openDatabase } from '../postgres/database.ts'
import { openRedis } from '../redis/client.ts'
import { expire } from '../servers/certificates.ts'
import { startService } from '../servers/service.ts'
import type { Service } from '../servers/service.ts'
import { folderWith, sluice } from './sluice.ts'

type Settings = Readonly<Record<string, unknown>>
/** Components by their ids. What they change of the right settings is given. */
type Changes = Readonly<Record<string, Settings>>

const started = await Promise.all([
  startService('kafka', { args: ['--secure'], ports: 6 }), startService('s3', { args: ['--secure'] }), startService('postgres', { args: ['--secure'] }), startService('redis', { args: ['--secure'], ports: 2 }),
  startService('nats', { args: ['--secure'] }), startService('mosquitto', { args: ['--secure'], ports: 2 }), startService('rabbitmq', { args: ['--secure'], ports: 4 }),
])
const missing = started.filter(each => typeof each === 'string')
after(async () => {
  for (const each of started) if (typeof each !== 'string') await each.dispose()
})
if (missing.length > 0) test('probes of real servers', { skip: missing.join('; ') }, () => undefined)
else {
  const [kafka, s3, postgres, redis, nats, mqtt, amqp] = started as readonly [Service, Service, Service, Service, Service, Service, Service] // None is missing.
  const login = { username: 'sluice', password: 'sluice-secret' }
  const ca = (service: Service): { readonly ca: string } => ({ ca: readFileSync(service.value('ca'), 'utf8') })
  const database = postgres.value('url').replace(/\/\/.*@127\.0\.0\.1/, '//localhost')
  const S3 = { endpoint: s3.value('endpoint'), region: s3.value('region'), bucket: s3.value('bucket'), access_key: 'sluice', secret_key: 'sluice-secret' }
  const KAFKA = { log: `kafka://${kafka.value('sasl')}`, tls: ca(kafka), sasl: { mechanism: 'SCRAM-SHA-256', ...login } }
  const POSTGRES = { url: database, ...login, tls: ca(postgres), table: 'orders' }
  const REDIS = { url: redis.value('tls'), ...login, tls: ca(redis), stream: 'orders' }
  const NATS = { servers: nats.value('tls'), user: 'sluice', password: 'sluice-secret', tls: ca(nats) }
  const MQTT = { url: mqtt.value('tls'), ...login, tls: ca(mqtt), topic: 'orders' }
  const AMQP = { url: amqp.value('tls'), ...login, tls: ca(amqp) }
  const SOURCES: Readonly<Record<string, readonly [type: string, settings: Settings]>> = {
    'kafka-in': ['log', { ...KAFKA, topic: 'orders', group: 'g' }], 's3-in': ['s3', S3], 'postgres-in': ['postgres', { ...POSTGRES, watermark: { column: 'id' } }], 'redis-in': ['redis_streams', { ...REDIS, group: 'g' }],
    'nats-in': ['nats', { ...NATS, stream: 'ORDERS', consumer: 'c' }], 'mqtt-in': ['mqtt', { ...MQTT, client_id: 'c' }], 'amqp-in': ['amqp', { ...AMQP, queue: 'orders' }],
  }
  const SINKS: typeof SOURCES = {
    'kafka-out': ['log', { ...KAFKA, topic: 'orders' }], 's3-out': ['s3', { ...S3, key: 'orders/rows.ndjson' }], 'postgres-out': ['postgres', { ...POSTGRES, on_conflict: 'update', key: ['id'] }], 'redis-out': ['redis_streams', REDIS],
    'nats-out': ['nats', { ...NATS, subject: 'orders.new' }], 'mqtt-out': ['mqtt', MQTT], 'amqp-out': ['amqp', { ...AMQP, routing_key: 'orders' }],
  }

  {
    const log = await openLog(`kafka://${kafka.value('bootstrap')}`, { warn: () => undefined })
    await log.admin.createTopics([{ name: 'orders' }])
    await log.close()
    const sql = await openDatabase(postgres.value('url'))
    await sql.sql('CREATE TABLE orders (id bigint PRIMARY KEY, city text)')
    await sql.sql("CREATE ROLE guest LOGIN PASSWORD 'sluice-secret'")
    await sql.close()
    const keys = await openRedis(redis.value('url'))
    await keys.call('SET', 'text', 'x')
    await keys.call('ACL', 'SETUSER', 'guest', 'on', '>sluice-secret', '~own*', '+@all')
    keys.close()
    const streams = await openNats(nats.value('url'))
    const { jetstreamManager } = await import('@nats-io/jetstream')
    await (await jetstreamManager(streams.connection)).streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
    await streams.close()
    const queues = await openAmqp(amqp)
    await queues.channel.assertQueue('orders')
    await queues.close()
  }

  /** What is told of the components with these changes; the others are left out. */
  async function probe(t: TestContext, changes: Changes, env: Readonly<Record<string, string>> = { NODE_EXTRA_CA_CERTS: s3.value('ca') }): Promise<Readonly<Record<string, string>>> {
    const part = (of: typeof SOURCES): object => Object.fromEntries(Object.entries(of).flatMap(([id, [type, settings]]) => (changes[id] === undefined ? [] : [[id, { [type]: { ...settings, ...changes[id] } }]])))
    const [sources, sinks] = [part(SOURCES), part(SINKS)]
    const pipeline = {
      pipeline: 'p', sources: Object.keys(sources).length > 0 ? sources : { made: { generate: { count: 1 } } }, sinks: Object.keys(sinks).length > 0 ? sinks : { nothing: { discard: {} } },
    }
    const { out, err } = await sluice(['probe', 'p.yaml', '--timeout', '20s'], { folder: folderWith(t, { 'p.yaml': JSON.stringify(pipeline) }), env })
    assert.doesNotMatch(out + err, /sluice-secret|not-the-secret/)
    const told: Record<string, string> = {}
    let last = ''
    for (const line of out.split('\n')) {
      const [, id, rest] = /^(\S+) +(?:source|sink) \S+ +(.*)$/.exec(line) ?? []
      if (id !== undefined) told[(last = id)] = rest ?? ''
      else if (line.startsWith('  ')) told[last] += ` ${line.trim()}`
    }
    assert.deepEqual(Object.keys(changes).filter(id => told[id] === undefined), [], err)
    return told
  }
  /** The same change for each of these. */
  const each = (ids: readonly string[], change: Settings): Changes => Object.fromEntries(ids.map(id => [id, change]))
  const ALL = [...Object.keys(SOURCES), ...Object.keys(SINKS)]

  /** What is wrong, by the ids of the components: the code, and words of the message. */
  type Wrong = Readonly<Record<string, readonly [change: Settings, code: string, words: RegExp]>>
  const wrong = async (t: TestContext, all: Wrong, env?: Readonly<Record<string, string>>): Promise<void> => {
    const told = await probe(t, Object.fromEntries(Object.entries(all).map(([id, [change]]) => [id, change])), env)
    for (const [id, [, code, words]] of Object.entries(all)) {
      assert.match(told[id] ?? '', new RegExp(`^failed ${code} `), id)
      assert.match(told[id] ?? '', words, id)
    }
  }

  test('everything that is right is told as such', async t => {
    const told = await probe(t, each(ALL, {}))
    for (const id of ALL) assert.equal(told[id], 'ok', id)
  })

  test('wrong passwords, users and keys', async t => {
    const password = { password: 'not-the-secret' }
    const user = /Check "username" and "password"/
    await wrong(t, {
      'kafka-in': [{ sasl: { ...KAFKA.sasl, ...password } }, 'LOG_AUTH', /refused the login of "sluice" by SCRAM-SHA-256/], 'kafka-out': [{ sasl: { ...KAFKA.sasl, username: 'nobody' } }, 'LOG_AUTH', /refused the login of "nobody"/],
      's3-in': [{ access_key: 'nobody' }, 'S3_AUTH', /does not know the access key\. Check "access_key"/], 's3-out': [{ secret_key: 'not-the-secret' }, 'S3_AUTH', /Check "secret_key" and "region"/],
      'postgres-in': [password, 'POSTGRES_AUTH', user], 'postgres-out': [{ username: 'nobody' }, 'POSTGRES_AUTH', user], 'redis-in': [password, 'REDIS_AUTH', user], 'redis-out': [{ username: 'nobody' }, 'REDIS_AUTH', user],
      'nats-in': [password, 'NATS_AUTH', /Check "user" and "password"/], 'nats-out': [{ user: 'nobody' }, 'NATS_AUTH', /Check "user" and "password"/],
      'mqtt-in': [password, 'MQTT_AUTH', user], 'mqtt-out': [{ username: 'nobody' }, 'MQTT_AUTH', user], 'amqp-in': [password, 'AMQP_AUTH', user], 'amqp-out': [{ username: 'nobody' }, 'AMQP_AUTH', user],
    })
  })

  test('topics, buckets, tables, streams and queues that are not there, or are something else', async t => {
    await wrong(t, {
      'kafka-in': [{ topic: 'order' }, 'LOG_UNKNOWN_TOPIC', /no topic "order".*did you mean "orders"\?.*sluice topic create/], 'kafka-out': [{ topic: 'nowhere' }, 'LOG_UNKNOWN_TOPIC', /no topic "nowhere" in kafka:\/\/localhost:\d+\. Check "topic"/],
      's3-in': [{ bucket: 'nowhere' }, 'S3_BUCKET', /no bucket "nowhere".*Make it, or check "bucket"/], 's3-out': [{ bucket: 'nowhere' }, 'S3_BUCKET', /no bucket "nowhere"/],
      'postgres-in': [{ table: 'order' }, 'POSTGRES_MISSING', /"order" does not exist\. Check "table"/], 'postgres-out': [{ table: 'Orders' }, 'POSTGRES_MISSING', /no table "Orders".*capital letters count/],
      'redis-in': [{ stream: 'text' }, 'REDIS_TYPE', /something that is no stream/], 'redis-out': [{ stream: 'text' }, 'REDIS_TYPE', /something that is no stream/],
      'nats-in': [{ stream: 'ORDER' }, 'NATS_STREAM', /Check "stream", or make it/], 'nats-out': [{ subject: 'order.new' }, 'NATS_STREAM', /takes the subject "order\.new"\. Make one, or check "subject"/],
      'amqp-in': [{ queue: 'order' }, 'AMQP_MISSING', /no queue "order".*let "create" make it/], 'amqp-out': [{ exchange: 'order' }, 'AMQP_MISSING', /no exchange "order"/],
    })
  })

  test('what a user may not do, and a table without the key', async t => {
    await wrong(t, {
      's3-in': [{ access_key: 'guest' }, 'S3_DENIED', /s3:ListBucket/], 's3-out': [{ access_key: 'guest' }, 'S3_DENIED', /s3:PutObject/], 'postgres-in': [{ username: 'guest' }, 'POSTGRES_DENIED', /permission denied for table orders\. .*GRANT/],
      'redis-in': [{ username: 'guest' }, 'REDIS_DENIED', /ACL SETUSER/], 'redis-out': [{ username: 'guest' }, 'REDIS_DENIED', /ACL SETUSER/], 'nats-in': [{ user: 'bare' }, 'NATS_JETSTREAM', /not switched on for this account/],
      'postgres-out': [{ key: ['city'] }, 'POSTGRES_KEY', /CREATE UNIQUE INDEX/],
    })
  })

  test('certificates of an authority that is not trusted', async t => {
    const stranger = { tls: ca(s3) }
    const code = (id: string): string => `${id.replace(/-.*/, '').replace('kafka', 'log').toUpperCase()}_TLS`
    const words = (id: string): RegExp => (id.startsWith('kafka') ? /give the certificate of the one that signed it as `ca`/ : id.startsWith('s3') ? /name it in NODE_EXTRA_CA_CERTS/ : /give that as tls\.ca/)
    await wrong(t, Object.fromEntries(ALL.map(id => [id, [id.startsWith('s3') ? {} : stranger, code(id), words(id)] as const])), {})
  })

  test('certificates for another name', async t => {
    const byAddress = (url: string): string => url.replace('localhost', '127.0.0.1')
    const name = /certificate is for localhost, not for "127\.0\.0\.1"\. Connect by a name that it bears, or give one as tls\.server_name/
    await wrong(t, {
      'kafka-in': [{ log: byAddress(KAFKA.log) }, 'LOG_TLS', /is for localhost, not for "127\.0\.0\.1": connect by one of its names/], 'kafka-out': [{ tls: { ...KAFKA.tls, server_name: 'kafka.example' } }, 'LOG_TLS', /not for "kafka\.example"/],
      'postgres-in': [{ url: byAddress(POSTGRES.url) }, 'POSTGRES_TLS', name], 'redis-in': [{ url: byAddress(REDIS.url) }, 'REDIS_TLS', name], 'nats-in': [{ servers: byAddress(NATS.servers) }, 'NATS_TLS', name],
      'mqtt-in': [{ url: byAddress(MQTT.url) }, 'MQTT_TLS', name], 'amqp-in': [{ url: byAddress(AMQP.url) }, 'AMQP_TLS', name],
    })
  })

  test('a certificate that has expired', async t => {
    await expire(s3.folder)
    await copyFile(join(s3.folder, 'expired.pem'), join(s3.folder, 'server.pem'))
    await s3.stop()
    await s3.start()
    const renew = /its certificate has expired\. The certificate has to be renewed/
    await wrong(t, { 's3-in': [{ endpoint: S3.endpoint.replace('127.0.0.1', 'localhost') }, 'S3_TLS', renew], 's3-out': [{ endpoint: S3.endpoint.replace('127.0.0.1', 'localhost') }, 'S3_TLS', renew] })
  })

  test('TLS on a port without it, and the other way round', async t => {
    const secured = (url: string, scheme: string): string => url.replace(`${scheme}:`, `${scheme}s:`)
    const bared = (url: string, scheme: string): Settings => ({ url: url.replace(`${scheme}s:`, `${scheme}:`), tls: undefined })
    const no = (scheme: string): RegExp => new RegExp(`(does not speak TLS|Does that port speak TLS\\? If not), write ${scheme}:// instead of ${scheme}s://`)
    const yes = (scheme: string): RegExp => new RegExp(`If that port speaks TLS, write ${scheme}s:// instead of ${scheme}://`)
    await wrong(t, {
      'kafka-in': [{ log: `kafka://${kafka.value('bootstrap')}` }, 'LOG_TLS', /does not speak TLS, or refused it: use its encrypted port, or switch `tls` off/], 'kafka-out': [{ tls: false, sasl: undefined }, 'LOG_TLS', /speaks TLS, and the connection was begun without/],
      'redis-in': [{ url: redis.value('url').replace('redis:', 'rediss:'), connect_timeout: '2s' }, 'REDIS_CONNECT', /does not speak TLS, write redis:\/\/ instead of rediss:\/\//], 'redis-out': [{ url: REDIS.url.replace('rediss:', 'redis:'), tls: undefined }, 'REDIS_CONNECT', /If that port speaks TLS, write rediss:\/\//],
      'mqtt-in': [{ url: secured(mqtt.value('url'), 'mqtt') }, 'MQTT_CONNECT', no('mqtt')], 'mqtt-out': [bared(MQTT.url, 'mqtt'), 'MQTT_CONNECT', yes('mqtt')],
      'amqp-in': [{ url: secured(amqp.value('url'), 'amqp') }, 'AMQP_(TLS|CONNECT)', no('amqp')], 'amqp-out': [bared(AMQP.url, 'amqp'), 'AMQP_CONNECT', yes('amqp')],
      's3-in': [{ endpoint: S3.endpoint.replace('https:', 'http:') }, 'S3_CONNECT', /If that port speaks TLS, write https:\/\//],
    })
  })
}
