/** What the kit asks of a sink. */
import assert from 'node:assert/strict'
import { SluiceError } from '../base/index.ts'
import { contextFor, prepareConfig } from '../engine/index.ts'
import type { Report, Sink, SinkConfig, SinkDeclaration } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import { seededRandom, systemClock } from '../platform/index.ts'
import type { Behaviour } from './behaviours.ts'
import { assertSame, inOrderOf, longForm } from './compare.ts'
import { give } from './ends.ts'
import { sinkConfig, stageConfig } from './runs.ts'
import type { Bench, RunMore } from './runs.ts'
import type { Check } from './source-behaviours.ts'
import type { OutsideEvent, SinkOutside, SinkSubject } from './subject.ts'

const COUNT = 60

export function sinkChecks(subject: SinkSubject): Partial<Record<Behaviour, Check>> {
  const { declaration } = subject
  const order = (events: readonly OutsideEvent[]): readonly JsonValue[] => inOrderOf(events, subject.ordered !== false).map(({ value }) => value)
  const events = (count: number, from = 0): OutsideEvent[] => Array.from({ length: count }, (_, n) => ({ value: eventOf(subject, n + from) }))
  const arrived = async (outside: SinkOutside, wanted: readonly OutsideEvent[], what: string): Promise<void> => assertSame(order(await outside.received()), order(wanted), what)
  const send = async (bench: Bench, count: number, piece: number | (() => number), more: RunMore = {}): Promise<SinkOutside> => {
    const outside = await subject.open(bench.t)
    await write(bench, subject, [outside.config], events(count), piece, more)
    await arrived(outside, events(count), 'events')
    return outside
  }

  return {
    open_close: async bench => {
      const outside = await subject.open(bench.t)
      for (const outcome of ['done', 'stopped'] as const) {
        const sink = makeSink(bench, subject, outside)
        await bench.within(sink.open(undefined), 'open')
        await bench.within(sink.flush(), 'flush')
        await bench.within(sink.close(outcome), 'close')
      }
      assert.deepEqual(await outside.received(), [], 'nothing was written')
      await bench.within(makeSink(bench, subject, outside).close('failed'), 'close without open')
    },
    open_close_isolated: async bench => {
      const [first, second] = [await subject.open(bench.t), await subject.open(bench.t)]
      const other = makeSink(bench, subject, first)
      await bench.within(other.open(undefined), 'open')
      let writes = 0
      const closing = wrapped(declaration, { before: async () => {
        if (++writes === 2) await other.close('done')
      } })
      await write(bench, subject, [second.config], events(COUNT), 10, { instead: [closing] })
      if (writes < 2) await other.close('done')
      await arrived(second, events(COUNT), 'events of the other sink')
    },
    metadata: async bench => {
      const { carries = [] } = subject
      if (carries.length === 0) return bench.t.skip('it carries neither key nor headers ("carries" is not given)')
      const outside = await subject.open(bench.t)
      const given = events(COUNT).map((event, n) => ({ ...event, ...(carries.includes('key') ? { key: `key ${n % 7}` } : {}), ...(carries.includes('headers') ? { headers: { 'x-test': String(n) } } : {}) }))
      await write(bench, subject, [outside.config], given, 10)
      const picked = (all: readonly OutsideEvent[]): readonly unknown[] => inOrderOf(all, subject.ordered !== false).map(({ value, key, headers = {} }) => ({ value, ...(carries.includes('key') ? { key } : {}), ...(carries.includes('headers') ? { headers } : {}) }))
      assertSame(picked(await outside.received()), picked(given), 'events with what they carry')
    },
    metadata_filter: async bench => {
      const outside = await send(bench, COUNT, 10)
      for (const { key, headers } of await outside.received()) assert.deepEqual({ key, headers: headers ?? {} }, { key: undefined, headers: {} }, 'an event without key and headers arrives without')
    },
    send_batch: async bench => void (await send(bench, COUNT, COUNT)),
    send_batches: async bench => void (await send(bench, COUNT, 10)),
    send_batch_count: async bench => {
      const random = seededRandom(3)
      for (const piece of [() => 1, () => 7, () => 500, () => 1 + Math.floor(random() * 40)]) await send(bench, 500, piece)
    },
    send_batch_count_isolated: async bench => {
      const [first, second] = [await subject.open(bench.t), await subject.open(bench.t)]
      await write(bench, subject, [first.config, second.config], events(COUNT), 9)
      await arrived(first, events(COUNT), 'events at the first')
      await arrived(second, events(COUNT), 'events at the second')
    },
    stream_sequential: async bench => {
      const outside = await subject.open(bench.t)
      const report = await write(bench, subject, [outside.config], events(COUNT), 8)
      await arrived(outside, events(COUNT), 'events')
      assert.equal(report.events_out['subject-1'], COUNT, 'events counted at the sink')
      assert.equal(report.in_flight, 0, 'events not accounted for')
    },
    stream_isolated: async bench => {
      const outsides = [await subject.open(bench.t), await subject.open(bench.t)]
      await Promise.all(outsides.map((outside, at) => write(bench, subject, [outside.config], events(COUNT, at * COUNT), 6)))
      for (const [at, outside] of outsides.entries()) await arrived(outside, events(COUNT, at * COUNT), `events of pipeline ${at + 1}`)
    },
    checkpoint_capture: bench => goesBack(bench, subject, events, arrived),
    stream_parallel: async bench => {
      if (!bench.onThreads) bench.t.diagnostic('runs on one thread: give "plugin" to run it on two')
      await send(bench, COUNT, 5, { workers: 2 })
    },
    at_least_once_delivery: async bench => {
      const outside = await subject.open(bench.t)
      let writes = 0
      // A write that fails means that nothing of it was taken: every second one does, and then the sink's own other side refuses one.
      const failing = wrapped(declaration, { before: () => (++writes % 2 === 0 ? lost() : Promise.resolve()) })
      outside.failNext?.()
      await write(bench, subject, [outside.config], events(COUNT), 10, { instead: [failing] })
      await assertHas(outside, events(COUNT))
    },
    stream_parallel_lossy: async bench => {
      const random = seededRandom(5)
      const lossy = wrapped(declaration, { before: () => (random() < 0.25 ? lost() : Promise.resolve()) })
      await send(bench, COUNT, 4, { workers: 2, instead: [lossy] })
    },
    stream_parallel_lossy_through_reconnect: async bench => {
      const outside = await subject.open(bench.t)
      const { cut } = outside
      if (cut === undefined) return bench.t.skip('there is no connection to cut ("cut" is not given)')
      let writes = 0
      const cutting = wrapped(declaration, { before: async () => {
        if (++writes === 3) await cut.call(outside)
      } })
      await write(bench, subject, [outside.config], events(COUNT), 6, { instead: [cutting] })
      await assertHas(outside, events(COUNT))
    },
    output_only_send_sequential: async bench => void (await send(bench, 25, 1)),
    output_only_send_batch: async bench => {
      const outside = await subject.open(bench.t)
      if (outside.refuse === undefined) return bench.t.skip('its other side refuses no single events ("refuse" is not given)')
      const bad = events(COUNT).filter((_, n) => n % 9 === 4).map(({ value }) => JSON.stringify(value))
      await outside.refuse(value => bad.includes(JSON.stringify(value)))
      const report = await write(bench, subject, [outside.config], events(COUNT), 10)
      await arrived(outside, events(COUNT).filter(({ value }) => !bad.includes(JSON.stringify(value))), 'events that were not refused')
      assert.equal(report.dead_lettered, bad.length, 'refused events in the dead letters')
      const originals = bench.letters.values.map(letter => String((letter as { readonly original?: unknown }).original)) // A dead letter is an object.
      assert.deepEqual(originals, bad.map(value => JSON.stringify({ value: JSON.parse(value) as JsonValue })), 'dead letters with their original bytes')
    },
    output_only_override: async bench => {
      const outside = await subject.open(bench.t)
      const { targets } = outside
      if (targets === undefined) return bench.t.skip('it has one target only ("targets" is not given)')
      await write(bench, subject, [targets.config], events(COUNT), 7)
      for (const [at, group] of ['a', 'b'].entries()) assertSame(order(await targets.received(group)), order(events(COUNT).filter((_, n) => n % 2 === at)), `events of the group ${group}`)
    },
  }
}

function eventOf({ event }: SinkSubject, n: number): JsonValue {
  return event?.(n) ?? { n, group: n % 2 === 0 ? 'a' : 'b', text: `event ${n}: ä "quoted"` }
}

function lost(): Promise<never> {
  return Promise.reject(new SluiceError('FILE_WRITE', 'The test lost this write.', { retry: true }))
}

function makeSink(bench: Bench, { declaration }: SinkSubject, { config }: SinkOutside): Sink {
  const context = contextFor({ folder: bench.folder } as Parameters<typeof contextFor>[0], systemClock, Math.random, new AbortController().signal, () => undefined)('subject') // The folder is all that is read of the config.
  return declaration.create(prepareConfig(declaration.config, longForm(declaration, config), context), context)
}

interface Watch {
  before?(): Promise<void>
  flushed?(mark: JsonValue | undefined): void
  /** Instead of the mark that the engine opens it at. */
  readonly start?: JsonValue
  /** Instead of the outcome that the engine closes it with. */
  readonly outcome?: 'stopped' | 'failed'
  /** Fails the run once all is written, without the sink being asked to flush. */
  readonly crash?: boolean
}

/** The same sink, watched. */
function wrapped(declaration: SinkDeclaration, watch: Watch): SinkDeclaration {
  return {
    ...declaration,
    create: (config, context) => {
      const sink = declaration.create(config, context)
      return {
        get concurrency() {
          return sink.concurrency ?? 1
        },
        get borrows() {
          return sink.borrows ?? false
        },
        open: (mark, committer) => sink.open(mark ?? watch.start, committer),
        ...(sink.facts === undefined ? {} : { facts: () => sink.facts?.() ?? null }),
        write: async (chunk, signal) => {
          await watch.before?.()
          return sink.write(chunk, signal)
        },
        flush: async () => {
          if (watch.crash === true) throw new SluiceError('FILE_WRITE', 'The test broke the run.', { retry: false })
          const mark = await sink.flush()
          watch.flushed?.(mark)
          return mark
        },
        close: outcome => sink.close(watch.outcome ?? outcome),
      }
    },
  }
}

/** Writes events to one sink or several, in pieces of so many. */
function write(bench: Bench, { declaration }: SinkSubject, configs: readonly unknown[], events: readonly OutsideEvent[], piece: number | (() => number), more: RunMore = {}): Promise<Report> {
  const lines = events.map(({ value, key, headers }) => JSON.stringify({ value, key, headers }))
  const sinks: SinkConfig[] = configs.map((config, at) => sinkConfig(`subject-${at + 1}`, declaration.type, longForm(declaration, config), 'give'))
  return bench.run({ sources: [bench.feed(lines, piece)], stages: [stageConfig('give', give.type, {}, 'feed')], sinks }, more)
}

async function assertHas(outside: SinkOutside, wanted: readonly OutsideEvent[]): Promise<void> {
  const there = new Set((await outside.received()).map(({ value }) => JSON.stringify(value)))
  assert.deepEqual(wanted.map(({ value }) => value).filter(value => !there.has(JSON.stringify(value))), [], 'events that were lost')
}

/** What came after the last mark is taken back when the sink is opened at it again. */
async function goesBack(
  bench: Bench,
  subject: SinkSubject,
  events: (count: number, from?: number) => OutsideEvent[],
  arrived: (outside: SinkOutside, wanted: readonly OutsideEvent[], what: string) => Promise<void>,
): Promise<void> {
  const { declaration } = subject
  if (declaration.marks !== true) return bench.t.skip('its declaration does not say that it goes back to a mark ("marks")')
  const outside = await subject.open(bench.t)
  let mark: JsonValue | undefined
  const first = wrapped(declaration, { outcome: 'stopped', flushed: made => {
    mark = made === undefined ? undefined : (JSON.parse(JSON.stringify(made)) as JsonValue) // JSON of JSON.
  } })
  await write(bench, subject, [outside.config], events(20), 5, { instead: [first] })
  assert.notEqual(mark, undefined, 'flush answers a mark')
  const start = mark === undefined ? {} : { start: mark }
  await assert.rejects(write(bench, subject, [outside.config], events(20, 20), 5, { instead: [wrapped(declaration, { ...start, crash: true })] }), /The test broke the run/)
  await write(bench, subject, [outside.config], events(20, 40), 5, { instead: [wrapped(declaration, start)] })
  await arrived(outside, [...events(20), ...events(20, 40)], 'events before the mark, and those after going back to it')
}
