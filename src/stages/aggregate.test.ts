/** `aggregate` against a naive model, and with the engine around it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runPipeline } from '../engine/index.ts'
import { Kept, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry } from '../engine/testing.ts'
import { seededRandom } from '../platform/index.ts'
import { stages } from './index.ts'
import { StageTest, run, textEvent } from './testing.ts'

const ALL = {
  count: { fn: 'count' }, sum: { fn: 'sum', of: 'event.v' }, min: { fn: 'min', of: 'event.v' }, max: { fn: 'max', of: 'event.v' }, avg: { fn: 'avg', of: 'event.v' },
  distinct: { fn: 'distinct', of: 'event.v' }, median: { fn: 'quantile', of: 'event.v' }, p90: { fn: 'quantile', of: 'event.v', q: 0.9 },
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * q
  const below = sorted[Math.floor(place)] ?? 0
  return below + (place % 1) * ((sorted[Math.ceil(place)] ?? 0) - below)
}

function naive(k: string, values: readonly number[]): object {
  const sum = values.reduce((a, b) => a + b, 0)
  return {
    k, count: values.length, sum, min: Math.min(...values), max: Math.max(...values), avg: sum / values.length,
    distinct: new Set(values).size, median: quantile(values, 0.5), p90: quantile(values, 0.9),
  }
}

const events = fc.array(fc.record({ k: fc.constantFrom('a', 'b', 'c'), v: fc.integer({ min: -1000, max: 1000 }) }), { maxLength: 60 })

test('to the end of the input, each group is what a naive program makes of it, in order of the groups', async () => {
  await fc.assert(
    fc.asyncProperty(events, async input => {
      const { values } = await run('aggregate', { by: { k: 'event.k' }, values: ALL }, input)
      const groups = Map.groupBy(input, ({ k }) => k)
      assert.deepEqual(values, [...groups.keys()].sort().map(k => naive(k, (groups.get(k) ?? []).map(({ v }) => v))))
    }),
  )
})

test('with count, each run of so many events of a group is handed out at once, the rest at the end', async () => {
  await fc.assert(
    fc.asyncProperty(events, fc.integer({ min: 1, max: 5 }), async (input, count) => {
      const { values } = await run('aggregate', { by: { k: 'event.k' }, values: ALL, count }, input)
      const open = new Map<string, number[]>()
      const expected: object[] = []
      for (const { k, v } of input) {
        const held = [...(open.get(k) ?? []), v]
        open.set(k, held)
        if (held.length < count) continue
        expected.push(naive(k, held))
        open.delete(k)
      }
      for (const k of [...open.keys()].sort()) expected.push(naive(k, open.get(k) ?? []))
      assert.deepEqual(values, expected)
    }),
  )
})

test('a sum does not lose the small numbers beside the large ones', async () => {
  const { values } = await run('aggregate', { values: { sum: { fn: 'sum', of: 'event.v' } } }, [{ v: 1e16 }, { v: 1 }, { v: 1 }, { v: -1e16 }])
  assert.deepEqual(values, [{ sum: 2 }])
})

test('results do not depend on how the events were cut into batches', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }), { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), async (numbers, size) => {
      const whole = await run('aggregate', { values: ALL, values_max: 8 }, numbers.map(v => ({ v })))
      const parts = new StageTest('aggregate', { values: ALL, values_max: 8 })
      for (let at = 0; at < numbers.length; at += size) await parts.process(numbers.slice(at, at + size).map(v => textEvent(JSON.stringify({ v }))))
      assert.deepEqual((await parts.finish()).texts, whole.texts)
    }),
  )
})

test('with time, all groups are handed out when the time has come, and then begin anew', async () => {
  const stage = new StageTest('aggregate', { by: { k: 'event.k' }, values: { n: { fn: 'count' } }, time: '10s' })
  assert.equal(stage.stage.wakeAt?.(), undefined)
  const start = stage.clock.now()
  const first = await stage.process([textEvent('{"k":"b"}'), textEvent('{"k":"a"}'), textEvent('{"k":"b"}')])
  assert.deepEqual(first.all.map(({ answer }) => answer), ['absorb', 'absorb', 'absorb'])
  assert.equal(stage.stage.wakeAt?.(), start + 10_000)
  await stage.clock.advance(10_000)
  stage.stage.tick?.(stage.clock.now(), first)
  assert.deepEqual(first.values, [{ k: 'a', n: 1 }, { k: 'b', n: 2 }])
  assert.equal(stage.stage.wakeAt?.(), undefined)
  assert.deepEqual((await stage.finish()).all, [])
})

test('what is null or missing is left out, as in SQL; count alone counts the events', async () => {
  const values = { ...ALL, known: { fn: 'count', of: 'event.v' } }
  const events = [{ k: 'a', v: 4 }, { k: 'a', v: null }, { k: 'a' }, { k: 'a', v: 2 }, { k: 'b', v: null }, { k: 'b' }]
  assert.deepEqual((await run('aggregate', { by: { k: 'event.k' }, values }, events)).values, [
    { k: 'a', count: 4, sum: 6, min: 2, max: 4, avg: 3, distinct: 2, median: 3, p90: 3.8, known: 2 },
    { k: 'b', count: 2, sum: null, min: null, max: null, avg: null, distinct: 0, median: null, p90: null, known: 0 },
  ])
  assert.deepEqual((await run('aggregate', { values: { n: { fn: 'sum', of: 'event.?v' }, m: { fn: 'max', of: 'event.v * 2' } } }, [{ v: 1 }, {}])).values, [{ n: 1, m: 2 }])
})

test('nulls anywhere change no result but the number of events', async () => {
  const { count: _count, ...rest } = ALL
  await fc.assert(
    fc.asyncProperty(events, fc.array(fc.nat(60), { maxLength: 10 }), async (input, places) => {
      const withNulls: object[] = [...input]
      for (const place of places) withNulls.splice(place, 0, place % 2 === 0 ? { k: 'a', v: null } : { k: 'a' })
      const config = { by: { k: 'event.k' }, values: rest, values_max: 5 }
      const known = new Set<string>(input.map(({ k }) => k))
      const { values } = await run('aggregate', config, withNulls.map(event => JSON.stringify(event)))
      const of = (rows: readonly unknown[]): unknown[] => rows.filter(row => known.has((row as { readonly k: string }).k)) // Rows of the stage.
      assert.deepEqual(of(values), of((await run('aggregate', config, input)).values))
    }),
  )
})

test('a value that is no number rejects the event and leaves the sums alone', async () => {
  const config = { values: { n: { fn: 'count' }, last: { fn: 'count', of: 'event.v' }, sum: { fn: 'sum', of: 'event.v' } } }
  const answers = await run('aggregate', config, [{ v: 1 }, '{"v":"x"}', '{"v":true}', '{"v":1e400}', '{"v":[1]}', { v: 2 }])
  assert.deepEqual(answers.rejected.map(text => text.split(':')[0]), ['FIELD_TYPE', 'FIELD_TYPE', 'FIELD_TYPE', 'FIELD_TYPE'])
  assert.match(answers.rejected[0] ?? '', /event\.v is no number: "x"/)
  assert.deepEqual(answers.values, [{ n: 2, last: 2, sum: 3 }])
})

test('a result that needs a value names the field without one', () => {
  assert.throws(() => new StageTest('aggregate', { values: { total: { fn: 'sum' } } }), { code: 'CONFIG_VALUE', message: /total needs "of"/ })
})

test('behind partition_by no group is forgotten, however many one partition has', async () => {
  const groups = 3000
  const lines = Array.from({ length: groups * 2 }, (_, at) => JSON.stringify({ tenant: 'one', k: at % groups }))
  const kept = new Kept()
  const config = { by: { k: 'event.k' }, values: { n: { fn: 'count' } } }
  const registry = testRegistry([memorySource(lines, 500), memorySink(kept), ...stages])
  const by = stageConfig('by', 'partition_by', 'in', { config: { key: 'event.tenant' } })
  await runPipeline(testPipeline([by, stageConfig('sum', 'aggregate', 'by', { config })], [sinkConfig('out', 'sum')]), registry)
  const rows = kept.lines('out').map(line => JSON.parse(line) as { readonly k: number; readonly n: number }) // Rows of the stage above.
  assert.equal(rows.length, groups)
  assert.ok(rows.every(({ n }) => n === 2))
})

const THREAD = new URL('./threads.fixture.ts', import.meta.url)

test('behind partition_by what comes out does not depend on workers or batches, also beyond groups_max and where sums are summed up again', async () => {
  const chance = seededRandom(7)
  const lines = Array.from({ length: 1500 }, () => JSON.stringify({ tenant: `t${Math.floor(chance() * 40)}`, k: Math.floor(chance() * 9), v: Math.floor(chance() * 100) }))
  const sums = { by: { k: 'event.k' }, values: { n: { fn: 'count' }, v: { fn: 'sum', of: 'event.v' } }, groups_max: 12 }
  const chain = [
    stageConfig('by', 'partition_by', 'in', { config: { key: 'event.tenant' } }),
    stageConfig('sum', 'aggregate', 'by', { config: sums }),
    stageConfig('again', 'aggregate', 'sum', { config: { values: { rows: { fn: 'count' }, n: { fn: 'sum', of: 'event.n' }, v: { fn: 'sum', of: 'event.v' } } } }),
    stageConfig('counted', 'aggregate', 'by', { config: { ...sums, count: 3 } }),
  ]
  const results: string[][][] = []
  for (const workers of [0, 1, 2, 3]) {
    const kept = new Kept()
    const config = testPipeline(chain, [sinkConfig('out', 'sum'), sinkConfig('all', 'again'), sinkConfig('some', 'counted')], { workers })
    const registry = testRegistry([memorySource(lines, () => 1 + Math.floor(chance() * 300)), memorySink(kept), ...stages])
    const report = await runPipeline(config, registry, workers === 0 ? {} : { thread: { url: THREAD, data: config } })
    assert.deepEqual([report.workers, report.in_flight, report.dead_lettered], [workers, 0, 0])
    results.push(['out', 'all', 'some'].map(sink => kept.lines(sink)))
  }
  const [first, ...others] = results
  for (const one of others) assert.deepEqual(one, first)
  // More rows than keys with their groups: some were handed out early. Each tenant has one row of all its sums.
  assert.ok((first?.[0]?.length ?? 0) > 40 * 9)
  assert.equal(first?.[1]?.length, 40)
  const total = (rows: readonly string[] | undefined, name: 'n' | 'v'): number => (rows ?? []).reduce((sum, row) => sum + (JSON.parse(row) as { readonly n: number; readonly v: number })[name], 0) // Rows of the stages above.
  for (const rows of first ?? []) assert.deepEqual([total(rows, 'n'), total(rows, 'v')], [1500, lines.reduce((sum, line) => sum + (JSON.parse(line) as { readonly v: number }).v, 0)])
})

test('an operator is told when groups do not fit', async () => {
  const stage = new StageTest('aggregate', { by: { k: 'event.k' }, values: { n: { fn: 'count' } }, groups_max: 1 })
  await stage.process(['a', 'b'].map(k => textEvent(JSON.stringify({ k }))))
  assert.match(stage.warnings[0] ?? '', /more groups than "groups_max" \(1\)/)
})

test('after a restart groups are handed out when they were due before it', async () => {
  const config = { by: { k: 'event.k' }, values: { n: { fn: 'count' } }, time: '10s', groups_max: 2 }
  const before = new StageTest('aggregate', config)
  const start = before.clock.now()
  await before.process([textEvent('{"k":"a"}')])
  await before.clock.advance(6_000)
  await before.process([textEvent('{"k":"b"}')])
  const after = new StageTest('aggregate', config, '/', before.memory.changed())
  assert.equal(after.stage.wakeAt?.(), start + 10_000)
  const answers = await after.process([textEvent('{"k":"a"}'), textEvent('{"k":"c"}')])
  assert.deepEqual(answers.values, [{ k: 'c', n: 1 }])
  after.stage.tick?.(start + 10_000, answers)
  assert.deepEqual(answers.values, [{ k: 'c', n: 1 }, { k: 'a', n: 2 }, { k: 'b', n: 1 }])
})

test('distinct is exact up to values_max and near beyond it, also for long texts', async () => {
  const config = { values: { n: { fn: 'distinct', of: 'event.v' } }, values_max: 1000 }
  const long = 'x'.repeat(1000)
  const rows = (count: number): { v: string }[] => Array.from({ length: count * 2 }, (_, at) => ({ v: `${long}${at % count}` }))
  assert.deepEqual((await run('aggregate', config, rows(1000))).values, [{ n: 1000 }])
  const [many] = (await run('aggregate', config, rows(20_000))).values as [{ readonly n: number }] // One row of the stage above.
  assert.ok(Math.abs(many.n - 20_000) < 2000, `${many.n} is near 20000`)
})

test('a group beyond groups_max is handed out at once', async () => {
  const { values } = await run('aggregate', { by: { k: 'event.k' }, values: { n: { fn: 'count' } }, groups_max: 2 }, [{ k: 'a' }, { k: 'b' }, { k: 'c' }, { k: 'a' }, { k: 'c' }])
  assert.deepEqual(values, [{ k: 'c', n: 1 }, { k: 'c', n: 1 }, { k: 'a', n: 2 }, { k: 'b', n: 1 }])
})
