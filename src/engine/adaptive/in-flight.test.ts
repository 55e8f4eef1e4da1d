/**
 * In-flight limits against servers of many kinds, in virtual time: what is under way on average must lie in a band that follows from the server alone.
 *
 * That a limit is judged by bands over a set of server models (answers after a constant, growing or random delay; refuses, drops or slows down beyond a load; senders fast and
 * slow) is an idea of Vector (https://github.com/vectordotdev/vector, tests/data/adaptive-concurrency, MPL-2.0). The models and the bands here are our own: each says why.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../platform/index.ts'
import { InFlightLimit } from './in-flight.ts'
import { Simulation } from './simulated-server.testing.ts'
import type { LoadModel, Observed, ServerModel } from './simulated-server.testing.ts'

type Bands = Partial<Record<keyof Observed, readonly [least: number, most: number]>>

interface Scenario {
  readonly server: ServerModel
  readonly load: LoadModel
  /** Milliseconds that are not looked at. */
  readonly from?: number
  readonly bands: Bands
  readonly why: string
}

const MINUTE = 60_000
const ALWAYS: LoadModel = { every: 0, ms: MINUTE }

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'constant delay, a slow sender': {
    server: { delay: 100 }, load: { every: 10, ms: MINUTE }, bands: { in_flight: [9.5, 10.5], rate: [99, 101], refused: [0, 0] },
    why: '100 requests a second of 100 ms are 10 at once (Little); the limit must not stand in their way',
  },
  'constant delay, a sender without end': {
    server: { delay: 100 }, load: ALWAYS, bands: { in_flight: [190, 200], limit_last: [200, 200] },
    why: 'nothing ever gets slower: the limit ends at the most that may be',
  },
  'a fixed need': {
    server: { delay: 40 }, load: { every: 200, ms: MINUTE }, bands: { in_flight: [0.18, 0.22], limit: [1, 2] },
    why: 'one at a time is enough, and who does not use the limit must not raise it',
  },
  'delay that grows with the load': {
    server: { delay: 100, each: 10 }, load: ALWAYS, bands: { in_flight: [8, 14], rtt: [170, 240] },
    why: 'n at once take 90 + 10n ms: the delay has doubled at n = 11, where throughput over delay is greatest',
  },
  'delay that grows steeply': {
    server: { delay: 100, each: 50 }, load: ALWAYS, bands: { in_flight: [2.5, 5], rate: [14, 19] },
    why: '50 + 50n ms have doubled at n = 3, where 15 of the 20 a second that there are at most get through',
  },
  'delay that grows, a slow sender': {
    server: { delay: 100, each: 10 }, load: { every: 50, ms: MINUTE }, bands: { in_flight: [2, 3], rate: [19, 21] },
    why: '20 a second need 2.4 at once, far below the limit of the server',
  },
  'places for ten, the others wait': {
    server: { delay: 100, places: 10 }, load: ALWAYS, bands: { in_flight: [11, 27], rate: [97, 101], refused: [0, 0.01] },
    why: 'ten are always at work if eleven are there; from 20 on the wait is as long as the work',
  },
  'one place': {
    server: { delay: 50, places: 1 }, load: ALWAYS, bands: { in_flight: [1.5, 4.5], rate: [19, 20.5] },
    why: 'the place is never empty with two, and with four each waits twice as long as it is worked on',
  },
  'places for ten, with jitter': {
    server: { delay: 100, places: 10, jitter: 0.3 }, load: ALWAYS, bands: { in_flight: [11, 27], rate: [72, 78] },
    why: 'a request takes 130 ms on average, so that ten places do 77 a second, if jitter is not taken for a queue',
  },
  'refuses beyond ten': {
    server: { delay: 100, limit: 10 }, load: ALWAYS, bands: { in_flight: [8.5, 10.5], rate: [90, 100], refused: [0, 0.05] },
    why: 'ten is the most; what was refused is tried again only now and then',
  },
  'drops beyond ten without a word': {
    server: { delay: 100, limit: 10, beyond: 'dropped' }, load: ALWAYS, bands: { in_flight: [8, 10.5], rate: [85, 100], refused: [0, 0.02] },
    why: 'as before, and a timeout ten times as long as an answer must not let the limit run far beyond',
  },
  'refuses beyond ten, with jitter': {
    server: { delay: 100, limit: 10, jitter: 0.5 }, load: ALWAYS, bands: { in_flight: [8.5, 10.5], rate: [58, 67], refused: [0, 0.05] },
    why: 'a request takes 150 ms on average: ten at once are 67 a second',
  },
  'takes a hundred a second': {
    server: { delay: 100, rate: 100 }, load: ALWAYS, bands: { in_flight: [8.5, 12], rate: [95, 101], refused: [0, 0.15] },
    why: '100 a second of 100 ms are 10 at once; a rate shows only by refusals',
  },
  'a little jitter': {
    server: { delay: 100, jitter: 0.1 }, load: { every: 5, ms: MINUTE }, bands: { in_flight: [20, 24], rate: [197, 203] },
    why: '200 a second of 110 ms are 22 at once',
  },
  'much jitter': {
    server: { delay: 100, jitter: 1 }, load: { every: 5, ms: MINUTE }, bands: { in_flight: [37, 43], rate: [196, 204] },
    why: '200 a second of 200 ms are 40 at once; answers that take twice as long by chance are no queue, nor is the one in 8,000 that comes too late',
  },
  'a server that becomes three times slower': {
    server: { delay: at => (at < 20_000 ? 100 : 300) }, load: { every: 5, ms: MINUTE }, from: 35_000, bands: { in_flight: [57, 63], rate: [197, 203] },
    why: 'the longer way is not our doing: after it has been learned, 200 a second of 300 ms are 60 at once again',
  },
  'a server that is slow for ten seconds': {
    server: { delay: at => (at > 20_000 && at < 30_000 ? 400 : 100), places: 30 }, load: { every: 5, ms: MINUTE }, from: 45_000, bands: { in_flight: [18, 45], rate: [195, 320] },
    why: 'what piled up is worked off, and then 200 a second of 100 ms are 20 at once, as before',
  },
  'a load that grows fourfold and falls again': {
    server: { delay: 100 }, load: { every: at => (at > 20_000 && at < 40_000 ? 5 : 20), ms: 40_000 }, from: 22_000, bands: { in_flight: [19, 21], rate: [198, 202] },
    why: 'two seconds after the step 200 a second get through',
  },
}

for (const [name, { server, load, from = 10_000, bands, why }] of Object.entries(SCENARIOS)) {
  test(`${name}: ${why}`, () => {
    for (const seed of [1, 2, 3]) {
      const seen = new Simulation(server, load, new InFlightLimit({ least: 1, most: 200 }), seededRandom(seed), from).run()
      for (const [what, [least, most]] of Object.entries(bands)) {
        const value = seen[what as keyof Observed] // The bands' own keys.
        assert.ok(value >= least && value <= most, `${what} is ${value}, not ${least} to ${most} (seed ${seed}): ${JSON.stringify(seen)}`)
      }
    }
  })
}

test('whatever happens the limit stays where it may be, and what is under way is never more', () => {
  const call = fc.record({ gap: fc.nat(50), ms: fc.nat(500), outcome: fc.constantFrom('done', 'refused', 'none') })
  fc.assert(fc.property(fc.array(call, { maxLength: 300 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 4, max: 40 }), (calls, least, most) => {
    const limit = new InFlightLimit({ least, most })
    let now = 0
    const open: { readonly began: number; readonly outcome: 'done' | 'refused' | 'none' }[] = []
    for (const { gap, ms, outcome } of calls) {
      now += gap
      if (limit.hasRoom && ms % 2 === 0) {
        limit.begin(now)
        open.push({ began: now, outcome })
      } else {
        const ended = open.shift()
        if (ended !== undefined) limit.end(now, now - ended.began, ended.outcome)
      }
      assert.ok(limit.limit >= least && limit.limit <= most)
      assert.equal(limit.inFlight, open.length)
    }
  }))
})

test('a step tells why it was taken, and by what', () => {
  const limit = new InFlightLimit({ least: 1, most: 10 })
  limit.begin(0)
  const up = limit.end(100, 100, 'done')
  assert.deepEqual([up?.limit, up?.rtt, up?.why], [undefined, undefined, undefined], 'one and a half is still one')
  limit.begin(100)
  assert.deepEqual(limit.end(200, 100, 'done'), { limit: 2, why: 'all of 2 were under way, and answers took 100 ms', rtt: 100, shortest: 100 })
  limit.begin(200)
  assert.deepEqual(limit.end(210, 10, 'refused'), { limit: 1, why: '1 of 1 requests were refused', rtt: 100, shortest: 100 })
})
