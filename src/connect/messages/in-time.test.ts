import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testContext } from '../testing.ts'
import { inTime } from './in-time.ts'

const never = new Promise<void>(() => undefined)

test('work that is over in time is waited for, whether it went well or not, and the wait for the time is ended', async () => {
  for (const work of [Promise.resolve(), Promise.reject(new Error('no'))]) {
    let ended = false
    const context = testContext({ sleep: (_ms, signal) => new Promise((_, reject) => signal?.addEventListener('abort', () => {
      ended = true
      reject(new Error('aborted'))
    })) })
    assert.equal(await inTime(work, 1000, context), true)
    assert.equal(ended, true)
  }
})

test('work that is not over when the time is up is left alone', async () => {
  assert.equal(await inTime(never, 1000, testContext({ sleep: () => Promise.resolve() })), false)
})
