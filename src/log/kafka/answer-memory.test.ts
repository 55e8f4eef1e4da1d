import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerMemory } from './answer-memory.ts'

test('memory that was given back is used again, also where only a part of it is shown', () => {
  const memory = new AnswerMemory()
  const first = memory.take(200_000)
  memory.giveBack(first.subarray(100, 200))
  assert.equal(memory.take(190_000).buffer, first.buffer)
})

test('what is still looked at is never handed out', () => {
  const memory = new AnswerMemory()
  const first = memory.take(1000)
  assert.notEqual(memory.take(1000).buffer, first.buffer)
})

test('what is given back twice, or was never taken, is not handed out twice', () => {
  const memory = new AnswerMemory()
  const first = memory.take(1000)
  memory.giveBack(first)
  memory.giveBack(first)
  memory.giveBack(new Uint8Array(70_000))
  const buffers = [memory.take(1000).buffer, memory.take(1000).buffer, memory.take(1000).buffer]
  assert.equal(new Set(buffers).size, 3)
})

test('a small answer does not keep the memory of a large one', () => {
  const memory = new AnswerMemory()
  const large = memory.take(4_000_000)
  memory.giveBack(large)
  assert.notEqual(memory.take(1000).buffer, large.buffer)
})

test('no more than some megabytes lie free', () => {
  const memory = new AnswerMemory()
  const taken = Array.from({ length: 20 }, () => memory.take(1 << 20))
  for (const bytes of taken) memory.giveBack(bytes)
  const again = new Set(Array.from({ length: 20 }, () => memory.take(1 << 20).buffer))
  assert.equal(taken.filter(({ buffer }) => again.has(buffer)).length, 8)
})
