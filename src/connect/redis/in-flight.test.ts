import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonValue } from '../../event/index.ts'
import { compareIds } from './group.ts'
import { InFlight, isDone } from './in-flight.ts'
import type { EntriesPosition } from './in-flight.ts'

const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, n) => `1-${from + n}`)
const positionOf = (position: JsonValue): EntriesPosition => JSON.parse(JSON.stringify(position)) as EntriesPosition // As a checkpoint gives it back.

test('a position finishes the pieces up to it, and nothing behind it', () => {
  const inFlight = new InFlight(0)
  const first = inFlight.add('a', ids(1, 2), true, 0)
  const second = inFlight.add('b', ids(1, 1), true, 0)
  inFlight.add('a', ids(3, 1), true, 0)
  assert.deepEqual([...inFlight.finish(first)], [['a', ['1-1', '1-2']]])
  assert.deepEqual([...inFlight.finish(second)], [['b', ['1-1']]])
  assert.deepEqual([inFlight.has('a', '1-1'), inFlight.has('a', '1-3')], [false, true])
})

test('the position of an earlier run finishes nothing of this one', () => {
  const before = positionOf(new InFlight(0).add('a', ids(1, 2), true, 0))
  const inFlight = new InFlight(before.piece)
  inFlight.add('a', ids(3, 2), true, 0)
  assert.equal(inFlight.finish(before as unknown as JsonValue).size, 0)
})

test('entries are old once they were handed out before a time', () => {
  const inFlight = new InFlight(0)
  inFlight.add('a', ids(1, 1), true, 10)
  inFlight.add('a', ids(2, 1), false, 20)
  assert.deepEqual([...inFlight.before(20)], [['a', ['1-1']]])
})

test('whatever comes in whatever way, a position says nothing is done that was handed out behind it', () => {
  // Stretches of one stream: fresh ones belong to this consumer alone; entries taken over lie between them.
  const pieces = fc.array(fc.record({ count: fc.integer({ min: 1, max: 5 }), gap: fc.integer({ min: 0, max: 4 }), acknowledged: fc.nat({ max: 3 }) }), { minLength: 1, maxLength: 30 })
  fc.assert(fc.property(pieces, steps => {
    const inFlight = new InFlight(0)
    const others: string[] = []
    const handed: { readonly ids: readonly string[]; readonly position: EntriesPosition }[] = []
    let next = 1
    for (const { count, gap, acknowledged } of steps) {
      others.push(...ids(next, gap))
      next += gap
      const fresh = ids(next, count)
      next += count
      handed.push({ ids: fresh, position: positionOf(inFlight.add('s', fresh, true, 0)) })
      const claimed = others.splice(0, acknowledged)
      if (claimed.length > 0) handed.push({ ids: claimed, position: positionOf(inFlight.add('s', claimed, false, 0)) })
    }
    for (const [at, { position }] of handed.entries()) {
      const behind = [...handed.slice(at + 1).flatMap(one => one.ids), ...others]
      assert.deepEqual(behind.filter(id => isDone(position, 's', id)), [])
      assert.ok(handed[at]?.ids.every(id => isDone(position, 's', id)))
    }
  }))
})

test('a position holds no more than so many stretches, the newest ones', () => {
  const inFlight = new InFlight(0)
  let last: JsonValue = null
  for (let n = 0; n < 2000; n++) last = inFlight.add('a', [`1-${n}`], n % 2 === 0, 0)
  const position = positionOf(last)
  assert.equal(position.done.length, 500)
  assert.deepEqual([isDone(position, 'a', '1-0'), isDone(position, 'a', '1-1999')], [false, true])
})

test('ids are in the order of their numbers', () => {
  assert.deepEqual(['9-1', '10-0', '9-10', '9-2', '18446744073709551615-1'].sort(compareIds), ['9-1', '9-2', '9-10', '10-0', '18446744073709551615-1'])
})
