/** Taps on pipelines that run: what is seen, what is hidden, what it costs, and that nobody waits for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PipelineConfig } from '../config.ts'
import { SluiceError } from '../../base/index.ts'
import { defineSink, defineStage } from '../component.ts'
import * as field from '../fields.ts'
import { RunControl } from '../reload.ts'
import { Feed, fedSource, keepingSink } from '../reload.fixture.ts'
import type { Report } from '../report.ts'
import { runPipeline } from '../run.ts'
import { Kept, objectOf, sinkConfig, stageConfig, testPipeline, testRegistry, testStage } from '../testing.ts'
import type { TapRequest, TapSample } from './order.ts'
import type { Tap, TapWatcher } from './taps.ts'

const double = testStage('double', () => ({
  process: (events, out) => {
    for (const event of events) {
      event.replace({ ...objectOf(event), n: Number(objectOf(event)['n']) * 2 })
      out.emit(event)
    }
  },
}))
const sort = defineStage({
  type: 'sort', summary: 'Odd ones go elsewhere', config: field.object({}), outputs: () => ['odd'], origins: (_config, path) => [path],
  create: () => ({
    process: (events, out) => {
      for (const event of events) {
        if (Number(objectOf(event)['n']) % 2 === 0) out.emit(event)
        else out.to('odd', event)
      }
    },
  }),
})
const hide = defineStage({
  type: 'hide', summary: 'Hides a field', config: field.object({ path: field.string() }), hides: ({ path }) => [path.split('.')], origins: (_config, path) => [path],
  create: () => ({ process: (events, out) => events.forEach(event => out.emit(event)) }),
})
const rename = defineStage({
  type: 'rename', summary: 'Gives a field another name', config: field.object({ from: field.string(), to: field.string() }),
  origins: ({ from, to }, path) => [path[0] === to ? [from, ...path.slice(1)] : path],
  create: ({ from, to }) => ({
    process: (events, out) => {
      for (const event of events) {
        const { [from]: value, ...others } = objectOf(event)
        event.replace({ ...others, [to]: value })
        out.emit(event)
      }
    },
  }),
})

const picky = testStage('picky', () => ({
  process: (events, out) => {
    for (const event of events) {
      const { n, card } = objectOf(event)
      if (n === 0) out.reject(event, new SluiceError('VALIDATE_FAILED', `no card ${String(card)}`))
      else out.emit(event)
    }
  },
}))
/** Refuses events of which `n` is 1. */
const refusing = defineSink({
  type: 'refusing', summary: 'Refuses some', config: field.object({}), durable: 'write', marks: false, encoding: () => ({ format: 'ndjson', options: {}, rows: true }),
  create: () => ({
    open: () => Promise.resolve(),
    write: ({ bytes }) => {
      const lines = new TextDecoder().decode(bytes).trimEnd().split('\n')
      return Promise.resolve(lines.flatMap((line, row) => (line.includes('"n":1') ? [{ row, answer: 'reject' as const, reason: 'no ones' }] : [])))
    },
    flush: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  }),
})

class Watcher implements TapWatcher {
  readonly seen: TapSample[] = []
  readonly told: (boolean | 'end')[] = []
  takes = true

  sample(line: string): boolean {
    if (this.takes) this.seen.push(JSON.parse(line) as TapSample) // A line of a tap.
    return this.takes
  }

  moved(isThere: boolean): void {
    this.told.push(isThere)
  }

  end(): void {
    this.told.push('end')
  }

  get events(): unknown[] {
    return this.seen.map(({ event }) => event)
  }
}

class Bench {
  readonly feed = new Feed()
  readonly kept = new Kept()
  readonly control = new RunControl()
  readonly watcher = new Watcher()
  readonly registry = testRegistry([fedSource(this.feed, 'fed'), keepingSink(this.feed, this.kept, 'memory'), refusing, double, sort, hide, rename, picky])

  start(config: PipelineConfig): Promise<Report> {
    return runPipeline(config, this.registry, { control: this.control })
  }

  tap(request: TapRequest, watcher: TapWatcher = this.watcher): Tap {
    return this.control.taps.open(request, watcher)
  }

  push(...events: readonly unknown[]): void {
    this.feed.push('in', ...events.map(event => (typeof event === 'string' ? event : JSON.stringify(event))))
  }

  /** Waits until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise(resolve => void setImmediate(resolve))
  }

  async opened(): Promise<void> {
    await this.until(() => this.control.figures !== undefined)
    await new Promise(resolve => void setImmediate(resolve))
  }
}

const source = { id: 'in', type: 'fed', config: { feed: 'in' } }
const pipeline = testPipeline([stageConfig('twice', 'double', 'in'), stageConfig('sort', 'sort', 'twice')], [sinkConfig('out', 'sort')], { sources: [source] })

for (const [request, events] of [
  [{ component: 'twice', side: 'before' }, [{ n: 1 }, { n: 2 }]],
  [{ component: 'twice' }, [{ n: 2 }, { n: 4 }]],
  [{ component: 'in' }, [{ n: 1 }, { n: 2 }]],
  [{ component: 'out' }, [{ n: 2 }, { n: 4 }]],
  [{ component: 'sinks.out' }, [{ n: 2 }, { n: 4 }]],
  [{ component: 'twice', filter: 'event.n > 3' }, [{ n: 4 }]],
] as const) {
  test(`${JSON.stringify(request)} shows the events there, and the pipeline gives the same`, async () => {
    const bench = new Bench()
    const ran = bench.start(pipeline)
    await bench.opened()
    bench.tap(request)
    bench.push({ n: 1 }, { n: 2 })
    await bench.until(() => bench.watcher.seen.length === events.length)
    bench.feed.end('in')
    const { events_in, events_out } = await ran
    assert.deepEqual(bench.watcher.events, events)
    assert.deepEqual([events_in, events_out], [2, { out: 2 }])
    assert.deepEqual(bench.kept.lines('out'), ['{"n":2}', '{"n":4}'])
    assert.deepEqual(bench.watcher.told, ['end'])
  })
}

test('what a stage hands to a named output is told by its name', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([stageConfig('sort', 'sort', 'in')], [sinkConfig('out', ['sort', 'sort.odd'])], { sources: [source] }))
  await bench.opened()
  bench.tap({ component: 'sort' })
  bench.push({ n: 1 }, { n: 2 })
  await bench.until(() => bench.watcher.seen.length === 2)
  bench.feed.end('in')
  await ran
  const seen = bench.watcher.seen.map(({ output, source: from, event }) => [output ?? '', from, JSON.stringify(event)].join(' '))
  assert.deepEqual(seen.toSorted((one, other) => one.localeCompare(other)), [' in {"n":2}', 'odd in {"n":1}'])
})

const hiding = testPipeline([stageConfig('twice', 'double', 'in'), stageConfig('hidden', 'hide', 'twice', { config: { path: 'card' } })], [sinkConfig('out', 'hidden')], { sources: [source] })

test('a field that a stage hides is seen at no place, nor can a filter find out what it holds', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([stageConfig('sort', 'sort', 'in'), stageConfig('hidden', 'hide', ['sort', 'sort.odd'], { config: { path: 'card.number' } })], [sinkConfig('out', 'hidden')], { sources: [source] }))
  await bench.opened()
  const prying = new Watcher()
  bench.tap({ component: 'in', filter: 'event.card.number == 4111' }, prying)
  for (const [component, side] of [['in', 'after'], ['sort', 'before'], ['sort', 'after'], ['hidden', 'before'], ['hidden', 'after'], ['out', 'before']] as const) bench.tap({ component, side })
  bench.push({ n: 1, card: { number: 4111, of: 'Ana' } }, '{"card":{"number":1,"number":4111}}', { card: [{ number: 4111 }] })
  await bench.until(() => bench.watcher.seen.length === 18)
  bench.feed.end('in')
  await ran
  assert.doesNotMatch(JSON.stringify(bench.watcher.seen), /4111/)
  assert.deepEqual(bench.watcher.seen[0]?.event, { n: 1, card: { number: '***', of: 'Ana' } })
  assert.deepEqual(prying.seen, [])
})

test('before a stage that gives a field its name, it is hidden under the name that it had there', async () => {
  const bench = new Bench()
  const ran = bench.start(testPipeline([stageConfig('named', 'rename', 'in', { config: { from: 'no', to: 'card' } }), stageConfig('hidden', 'hide', 'named', { config: { path: 'card' } })], [sinkConfig('out', 'hidden')], { sources: [source] }))
  await bench.opened()
  bench.tap({ component: 'in' })
  bench.tap({ component: 'hidden' })
  bench.push({ n: 1, no: '4111' })
  await bench.until(() => bench.watcher.seen.length === 2)
  bench.feed.end('in')
  await ran
  assert.deepEqual(bench.watcher.events, [{ n: 1, no: '***' }, { n: 1, card: '***' }])
})

test('before a stage that does not tell what it makes of what, only names are shown', async () => {
  const bench = new Bench()
  const ran = bench.start(hiding)
  await bench.opened()
  bench.tap({ component: 'in' })
  bench.push({ n: 1, card: '4111', deep: { list: [1, null, 'x'] } })
  await bench.until(() => bench.watcher.seen.length === 1)
  bench.feed.end('in')
  await ran
  assert.deepEqual(bench.watcher.events, [{ n: '***', card: '***', deep: { list: ['***', null, '***'] } }])
})

test('what is not hidden is shown as it is written', async () => {
  const bench = new Bench()
  const ran = bench.start(pipeline)
  await bench.opened()
  const lines: string[] = []
  bench.tap({ component: 'in' }, Object.assign(new Watcher(), { sample: (line: string) => lines.push(line) > 0 }))
  bench.push('{"n": 12345678901234567890, "t":"\\u00e9"}')
  await bench.until(() => lines.length === 1)
  bench.feed.end('in')
  await ran
  assert.match(lines[0] ?? '', /"event":\{"n": 12345678901234567890, "t":"\\u00e9"\}\}$/)
})

test('a watcher that takes nothing holds nobody up, and what it missed is counted', async () => {
  const bench = new Bench()
  const ran = bench.start(pipeline)
  await bench.opened()
  bench.watcher.takes = false
  const tap = bench.tap({ component: 'in' })
  bench.push({ n: 1 }, { n: 2 }, { n: 3 })
  await bench.until(() => tap.counts.dropped === 3)
  bench.feed.end('in')
  assert.equal((await ran).events_out['out'], 3)
  assert.deepEqual(tap.counts, { looked: 3, shown: 0, dropped: 3 })
})

test('no more events are looked at than the rate allows', async () => {
  const bench = new Bench()
  const ran = bench.start(pipeline)
  await bench.opened()
  const tap = bench.tap({ component: 'in', rate: 1 })
  bench.push(...Array.from({ length: 1000 }, (_, n) => ({ n })))
  bench.feed.end('in')
  const started = performance.now()
  assert.equal((await ran).events_in, 1000)
  assert.ok(tap.counts.shown >= 1 && tap.counts.shown <= 2 + (performance.now() - started) / 1000, `${tap.counts.shown} shown`)
})

test('a tap that was closed sees nothing more, and may be closed again', async () => {
  const bench = new Bench()
  const ran = bench.start(pipeline)
  await bench.opened()
  const [one, other] = [new Watcher(), new Watcher()]
  const tap = bench.tap({ component: 'in' }, one)
  bench.tap({ component: 'in' }, other)
  bench.push({ n: 1 })
  await bench.until(() => one.seen.length === 1 && other.seen.length === 1)
  tap.close()
  tap.close()
  bench.push({ n: 2 })
  await bench.until(() => other.seen.length === 2)
  bench.feed.end('in')
  await ran
  assert.deepEqual([one.events, one.told, other.told], [[{ n: 1 }], [], ['end']])
})

test('a tap goes on through reloads, is told where its component is gone, and sees it again when it is back', async () => {
  const bench = new Bench()
  const ran = bench.start(pipeline)
  await bench.opened()
  bench.tap({ component: 'sort', side: 'before' })
  bench.push({ n: 1 })
  await bench.until(() => bench.watcher.seen.length === 1)
  const without = testPipeline([stageConfig('twice', 'double', 'in')], [sinkConfig('out', 'twice')], { sources: [source] })
  for (const config of [without, pipeline]) assert.equal((await bench.control.reload({ config, registry: bench.registry })).outcome, 'switched')
  bench.push({ n: 2 })
  await bench.until(() => bench.watcher.seen.length === 2)
  bench.feed.end('in')
  await ran
  assert.deepEqual([bench.watcher.events, bench.watcher.told], [[{ n: 2 }, { n: 4 }], [false, true, 'end']])
})

/** The letters of one event that a stage gives up, one that a sink refuses, and one that can't be read. */
async function letters(config: PipelineConfig, request: Partial<TapRequest> = {}, count = 3): Promise<readonly TapSample[]> {
  const bench = new Bench()
  const ran = bench.start(config)
  await bench.opened()
  bench.tap({ component: 'dead_letters', ...request })
  bench.push({ n: 2, card: '4111' }, { n: 0, card: '4112' }, { n: 1, card: '4113' }, '{"card":"4114"')
  await bench.until(() => bench.watcher.seen.length === count)
  bench.feed.end('in')
  const { dead_lettered } = await ran
  assert.equal(dead_lettered, 3)
  return bench.watcher.seen.toSorted((one, other) => letterOf(one).stage.localeCompare(letterOf(other).stage))
}

const letterOf = ({ event }: TapSample) => event as { readonly stage: string; readonly code: string; readonly reason: string; readonly attempts: number; readonly original: string; readonly position: unknown } // A dead letter.

const refused = testPipeline([stageConfig('choose', 'picky', 'in')], [sinkConfig('out', 'choose', { type: 'refusing' })], { sources: [source] })

test('dead letters are seen with reason, code, stage and original, whoever gave the event up', async () => {
  const seen = await letters(refused)
  assert.deepEqual(seen.map(letterOf).map(({ stage, code, reason, original }) => [stage, code, code === 'JSON_SYNTAX' ? '' : reason, original]), [
    ['choose', 'VALIDATE_FAILED', 'no card 4112', '{"n":0,"card":"4112"}'],
    ['in', 'JSON_SYNTAX', '', '{"card":"4114"'],
    ['out', 'SINK_REJECTED', 'no ones', '{"n":1,"card":"4113"}'],
  ])
  assert.ok(seen.every(({ component, side, source: from, dead_letter: is }) => component === 'dead_letters' && side === 'before' && from === 'in' && is === true))
  assert.deepEqual((await letters(refused, { component: 'sinks.dead_letters', filter: 'event.code == "SINK_REJECTED"' }, 1)).map(letterOf).map(({ stage }) => stage), ['out'])
})

test('of a pipeline that hides fields neither reasons nor places are seen, nor originals that can\'t be read', async () => {
  const seen = await letters(testPipeline([stageConfig('choose', 'sort', 'in'), stageConfig('hidden', 'hide', ['choose', 'choose.odd'], { config: { path: 'card' } }), stageConfig('picky', 'picky', 'hidden')], [sinkConfig('out', 'picky', { type: 'refusing' })], { sources: [source] }))
  assert.doesNotMatch(JSON.stringify(seen), /411/)
  assert.deepEqual(seen.map(letterOf).map(({ stage, code, reason, original, position }) => [stage, code, reason, original, position]), [
    ['in', 'JSON_SYNTAX', '***', '***', undefined],
    ['out', 'SINK_REJECTED', '***', '{"n":1,"card":"***"}', undefined],
    ['picky', 'VALIDATE_FAILED', '***', '{"n":0,"card":"***"}', undefined],
  ])
})

test('the original of a dead letter that is too large is told by its length', async () => {
  const bench = new Bench()
  const ran = bench.start(refused)
  await bench.opened()
  bench.tap({ component: 'dead_letters' })
  bench.push({ n: 0, card: 'x', filler: 'y'.repeat(100_000) })
  await bench.until(() => bench.watcher.seen.length === 1)
  bench.feed.end('in')
  await ran
  const [{ event } = {}] = bench.watcher.seen
  const { original, original_length: length, reason } = event as { readonly original?: string; readonly original_length?: number; readonly reason: string } // A dead letter.
  assert.deepEqual([original, (length ?? 0) > 100_000, reason], [undefined, true, 'no card x'])
})

test('dead letters are seen by a tap that goes on through reloads', async () => {
  const bench = new Bench()
  const ran = bench.start(refused)
  await bench.opened()
  bench.tap({ component: 'dead_letters' })
  assert.equal((await bench.control.reload({ config: testPipeline([], [sinkConfig('out', 'in', { type: 'refusing' })], { sources: [source] }), registry: bench.registry })).outcome, 'switched')
  bench.push({ n: 1 })
  await bench.until(() => bench.watcher.seen.length === 1)
  bench.feed.end('in')
  await ran
  assert.deepEqual([bench.watcher.seen.map(letterOf).map(({ stage }) => stage), bench.watcher.told], [['out'], [true, 'end']])
})

test('what can\'t be tapped is told', async () => {
  const bench = new Bench()
  assert.throws(() => bench.tap({ component: 'in' }), { code: 'TAP_UNKNOWN' })
  const ran = bench.start(pipeline)
  await bench.opened()
  assert.throws(() => bench.tap({ component: 'twise' }), { code: 'TAP_UNKNOWN', message: /no source, stage or sink "twise".*Did you mean "twice"\?/ })
  assert.throws(() => bench.tap({ component: 'in', side: 'before' }), { code: 'TAP_UNKNOWN' })
  assert.throws(() => bench.tap({ component: 'out', side: 'after' }), { code: 'TAP_UNKNOWN' })
  assert.throws(() => bench.tap({ component: 'dead_letters', side: 'after' }), { code: 'TAP_UNKNOWN', message: /Nothing comes behind/ })
  assert.throws(() => bench.tap({ component: 'dead_leters' }), { code: 'TAP_UNKNOWN', message: /Did you mean "dead_letters"/ })
  assert.throws(() => bench.tap({ component: 'in', rate: 1e6 }), { code: 'TAP_UNKNOWN' })
  assert.throws(() => bench.tap({ component: 'in', filter: 'event.n >' }), { code: 'EXPR_SYNTAX' })
  for (let more = 0; more < 8; more++) bench.tap({ component: 'in' })
  assert.throws(() => bench.tap({ component: 'in' }), { code: 'TAP_TOO_MANY' })
  bench.feed.end('in')
  await ran
})
