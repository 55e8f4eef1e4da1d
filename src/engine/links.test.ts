import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ThreadLink } from './links.ts'

const WORKER = new URL("data:text/javascript,import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => undefined)")

test('the heap of a thread is known from the second look on', async () => {
  const link = new ThreadLink(WORKER, undefined, () => undefined)
  assert.equal(link.heapBytes, undefined)
  while (link.heapBytes === undefined) await setImmediate()
  assert.ok(link.heapBytes > 500_000 && link.heapBytes < 200_000_000, `${link.heapBytes}`)
  await link.terminate()
  const last = link.heapBytes
  await setImmediate()
  assert.equal(link.heapBytes, last, 'one that has ended has said its last')
})
