import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KEY_GROUPS, StageMemory, keyGroup } from './memory.ts'

test('the group of a key never changes', () => {
  // Vectors: whoever changes the hash loses every state folder there is.
  assert.deepEqual(['', 'a', 'k0', 'device-17', 'größe', '😀'].map(keyGroup), ['', 'a', 'k0', 'device-17', 'größe', '😀'].map(reference))
  assert.equal(keyGroup(''), 197)
})

/** FNV-1a as its authors wrote it, over 16 bit units. */
function reference(key: string): number {
  let hash = 0x811c9dc5n
  for (let at = 0; at < key.length; at++) hash = ((hash ^ BigInt(key.charCodeAt(at))) * 0x01000193n) & 0xffffffffn
  hash ^= hash >> 16n
  return Number((hash ^ (hash >> 8n)) & 0xffn)
}

const operation = fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.integer({ min: 0, max: 60 }).map(n => `k${n}`), fc.constantFrom(undefined, 'p', 'q'))

test('a run that is cut, and goes on in memories that share the groups otherwise, ends as one that was not', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 120 }), fc.integer({ min: 0, max: 120 }), fc.integer({ min: 1, max: 4 }), (operations, at, lanes) => {
      const whole = new StageMemory([], () => true)
      const expected = operations.map((one, index) => apply(whole, one, index))
      const first = new StageMemory([], () => true)
      const answers = operations.slice(0, at).map((one, index) => apply(first, one, index))
      const snapshot = first.changed()
      const shared = Array.from({ length: lanes }, (_, lane) => new StageMemory(snapshot, group => group % lanes === lane))
      operations.slice(at).forEach((one, index) => {
        const owner = shared[keyGroup(one[2] ?? one[1]) % lanes]
        assert.ok(owner !== undefined)
        answers.push(apply(owner, one, at + index))
      })
      assert.deepEqual(answers, expected)
    }),
    { numRuns: 300 },
  )
})

function apply(memory: StageMemory, [kind, key, partition]: readonly [string, string, string | undefined], index: number): unknown {
  const table = memory.table<number>('t', { keysMax: KEY_GROUPS })
  memory.partition = partition
  if (kind === 'get') return table.get(key)
  if (kind === 'delete') return table.delete(key)
  return table.set(key, index)
}

test('a full group forgets the key that was not used for longest', () => {
  const memory = new StageMemory([], () => true)
  const table = memory.table<number>('t', { keysMax: KEY_GROUPS * 2 })
  const keys = Array.from({ length: 5000 }, (_, n) => `x${n}`).filter(key => keyGroup(key) === 7).slice(0, 3)
  const [a = '', b = '', c = ''] = keys
  table.set(a, 1)
  table.set(b, 2)
  table.get(a)
  table.set(c, 3)
  assert.deepEqual([table.get(a), table.get(b), table.get(c)], [1, undefined, 3])
})

test('only what changed is handed over again', () => {
  const memory = new StageMemory([], () => true)
  const table = memory.table<number>('t', { keysMax: 1000 })
  table.set('a', 1)
  table.set('b', 2)
  assert.equal(memory.changed().length, 2)
  assert.equal(memory.changed().length, 0)
  table.set('a', 3)
  assert.deepEqual(memory.changed().map(({ group }) => group), [keyGroup('a')])
})

test('a memory takes of what was kept only the groups it owns', () => {
  const whole = new StageMemory([], () => true)
  const table = whole.table<number>('t', { keysMax: 100_000 })
  for (let n = 0; n < 500; n++) table.set(`k${n}`, n)
  const kept = whole.changed()
  const halves = [0, 1].map(lane => new StageMemory(kept, group => group % 2 === lane).table<number>('t', { keysMax: 100_000 }))
  assert.equal(halves.reduce((sum, half) => sum + half.size, 0), 500)
  for (let n = 0; n < 500; n++) assert.deepEqual(halves.map(half => half.get(`k${n}`)), [0, 1].map(lane => (keyGroup(`k${n}`) % 2 === lane ? n : undefined)))
})

test('no key can be made to look like that of another partition', () => {
  const long = Array.from({ length: 5000 }, (_, n) => `p${n}`).find(text => keyGroup(text) === keyGroup('p')) ?? ''
  assert.notEqual(long, '')
  const memory = new StageMemory([], () => true)
  const table = memory.table<number>('t', { keysMax: KEY_GROUPS * 16 })
  memory.partition = 'p'
  table.set(`${long.slice(1)}x`, 1)
  // The same characters in the same group, cut elsewhere.
  memory.partition = long
  assert.equal(table.get('x'), undefined)
})

test('what was only read is handed over again, because its turn to be forgotten has changed', () => {
  const memory = new StageMemory([], () => true)
  const table = memory.table<number>('t', { keysMax: KEY_GROUPS * 2 })
  const [a = '', b = '', c = ''] = Array.from({ length: 5000 }, (_, n) => `x${n}`).filter(key => keyGroup(key) === 7)
  table.set(a, 1)
  table.set(b, 2)
  memory.changed()
  table.get(a)
  const later = new StageMemory(memory.changed(), () => true).table<number>('t', { keysMax: KEY_GROUPS * 2 })
  later.set(c, 3)
  assert.deepEqual([later.get(a), later.get(b), later.get(c)], [1, undefined, 3])
})
