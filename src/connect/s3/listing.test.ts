import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonValue } from '../../event/index.ts'
import { KeyOrder, TimeOrder } from './listing.ts'
import type { ListPage, Listing } from './listing.ts'
import type { FoundObject } from './store.ts'

const object = (key: string, time = 0, tag = 't'): FoundObject => ({ key, tag, size: 1, time })

/** A bucket that hands out pages of so many. */
function bucket(objects: FoundObject[], pageSize = 2): ListPage {
  return after => {
    const behind = objects.filter(({ key }) => after === undefined || key > after).sort((a, b) => (a.key < b.key ? -1 : 1))
    return Promise.resolve({ objects: behind.slice(0, pageSize), last: behind.slice(0, pageSize).at(-1)?.key, more: behind.length > pageSize })
  }
}

async function readAll(listing: Listing, most = Infinity): Promise<string[]> {
  const keys: string[] = []
  while (keys.length < most) {
    const next = await listing.next(undefined)
    if (next === undefined) break
    keys.push(next.key)
    listing.done(next)
  }
  return keys
}

const kept = (listing: Listing): JsonValue => JSON.parse(JSON.stringify(listing.position)) as JsonValue // JSON of JSON.

test('by key, over pages, and from the position on', async () => {
  const list = bucket(['a', 'b', 'c', 'd', 'e'].map(key => object(key)))
  assert.deepEqual(await readAll(new KeyOrder(list, undefined)), ['a', 'b', 'c', 'd', 'e'])
  const first: Listing = new KeyOrder(list, undefined)
  await first.next(undefined)
  first.done(object('a'))
  assert.deepEqual(await readAll(new KeyOrder(list, kept(first))), ['b', 'c', 'd', 'e'])
})

test('by time, those of one time by key, and the one that was begun before all', async () => {
  const objects = [object('a', 3), object('b', 1), object('d', 2), object('c', 2)]
  const order = (): TimeOrder => new TimeOrder(bucket(objects), 10, undefined, () => undefined)
  assert.deepEqual(await readAll(order()), ['b', 'c', 'd', 'a'])
  assert.equal((await order().next('a'))?.key, 'a')
})

test('an object that is written anew is read again', async () => {
  const objects = [object('a', 1, 'old')]
  const listing = new TimeOrder(bucket(objects), 10, undefined, () => undefined)
  assert.deepEqual(await readAll(listing), ['a'])
  objects[0] = object('a', 1, 'new')
  assert.deepEqual(await readAll(listing), ['a'])
  assert.deepEqual(await readAll(listing), [])
})

test('whatever appears in whatever order, at most so late: each object is read once, over restarts', async () => {
  const late = 10
  const arrivals = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 5 }), age: fc.integer({ min: 0, max: late }), name: fc.integer({ min: 0, max: 1e6 }) }), { maxLength: 40 })
  await fc.assert(fc.asyncProperty(arrivals, fc.array(fc.record({ reads: fc.integer({ min: 0, max: 4 }), restart: fc.boolean() }), { maxLength: 60 }), async (coming, rounds) => {
    const objects: FoundObject[] = []
    let [now, position]: [number, JsonValue | undefined] = [100, undefined]
    const list = bucket(objects, 3)
    let listing = new TimeOrder(list, late, undefined, () => assert.fail('nothing is passed over'))
    const read: string[] = []
    const waiting = [...coming]
    for (const { reads, restart } of rounds) {
      const next = waiting.shift()
      if (next !== undefined) objects.push(object(`${next.name}-${objects.length}`, (now += next.gap) - next.age))
      read.push(...(await readAll(listing, reads)))
      position = kept(listing)
      if (restart) listing = new TimeOrder(list, late, position, () => assert.fail('nothing is passed over'))
    }
    read.push(...(await readAll(listing)))
    assert.deepEqual(read.toSorted(), objects.map(({ key }) => key).toSorted())
  }))
})

test('too many objects within the time that is allowed: it is told, and the position stays small', async () => {
  const objects = Array.from({ length: 10_500 }, (_, n) => object(String(n).padStart(6, '0'), n))
  const said: string[] = []
  const listing = new TimeOrder(bucket(objects, 1000), 1e6, undefined, message => said.push(message))
  assert.equal((await readAll(listing)).length, objects.length)
  assert.equal(said.length, 1)
  assert.ok((kept(listing) as { done: unknown[] }).done.length < 6000)
})
