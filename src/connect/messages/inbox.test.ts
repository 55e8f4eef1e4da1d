import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Inbox } from './inbox.ts'
import type { Incoming } from './inbox.ts'

const never = new AbortController().signal

const message = (n: number, body = `{"n":${n}}`): Incoming<number> => ({ body: Buffer.from(body), from: { n }, token: n })

test('messages come out in the order they came in, in pieces of the size asked for', async () => {
  const inbox = new Inbox<number>(1e6)
  for (let n = 0; n < 5; n++) inbox.add(message(n))
  const piece = await inbox.next(150, never)
  assert.equal(Buffer.from(piece?.data ?? []).toString(), '{"n":0}{"n":1}')
  assert.deepEqual(piece?.meta, { messages: [{ end: 7, from: { n: 0 } }, { end: 14, from: { n: 1 } }] })
  assert.equal(inbox.waiting, 3)
})

test('a message that is larger than the size asked for is a piece of its own', async () => {
  const inbox = new Inbox<number>(1e6)
  inbox.add(message(0, 'x'.repeat(1000)))
  assert.equal((await inbox.next(10, never))?.data?.length, 1000)
})

test('who waits for a piece gets the message that comes then, nothing where the wait is ended, and the error where no more will come', async () => {
  const inbox = new Inbox<number>(1e6)
  const waiting = inbox.next(100, never)
  inbox.add(message(7))
  assert.deepEqual(inbox.finish((await waiting)?.position ?? null), [7])
  const stop = new AbortController()
  const stopped = inbox.next(100, stop.signal)
  stop.abort()
  assert.equal(await stopped, undefined)
  const failing = inbox.next(100, never)
  inbox.fail(new Error('gone'))
  await assert.rejects(failing, /gone/)
})

test('what is there is handed out before the error that ended the rest', async () => {
  const inbox = new Inbox<number>(1e6)
  inbox.add(message(1))
  inbox.fail(new Error('gone'))
  assert.notEqual(await inbox.next(100, never), undefined)
  await assert.rejects(inbox.next(100, never), /gone/)
})

test('there is room until the limit is reached, and again once pieces are taken or forgotten', async () => {
  for (const free of [(inbox: Inbox<number>) => inbox.next(1e6, never), (inbox: Inbox<number>) => inbox.drop()]) {
    const inbox = new Inbox<number>(100)
    await inbox.room(never)
    inbox.add(message(0))
    inbox.add(message(1))
    let isThere = false
    const room = inbox.room(never).then(() => (isThere = true))
    await Promise.resolve()
    assert.equal(isThere, false)
    await free(inbox)
    assert.equal(await room, true)
  }
})

test('positions go on where an earlier run ended, so that what that run had committed acknowledges nothing of this one', async () => {
  const inbox = new Inbox<number>(1e6, 41)
  inbox.add(message(0))
  const piece = await inbox.next(100, never)
  assert.equal(piece?.position, 42)
  assert.deepEqual(inbox.finish(41), [])
  assert.deepEqual(inbox.finish(42), [0])
})

test('every message is acknowledged once, and only when all before it are done', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.oneof(fc.record({ add: fc.nat(200) }), fc.record({ take: fc.nat(500) }), fc.record({ finish: fc.nat(20) }), fc.constant({ drop: true as const })), { maxLength: 60 }), async steps => {
    const inbox = new Inbox<number>(1e9)
    let [next, handed, finished] = [0, [] as { readonly position: number; readonly tokens: readonly number[] }[], [] as number[]]
    let waiting: number[] = []
    for (const step of steps) {
      if ('add' in step) {
        waiting.push(next)
        inbox.add(message(next++, 'x'.repeat(step.add)))
      } else if ('take' in step) {
        if (waiting.length === 0) continue
        const piece = await inbox.next(step.take, never)
        const count = (piece?.meta as { readonly messages: readonly unknown[] }).messages.length // Made by the inbox.
        handed.push({ position: Number(piece?.position), tokens: waiting.slice(0, count) })
        waiting = waiting.slice(count)
      } else if ('finish' in step) {
        const done = handed.slice(0, step.finish)
        if (done.length === 0) continue
        handed = handed.slice(done.length)
        const expected = done.flatMap(({ tokens }) => tokens)
        assert.deepEqual(inbox.finish(done.at(-1)?.position ?? 0), expected)
        finished = [...finished, ...expected]
      } else {
        assert.deepEqual(inbox.drop(), waiting)
        waiting = []
      }
      assert.equal(inbox.waiting, waiting.length)
    }
    assert.equal(new Set(finished).size, finished.length)
  }))
})
