/** What the kit asks of a source. */
import assert from 'node:assert/strict'
import { SluiceError } from '../base/index.ts'
import { contextFor, prepareConfig } from '../engine/index.ts'
import type { Piece, Report, Source, SourceDeclaration } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import { seededRandom, systemClock } from '../platform/index.ts'
import type { Behaviour } from './behaviours.ts'
import { assertSame, inOrderOf, longForm, shownOf } from './compare.ts'
import type { Collection } from './ends.ts'
import { show } from './ends.ts'
import { sinkConfig, stageConfig } from './runs.ts'
import type { Bench, RunMore } from './runs.ts'
import { collect } from './ends.ts'
import type { OutsideEvent, SourceOutside, SourceSubject } from './subject.ts'

export type Check = (bench: Bench) => Promise<void>

const COUNT = 60

export function sourceChecks(subject: SourceSubject): Partial<Record<Behaviour, Check>> {
  const { declaration } = subject
  const order = (events: readonly OutsideEvent[]): readonly OutsideEvent[] => inOrderOf(events, subject.ordered !== false)
  const same = (kept: Collection, outside: SourceOutside, what: string): void => assertSame(order(kept.values.map(shownOf)), order(outside.events.map(plainEvent)), what)
  const all = async (bench: Bench, outside: SourceOutside, more: ReadMore = {}): Promise<Collection> => (await readAll(bench, subject, outside, more)).kept

  return {
    open_close: async bench => {
      for (let round = 0; round < 2; round++) {
        const source = makeSource(bench, subject, await subject.open(bench.t, 0))
        await bench.within(source.open(undefined), 'open')
        await bench.within(source.close(), 'close')
      }
      await bench.within(makeSource(bench, subject, await subject.open(bench.t, 0)).close(), 'close without open')
    },
    open_close_isolated: async bench => {
      const [first, second] = [await subject.open(bench.t, 0), await subject.open(bench.t, COUNT)]
      const other = makeSource(bench, subject, first)
      await bench.within(other.open(undefined), 'open')
      let closed = false
      const kept = await all(bench, second, { instead: [wrapped(declaration, { afterNext: async () => {
        if (closed) return
        closed = true
        await other.close()
      } })] })
      if (!closed) await other.close()
      same(kept, second, 'events of the other source')
    },
    metadata: async bench => {
      const outside = await subject.open(bench.t, COUNT)
      if (!outside.events.some(({ key, headers = {} }) => key !== undefined || Object.keys(headers).length > 0)) return bench.t.skip('none of its events has a key or headers')
      same(await all(bench, outside), outside, 'key and headers')
    },
    metadata_filter: async bench => {
      const outside = await subject.open(bench.t, COUNT)
      const bare = (events: readonly OutsideEvent[]): readonly OutsideEvent[] => events.filter(({ key, headers = {} }) => key === undefined && Object.keys(headers).length === 0)
      if (bare(outside.events).length === 0) return bench.t.skip('all of its events have a key or headers')
      assertSame(order(bare((await all(bench, outside)).values.map(shownOf))), order(bare(outside.events.map(plainEvent))), 'events without key and headers')
    },
    receive_batch_count: async bench => {
      for (const bytes of [1024, 4096, 262_144]) {
        const outside = await subject.open(bench.t, COUNT)
        const pieces: Piece[] = []
        const kept = await all(bench, outside, { config: { batch: { bytes, events: 100_000, age: 1 } }, instead: [wrapped(declaration, { piece: piece => void pieces.push(piece) })] })
        same(kept, outside, `events in batches of ${bytes} bytes`)
        for (const { position, bytes: cost, data } of pieces) {
          assert.deepEqual(JSON.parse(JSON.stringify(position)), position, 'a position is JSON: it is kept in checkpoints')
          assert.ok(cost >= (data?.length ?? 0), `a piece with ${data?.length} bytes of data must not say that it costs ${cost}`)
        }
      }
    },
    stream_sequential: async bench => {
      const outside = await subject.open(bench.t, COUNT)
      const { kept, report } = await readAll(bench, subject, outside)
      same(kept, outside, 'events')
      assert.equal(report.events_in, COUNT, 'events counted at the source')
      assert.equal(report.in_flight, 0, 'events not accounted for')
    },
    stream_isolated: async bench => {
      const outsides = [await subject.open(bench.t, COUNT), await subject.open(bench.t, COUNT)]
      const kept = await Promise.all(outsides.map(outside => all(bench, outside)))
      outsides.forEach((outside, at) => same(kept[at] as Collection, outside, `events of pipeline ${at + 1}`)) // One for each.
    },
    checkpoint_capture: bench => goesOn(bench, subject, same),
    stream_parallel: async bench => {
      if (!bench.onThreads) bench.t.diagnostic('runs on one thread: give "plugin" to run it on two')
      const outside = await subject.open(bench.t, COUNT)
      const handed: string[] = []
      const committed: string[] = []
      const watch = wrapped(declaration, { piece: piece => void handed.push(JSON.stringify(piece.position)), commit: position => void committed.push(JSON.stringify(position)) })
      same(await all(bench, outside, { workers: 2, config: { batch: { bytes: 1024, events: 100_000, age: 1 } }, instead: [watch] }), outside, 'events')
      assertOrdered(committed, handed)
    },
    stream_saturated_unacked: async bench => {
      const outside = await subject.open(bench.t, COUNT)
      const [memory, bytes] = [2048, 1024]
      let [handed, largest] = [0, 0]
      const piece = (one: Piece): void => {
        handed += one.bytes
        largest = Math.max(largest, one.bytes)
      }
      const gate = async (): Promise<void> => {
        for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
        assert.ok(handed <= memory + largest, `${handed} bytes were read while nothing was taken; ${memory} and a piece may be`)
      }
      const kept = await all(bench, outside, { config: { memory, batch: { bytes, events: 100_000, age: 1 } }, instead: [wrapped(declaration, { piece })], gate })
      same(kept, outside, 'events')
    },
    at_least_once_delivery: bench => survives(bench, subject),
    stream_parallel_lossy: async bench => {
      const outside = await subject.open(bench.t, COUNT)
      const random = seededRandom(7)
      const { kept } = await readAll(bench, subject, outside, { workers: 2, config: { batch: { bytes: 1024, events: 100_000, age: 1 } } }, call => {
        if (call === 'write' && random() < 0.25) throw new SluiceError('FILE_WRITE', 'The test lost this write.', { retry: true })
      })
      same(kept, outside, 'events')
    },
    stream_parallel_lossy_through_reconnect: async bench => {
      const outside = await subject.open(bench.t, COUNT)
      const { cut } = outside
      if (cut === undefined) return bench.t.skip('there is no connection to cut ("cut" is not given)')
      let pieces = 0
      const kept = await all(bench, outside, { config: { batch: { bytes: 1024, events: 100_000, age: 1 } }, instead: [wrapped(declaration, { afterNext: async () => {
        if (++pieces === 1) await cut.call(outside)
      } })] })
      assertHas(kept.values.map(shownOf), outside.events.map(plainEvent))
    },
  }
}

function plainEvent({ value, key, headers = {} }: OutsideEvent): OutsideEvent {
  return { value, ...(key === undefined ? {} : { key }), headers }
}

function makeSource(bench: Bench, { declaration }: SourceSubject, { config }: SourceOutside): Source {
  const context = contextFor({ folder: bench.folder } as Parameters<typeof contextFor>[0], systemClock, Math.random, new AbortController().signal, () => undefined)('subject') // The folder is all that is read of the config.
  return declaration.create(prepareConfig(declaration.config, longForm(declaration, config), context), context)
}

interface Watch {
  piece?(piece: Piece): void
  afterNext?(piece: Piece | undefined): Promise<void>
  commit?(position: JsonValue): void
  /** Instead of the position that the engine opens it at. */
  readonly start?: JsonValue
  /** Ends after so many pieces. */
  readonly pieces?: number
}

/** The same source, watched. */
function wrapped(declaration: SourceDeclaration, watch: Watch): SourceDeclaration {
  return {
    ...declaration,
    create: (config, context) => {
      const source = declaration.create(config, context)
      let left = watch.pieces ?? Infinity
      return {
        live: source.live,
        format: source.format,
        get size() {
          return source.size
        },
        open: (position, committer) => source.open(position ?? watch.start, committer),
        ...(source.consumed === undefined ? {} : { consumed: position => source.consumed?.(position) ?? null }),
        next: async (bytes, signal) => {
          if (left-- <= 0) return undefined
          const piece = await source.next(bytes, signal)
          if (piece !== undefined) watch.piece?.(piece)
          await watch.afterNext?.(piece)
          return piece
        },
        commit: position => {
          watch.commit?.(position)
          return source.commit?.(position)
        },
        close: () => source.close(),
      }
    },
  }
}

interface ReadMore extends RunMore {
  /** The first write waits for it. */
  readonly gate?: () => Promise<void>
  /** How many events end the run, for a live source. */
  readonly wanted?: number
  /** Put before, by another run. */
  readonly isPut?: boolean
}

/** Runs the source to its end, or, where it is live, until all of its events have arrived. */
async function readAll(bench: Bench, subject: SourceSubject, outside: SourceOutside, more: ReadMore = {}, fault: Collection['fault'] = () => undefined): Promise<{ readonly kept: Collection; readonly report: Report }> {
  const { id, kept } = bench.collection()
  const { gate, wanted = outside.events.length, isPut = false, ...rest } = more
  kept.gate = gate
  kept.fault = fault
  const { live } = makeSource(bench, subject, outside)
  if (!live && !isPut) await bench.within(Promise.resolve(outside.put()), 'the events to be put')
  const stop = new AbortController()
  const { type } = subject.declaration
  const ends = {
    sources: [{ id: 'subject', type, config: longForm(subject.declaration, outside.config) }],
    stages: [stageConfig('show', show.type, {}, 'subject')],
    sinks: [sinkConfig('collect', collect.type, { run: id }, 'show')],
  }
  const run = bench.run(ends, { ...rest, signal: stop.signal })
  if (live) {
    const done = async (): Promise<void> => {
      const put = isPut ? undefined : Promise.resolve(outside.put())
      await kept.until(() => kept.lines.length >= wanted)
      stop.abort()
      await put
    }
    // A run that fails ends the wait as well.
    await Promise.race([bench.within(done(), `${wanted} events`).catch((error: unknown) => {
      stop.abort()
      throw new SluiceError('TIMED_OUT', `${error instanceof Error ? error.message : String(error)} ${kept.lines.length} had come.`)
    }), run])
  }
  return { kept, report: await run }
}

/** Every position that a commit named was handed out, and in that order. */
function assertOrdered(committed: readonly string[], handed: readonly string[]): void {
  let at = -1
  for (const position of committed) {
    const found = handed.indexOf(position, Math.max(0, at))
    assert.ok(found >= at, `the position ${position} was committed out of order`)
    at = found
  }
}

function assertHas(got: readonly OutsideEvent[], wanted: readonly OutsideEvent[]): void {
  const there = new Set(got.map(event => JSON.stringify(event.value)))
  assert.deepEqual(wanted.filter(event => !there.has(JSON.stringify(event.value))), [], 'events that were lost')
}

/** Stops after each of the first pieces, and opens another source at the position that was reached. */
async function goesOn(bench: Bench, subject: SourceSubject, same: (kept: Collection, outside: SourceOutside, what: string) => void): Promise<void> {
  const { declaration } = subject
  if (declaration.replays !== true) return bench.t.skip('its declaration does not say that it comes back at a position ("replays")')
  const config = { batch: { bytes: 1024, events: 100_000, age: 1 } }
  for (const pieces of [1, 2, 3]) {
    const outside = await subject.open(bench.t, COUNT)
    const { live } = makeSource(bench, subject, outside)
    let last: JsonValue | undefined
    const watch = wrapped(declaration, { pieces, piece: piece => {
      last = JSON.parse(JSON.stringify(piece.position)) as JsonValue // JSON of JSON.
    } })
    const first = await (live ? readSome(bench, subject, outside, watch, config) : readAll(bench, subject, outside, { config, instead: [watch] }))
    const rest = outside.events.length - first.kept.lines.length
    if (rest <= 0) continue
    const then = await readAll(bench, subject, outside, { config, isPut: true, wanted: rest, instead: [wrapped(declaration, last === undefined ? {} : { start: last })] })
    first.kept.add(then.kept.lines)
    same(first.kept, outside, `events after a stop behind ${pieces} pieces`)
  }
}

/** A live source whose wrapper ends by itself. */
async function readSome(bench: Bench, subject: SourceSubject, outside: SourceOutside, watch: SourceDeclaration, config: RunMore['config']): Promise<{ readonly kept: Collection }> {
  await bench.within(Promise.resolve(outside.put()), 'the events to be put')
  const { id, kept } = bench.collection()
  const ends = {
    sources: [{ id: 'subject', type: watch.type, config: longForm(watch, outside.config) }],
    stages: [stageConfig('show', show.type, {}, 'subject')],
    sinks: [sinkConfig('collect', collect.type, { run: id }, 'show')],
  }
  const stop = new AbortController()
  // It ends by itself, or when there is nothing more.
  void kept.until(() => kept.lines.length >= outside.events.length).then(() => stop.abort())
  await bench.run(ends, { instead: [watch], signal: stop.signal, ...(config === undefined ? {} : { config }) })
  return { kept }
}

/** The sink breaks in the middle of a run: what was not durable comes again in the next, from the last commit on. */
async function survives(bench: Bench, subject: SourceSubject): Promise<void> {
  const { declaration } = subject
  if (declaration.replays !== true) return bench.t.skip('its declaration does not say that it comes back at a position ("replays"): what was under way at a crash is for whoever sends it to send again')
  const outside = await subject.open(bench.t, COUNT)
  const { live } = makeSource(bench, subject, outside)
  await bench.within(Promise.resolve(outside.put()), 'the events to be put')
  let committed: JsonValue | undefined
  const { id, kept } = bench.collection()
  let writes = 0
  kept.fault = call => {
    if (call === 'write' && ++writes === 2) throw new SluiceError('FILE_WRITE', 'The test broke the sink.', { retry: false })
  }
  const watch = wrapped(declaration, { commit: position => {
    committed = position
  } })
  const ends = {
    sources: [{ id: 'subject', type: declaration.type, config: longForm(declaration, outside.config) }],
    stages: [stageConfig('show', show.type, {}, 'subject')],
    sinks: [sinkConfig('collect', collect.type, { run: id }, 'show')],
  }
  const stop = new AbortController()
  const run = bench.run(ends, { instead: [watch], config: { batch: { bytes: 1024, events: 100_000, age: 1 } }, signal: stop.signal })
  // A source that brings all in one piece never meets the broken write.
  if (live) void kept.until(() => kept.lines.length >= outside.events.length).then(() => stop.abort())
  await run.catch((error: unknown) => assert.match(String(error), /The test broke the sink/))
  const before = kept.lines.slice(0, kept.durable)
  if (before.length >= outside.events.length) return
  const again = await readAll(bench, subject, outside, { isPut: true, wanted: outside.events.length - before.length, instead: [wrapped(declaration, committed === undefined ? {} : { start: committed })] })
  again.kept.add(before)
  assertHas(again.kept.values.map(shownOf), outside.events.map(plainEvent))
}
