/** Sources and sinks of users that take too long: told, waited for, and let go at the end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../platform/index.ts'
import type { ComponentContext, Sink, Source } from './component.ts'
import { watchSink, watchSource } from './foreign-ends.ts'

function contextWith(clock: SimulatedClock, warnings: string[]): ComponentContext {
  return { id: 'x', folder: '/', now: () => clock.now(), random: () => 0.5, sleep: (ms, signal) => clock.sleep(ms, signal), warn: message => void warnings.push(message), signal: new AbortController().signal }
}

const CHUNK = { number: 0, target: '', bytes: new Uint8Array(0), rows: 0, ends: undefined }
const never = (): Promise<never> => new Promise(() => undefined)

function sinkOf(more: Partial<Sink>): Sink {
  return { open: () => Promise.resolve(), write: () => Promise.resolve(), flush: () => Promise.resolve(7), close: () => Promise.resolve(), ...more }
}

test('a write that takes long is told once, and its answer still counts', async () => {
  const [clock, warnings]: [SimulatedClock, string[]] = [new SimulatedClock(), []]
  const { promise, resolve } = Promise.withResolvers<void>()
  const sink = watchSink(sinkOf({ write: () => promise }), 1000, contextWith(clock, warnings))
  const written = sink.write(CHUNK, new AbortController().signal)
  await clock.advance(999)
  assert.deepEqual(warnings, [])
  await clock.advance(5000)
  assert.deepEqual(warnings, ['"write" has not come back for 1000 ms (`stall_timeout`); it is waited for.'])
  resolve()
  await written
  assert.equal(await sink.flush(), 7)
  assert.equal(clock.waiting, 0)
})

test('a close that never ends is let go', async () => {
  const [clock, warnings]: [SimulatedClock, string[]] = [new SimulatedClock(), []]
  const closed = watchSink(sinkOf({ close: never }), 1000, contextWith(clock, warnings)).close('done')
  await clock.advance(1000)
  await closed
  assert.deepEqual(warnings, ['"close" has not come back for 1000 ms (`stall_timeout`); it is not waited for.'])
})

test('a close that fails fails, and one in time is not told', async () => {
  const [clock, warnings]: [SimulatedClock, string[]] = [new SimulatedClock(), []]
  await assert.rejects(watchSink(sinkOf({ close: () => Promise.reject(new Error('still open')) }), 1000, contextWith(clock, warnings)).close('done'), /still open/)
  await watchSink(sinkOf({}), 1000, contextWith(clock, warnings)).close('done')
  await clock.advance(5000)
  assert.deepEqual(warnings, [])
})

test('a live source may wait for its next piece as long as it likes; another is told', async () => {
  const source = (live: boolean): Source => ({ live, format: { format: 'ndjson', options: {} }, open: () => Promise.resolve(), next: never, close: () => Promise.resolve() })
  for (const live of [true, false]) {
    const [clock, warnings]: [SimulatedClock, string[]] = [new SimulatedClock(), []]
    void watchSource(source(live), 1000, contextWith(clock, warnings)).next(1, new AbortController().signal)
    await clock.advance(5000)
    assert.equal(warnings.length, live ? 0 : 1)
  }
})
