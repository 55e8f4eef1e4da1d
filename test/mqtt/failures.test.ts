/** What goes wrong between a pipeline and a real MQTT broker: told in plain words, and nothing lost. */
import { connectAsync } from 'mqtt'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { mqttSink, mqttSource } from '../../src/connect/index.ts'
import type { Sink, Source } from '../../src/engine/index.ts'
import { folderOf } from '../conformance/outsides.ts'
import { expiredPort, hand, lettersOf, refusal, running, silentPort, sinkOf, sourceOf, until, upTo, write } from '../servers/broker.testing.ts'
import { startService } from '../servers/service.ts'
import { cutAll } from '../servers/sockets.ts'
import { openMqtt } from './client.ts'

const server = await startService('mosquitto', { args: ['--secure'], ports: 2 })
if (typeof server === 'string') test('failures of MQTT', { skip: server }, () => undefined)
else {
  const url = server.value('url')
  const mqtt = await openMqtt(server)
  after(async () => {
    await mqtt.close()
    await server.dispose()
  })
  const ca = await readFile(server.value('ca'), 'utf8')
  const password = server.value('password')
  const { folder } = server

  const sink = (config: object): Sink => sinkOf(mqttSink, { url, topic: 'open/out', ...config })
  const source = (config: object): Source => sourceOf(mqttSource, { url, topic: 'open/in', client_id: 'c', ...config })
  const add = (topic: string, count: number, from = 0): Promise<void> => mqtt.publish(upTo(count, from).map(n => ({ key: topic, value: { n } })))
  const numbers = (topic: string): number[] => mqtt.received(topic).map(({ value }) => (value as { readonly n: number }).n) // Made by `add`.
  /** The broker takes it at once for who connects from now on. */
  const setPassword = async (user: string, to: string): Promise<void> => {
    await promisify(execFile)('mosquitto_passwd', ['-b', join(folder, 'users'), user, to])
    await server.reload()
    await until(() => connectAsync(url, { username: user, password: to, reconnectPeriod: 0 }).then(client => client.endAsync().then(() => true), () => false))
  }
  /** Makes a session, for which the broker keeps what comes from now on. */
  const session = async (config: object): Promise<void> => {
    const first = source(config)
    await first.open(undefined)
    await first.close()
  }

  for (const version of ['5', '3.1.1'] as const) {
    test(`a wrong password is told as such, and shown nowhere (MQTT ${version})`, async () => {
      for (const component of [sink({ username: 'sluice', password: 'not-the-secret', version }), source({ username: 'sluice', password: 'not-the-secret', version })]) {
        const error = await refusal(component)
        assert.equal(error.code, 'MQTT_AUTH')
        assert.equal(error.retry, false)
        assert.match(error.message, /refused the login: the user or the password is wrong.*Check "username" and "password"/)
      }
    })
  }

  // Mosquitto 2.0 answers to a message that is too large with a reason that MQTT does not allow there: its client stopped reading, and the sink waited for ever.
  test('an answer that MQTT does not allow ends the connection instead of the work', async t => {
    const strict = await startService('mosquitto', { env: { MOSQUITTO_CONFIG: 'message_size_limit 5' } })
    if (typeof strict === 'string') return t.skip(strict)
    t.after(() => strict.dispose())
    const [answer] = await hand(t, sink({ url: strict.value('url') }), 'open/large')
    assert.deepEqual([answer?.answer, answer?.code], ['retry', 'MQTT_REPLY'])
    assert.match(answer?.reason ?? '', /answered as its protocol does not allow it: Invalid puback reason code/)
  })

  test('a broker that stands still in the middle of the work is given up after a while', async t => {
    const still = await startService('mosquitto')
    if (typeof still === 'string') return t.skip(still)
    t.after(() => still.dispose())
    const slow = sink({ url: still.value('url'), timeout: '300ms' })
    assert.deepEqual(await hand(t, slow, 'open/still'), [])
    await still.pause()
    const writing = write(slow, 'open/still', 2)
    await Promise.allSettled([writing])
    await still.resume()
    const answers = await writing
    assert.deepEqual(answers.map(({ answer, code }) => `${answer} ${code}`), ['retry MQTT_CONNECT', 'retry MQTT_CONNECT'])
    assert.match(answers[0]?.reason ?? '', /did not answer within 300 ms/)
  })

  test('a login in the address is not taken, and shown nowhere', () => {
    assert.throws(() => sink({ url: url.replace('//', '//sluice:not-the-secret@') }), (error: Error) => /must not hold a login/.test(error.message) && !/not-the-secret/.test(error.message))
  })

  test('a port where nobody listens, and a host that is not there, are told apart', async () => {
    const nobody = await refusal(sink({ url: 'mqtt://127.0.0.1:1' }))
    assert.match(nobody.message, /127\.0\.0\.1:1 could not be reached.*nobody listens there/)
    assert.equal(nobody.retry, true)
    assert.match((await refusal(sink({ url: 'mqtt://mqtt.invalid' }))).message, /there is no host of that name|could not be looked up/)
  })

  test('a server that takes the connection and says nothing is given up', async t => {
    const error = await refusal(sink({ url: `mqtt://127.0.0.1:${await silentPort(t)}`, timeout: '300ms' }))
    assert.equal(error.code, 'MQTT_CONNECT')
    assert.match(error.message, /it did not answer in time/)
  })

  test('over TLS the certificate must be right, and errors name what is wrong with it', async t => {
    const tls = server.value('tls')
    const stranger = await refusal(sink({ url: tls }))
    assert.equal(stranger.code, 'MQTT_TLS')
    assert.match(stranger.message, /give that as tls\.ca/)
    assert.match((await refusal(sink({ url: tls, tls: { ca, server_name: 'mqtt.example' } }))).message, /tls\.server_name/)
    assert.match((await refusal(sink({ url: url.replace('mqtt:', 'mqtts:'), timeout: '500ms' }))).message, /MQTT broker at 127\.0\.0\.1/)
    const expired = await refusal(sink({ url: `mqtts://localhost:${await expiredPort(t, server)}`, tls: { ca } }))
    assert.equal(expired.code, 'MQTT_TLS')
    assert.match(expired.message, /The certificate has to be renewed/)
    const good = sink({ url: tls, tls: { ca }, username: server.value('user'), password })
    t.after(() => good.close('done'))
    await good.open(undefined)
  })

  test('what is no JSON, no topic, or not allowed, becomes a dead letter; the rest goes on', async t => {
    const config = { url, topic: 'open/mixed', client_id: 'mixed' }
    await session(config)
    for (const body of ['{"n":1,"to":"open/mixed-out"}', '{"n":', '', '{"n":2,"to":"open/+"}', '{"n":3,"to":"secret/x"}', '{"n":4,"to":"open/mixed-out"}']) await mqtt.client.publishAsync('open/mixed', body, { qos: 1 })
    const run = running(t, { type: 'mqtt', config }, { type: 'mqtt', config: { url, username: 'guest', password, topic: '{event.to}' } })
    const letters = (): Promise<string> => readFile(join(run.folder, 'dead.ndjson'), 'utf8').catch(() => '')
    await until(async () => mqtt.received('open/mixed-out').length === 2 && (await letters()).split('\n').length === 5)
    assert.equal((await run.finish()).dead_lettered, 4)
    assert.deepEqual(numbers('open/mixed-out'), [1, 4])
    for (const reason of [/The body of the message is not JSON/, /is no topic to publish to/, /does not allow a message for \\"secret\/x\\" to this user/]) assert.match(await letters(), reason)
    assert.deepEqual(lettersOf(run).map(({ code }) => code).toSorted(), ['JSON_SYNTAX', 'JSON_SYNTAX', 'MQTT_DENIED', 'MQTT_TOPIC'])
  })

  test('where another client has the same id, the one that is cut off says what it may be', async t => {
    const run = running(t, { type: 'mqtt', config: { url, topic: 'open/taken', client_id: 'taken' } })
    await until(async () => {
      await add('open/taken', 1)
      return run.numbers().length > 0
    })
    const other = source({ topic: 'open/taken', client_id: 'taken' })
    await other.open(undefined)
    // From 2.0.16 on, Mosquitto says what it was, as the broker below does.
    const outcome = run.report.then(() => undefined, (error: unknown) => error)
    let ended: unknown
    void outcome.then(error => (ended = error))
    await until(() => ended !== undefined || /was cut\. If that happens again and again, another client has the same "client_id"/.test(run.warnings.join()))
    await other.close()
    if (ended === undefined) await run.finish()
    else await assert.rejects(run.report, { code: 'MQTT_TAKEN' })
  })

  test('where a broker says that another client took the session over, the run ends with that, and the other one gets what was not acknowledged', async t => {
    const telling = await startService('mochi', { ports: 3 })
    if (typeof telling === 'string') return t.skip(telling)
    t.after(() => telling.dispose())
    const config = { url: telling.value('url'), topic: 'open/over', client_id: 'over' }
    const publisher = await connectAsync(config.url, { protocolVersion: 5 })
    t.after(() => publisher.endAsync(true))
    await session(config)
    const first = running(t, { type: 'mqtt', config })
    await publisher.publishAsync('open/over', '{"n":0}', { qos: 1 })
    await until(() => first.numbers().length === 1)
    const second = running(t, { type: 'mqtt', config })
    await assert.rejects(first.report, { code: 'MQTT_TAKEN', retry: false, message: /ended the connection: another client came with the same id\. Give each pipeline a "client_id" of its own/ })
    await publisher.publishAsync('open/over', '{"n":1}', { qos: 1 })
    await until(() => second.numbers().includes(1))
    assert.equal((await second.finish()).dead_lettered, 0)
    assert.deepEqual(lettersOf(first), [])
  })

  test('a broker without memory left for messages is waited for until somebody takes some', async t => {
    const narrow = await startService('mosquitto', { env: { MOSQUITTO_CONFIG: 'memory_limit 4000000' } })
    if (typeof narrow === 'string') return t.skip(narrow)
    t.after(() => narrow.dispose())
    const config = { url: narrow.value('url'), topic: 'open/narrow', client_id: 'narrow' }
    await session(config)
    const input = join(folderOf(t), 'in.ndjson')
    await writeFile(input, upTo(200).map(n => `${JSON.stringify({ n, text: 'x'.repeat(50_000) })}\n`).join(''))
    const writing = running(t, { type: 'file', config: { path: input } }, { type: 'mqtt', config: { url: config.url, topic: 'open/narrow' } })
    await until(() => /MQTT broker at .*(ended the connection and did not say why|was cut).*It is tried again/.test(writing.warnings.join()))
    const reading = running(t, { type: 'mqtt', config })
    const { dead_lettered: letters } = await writing.report
    assert.equal(letters, 0)
    await until(() => new Set(reading.numbers()).size === 200)
    await reading.finish()
  })

  test('a message is acknowledged only once it is durable', async () => {
    await session({ topic: 'open/held', client_id: 'held' })
    await add('open/held', 3)
    for (const round of [0, 1]) {
      const reader = source({ topic: 'open/held', client_id: 'held' })
      await reader.open(undefined)
      const wanted = new Set<string>()
      let last
      while (wanted.size < 3 - round) {
        last = await reader.next(1, new AbortController().signal)
        wanted.add(Buffer.from(last?.data ?? []).toString('utf8'))
        if (round === 0 && wanted.size === 1) await reader.commit?.(last?.position ?? null)
      }
      assert.deepEqual([...wanted].at(-1), '{"n":2}')
      await reader.close()
    }
  })

  test('a connection that breaks loses nothing, and what the source has is not taken twice', async t => {
    const config = { url, topic: 'open/cut', client_id: 'cut' }
    await session(config)
    const run = running(t, { type: 'mqtt', config }, { type: 'mqtt', config: { url, topic: 'open/cut-out' } })
    for (let round = 0; round < 5; round++) {
      await add('open/cut', 100, round * 100)
      await until(() => mqtt.received('open/cut-out').length > round * 100)
      cutAll()
    }
    await until(() => new Set(numbers('open/cut-out')).size === 500)
    await run.finish()
  })

  test('a password that is no longer right ends the run, and gives no event up', async t => {
    const config = { url, topic: 'open/rotated', client_id: 'rotated', username: server.value('user'), password }
    await session(config)
    const run = running(t, { type: 'mqtt', config }, { type: 'mqtt', config: { url, topic: 'open/rotated-out', username: 'guest', password } })
    await add('open/rotated', 3)
    await until(() => numbers('open/rotated-out').length === 3)
    await setPassword('guest', 'another')
    cutAll()
    await add('open/rotated', 3, 3)
    await assert.rejects(run.report, { code: 'MQTT_AUTH', message: /refused the login/ })
    assert.deepEqual(lettersOf(run), [])
    await setPassword('guest', password)
    const next = running(t, { type: 'mqtt', config }, { type: 'mqtt', config: { url, topic: 'open/rotated-out', username: 'guest', password } })
    await until(() => new Set(numbers('open/rotated-out')).size === 6)
    await next.finish()
  })

  test('a broker that stops and comes back loses nothing, at either end of a pipeline', async t => {
    // With a login: Mosquitto 2.0 keeps nothing for a nameless client between its own start and the client's return, where it has a list of permissions.
    const config = { url, topic: 'open/gone', client_id: 'gone', username: server.value('user'), password }
    await session(config)
    const run = running(t, { type: 'mqtt', config }, { type: 'mqtt', config: { url, topic: 'open/gone-out' } })
    await add('open/gone', 300)
    await until(() => mqtt.received('open/gone-out').length > 0)
    await server.stop()
    await server.start()
    await add('open/gone', 300, 300)
    await until(() => new Set(numbers('open/gone-out')).size === 600)
    await run.finish()
    assert.match(run.warnings.join('\n'), /was cut.*tried again/)
  })
}
