/** What goes wrong between a pipeline and a real RabbitMQ: told in plain words, and nothing lost. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { amqpSink, amqpSource } from '../../src/connect/index.ts'
import type { Sink, Source } from '../../src/engine/index.ts'
import { expiredPort, hand, lettersOf, refusal, running, silentPort, sinkOf, sourceOf, until, upTo } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openAmqp } from './client.ts'

const server = await startService('rabbitmq', { args: ['--secure'], ports: 4 })
if (typeof server === 'string') test('failures of AMQP', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const password = server.value('password')
  const login = { url, username: server.value('user'), password }
  let amqp = await openAmqp(server)
  after(async () => {
    await amqp.close()
    await server.dispose()
  })
  const ca = await readFile(server.value('ca'), 'utf8')

  const sink = (config: object): Sink => sinkOf(amqpSink, { ...login, routing_key: 'open', ...config })
  const source = (config: object): Source => sourceOf(amqpSource, { ...login, queue: 'open', ...config })
  const add = (queue: string, count: number, from = 0): Promise<void> => amqp.publish('', upTo(count, from).map(n => ({ key: queue, value: { n } })))
  const numbers = async (queue: string): Promise<number[]> => (await amqp.events(queue)).map(({ value }) => (value as { readonly n: number }).n) // Made by `add`.
  const made = async (name: string, args: object = {}): Promise<string> => (await amqp.channel.assertQueue(name, { durable: true, arguments: args })).queue
  await made('open')

  test('a wrong password is told as such, and shown nowhere', async () => {
    for (const component of [sink({ password: 'not-the-secret' }), source({ password: 'not-the-secret' })]) {
      const error = await refusal(component)
      assert.equal(error.code, 'AMQP_AUTH')
      assert.equal(error.retry, false)
      assert.match(error.message, /refused the login: the user or the password is wrong.*Check "username" and "password"/)
    }
    assert.throws(() => sink({ url: url.replace('//', '//sluice:not-the-secret@') }), (error: Error) => /must not hold a login/.test(error.message) && !/not-the-secret/.test(error.message))
  })

  test('a virtual host that is not there, or not for this user, is named', async () => {
    assert.match((await refusal(source({ url: `${url}/nowhere` }))).message, /does not let this user into the virtual host "nowhere": it is not there/)
    assert.equal((await refusal(source({ url: `${url}/empty` }))).code, 'AMQP_DENIED')
  })

  test('a port where nobody listens, and a host that is not there, are told apart', async () => {
    const nobody = await refusal(sink({ url: 'amqp://127.0.0.1:1' }))
    assert.match(nobody.message, /127\.0\.0\.1:1 could not be reached.*nobody listens there/)
    assert.equal(nobody.retry, true)
    assert.match((await refusal(sink({ url: 'amqp://amqp.invalid' }))).message, /there is no host of that name|could not be looked up/)
  })

  test('a server that takes the connection and says nothing is given up', async t => {
    const error = await refusal(sink({ url: `amqp://127.0.0.1:${await silentPort(t)}`, timeout: '300ms' }))
    assert.equal(error.code, 'AMQP_CONNECT')
    assert.match(error.message, /it did not answer in time/)
  })

  test('over TLS the certificate must be right, and errors name what is wrong with it', async t => {
    const tls = server.value('tls')
    const stranger = await refusal(sink({ url: tls }))
    assert.equal(stranger.code, 'AMQP_TLS')
    assert.match(stranger.message, /give that as tls\.ca/)
    assert.match((await refusal(sink({ url: tls, tls: { ca, server_name: 'amqp.example' } }))).message, /tls\.server_name/)
    const expired = await refusal(sink({ url: `amqps://localhost:${await expiredPort(t, server)}`, tls: { ca } }))
    assert.equal(expired.code, 'AMQP_TLS')
    assert.match(expired.message, /The certificate has to be renewed/)
    const good = sink({ url: tls, tls: { ca } })
    t.after(() => good.close('done'))
    await good.open(undefined)
  })

  test('a queue or an exchange that is not there is named at the start', async () => {
    for (const component of [source({ queue: 'nowhere' }), sink({ routing_key: 'nowhere' }), sink({ exchange: 'nowhere' })]) {
      const error = await refusal(component)
      assert.equal(error.code, 'AMQP_MISSING')
      assert.equal(error.retry, false)
      assert.match(error.message, /There is no (queue|exchange) "nowhere"/)
    }
  })

  test('what a user may not do is told, with what to ask for', async () => {
    await made('secret')
    const error = await refusal(source({ username: 'guest', queue: 'secret' }))
    assert.equal(error.code, 'AMQP_DENIED')
    assert.match(error.message, /does not allow reading "secret" to this user: .*access to queue 'secret'/)
  })

  test('a queue that is there with another type is not taken for the one to be made', async t => {
    const error = await refusal(source({ create: 'quorum' }))
    assert.equal(error.code, 'AMQP_SETTING')
    assert.match(error.message, /x-queue-type/)
    const own = source({ queue: 'made-by-the-source', create: 'quorum' })
    t.after(() => own.close())
    await own.open(undefined)
    assert.equal((await amqp.channel.checkQueue('made-by-the-source')).consumerCount, 1)
  })

  test('what is no JSON, and what no queue takes, becomes a dead letter; the rest goes on', async t => {
    await made('open.mixed')
    await made('open.mixed-out')
    for (const body of ['{"n":1,"to":"open.mixed-out"}', '{"n":', '', '{"n":2,"to":"open.nobody"}', `{"n":3,"to":"${'x'.repeat(300)}"}`, '{"n":4,"to":"open.mixed-out"}']) amqp.channel.sendToQueue('open.mixed', Buffer.from(body))
    const run = running(t, { type: 'amqp', config: { ...login, queue: 'open.mixed' } }, { type: 'amqp', config: { ...login, username: 'guest', routing_key: '{event.to}' } })
    const letters = (): Promise<string> => readFile(join(run.folder, 'dead.ndjson'), 'utf8').catch(() => '')
    await until(async () => (await letters()).split('\n').length === 5)
    assert.equal((await run.finish()).dead_lettered, 4)
    assert.deepEqual(await numbers('open.mixed-out'), [1, 4])
    for (const reason of [/The body of the message is not JSON/, /No queue takes what is sent to the queue \\"open\.nobody\\"\. Bind one/, /A routing key may have 255 bytes/]) assert.match(await letters(), reason)
    assert.deepEqual(lettersOf(run).map(({ code }) => code).toSorted(), ['AMQP_MISSING', 'JSON_SYNTAX', 'JSON_SYNTAX', 'SINK_REJECTED'])
  })

  test('a queue that is full is tried again until there is room', async t => {
    await made('filling')
    await made('full', { 'x-max-length': 3, 'x-overflow': 'reject-publish' })
    await add('filling', 6)
    const run = running(t, { type: 'amqp', config: { ...login, queue: 'filling' } }, { type: 'amqp', config: { ...login, routing_key: 'full' } })
    await until(async () => (await numbers('full')).length >= 6)
    await run.finish()
    assert.deepEqual(new Set(await numbers('full')), new Set(upTo(6)))
    const answers = await hand(t, sink({ routing_key: 'full' }), 'full', 5)
    assert.deepEqual(answers.map(({ row, answer, code }) => ({ row, answer, code })), [3, 4].map(row => ({ row, answer: 'retry', code: 'AMQP_FULL' })))
    assert.match(answers[0]?.reason ?? '', /did not take a message for the queue "full": the queue is full/)
  })

  test('a broker whose disk is full is waited for, and says so', async t => {
    await made('alarm')
    await made('alarm-out')
    await add('alarm', 20)
    await server.run('ctl', server.folder, 'set_disk_free_limit', '1000000GB')
    const run = running(t, { type: 'amqp', config: { ...login, queue: 'alarm' } }, { type: 'amqp', config: { ...login, routing_key: 'alarm-out' } })
    await until(() => run.warnings.some(warning => /takes nothing at present: low on disk\. It goes on once the broker has room again/.test(warning)))
    await server.run('ctl', server.folder, 'set_disk_free_limit', '50MB')
    await until(async () => (await numbers('alarm-out')).length >= 20)
    assert.equal((await run.finish()).dead_lettered, 0)
    assert.deepEqual(new Set(await numbers('alarm-out')), new Set(upTo(20)))
  })

  test('a queue that another connection has for itself may be tried again', async () => {
    await amqp.channel.assertQueue('exclusive', { exclusive: true })
    const error = await refusal(source({ queue: 'exclusive' }))
    assert.equal(error.code, 'AMQP_REPLY')
    assert.equal(error.retry, true)
    assert.match(error.message, /answered to reading "exclusive": .*exclusive.*\(405\)/)
  })

  test('messages that were not acknowledged come again, those that were do not', async () => {
    await made('acknowledged')
    await add('acknowledged', 10)
    const first = source({ queue: 'acknowledged' })
    await first.open(undefined)
    const piece = await first.next(1, new AbortController().signal)
    await first.next(1, new AbortController().signal)
    await first.commit?.(piece?.position ?? null)
    await first.close()
    assert.deepEqual(await numbers('acknowledged'), upTo(9, 1))
  })

  test('a queue that is deleted while it is read ends the pipeline, and says so', async t => {
    await made('deleted')
    await add('deleted', 3)
    const run = running(t, { type: 'amqp', config: { ...login, queue: 'deleted' } })
    await until(() => run.numbers().length === 3)
    await amqp.channel.deleteQueue('deleted')
    await assert.rejects(run.report, { code: 'AMQP_MISSING', message: /There is no queue "deleted"/ })
    assert.match(run.warnings.join('\n'), /ended the reading of "deleted": the queue was deleted/)
  })

  test('a connection that breaks loses nothing, and what the source has is not taken twice', async t => {
    await made('cut')
    await made('cut-out')
    const run = running(t, { type: 'amqp', config: { ...login, queue: 'cut' } }, { type: 'amqp', config: { ...login, routing_key: 'cut-out' } })
    for (let round = 0; round < 5; round++) {
      await add('cut', 100, round * 100)
      await until(async () => (await numbers('cut-out')).length > round * 100)
      cutAll()
    }
    await until(async () => new Set(await numbers('cut-out')).size === 500)
    await run.finish()
    assert.equal((await amqp.channel.checkQueue('cut')).messageCount, 0)
  })

  test('a broker that dies and comes back loses nothing, at either end of a pipeline', async t => {
    await made('gone')
    await made('gone-out')
    const run = running(t, { type: 'amqp', config: { ...login, queue: 'gone' } }, { type: 'amqp', config: { ...login, routing_key: 'gone-out' } })
    await add('gone', 300)
    await until(async () => (await amqp.channel.checkQueue('gone-out')).messageCount > 0)
    await server.kill()
    await server.start()
    amqp = await openAmqp(server)
    await add('gone', 300, 300)
    await until(async () => new Set(await numbers('gone-out')).size === 600)
    await run.finish()
    assert.match(run.warnings.join('\n'), /(ended the connection|could not be reached).*tried again/)
  })
}
