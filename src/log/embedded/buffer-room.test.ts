import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../../base/index.ts'
import { BufferRoom } from './buffer-room.ts'

test('who waits enters in order, as soon as there is room, and who left is passed over', () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom('give', 'leave')), { maxLength: 60 }), steps => {
    const room = new BufferRoom(10)
    // The model: sizes inside, and the row outside.
    const inside: number[] = []
    let row: { readonly id: number; readonly bytes: number; readonly leave: () => void }[] = []
    const entered: number[] = []
    const expected: number[] = []
    const admit = (): void => {
      for (let next = row[0]; next !== undefined; next = row[0]) {
        const used = inside.reduce((a, b) => a + b, 0)
        if (used > 0 && used + next.bytes > 10) break
        inside.push(next.bytes)
        expected.push(next.id)
        row = row.slice(1)
      }
    }
    for (const [id, step] of steps.entries()) {
      if (step === 'give') {
        const bytes = inside.shift()
        if (bytes === undefined) continue
        room.give(bytes)
        admit()
      } else if (step === 'leave') {
        row.shift()?.leave()
        admit()
      } else if (room.tryTake(step)) {
        assert.ok(row.length === 0 && (inside.length === 0 || inside.reduce((a, b) => a + b, 0) + step <= 10))
        inside.push(step)
      } else {
        row.push({ id, bytes: step, leave: room.wait(step, () => entered.push(id), () => assert.fail('nobody is refused')) })
      }
      assert.deepEqual(entered, expected)
      assert.equal(room.isCrowded, row.length > 0)
    }
  }))
})

test('a row of many is worked off in a time that grows with it, not faster', () => {
  const room = new BufferRoom(1)
  assert.ok(room.tryTake(1))
  let entered = 0
  const leave = Array.from({ length: 200_000 }, () => room.wait(1, () => entered++, () => undefined))
  for (const [index, each] of leave.entries()) if (index % 2 === 1) each()
  for (let count = 0; count < 100_000; count++) room.give(1)
  assert.equal(entered, 100_000)
  assert.equal(room.isCrowded, false)
})

test('closing turns away everybody who waits', () => {
  const room = new BufferRoom(1)
  room.tryTake(1)
  const refused: string[] = []
  room.wait(1, () => assert.fail('it is closed'), ({ code }) => refused.push(code))
  room.wait(1, () => assert.fail('it left'), () => assert.fail('it left'))()
  room.close(new SluiceError('LOG_CLOSED', 'closed'))
  assert.deepEqual(refused, ['LOG_CLOSED'])
})
