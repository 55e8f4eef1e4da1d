import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../errors.ts'
import { Breaker } from './breaker.ts'
import type { PolicyClock } from './clock.ts'
import { Policy } from './policy.ts'
import { RateLimiter } from './rate-limit.ts'
import { Retry } from './retry.ts'
import type { RetryConfig } from './retry.ts'

/** A clock on which every wait is over at once, and remembered. */
class QuickClock implements PolicyClock {
  time = 0
  chance = 1 - Number.EPSILON
  readonly waits: number[] = []
  now(): number {
    return this.time
  }
  random(): number {
    return this.chance
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(new SluiceError('ABORTED', 'aborted'))
    this.waits.push(Math.round(ms))
    this.time += ms
    return Promise.resolve()
  }
}

const config = (more: Partial<RetryConfig> = {}): RetryConfig => ({ attempts: 5, backoff: 100, factor: 2, backoffMax: 500, deadline: 0, budget: 0, ...more })
const again = (): SluiceError => new SluiceError('HTTP_FAILED', 'gone')
const failing = (times: number, error = again()) => {
  let left = times
  return () => (left-- > 0 ? Promise.reject(error) : Promise.resolve('done'))
}

test('waits double up to their limit, and chance shortens them', async () => {
  const clock = new QuickClock()
  assert.deepEqual(await new Retry(config(), clock).run(failing(4)), { value: 'done', attempts: 5 })
  assert.deepEqual(clock.waits, [100, 200, 400, 500])
  const lucky = new QuickClock()
  lucky.chance = 0.5
  await new Retry(config(), lucky).run(failing(3))
  assert.deepEqual(lucky.waits, [50, 100, 200])
})

test('the last error tells how often it was tried', async () => {
  await assert.rejects(new Retry(config({ attempts: 3 }), new QuickClock()).run(failing(9)), { code: 'HTTP_FAILED', attempts: 3 })
})

test('an error that is not worth it is not tried again', async () => {
  const clock = new QuickClock()
  await assert.rejects(new Retry(config(), clock).run(failing(1, new SluiceError('SINK_REJECTED', 'no'))), { attempts: 1 })
  await assert.rejects(new Retry(config(), clock).run(() => Promise.reject(new Error('a bug'))), { attempts: 1 })
  assert.deepEqual(clock.waits, [])
})

test('a deadline ends the attempts before a wait would pass it', async () => {
  const clock = new QuickClock()
  await assert.rejects(new Retry(config({ attempts: 0, deadline: 1000 }), clock).run(failing(99)), { code: 'HTTP_FAILED' })
  assert.ok(clock.time <= 1000)
})

test('the server may ask for a longer wait', async () => {
  const clock = new QuickClock()
  await new Retry(config(), clock).run(failing(1, Object.assign(again(), { retryAfter: 7000 })))
  assert.deepEqual(clock.waits, [7000])
})

test('a budget keeps retries a share of the calls', async () => {
  const clock = new QuickClock()
  const retry = new Retry(config({ attempts: 2, budget: 0.1 }), clock)
  for (let call = 0; call < 200; call++) await retry.run(failing(2)).catch(() => undefined)
  assert.ok(clock.waits.length <= 10 + 200 * 0.1 + 1, String(clock.waits.length))
  assert.ok(clock.waits.length >= 20)
})

test('a breaker opens after failures in a row, waits, tries one call, and closes after successes', async () => {
  const clock = new QuickClock()
  const breaker = new Breaker({ failures: 3, cooldown: 1000, successes: 2 }, clock)
  const fail = () => breaker.run(() => Promise.reject(again())).catch(() => undefined)
  await fail()
  await breaker.run(() => Promise.resolve())
  await fail()
  await fail()
  assert.equal(breaker.state, 'closed')
  await fail()
  assert.equal(breaker.state, 'open')
  await fail()
  assert.deepEqual(clock.waits, [1000])
  assert.equal(breaker.state, 'open')
  await breaker.run(() => Promise.resolve())
  assert.deepEqual(clock.waits, [1000, 1000])
  assert.equal(breaker.state, 'half-open')
  await breaker.run(() => Promise.resolve())
  assert.equal(breaker.state, 'closed')
})

test('while a breaker tries, others wait and none is refused', async () => {
  const clock = new QuickClock()
  const breaker = new Breaker({ failures: 1, cooldown: 10, successes: 1 }, clock)
  await breaker.run(() => Promise.reject(again())).catch(() => undefined)
  let under = 0
  let most = 0
  const call = async (): Promise<void> => {
    await breaker.run(async () => {
      under++
      if (breaker.state === 'half-open') most = Math.max(most, under)
      await Promise.resolve()
      under--
    })
  }
  await Promise.all([call(), call(), call()])
  assert.equal(most, 1)
  assert.equal(breaker.state, 'closed')
})

test('a rate limit lets no more than its share pass, and a large call by itself', async () => {
  const clock = new QuickClock()
  const limiter = new RateLimiter({ events: 10, bytes: undefined, per: 1000 }, clock)
  const times: number[] = []
  for (let call = 0; call < 40; call++) {
    await limiter.take({ events: 1, bytes: 0 })
    times.push(clock.time)
  }
  for (let at = 0; at < times.length; at++) assert.ok(times.filter(time => time > (times[at] ?? 0) - 1000 && time <= (times[at] ?? 0)).length <= 21)
  assert.ok(clock.time >= 2900 && clock.time <= 3100, String(clock.time))
  await limiter.take({ events: 50, bytes: 0 })
  await limiter.take({ events: 1, bytes: 0 })
  assert.ok(clock.time >= 7900, String(clock.time))
})

test('an aborted call stops waiting', async () => {
  const stop = new AbortController()
  stop.abort()
  const policy = new Policy({ retry: config(), breaker: undefined, rateLimit: undefined }, new QuickClock())
  await assert.rejects(policy.call({ events: 1, bytes: 0 }, failing(9), stop.signal), { code: 'HTTP_FAILED', attempts: 1 })
})

test('calls pass a rate limit in the order they came', async () => {
  const limiter = new RateLimiter({ events: 10, bytes: undefined, per: 1000 }, new QuickClock())
  const passed: number[] = []
  await Promise.all([10, 10, 1, 1].map(async (events, call) => {
    await limiter.take({ events, bytes: 0 })
    passed.push(call)
  }))
  assert.deepEqual(passed, [0, 1, 2, 3])
})

test('a policy tells how long its rate limit has held calls back, and nothing where it has none', async () => {
  const clock = new QuickClock()
  const policy = new Policy({ retry: undefined, breaker: undefined, rateLimit: { events: 10, bytes: undefined, per: 1000 } }, clock)
  for (let call = 0; call < 30; call++) await policy.call({ events: 1, bytes: 0 }, () => Promise.resolve())
  // What one bucket holds passes at once; two more take two seconds.
  assert.equal(policy.limitedMs, clock.time)
  assert.ok(clock.time >= 1900 && clock.time <= 2100, String(clock.time))
  assert.equal(new Policy({ retry: undefined, breaker: undefined, rateLimit: undefined }, clock).limitedMs, undefined)
})
