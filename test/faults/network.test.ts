/** Networks that delay, cut, reset, slice and swallow, between the real command and a real server. Whatever they do, nothing is missing at the server. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { seededRandom } from '../../src/platform/index.ts'
import { FaultyProxy } from '../servers/proxy.ts'
import type { Hurts } from '../servers/proxy.ts'
import { Receiver } from './receiver.ts'
import { MINUTES, Trial, until, upTo } from './trial.ts'

const COUNT = 1000
/** Milliseconds that the sink waits for an answer. */
const TIMEOUT = 300

interface Bench {
  readonly trial: Trial
  readonly proxy: FaultyProxy
  readonly receiver: Receiver
}

/** A pipeline from a file to a server behind a proxy. It never gives up. */
async function bench(t: TestContext, count = COUNT, random?: () => number): Promise<Bench> {
  const receiver = new Receiver()
  await receiver.listen()
  const proxy = new FaultyProxy(receiver.address, random === undefined ? {} : { random })
  const at = await proxy.listen()
  const trial = new Trial('network')
  t.after(async () => {
    await proxy.close()
    await receiver.close()
    trial.remove()
  })
  trial.numbers('in.ndjson', count)
  trial.write('p.yaml', `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
sinks:
  out:
    http: { url: 'http://${at}/', events: 20, timeout: ${TIMEOUT}ms }
    retry: { attempts: 0, deadline: 0s, backoff: 5ms, backoff_max: 20ms }
dead_letters: { file: { path: failed.ndjson } }
workers: 0
batch: { bytes: 2KiB }
`)
  return { trial, proxy, receiver }
}

const HURTS: Readonly<Record<string, Hurts>> = {
  'late by up to 30 ms': { latency: 2, jitter: 28 },
  'in pieces of 13 bytes': { slice: 13 },
  'at 200 kB/s': { bandwidth: 200_000 },
  'whose connections are reset after 5 kB': { limit: 5000 },
  'that closes late': { slowClose: 100 },
}

for (const [name, hurts] of Object.entries(HURTS)) {
  test(`all events come through a network ${name}`, async t => {
    const { trial, proxy, receiver } = await bench(t)
    proxy.hurt(hurts)
    const { events_in, events_out, dead_lettered } = await trial.run()
    assert.deepEqual({ events_in, events_out, dead_lettered }, { events_in: COUNT, events_out: { out: COUNT }, dead_lettered: 0 })
    assert.deepEqual(receiver.order, upTo(COUNT))
  })
}

test('answers that are lost make events come twice, and none goes missing', async t => {
  const { trial, proxy, receiver } = await bench(t)
  proxy.hurt({ losesAnswers: true })
  const run = trial.start()
  await until(() => receiver.asked.length >= 5, run)
  proxy.heal()
  assert.equal((await run.ended).code, 0)
  assert.equal(trial.account().events_out['out'], COUNT)
  assert.deepEqual(receiver.order, upTo(COUNT))
  assert.ok(receiver.doubled().length > 0)
})

test('a call into a black hole is given up when its time is over, and made again', async t => {
  const { trial, proxy, receiver } = await bench(t)
  proxy.stall()
  const run = trial.start()
  await until(() => proxy.taken.length >= 5, run)
  proxy.heal()
  assert.equal((await run.ended).code, 0)
  // Each call has a connection of its own. A tenth beyond its deadline, the wait before the next one, and what a busy machine needs to notice.
  for (let call = 1; call < 5; call++) {
    const took = (proxy.taken[call] ?? Infinity) - (proxy.taken[call - 1] ?? 0)
    assert.ok(took < TIMEOUT * 1.1 + 20 + 200, `a call took ${took} ms`)
  }
  assert.deepEqual(receiver.order, upTo(COUNT))
  assert.deepEqual(trial.letters(), [])
})

test('all of it at random: nothing is missing, nothing is out of order, and memory stays flat', async t => {
  const seed = Date.now() % 1_000_000
  const random = seededRandom(seed)
  // More than gets through in the time.
  const count = MINUTES === undefined ? 6000 : 200_000 * MINUTES
  const { trial, proxy, receiver } = await bench(t, count, random)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T // The list is not empty.
  const run = trial.start()
  const faults: readonly (() => void)[] = [
    ...Object.values(HURTS).map(hurts => () => proxy.hurt(hurts)),
    () => proxy.hurt({ losesAnswers: true }),
    () => proxy.cutPairs(),
    () => proxy.resetPairs(),
    () => proxy.stallPairs(),
    () => proxy.stall(),
    () => proxy.refuse(true),
    () => proxy.heal(),
  ]
  const since = performance.now()
  const goesOn = (step: number): boolean => (MINUTES === undefined ? step < 60 : performance.now() - since < MINUTES * 60_000)
  for (let step = 0; goesOn(step) && !run.isOver; step++) {
    pick(faults)()
    await new Promise(done => setTimeout(done, 20 + random() * 80))
    if (step % 3 !== 2) continue
    proxy.heal()
    // So slow that many faults meet it.
    proxy.hurt({ latency: 5 })
  }
  proxy.heal()
  assert.ok(MINUTES === undefined || !run.isOver, 'the input was too short')
  if (MINUTES !== undefined) run.kill('SIGTERM')
  const { code, err } = await run.ended
  assert.equal(code, 0, `seed ${seed}: ${err}`)
  const { events_in, events_out, peak_rss_bytes } = trial.account()
  t.diagnostic(`${events_in} events, ${receiver.asked.length} requests, ${peak_rss_bytes} bytes at most`)
  assert.equal(events_out['out'], MINUTES === undefined ? count : events_in, `seed ${seed}`)
  assert.deepEqual(receiver.order, upTo(events_in), `seed ${seed}`)
  assert.deepEqual(trial.letters(), [], `seed ${seed}`)
  assert.ok(peak_rss_bytes < 300 * 2 ** 20, `${peak_rss_bytes} bytes`)
})
