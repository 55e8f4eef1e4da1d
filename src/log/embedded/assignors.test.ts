import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { range, sticky } from './assignors.ts'
import type { Assignor, Claimant, Shares } from './assignors.ts'

const topics = (...names: string[]) => new Set(names)
const claimant = (id: string, ...names: string[]): Claimant => ({ id, topics: topics(...names), owned: [] })
const listed = (shares: Shares) => Object.fromEntries([...shares].map(([id, share]) => [id, share.map(({ topic, partition }) => `${topic}${partition}`).join(' ')]))

test('range gives consecutive partitions of each topic, the first members one more', () => {
  const shares = range([claimant('m', 'a', 'b'), claimant('n', 'a'), claimant('o', 'b')], new Map([['a', 3], ['b', 2]]))
  assert.deepEqual(listed(shares), { m: 'a0 a1 b0', n: 'a2', o: 'b1' })
})

test('sticky lets everybody keep what they have when a member comes', () => {
  const partitions = new Map([['a', 6]])
  const before = sticky([claimant('m', 'a'), claimant('n', 'a')], partitions)
  const after = sticky([...[...before].map(([id, owned]) => ({ id, topics: topics('a'), owned })), claimant('o', 'a')], partitions)
  for (const id of ['m', 'n']) assert.ok(after.get(id)?.every(kept => before.get(id)?.includes(kept)))
  assert.deepEqual([...after.values()].map(share => share.length), [2, 2, 2])
})

const members = fc.array(fc.subarray(['a', 'b', 'c'], { minLength: 1 }), { minLength: 1, maxLength: 6 })
const partitions = fc.record({ a: fc.nat({ max: 7 }), b: fc.nat({ max: 7 }), c: fc.nat({ max: 7 }) })

for (const [name, assignor] of Object.entries<Assignor>({ range, sticky })) {
  test(`${name} gives each partition to one member that wants it, if anybody does`, () => {
    fc.assert(fc.property(members, partitions, partitions, (wants, first, second) => {
      const before = assignor(wants.map((want, index) => claimant(`${index}`, ...want)), new Map(Object.entries(first)))
      const claimants = wants.slice(0, -1).map((want, index) => ({ id: `${index}`, topics: topics(...want), owned: before.get(`${index}`) ?? [] }))
      const shares = assignor(claimants, new Map(Object.entries(second)))
      const given = [...shares].flatMap(([id, share]) => share.map(({ topic, partition }) => ({ id, topic, key: `${topic}${partition}` })))
      assert.equal(new Set(given.map(({ key }) => key)).size, given.length)
      for (const { id, topic } of given) assert.ok(claimants.find(member => member.id === id)?.topics.has(topic))
      const wanted = Object.entries(second).filter(([topic]) => claimants.some(({ topics }) => topics.has(topic)))
      assert.equal(given.length, wanted.reduce((sum, [, count]) => sum + count, 0))
    }))
  })
}

test('sticky keeps shares even to one partition among members that want the same', () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 5 }), fc.nat({ max: 20 }), (owned, count) => {
    let next = 0
    const claimants = owned.map((size, id) => ({ id: `${id}`, topics: topics('a'), owned: Array.from({ length: size }, () => ({ topic: 'a', partition: next++ })) }))
    const shares = sticky(claimants, new Map([['a', count]]))
    const sizes = [...shares.values()].map(share => share.length)
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
    // Nobody gives away more than is above the share of everybody.
    const kept = claimants.reduce((sum, { id, owned }) => sum + (shares.get(id) ?? []).filter(({ partition }) => owned.some(had => had.partition === partition)).length, 0)
    const most = Math.ceil(count / owned.length)
    const valid = claimants.map(({ owned }) => owned.filter(({ partition }) => partition < count).length)
    assert.ok(kept >= valid.reduce((sum, size) => sum + Math.min(size, Math.floor(count / owned.length)), 0) && sizes.every(size => size <= most))
  }))
})
