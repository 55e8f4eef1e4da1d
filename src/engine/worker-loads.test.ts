import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WorkerLoads } from './worker-loads.ts'

const crew = (total: number, first = 0) => ({ lanes: total, first, total })

test('the least busy worker takes the next piece; what its lanes have counts too', () => {
  const loads = new WorkerLoads(crew(3))
  loads.takeLane(0)
  assert.deepEqual([loads.take(undefined), loads.take(undefined), loads.take(undefined), loads.waiting], [1, 2, 0, 3])
  loads.laneDone(0)
  loads.done(0)
  assert.deepEqual([loads.take(undefined), loads.of(0), loads.of(1)], [0, 1, 1])
})

test('there is room while a worker that takes pieces has fewer than three', () => {
  const loads = new WorkerLoads(crew(3, 1))
  for (let piece = 0; piece < 6; piece++) {
    assert.equal(loads.hasRoom, true)
    assert.ok(loads.take(undefined) >= 1, 'the first owns lanes only')
  }
  assert.equal(loads.hasRoom, false)
  loads.done(2)
  assert.equal(loads.hasRoom, true)
})

test('pieces of one affinity go to one worker', () => {
  const loads = new WorkerLoads(crew(3))
  const worker = loads.take(7)
  assert.deepEqual([loads.take(7), loads.take(7)], [worker, worker])
  assert.notEqual(loads.take(8), worker)
})

test('a worker that is to go keeps what it has and gets nothing more, whatever belongs together', () => {
  const loads = new WorkerLoads(crew(3))
  loads.take(undefined)
  loads.take(undefined)
  assert.equal(loads.take(7), 2)
  loads.crew = crew(2)
  loads.done(2)
  for (let piece = 0; piece < 4; piece++) assert.ok(loads.take(piece === 0 ? 7 : undefined) < 2)
  assert.deepEqual([loads.hasRoom, loads.of(2)], [false, 0])
  loads.crew = crew(3)
  assert.deepEqual([loads.hasRoom, loads.take(undefined)], [true, 2])
})
