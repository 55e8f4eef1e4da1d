/** A server that is away for an hour, on a clock that the test moves: how often it is asked, and what becomes of the events that wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../src/base/index.ts'
import { defineSink, field, runPipeline } from '../../src/engine/index.ts'
import type { SinkDeclaration } from '../../src/engine/index.ts'
import { memorySource, sinkConfig, testPipeline, testRegistry } from '../../src/engine/testing.ts'
import { SimulatedClock, seededRandom } from '../../src/platform/index.ts'

const HOUR = 3_600_000
const COUNT = 500
const RETRY = { attempts: 0, backoff: 200, factor: 2, backoffMax: 30_000, deadline: 0, budget: 0 }

interface Away {
  /** Moments at which it was asked, in milliseconds from the start. */
  readonly asked: number[]
  /** Numbers in the order in which they were taken. */
  readonly taken: number[]
}

/** A sink that fails for the first hour of the clock. */
function awaySink(clock: SimulatedClock, { asked, taken }: Away, concurrency: number): SinkDeclaration {
  return defineSink({
    type: 'away',
    summary: 'Fails for an hour',
    config: field.object({}),
    durable: 'write',
    encoding: () => ({ format: 'ndjson', options: {}, rows: true }),
    create: () => ({
      concurrency,
      open: () => Promise.resolve(),
      write: ({ bytes }) => {
        asked.push(clock.monotonic())
        if (clock.monotonic() < HOUR) return Promise.reject(new SluiceError('HTTP_FAILED', 'away'))
        for (const line of Buffer.from(bytes).toString('utf8').trimEnd().split('\n')) taken.push((JSON.parse(line) as { readonly n: number }).n)
        return Promise.resolve()
      },
      flush: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  })
}

async function hourAway(seed: number, concurrency: number, breaker: { readonly failures: number; readonly cooldown: number; readonly successes: number } | undefined): Promise<Away & { readonly last: number }> {
  const clock = new SimulatedClock()
  const away: Away = { asked: [], taken: [] }
  const lines = Array.from({ length: COUNT }, (_, n) => `{"n":${n}}`)
  const registry = testRegistry([memorySource(lines, 5), awaySink(clock, away, concurrency)])
  const config = testPipeline([], [sinkConfig('out', 'in', { type: 'away', retry: RETRY, breaker })], { deadLetters: sinkConfig('dead_letters', [], { type: 'away' }) })
  let isOver = false
  const run = runPipeline(config, registry, { clock, random: seededRandom(seed) }).finally(() => (isOver = true))
  while (!isOver) await clock.advance(1000)
  const { events_in, events_out, dead_lettered, in_flight } = await run
  assert.deepEqual({ events_in, events_out, dead_lettered, in_flight }, { events_in: COUNT, events_out: { out: COUNT }, dead_lettered: 0, in_flight: 0 })
  return { ...away, last: away.asked.at(-1) ?? 0 }
}

/** Most of them in any second. */
const mostInASecond = (moments: readonly number[]): number => Math.max(...moments.map(at => moments.filter(other => other >= at && other < at + 1000).length))

for (let seed = 1; seed <= 5; seed++) {
  test(`waits grow to half a minute, at random, and what waited comes in order when the server is back (seed ${seed})`, async () => {
    const { asked, taken, last } = await hourAway(seed, 1, undefined)
    assert.deepEqual(taken, Array.from({ length: COUNT }, (_, n) => n))
    const during = asked.filter(at => at < HOUR)
    // Waits are drawn from nothing up to 30 s: one each 15 s in the mean.
    assert.ok(during.length > 120 && during.length < 480, `asked ${during.length} times`)
    // All of it is there at the latest one wait after the return; the clock moves by seconds.
    assert.ok(last <= HOUR + 32_000, `it took ${last - HOUR} ms`)
    const waits = during.slice(20).map((at, index) => at - (during[19 + index] ?? 0))
    assert.ok(new Set(waits).size > waits.length / 2, 'waits differ')
  })

  test(`a breaker asks on behalf of all that wait, once in a while, and no herd comes when the server is back (seed ${seed})`, async () => {
    const { asked, taken, last } = await hourAway(seed, 8, { failures: 5, cooldown: 10_000, successes: 1 })
    assert.deepEqual(taken.toSorted((a, b) => a - b), Array.from({ length: COUNT }, (_, n) => n))
    const during = asked.filter(at => at < HOUR)
    // Those that were under way when it opened, and then one each pause.
    assert.ok(during.length <= 5 + 8 + HOUR / 10_000, `asked ${during.length} times`)
    assert.equal(mostInASecond(during.filter(at => at > 10_000)), 1)
    assert.ok(last <= HOUR + 32_000, `it took ${last - HOUR} ms`)
  })
}
