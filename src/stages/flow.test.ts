/** `filter`, `route`, `sample` and `throttle`: which events pass, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stages } from './index.ts'
import { StageTest, run, textEvent } from './testing.ts'

const sent = async (config: object, events: readonly object[]): Promise<string[]> =>
  (await run('route', config, events.map(event => JSON.stringify(event)))).all.map(one => (one.answer === 'to' ? one.name : one.answer === 'reject' ? one.code : one.answer))

test('filter takes true and false alone for an answer', async () => {
  const answers = await run('filter', 'event.a', [{ a: true }, { a: false }, { a: null }, { a: 0 }, {}, 'null'])
  assert.deepEqual(answers.all.map(({ answer }) => answer), ['emit', 'drop', 'reject', 'reject', 'reject', 'reject'])
  assert.deepEqual(answers.rejected.map(text => text.split(':')[0]), ['EXPR_TYPE', 'EXPR_TYPE', 'EXPR_MISSING_FIELD', 'EXPR_MISSING_FIELD'])
})

test('a condition that yields a time is told by its type', async () => {
  assert.deepEqual((await run('filter', 'has(event.t) ? timestamp(event.t) : true', [{ t: '2026-01-01T00:00:00Z' }])).rejected.map(text => text.split(';')[0]), ['EXPR_TYPE: The condition must be true or false'])
})

test('route sends to the first output whose condition holds, and asks no further', async () => {
  const config = { high: 'event.a > 10', low: 'event.a > 1', odd: 'event.b == 1' }
  assert.deepEqual(await sent(config, [{ a: 11 }, { a: 2 }, { a: 0, b: 1 }, { a: 0, b: 2 }, { a: 0 }, { a: 'x' }]), ['high', 'low', 'odd', 'emit', 'EXPR_MISSING_FIELD', 'EXPR_NO_OVERLOAD'])
  assert.deepEqual(await sent({ high: 'event.a > 10', else: true }, [{ a: 11 }, { a: 2 }]), ['high', 'else'])
  // Wherever it stands, and as YAML hands it over.
  for (const rest of [true, 'true']) assert.deepEqual(await sent({ else: rest, high: 'event.a > 10' }, [{ a: 11 }, { a: 2 }]), ['high', 'else'])
})

test('else of route may name its output, and outputs may stand under "outputs"', async () => {
  const events = [{ a: 20 }, { a: -1 }, { a: 5 }]
  for (const config of [{ outputs: { late: 'event.a > 15', early: 'event.a < 0' }, else: 'ontime' }, { late: 'event.a > 15', early: 'event.a < 0', else: 'ontime' }]) {
    assert.deepEqual(await sent(config, events), ['late', 'early', 'ontime'])
    assert.deepEqual(stages.find(({ type }) => type === 'route')?.outputs?.(config), ['late', 'early', 'ontime'])
  }
  assert.deepEqual(await sent({ outputs: { late: 'event.a > 15' } }, events), ['late', 'emit', 'emit'])
  assert.deepEqual(await sent({ outputs: { late: 'event.a > 15' }, else: true }, events), ['late', 'else', 'else'])
  assert.deepEqual(await sent({ late: 'event.a > 15', else: 'late' }, events), ['late', 'late', 'late'])
  // An output may have these names.
  assert.deepEqual(await sent({ outputs: 'event.a > 15', else: 'outputs' }, events), ['outputs', 'outputs', 'outputs'])
  assert.deepEqual(await sent({ outputs: { outputs: 'event.a > 15', else: 'event.a < 0' } }, events), ['outputs', 'else', 'emit'])
})

test('an output of route that is simply true takes all that comes to it', async () => {
  assert.deepEqual(await sent({ high: 'event.a > 10', all: true, low: 'event.a < 0', else: 'rest' }, [{ a: 11 }, { a: -1 }, { a: 5 }]), ['high', 'all', 'all'])
  assert.deepEqual(await sent({ none: false, high: 'event.a > 10' }, [{ a: 11 }, { a: 5 }]), ['high', 'emit'])
})

test('what route can not mean is told', () => {
  for (const [config, message] of [
    [{ a: 'event.a', else: 'event.a > 1' }, /else.*name of an output, or true; it is "event\.a > 1"/], [{ a: 'event.a', else: false }, /else/], [{ else: true }, /needs an output/], [{}, /needs an output/],
    [{ outputs: { a: 'event.a' }, b: 'event.b' }, /"b" stands beside "outputs"/],
  ] as const) assert.throws(() => new StageTest('route', config), { code: 'CONFIG_VALUE', message })
})

test('sample keeps its share, and the same events in every run', async () => {
  const events = Array.from({ length: 4000 }, (_, n) => ({ n }))
  const kept = async (config: object): Promise<string[]> => (await run('sample', config, events)).texts
  const quarter = await kept({ rate: 0.25, key: 'event.n' })
  assert.ok(Math.abs(quarter.length - 1000) < 120, `${quarter.length} is near 1000`)
  assert.deepEqual(await kept({ rate: 0.25, key: 'event.n' }), quarter)
  assert.notDeepEqual(await kept({ rate: 0.25, key: 'event.n', seed: 'other' }), quarter)
  // Whoever is in a small sample is in a larger one.
  const half = new Set(await kept({ rate: 0.5, key: 'event.n' }))
  assert.ok(quarter.every(text => half.has(text)))
  assert.equal((await kept({ rate: 0 })).length, 0)
})

test('throttle lets so many events pass at once, and the next ones as time goes by', async () => {
  const stage = new StageTest('throttle', { events: 2, per: '1s' })
  let passed = 0
  const done = stage.process(Array.from({ length: 4 }, () => textEvent('{}'))).then(({ texts }) => (passed = texts.length))
  await stage.clock.advance(900)
  assert.equal(passed, 0)
  assert.equal(stage.clock.waiting, 1)
  await stage.clock.advance(200)
  assert.equal(await done, 4)
})

test('throttle stops waiting when the pipeline stops', async () => {
  const stage = new StageTest('throttle', { events: 1, per: '1h' })
  const done = stage.process([textEvent('{}'), textEvent('{}')])
  stage.stop.abort()
  await assert.rejects(done, { code: 'ABORTED' })
})
