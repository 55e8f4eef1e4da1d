import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AtOnce } from './at-once.ts'

test('never more than so many run at once, and they begin in the order in which they came, whatever fails', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.record({ turns: fc.nat(5), fails: fc.boolean() }), { maxLength: 30 }), async (most, works) => {
    const subject = new AtOnce(most)
    const begun: number[] = []
    let [running, highest] = [0, 0]
    const ends = works.map(({ turns, fails }, number) => subject.run(async () => {
      begun.push(number)
      highest = Math.max(highest, ++running)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      running--
      if (fails) throw new Error('as asked')
      return number
    }))
    // As many as may, from the start.
    assert.equal(begun.length, Math.min(most, works.length))
    const answers = await Promise.allSettled(ends)
    assert.deepEqual(answers.map(answer => (answer.status === 'fulfilled' ? answer.value : 'failed')), works.map(({ fails }, number) => (fails ? 'failed' : number)))
    assert.deepEqual(begun, works.map((_, number) => number))
    assert.ok(highest <= most)
  }))
})

test('who brings more waits until few enough wait', async () => {
  const subject = new AtOnce(1)
  const gates = [1, 2, 3].map(() => Promise.withResolvers<void>())
  const runs = gates.map(({ promise }) => subject.run(() => promise))
  let hasRoom = false
  const room = subject.room(1).then(() => (hasRoom = true))
  await Promise.resolve()
  assert.equal(hasRoom, false)
  gates[0]?.resolve()
  await runs[0]
  await room
  for (const { resolve } of gates) resolve()
  await Promise.all(runs)
})
