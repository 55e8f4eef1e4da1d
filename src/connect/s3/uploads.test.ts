import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { Slots } from '../../engine/index.ts'
import { SimulatedClock } from '../../platform/index.ts'
import { Uploads } from './uploads.ts'

/** A request that ends when the test says so. */
function request(): { run: () => Promise<void>; begun: () => number; end(why?: Error): void } {
  let begun = 0
  let ending = Promise.withResolvers<void>()
  return {
    run: () => {
      begun++
      return ending.promise
    },
    begun: () => begun,
    end: why => {
      const { resolve, reject } = ending
      ending = Promise.withResolvers<void>()
      if (why === undefined) resolve()
      else reject(why)
    },
  }
}

test('no more requests are under way than are allowed', async () => {
  const uploads = new Uploads(2)
  const all = [request(), request(), request()]
  for (const one of all) uploads.add(10, one.run)
  assert.deepEqual(all.map(one => one.begun()), [1, 1, 0])
  assert.equal(uploads.bytes, 30)
  all[0]?.end()
  await uploads.room(20)
  assert.deepEqual(all.map(one => one.begun()), [1, 1, 1])
  all[1]?.end()
  all[2]?.end()
  await uploads.settle()
  assert.equal(uploads.bytes, 0)
})

test('what failed is tried again by the next call and not before, and nothing else is begun meanwhile', async () => {
  const uploads = new Uploads(1)
  const [first, second] = [request(), request()]
  uploads.add(10, first.run)
  uploads.add(10, second.run)
  first.end(new Error('gone'))
  await assert.rejects(uploads.room(0), /gone/)
  assert.deepEqual([first.begun(), second.begun()], [1, 0])
  const again = uploads.room(100)
  assert.deepEqual([first.begun(), second.begun()], [2, 0])
  first.end()
  await new Promise(resolve => setImmediate(resolve))
  second.end()
  await again
  assert.equal(uploads.bytes, 0)
})

test('a failure is told even where there is room', async () => {
  const uploads = new Uploads(1)
  const one = request()
  uploads.add(10, one.run)
  one.end(new Error('gone'))
  await new Promise(resolve => setImmediate(resolve))
  const told = uploads.room(1000)
  one.end(new Error('still gone'))
  await assert.rejects(told, /still gone/)
})

test('how many the server takes is found out: more while it answers in time, fewer once it refuses; nothing is lost by that', async () => {
  const clock = new SimulatedClock()
  const limits: number[] = []
  const uploads = new Uploads(new Slots({ monotonic: () => clock.monotonic(), limited: ({ limit }) => limits.push(limit) }))
  let [open, most, done, refused] = [0, 0, 0, 0]
  const run = async (): Promise<void> => {
    open++
    most = Math.max(most, open)
    const isTooMuch = open > 10
    await clock.sleep(isTooMuch ? 5 : 20)
    open--
    if (isTooMuch) {
      refused++
      throw new SluiceError('S3_BUSY', 'SlowDown', { retry: true })
    }
    done++
  }
  assert.equal(uploads.most, 1)
  for (let count = 0; count < 600; count++) {
    uploads.add(10, run)
    // Completing an upload is answered sooner: that says nothing of how long parts take.
    uploads.add(0, () => clock.sleep(1))
  }
  for (let isDone = false; !isDone;) {
    let isOver = false
    const settled = uploads.settle().then(() => (isDone = true), () => undefined).finally(() => (isOver = true))
    while (!isOver) await clock.advance(1)
    await settled
  }
  assert.deepEqual([done, uploads.bytes, open], [600, 0, 0])
  assert.ok(refused > 0 && most > 10 && most < 20, `${most} at most, ${refused} refused`)
  assert.ok(uploads.most >= 4 && uploads.most <= 10, String(uploads.most))
  assert.equal(limits.at(-1), uploads.most, 'each change is told')
})
