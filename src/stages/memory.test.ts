/** `dedupe` and `score` against naive models, and the bounds of what they remember. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NEW_RUNNING, distance, median, take } from './score.ts'
import type { Method } from './score.ts'
import { StageTest, run, textEvent } from './testing.ts'

const timed = fc.array(fc.record({ k: fc.constantFrom('a', 'b'), time: fc.integer({ min: 0, max: 100 }) }), { maxLength: 40 })

test('dedupe drops what lies within the window of the latest event that passed with its key', async () => {
  await fc.assert(
    fc.asyncProperty(timed, fc.integer({ min: 1, max: 30 }), fc.boolean(), async (input, window, inOrder) => {
      const events = inOrder ? [...input].sort((a, b) => a.time - b.time) : input
      const answers = await new StageTest('dedupe', { key: 'event.k', window: `${window}ms` }).process(events.map(({ k, time }) => textEvent(JSON.stringify({ k }), time)))
      const latest = new Map<string, number>()
      const expected = events.map(({ k, time }) => {
        const last = latest.get(k)
        if (last !== undefined && Math.abs(time - last) <= window) return 'drop'
        latest.set(k, Math.max(time, last ?? time))
        return 'emit'
      })
      assert.deepEqual(answers.all.map(({ answer }) => answer), expected)
    }),
  )
})

test('a late event does not make dedupe forget the one that came before it', async () => {
  const events = [100, 50, 101].map(time => textEvent('{"k":"a"}', time))
  const answers = await new StageTest('dedupe', { key: 'event.k', window: '10ms' }).process(events)
  assert.deepEqual(answers.all.map(({ answer }) => answer), ['emit', 'emit', 'drop'])
})

test('without event time dedupe goes by the clock', async () => {
  const stage = new StageTest('dedupe', { key: 'event.k', window: '10s' })
  const answers: string[] = []
  for (const wait of [0, 10_000, 1]) {
    await stage.clock.advance(wait)
    answers.push(...(await stage.process([textEvent('{"k":1}')])).all.map(({ answer }) => answer))
  }
  assert.deepEqual(answers, ['emit', 'drop', 'emit'])
})

test('a window of 0 remembers without end', async () => {
  const answers = await new StageTest('dedupe', { key: 'event.k', window: '0' }).process([0, 1e12].map(time => textEvent('{"k":1}', time)))
  assert.deepEqual(answers.all.map(({ answer }) => answer), ['emit', 'drop'])
})

test('an event without the key is rejected', async () => {
  assert.match((await run('dedupe', 'event.id', [{}])).rejected[0] ?? '', /^EXPR_MISSING_FIELD: /)
})

test('keys that a stage remembers take no more room than their limit, however long they are', async () => {
  const stage = new StageTest('dedupe', { key: 'event.k', keys_max: 256 })
  await stage.process(Array.from({ length: 600 }, (_, at) => textEvent(JSON.stringify({ k: `${'x'.repeat(10_000)}${at}` }))))
  const bytes = stage.memory.changed().reduce((sum, { bytes }) => sum + bytes.length, 0)
  assert.ok(bytes < 256 * 400, `${bytes} bytes`)
})

function naive(before: readonly number[], value: number, method: Method, alpha: number, window: number): number {
  const ratio = (away: number, spread: number): number => (spread > 0 ? away / spread : away === 0 ? 0 : Infinity)
  if (method === 'z_score') {
    const mean = before.reduce((a, b) => a + b, 0) / before.length
    const variance = before.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, before.length - 1)
    return ratio(Math.abs(value - mean), Math.sqrt(variance))
  }
  if (method === 'mad') {
    const last = before.slice(-window)
    const center = median(last)
    return 0.6745 * ratio(Math.abs(value - center), median(last.map(one => Math.abs(one - center))))
  }
  let mean = before[0] ?? 0
  let variance = 0
  for (const one of before.slice(1)) {
    variance = (1 - alpha) * (variance + alpha * (one - mean) ** 2)
    mean = (1 - alpha) * mean + alpha * one
  }
  return ratio(Math.abs(value - mean), Math.sqrt(variance))
}

test('running scores are those of a program that looks at all values again', () => {
  const methods = fc.constantFrom<Method>('z_score', 'ewma', 'mad')
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 50 }), methods, fc.double({ min: 0.01, max: 1, noNaN: true }), fc.integer({ min: 3, max: 20 }), (values, method, alpha, window) => {
      const running = NEW_RUNNING()
      values.forEach((value, at) => {
        if (at > 0) {
          const ours = distance(running, value, method)
          const theirs = naive(values.slice(0, at), value, method, alpha, window)
          // Where nearly nothing varied, a rounding error decides between nothing and very much.
          if (theirs < 1e6) assert.ok(Math.abs(ours - theirs) <= 1e-6 * Math.max(1, theirs), `${ours} is ${theirs}`)
        }
        take(running, value, method, alpha, window)
      })
    }),
  )
})

test('the median is the middle of the sorted values', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 20 }), values => {
      const sorted = [...values].sort((a, b) => a - b)
      const upper = sorted[Math.floor(sorted.length / 2)] ?? 0
      const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0
      assert.equal(median(values), (upper + lower) / 2)
    }),
  )
})

test('each key has its own scores, and warms up by itself', async () => {
  const config = { field: 'event.v', key: 'event.k', warm_up: 2, as: 's' }
  const { values } = await run('score', config, [{ k: 'a', v: 1 }, { k: 'b', v: 100 }, { k: 'a', v: 3 }, { k: 'a', v: 2 }, { k: 'b', v: 100 }, { k: 'b', v: 101 }])
  assert.deepEqual((values as { readonly s: number }[]).map(({ s }) => s), [0, 0, 0, 0, 0, 1000]) // Rows of the stage.
})

test('a value that is no number, or too large to be squared, rejects the event and is not taken in', async () => {
  const config = { field: 'event.v', warm_up: 2, as: 's' }
  const answers = await run('score', config, [{ v: 1 }, '{"v":1e300}', '{"v":"x"}', '{"v":null}', { v: 3 }, { v: 2 }, { v: 2 + Math.SQRT2 * 3 }])
  assert.deepEqual(answers.rejected.map(text => text.split(':')[0]), ['FIELD_TYPE', 'FIELD_TYPE', 'FIELD_TYPE'])
  assert.deepEqual((answers.values as { readonly s: number }[]).map(({ s }) => s), [0, 0, 0, Math.round(Math.SQRT2 * 3e6) / 1e6]) // Rows of the stage.
})

test('with time dedupe goes by a field of the event, in any of its forms', async () => {
  const times = ['"2026-01-01T00:00:00Z"', String(Date.UTC(2026, 0, 1) + 9_999), '"2026-01-01T00:00:11Z"', '"soon"', 'null']
  const answers = await run('dedupe', { key: '"k"', window: '10s', time: 'event.t' }, times.map(t => `{"t":${t}}`))
  assert.deepEqual(answers.all.map(({ answer }) => answer), ['emit', 'drop', 'emit', 'reject', 'reject'])
  assert.match(answers.rejected[0] ?? '', /^FIELD_TYPE: event.t is no time: "soon"/)
})
