import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { RunControl } from '../reload.ts'
import { runPipeline } from '../run.ts'
import { Kept, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from '../testing.ts'
import { IN_FLIGHT_MAX, Slots } from './slots.ts'

const turn = (): Promise<void> => new Promise(resolve => void setImmediate(resolve))

/** Slots whose calls end when the test says so, on a clock that it moves. */
function waiting() {
  let now = 0
  const calls: { readonly done: () => void; readonly fail: (error: Error) => void }[] = []
  const slots = new Slots({ monotonic: () => now })
  const call = (): Promise<void> =>
    slots.run(() => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      calls.push({ done: resolve, fail: reject })
      return promise
    })
  return { slots, calls, call, pass: (ms: number) => (now += ms) }
}

test('a call that finds no room waits for its turn, and calls are taken in the order in which they came', async () => {
  const { slots, calls, call, pass } = waiting()
  const ended: number[] = []
  const all = [0, 1, 2].map(n => call().then(() => ended.push(n)))
  await turn()
  assert.deepEqual([calls.length, slots.inFlight], [1, 1])
  for (let n = 0; n < 3; n++) {
    pass(10)
    while (calls.length <= n) await turn()
    calls[n]?.done()
  }
  await Promise.all(all)
  assert.deepEqual(ended, [0, 1, 2])
  assert.equal(slots.inFlight, 0)
})

test('an error that may go away says that the server refused; any other says nothing of it, and neither does what comes from memory', async () => {
  const { slots, calls, call, pass } = waiting()
  for (let n = 0; n < 12; n++) {
    const ended = call()
    pass(10)
    calls.at(-1)?.done()
    await ended
  }
  const before = slots.limit
  assert.ok(before > 1)
  for (const error of [new Error('bad event'), new SluiceError('ABORTED', 'stopped', { retry: true })]) {
    const ended = call()
    pass(10)
    calls.at(-1)?.fail(error)
    await assert.rejects(ended)
  }
  const fromMemory = call()
  calls.at(-1)?.done()
  await fromMemory
  assert.equal(slots.limit, before)
  for (let n = 0; n < 8; n++) {
    const ended = call()
    pass(10)
    calls.at(-1)?.fail(new SluiceError('HTTP_STATUS', 'busy', { retry: true }))
    await assert.rejects(ended, { code: 'HTTP_STATUS' })
  }
  assert.equal(slots.limit, 1)
})

test('a stage with concurrency auto asks as much as its server takes, and events come out in order', async () => {
  let [open, most, refused] = [0, 0, 0]
  const takes = 8
  const stage = testStage('ask', () => ({
    process: async (events, out) => {
      open++
      most = Math.max(most, open)
      const isRefused = open > takes
      const until = performance.now() + 1
      while (performance.now() < until) await turn()
      open--
      if (isRefused) {
        refused++
        throw new SluiceError('HTTP_STATUS', 'busy', { retry: true })
      }
      for (const event of events) out.emit(event)
    },
  }), 'none', true)
  const kept = new Kept()
  const lines = Array.from({ length: 1000 }, (_, n) => JSON.stringify({ n }))
  const retry = { attempts: 0, backoff: 1, factor: 1, backoffMax: 1, deadline: 0, budget: 0 }
  const config = testPipeline([stageConfig('ask', 'ask', 'in', { concurrency: 'auto', retry })], [sinkConfig('out', 'ask')])
  const control = new RunControl()
  const report = await runPipeline(config, testRegistry([memorySource(lines, 100), memorySink(kept), stage]), { control })
  assert.deepEqual([report.events_in, report.in_flight, report.dead_lettered], [1000, 0, 0])
  assert.deepEqual(kept.lines('out'), lines)
  assert.ok(most > takes / 2 && most <= IN_FLIGHT_MAX, `${most} at once`)
  assert.ok(refused < 1000, `${refused} refused`)
  assert.ok(report.decisions.some(({ what, of, to }) => what === 'in_flight' && of === 'ask' && to > 1), JSON.stringify(report.decisions))
})
