import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { untilAborted } from './signals.ts'

test('a wait answers what the promise answers, and leaves no listener behind', async () => {
  const { signal } = new AbortController()
  for (let round = 0; round < 3; round++) assert.equal(await untilAborted(Promise.resolve(round), signal), round)
  await assert.rejects(untilAborted(Promise.reject(new Error('gone')), signal), /gone/)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('a signal ends the wait with undefined, before and while it waits', async () => {
  const controller = new AbortController()
  const never = new Promise<number>(() => undefined)
  const waiting = untilAborted(never, controller.signal)
  controller.abort()
  assert.equal(await waiting, undefined)
  assert.equal(await untilAborted(never, controller.signal), undefined)
})

test('what fails once the signal has fired is nobody\'s business', async () => {
  const controller = new AbortController()
  controller.abort()
  assert.equal(await untilAborted(Promise.reject(new Error('cancelled')), controller.signal), undefined)
  // One that nobody looks at would end the process.
  await new Promise(resolve => setImmediate(resolve))
})
