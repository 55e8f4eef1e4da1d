import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepareConfig } from '../../engine/index.ts'
import { testContext } from '../testing.ts'
import { httpServer } from './http-server.ts'

test('a client is answered when its own events are durable, and not with those before it', async () => {
  let url = ''
  const never = (_ms: number, signal?: AbortSignal): Promise<void> => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))))
  const context = testContext({ warn: message => (url = `http://${/listens at (\S+)/.exec(message)?.[1] ?? ''}`), sleep: (ms, signal) => (ms < 1000 ? Promise.resolve() : never(ms, signal)) })
  const source = httpServer.create(prepareConfig(httpServer.config, { port: 0, path: '/in' }, context), context)
  await source.open(undefined)
  const answers: string[] = []
  const post = async (name: string): Promise<void> => {
    const { status } = await fetch(`${url}/in`, { method: 'POST', body: JSON.stringify(name) })
    answers.push(`${name} ${status}`)
  }
  const { signal } = new AbortController()
  const first = post('first')
  const one = await source.next(1000, signal)
  const second = post('second')
  const two = await source.next(1000, signal)
  await source.commit?.(one?.position ?? null)
  await first
  // A way there and back: an answer that was sent would have come.
  for (let n = 0; n < 3; n++) await (await fetch(`${url}/healthz`)).text()
  assert.deepEqual(answers, ['first 200'])
  await source.commit?.(two?.position ?? null)
  await second
  assert.deepEqual(answers, ['first 200', 'second 200'])
  // Who still waits when the server stops learns that nothing is known.
  const third = post('third')
  await source.next(1000, signal)
  await source.close()
  await third
  assert.deepEqual(answers.at(-1), 'third 503')
})

test('who comes while the server stops is told so, and that the connection ends', async () => {
  let [url, isOver] = ['', false]
  const farewell = Promise.withResolvers<void>()
  const never = (_ms: number, signal?: AbortSignal): Promise<void> => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))))
  const context = testContext({ warn: message => (url = `http://${/listens at (\S+)/.exec(message)?.[1] ?? ''}`), sleep: (ms, signal) => (ms < 1000 ? farewell.promise : never(ms, signal)) })
  const source = httpServer.create(prepareConfig(httpServer.config, { port: 0, path: '/in' }, context), context)
  await source.open(undefined)
  await (await fetch(`${url}/healthz`)).text()
  const closed = source.close().then(() => (isOver = true))
  const { status, headers } = await fetch(`${url}/in`, { method: 'POST', body: '1' })
  assert.deepEqual([status, headers.get('connection'), headers.get('retry-after'), isOver], [503, 'close', '5', false])
  farewell.resolve()
  await closed
  await assert.rejects(fetch(`${url}/in`, { method: 'POST', body: '1' }))
})
