import assert from 'node:assert/strict'
import { test } from 'node:test'
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
