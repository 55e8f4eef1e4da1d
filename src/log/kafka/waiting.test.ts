/** Calls that wait for the places of a topic. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { TopicPlaces } from './cluster.ts'
import { Waiting } from './waiting.ts'

const PLACES: TopicPlaces = { name: 't', id: 'id', isInternal: false, leaders: [1], seenAt: 0 }

/** A row, and what is known: nothing until a look answers. */
class World {
  readonly waiting = new Waiting()
  readonly steps: string[] = []
  readonly looks: { readonly find: (places: TopicPlaces) => void; readonly fail: (error: unknown) => void }[] = []
  known: TopicPlaces | undefined

  add(name: string): void {
    this.waiting.add({
      known: () => this.known,
      look: () => new Promise((resolve, reject) => {
        this.looks.push({
          find: places => {
            this.known = places
            resolve(places)
          },
          fail: reject,
        })
      }),
      run: ({ leaders }) => {
        this.steps.push(`${name} runs, ${leaders.length}`)
        // Whatever waits for the end of this step comes after everybody who could run in it.
        queueMicrotask(() => void this.steps.push('step'))
      },
      refuse: error => void this.steps.push(`${name} refused, ${String(error)}`),
    })
  }
}

test('all who wait behind a look run in one step when it answers, in their order: records that are sent before a topic is known share batches', async () => {
  const world = new World()
  for (const name of ['a', 'b', 'c']) world.add(name)
  await Promise.resolve()
  assert.equal(world.looks.length, 1)
  world.looks[0]?.find(PLACES)
  await world.waiting.settled()
  assert.deepEqual(world.steps, ['a runs, 1', 'b runs, 1', 'c runs, 1', 'step', 'step', 'step'])
  assert.ok(world.waiting.isEmpty)
})

test('who comes after the row was worked off begins a new one', async () => {
  const world = new World()
  world.add('a')
  await Promise.resolve()
  world.looks[0]?.find(PLACES)
  await world.waiting.settled()
  world.add('b')
  assert.ok(!world.waiting.isEmpty)
  await world.waiting.settled()
  assert.deepEqual(world.steps.filter(step => step !== 'step'), ['a runs, 1', 'b runs, 1'])
})

test('a look that fails refuses the one that asked for it, and the next one looks again', async () => {
  const world = new World()
  for (const name of ['a', 'b']) world.add(name)
  await Promise.resolve()
  world.looks[0]?.fail('gone')
  await new Promise(resolve => { setImmediate(resolve) })
  assert.deepEqual(world.steps, ['a refused, gone'])
  world.looks[1]?.find(PLACES)
  await world.waiting.settled()
  assert.equal(world.steps[1], 'b runs, 1')
})

test('who is turned away is told, and what its look still answers is nobody\'s', async () => {
  const world = new World()
  for (const name of ['a', 'b']) world.add(name)
  await Promise.resolve()
  world.waiting.close('closed')
  world.looks[0]?.find(PLACES)
  await world.waiting.settled()
  assert.deepEqual(world.steps, ['a refused, closed', 'b refused, closed'])
})
