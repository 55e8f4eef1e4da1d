/** What goes wrong between a pipeline and a real NATS: told in plain words, and nothing lost. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import assert from 'node:assert/strict'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { natsSink, natsSource } from '../../src/connect/index.ts'
import type { Sink, Source } from '../../src/engine/index.ts'
import { hand, lettersOf, refusal, running, silentPort, sinkOf, sourceOf, until, upTo } from '../servers/broker.testing.ts'
import { expire } from '../servers/certificates.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openNats } from './client.ts'

const server = await startService('nats', { args: ['--secure'] })
if (typeof server === 'string') test('failures of NATS', { skip: server }, () => undefined)
else {
  const servers = server.value('url')
  const nats = await openNats(servers)
  const manager = await jetstreamManager(nats.connection)
  after(async () => {
    await nats.close()
    await server.dispose()
  })
  const ca = await readFile(server.value('ca'), 'utf8')
  const password = server.value('password')
  await manager.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })

  const sink = (config: object): Sink => sinkOf(natsSink, { servers, subject: 'orders.new', ...config })
  const source = (config: object): Source => sourceOf(natsSource, { servers, stream: 'ORDERS', consumer: 'c', ...config })
  const add = (subject: string, count: number, from = 0): Promise<void> => nats.publish(upTo(count, from).map(n => ({ key: subject, value: { n } })))
  const numbers = async (stream: string): Promise<number[]> => (await nats.events(stream, '>')).map(({ value }) => (value as { readonly n: number }).n) // Made by `add`.
  const made = async (name: string, more: object = {}): Promise<string> => (await manager.streams.add({ name, subjects: [`${name}.>`], ...more })).config.name
  /** Messages that were handed out and not acknowledged, and those that were not handed out. */
  const left = async (stream: string): Promise<number> => {
    const info = await manager.consumers.info(stream, 'c').catch(() => undefined) // It is made by the pipeline.
    return info === undefined ? Infinity : info.num_ack_pending + info.num_pending
  }

  test('a wrong password is told as such, and shown nowhere', async () => {
    for (const component of [sink({ user: 'sluice', password: 'not-the-secret' }), source({ user: 'sluice', password: 'not-the-secret' })]) {
      const error = await refusal(component)
      assert.equal(error.code, 'NATS_AUTH')
      assert.equal(error.retry, false)
      assert.match(error.message, /refused the login.*Check "user" and "password"/)
    }
    assert.throws(() => sink({ servers: servers.replace('//', '//sluice:not-the-secret@') }), (error: Error) => /must not hold a login/.test(error.message) && !/not-the-secret/.test(error.message))
  })

  test('a user who may not publish is told what to ask for, and the events are dead letters', async t => {
    await made('secret')
    await add('orders.denied', 2)
    const run = running(t, { type: 'nats', config: { servers, stream: 'ORDERS', consumer: 'denied', subjects: ['orders.denied'] } }, { type: 'nats', config: { servers, user: 'guest', password, subject: 'secret.x' } })
    await until(async () => /does not allow that to this user.*secret\.x/.test(await readFile(join(run.folder, 'dead.ndjson'), 'utf8').catch(() => '')))
    await run.finish()
    assert.deepEqual(await numbers('secret'), [])
    assert.deepEqual(new Set(lettersOf(run).map(({ code }) => code)), new Set(['NATS_DENIED']))
  })

  test('a port where nobody listens, and a host that is not there, are told apart', async () => {
    const nobody = await refusal(sink({ servers: 'nats://127.0.0.1:1' }))
    assert.match(nobody.message, /127\.0\.0\.1:1 could not be reached.*nobody listens there/)
    assert.equal(nobody.retry, true)
    assert.match((await refusal(sink({ servers: 'nats://nats.invalid' }))).message, /there is no host of that name|could not be looked up/)
  })

  test('a server that takes the connection and says nothing is given up', async t => {
    const error = await refusal(sink({ servers: `nats://127.0.0.1:${await silentPort(t)}`, timeout: '300ms' }))
    assert.equal(error.code, 'NATS_CONNECT')
    assert.match(error.message, /it did not answer in time/)
  })

  test('over TLS the certificate must be right, and errors name what is wrong with it', async t => {
    const tls = server.value('tls')
    const stranger = await refusal(sink({ servers: tls }))
    assert.equal(stranger.code, 'NATS_TLS')
    assert.match(stranger.message, /give that as tls\.ca/)
    assert.match((await refusal(sink({ servers: tls, tls: { ca, server_name: 'nats.example' } }))).message, /tls\.server_name/)
    const good = sink({ servers: tls, tls: { ca }, user: server.value('user'), password })
    t.after(() => good.close('done'))
    await good.open(undefined)
  })

  test('a stream that is not there, and a subject that no stream takes, are named at the start', async () => {
    const error = await refusal(source({ stream: 'NOWHERE' }))
    assert.equal(error.code, 'NATS_STREAM')
    assert.match(error.message, /There is no stream "NOWHERE".*Check "stream", or make it/)
    assert.match((await refusal(sink({ subject: 'nowhere.at.all' }))).message, /No stream at NATS .* takes the subject "nowhere\.at\.all"/)
    assert.match((await refusal(sink({ stream: 'NOWHERE' }))).message, /There is no such stream/)
  })

  test('a message that goes to another stream than it should is refused with the words of the server', async t => {
    const other = await made('other')
    const [answer] = await hand(t, sink({ subject: 'orders.{event.n}', stream: other }), 'orders.x')
    assert.deepEqual([answer?.answer, answer?.code], ['reject', 'NATS_REPLY'])
    assert.match(answer?.reason ?? '', /answered to a message for "orders\.x": expected stream does not match/)
  })

  test('an account without JetStream is told so', async () => {
    const error = await refusal(source({ user: 'bare', password }))
    assert.equal(error.code, 'NATS_JETSTREAM')
    assert.match(error.message, /JetStream is not switched on for this account/)
  })

  test('a consumer of another kind, or of other subjects, is not taken', async () => {
    await manager.consumers.add('ORDERS', { durable_name: 'pushed', deliver_subject: 'somewhere', ack_policy: 'explicit' })
    await manager.consumers.add('ORDERS', { durable_name: 'careless', ack_policy: 'none' })
    await manager.consumers.add('ORDERS', { durable_name: 'narrow', ack_policy: 'explicit', filter_subject: 'orders.old' })
    assert.match((await refusal(source({ consumer: 'pushed' }))).message, /is a push consumer; this source needs a pull consumer\. Take another name/)
    assert.match((await refusal(source({ consumer: 'careless' }))).message, /acknowledgement policy "none"/)
    assert.match((await refusal(source({ consumer: 'narrow', subjects: ['orders.*'] }))).message, /reads orders\.old, not orders\.\*/)
  })

  test('what is no JSON, and what is no subject or is too large, become dead letters; the rest goes on', async t => {
    const [stream, out] = [await made('mixed'), await made('mixed-out')]
    const client = jetstream(nats.connection)
    for (const body of ['{"n":1,"to":"a"}', '{"n":', '', '{"n":2,"to":"a b"}', JSON.stringify({ n: 3, to: 'a', text: 'x'.repeat(250_000) }), '{"n":4,"to":"b"}']) await client.publish(`${stream}.x`, body)
    const run = running(t, { type: 'nats', config: { servers, stream, consumer: 'c' } }, { type: 'nats', config: { servers, subject: `${out}.{event.to}` } })
    await until(async () => (await left(stream)) === 0)
    const report = await run.finish()
    assert.equal(report.dead_lettered, 4)
    assert.deepEqual(await numbers(out), [1, 4])
    const letters = await readFile(join(run.folder, 'dead.ndjson'), 'utf8')
    for (const reason of [/The body of the message is not JSON/, /is no subject to publish to/, /the server takes \d+ \(\\"max_payload\\"\)/, /"sequence":2/]) assert.match(letters, reason)
    assert.deepEqual(lettersOf(run).map(({ code }) => code).toSorted(), ['JSON_SYNTAX', 'JSON_SYNTAX', 'NATS_SUBJECT', 'SINK_REJECTED'])
  })

  test('a stream that is full is tried again until there is room', async t => {
    const [stream, out] = [await made('filling'), await made('full', { max_msgs: 3, discard: 'new' })]
    await add(`${stream}.x`, 6)
    const run = running(t, { type: 'nats', config: { servers, stream, consumer: 'c' } }, { type: 'nats', config: { servers, subject: `${out}.x` } })
    await until(async () => (await manager.streams.info(out)).state.messages === 3)
    const [answer] = await hand(t, sink({ subject: `${out}.x` }), `${out}.x`)
    assert.deepEqual([answer?.answer, answer?.code], ['retry', 'NATS_FULL'])
    assert.match(answer?.reason ?? '', /takes no more: maximum messages exceeded.*Raise its limits/)
    await manager.streams.update(out, { max_msgs: 100 })
    await until(async () => (await left(stream)) === 0)
    await run.finish()
    assert.deepEqual((await numbers(out)).toSorted((a, b) => a - b), upTo(6))
  })

  test('a server without memory left for its streams is told as full', async t => {
    const stream = await made('memory', { storage: 'memory' })
    t.after(() => manager.streams.delete(stream))
    const client = jetstream(nats.connection)
    await assert.rejects(async () => {
      for (let n = 0; n < 100; n++) await client.publish(`${stream}.x`, 'x'.repeat(250_000))
    }, /insufficient resources/)
    const [answer] = await hand(t, sink({ subject: `${stream}.x` }), `${stream}.x`)
    assert.deepEqual([answer?.answer, answer?.code], ['retry', 'NATS_FULL'])
    assert.match(answer?.reason ?? '', /has no room for more: insufficient resources.*Raise the limits of JetStream/)
  })

  test('what is sent twice under one id is kept once', async t => {
    const [stream, out] = [await made('twice'), await made('once')]
    for (const n of [1, 2, 1, 3, 2]) await add(`${stream}.x`, 1, n)
    const run = running(t, { type: 'nats', config: { servers, stream, consumer: 'c' } }, { type: 'nats', config: { servers, subject: `${out}.x`, message_id: 'event.n' } })
    await until(async () => (await left(stream)) === 0)
    await run.finish()
    assert.deepEqual(await numbers(out), [1, 2, 3])
  })

  test('messages that wait long for their sink stay with the pipeline that works on them', async t => {
    const stream = await made('slow')
    await add(`${stream}.x`, 5)
    const busy = source({ stream, ack_wait: '1s' })
    await busy.open(undefined)
    t.after(() => busy.close())
    const piece = await busy.next(65_536, new AbortController().signal)
    assert.ok(piece !== undefined)
    const started = Date.now()
    await until(() => Date.now() - started > 2500)
    await busy.commit?.(piece.position)
    const { num_redelivered: again } = await manager.consumers.info(stream, 'c')
    assert.equal(again, 0)
  })

  test('a consumer that is deleted while it is read ends the pipeline, and says so', async t => {
    const stream = await made('deleted')
    await add(`${stream}.x`, 3)
    const run = running(t, { type: 'nats', config: { servers, stream, consumer: 'c' } })
    await until(() => run.numbers().length === 3)
    await manager.consumers.delete(stream, 'c')
    await assert.rejects(run.report, { code: 'NATS_CONSUMER', message: /somebody deleted it/ })
  })

  test('a connection that breaks doubles nothing: what the sink sends again is dropped, and what the source has is not taken twice', async t => {
    const [stream, out] = [await made('cut'), await made('cut-out')]
    // What was on its way when the connection broke, comes again after this time.
    const run = running(t, { type: 'nats', config: { servers, stream, consumer: 'c', ack_wait: '1s' } }, { type: 'nats', config: { servers, subject: `${out}.x` } })
    for (let round = 0; round < 5; round++) {
      await add(`${stream}.x`, 100, round * 100)
      await until(async () => (await manager.streams.info(out)).state.messages > round * 100)
      cutAll()
    }
    await until(async () => (await manager.streams.info(out)).state.messages >= 500)
    await run.finish()
    assert.deepEqual((await numbers(out)).toSorted((a, b) => a - b), upTo(500))
    await until(async () => (await left(stream)) === 0)
  })

  test('a server that dies and comes back loses nothing, at either end of a pipeline', async t => {
    const [stream, out] = [await made('gone'), await made('gone-out')]
    const run = running(t, { type: 'nats', config: { servers, stream, consumer: 'c' } }, { type: 'nats', config: { servers, subject: `${out}.x` } })
    await add(`${stream}.x`, 500)
    await until(async () => (await manager.streams.info(out)).state.messages > 0)
    await server.kill()
    await server.start()
    await until(() => add(`${stream}.x`, 1, 500).then(() => true, () => false))
    await add(`${stream}.x`, 499, 501)
    await until(async () => new Set(await numbers(out)).size === 1000)
    await until(async () => (await left(stream)) === 0)
    await run.finish()
    assert.match(run.warnings.join('\n'), /(could not be reached|was cut).*tried again/)
  })

  // Last, as the one before: the test's own connection is another one from then on, which is cut with those of the components.
  test('a certificate that has expired is told as such', async () => {
    await expire(server.folder)
    const swap = async (from: string): Promise<void> => {
      await copyFile(join(server.folder, from), join(server.folder, 'server.pem'))
      await server.stop()
      await server.start()
    }
    await copyFile(join(server.folder, 'server.pem'), join(server.folder, 'valid.pem'))
    await swap('expired.pem')
    const error = await refusal(sink({ servers: server.value('tls'), tls: { ca } }))
    await swap('valid.pem')
    assert.equal(error.code, 'NATS_TLS')
    assert.match(error.message, /The certificate has to be renewed/)
    await until(() => manager.streams.info('ORDERS').then(() => true, () => false))
  })
}
