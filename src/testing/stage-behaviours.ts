/** What the kit asks of a stage. */
import assert from 'node:assert/strict'
import { StageMemory, contextFor, prepareConfig } from '../engine/index.ts'
import type { Report, Stage, StageConfig } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import { seededRandom, systemClock } from '../platform/index.ts'
import type { Behaviour } from './behaviours.ts'
import { assertSame, longForm } from './compare.ts'
import { collect, give, show } from './ends.ts'
import type { Collection } from './ends.ts'
import { sinkConfig, stageConfig } from './runs.ts'
import type { Bench, RunMore } from './runs.ts'
import type { Check } from './source-behaviours.ts'
import type { StageSubject } from './subject.ts'

interface Made {
  readonly values: readonly JsonValue[]
  readonly letters: readonly JsonValue[]
  readonly report: Report
}

export function stageChecks(subject: StageSubject): Partial<Record<Behaviour, Check>> {
  const { input, declaration } = subject
  const whole = (bench: Bench, more: StageRun = {}): Promise<Made> => run(bench, subject, input, { piece: input.length, ...more })

  return {
    open_close: async bench => {
      for (let round = 0; round < 2; round++) {
        const stage = makeStage(bench, subject)
        await bench.within(Promise.resolve(stage.open?.()), 'open')
        await bench.within(Promise.resolve(stage.close?.()), 'close')
      }
      await bench.within(Promise.resolve(makeStage(bench, subject).close?.()), 'close without open')
    },
    open_close_isolated: async bench => {
      const other = makeStage(bench, subject)
      await other.open?.()
      const before = await whole(bench)
      await other.close?.()
      assertSame((await whole(bench)).values, before.values, 'events after another stage was closed')
    },
    metadata: async bench => {
      const key = (n: number): string => `key ${n}`
      const given = input.map((value, n) => ({ value, key: key(n), headers: { 'x-test': String(n) } }))
      const made = await run(bench, subject, given, { piece: 7, around: true })
      const known = new Map(given.map(one => [one.key, JSON.stringify(one.headers)]))
      const kept = made.values.map(value => value as { readonly key?: string; readonly headers: object }) // Written by the kit's stage.
      if (kept.length === 0) return bench.t.skip('nothing of this input comes out')
      const own = kept.filter(one => one.key !== undefined)
      assert.ok(own.length > 0 || declaration.memory === 'keyed', 'no event that comes out has the key of one that came in: derive events with event.derive()')
      for (const one of own) assert.equal(JSON.stringify(one.headers), known.get(one.key ?? ''), `headers of the event with the key ${one.key}`)
    },
    metadata_filter: async bench => {
      const made = await run(bench, subject, input.map(value => ({ value })), { piece: 7, around: true })
      for (const value of made.values) {
        const { key, headers } = value as { readonly key?: string; readonly headers: object } // Written by the kit's stage.
        assert.deepEqual({ key, headers }, { key: undefined, headers: {} }, 'an event that came without key and headers leaves without')
      }
    },
    send_batch: async bench => {
      const made = await whole(bench)
      assert.ok(made.report.events_in === input.length, 'every event of the input was read')
      if (subject.output !== undefined) assertSame(made.values, subject.output, 'output')
      for (const letter of made.letters) assert.notEqual(codeOf(letter), 'STAGE_ANSWERS', `the stage answers each event exactly once: ${JSON.stringify(letter)}`)
    },
    send_batches: async bench => assertSame((await run(bench, subject, input, { piece: 3 })).values, (await whole(bench)).values, 'output of batches of three'),
    send_batch_count: async bench => {
      const reference = await whole(bench)
      const random = seededRandom(11)
      for (const piece of [() => 1, () => 2, () => 17, () => 1 + Math.floor(random() * 9)]) {
        const made = await run(bench, subject, input, { piece })
        assertSame(made.values, reference.values, 'output of batches of another size')
        assertSame(made.letters.map(codeOf), reference.letters.map(codeOf), 'dead letters of batches of another size')
      }
    },
    stream_sequential: async bench => {
      const made = await run(bench, subject, input, { piece: 5 })
      assert.equal(made.report.in_flight, 0, 'events not accounted for')
      assertSame(made.values, (await run(bench, subject, input, { piece: 5 })).values, 'output of a second run over the same events')
    },
    stream_isolated: async bench => {
      const half = Math.ceil(input.length / 2)
      const parts = [input.slice(0, half), input.slice(half)]
      const alone: (readonly JsonValue[])[] = []
      for (const part of parts) alone.push((await run(bench, subject, part, { piece: 4 })).values)
      const together = await Promise.all(parts.map(part => run(bench, subject, part, { piece: 4 })))
      together.forEach((made, at) => assertSame(made.values, alone[at] ?? [], `output of pipeline ${at + 1}`))
    },
    checkpoint_capture: bench => goesOn(bench, subject),
    stream_parallel: async bench => {
      if (!bench.onThreads) bench.t.diagnostic('runs on one thread: give "plugin" to run it on several')
      const reference = await run(bench, subject, input, { piece: 4, partitioned: true })
      for (const workers of [1, 2, 4]) assertSame((await run(bench, subject, input, { piece: 4, partitioned: true, workers })).values, reference.values, `output of ${workers} workers`)
    },
    at_least_once_delivery: async bench => {
      const { bad = [] } = subject
      if (bad.length === 0) return bench.t.skip('no event is known that it fails on ("bad" is not given)')
      const mixed = input.flatMap((value, n) => (n % 4 === 0 ? [bad[(n / 4) % bad.length] as JsonValue, value] : [value])) // The index is inside the array.
      const made = await run(bench, subject, mixed, { piece: 6 })
      assertSame(made.values, (await run(bench, subject, input, { piece: 6 })).values, 'output beside events that fail')
      assert.equal(made.letters.length, mixed.length - input.length + (await whole(bench)).letters.length, 'dead letters: one for each event that fails, and none for its neighbours')
      assert.equal(made.report.in_flight, 0, 'events not accounted for')
    },
  }
}

function codeOf(letter: JsonValue): string {
  return String((letter as { readonly code?: unknown }).code) // A dead letter is an object.
}

function makeStage(bench: Bench, { declaration, config }: StageSubject): Stage {
  const context = contextFor({ folder: bench.folder } as Parameters<typeof contextFor>[0], systemClock, Math.random, new AbortController().signal, () => undefined)('subject') // The folder is all that is read of the config.
  return declaration.create(prepareConfig(declaration.config, longForm(declaration, config), context), { ...context, state: new StageMemory([], () => true) })
}

interface StageRun extends RunMore {
  readonly piece?: number | (() => number)
  /** The events are `{ value, key, headers }`, and so is what comes out. */
  readonly around?: boolean
  /** Behind `partition_by`, where the subject names a key. */
  readonly partitioned?: boolean
  readonly live?: boolean
  readonly kept?: { readonly id: string; readonly kept: Collection }
}

async function run(bench: Bench, subject: StageSubject, input: readonly unknown[], more: StageRun): Promise<Made> {
  const { piece = 1, around = false, partitioned = false, live = false, kept: given, ...rest } = more
  const { id, kept } = given ?? bench.collection()
  const stages: StageConfig[] = []
  const add = (name: string, type: string, config: unknown): void => void stages.push(stageConfig(name, type, config, stages.at(-1)?.id ?? 'feed'))
  if (around) add('give', give.type, {})
  if (partitioned && subject.key !== undefined) add('partition', 'partition_by', { key: subject.key })
  add('subject', subject.declaration.type, longForm(subject.declaration, subject.config))
  if (around) add('show', show.type, {})
  const ends = { sources: [bench.feed(input.map(value => JSON.stringify(value)), piece, live)], stages, sinks: [sinkConfig('collect', collect.type, { run: id }, stages.at(-1)?.id)] }
  const report = await bench.run(ends, rest)
  return { values: kept.values, letters: bench.letters.values, report }
}

/** Stops in the middle of the input with a state, and goes on from there: the same comes out as without a stop. */
async function goesOn(bench: Bench, subject: StageSubject): Promise<void> {
  const { input } = subject
  const reference = await run(bench, subject, input, { piece: 1 })
  const state = bench.temporary()
  const kept = bench.collection()
  const half = Math.ceil(input.length / 2)
  const stop = new AbortController()
  const seen = watchRead(half, () => stop.abort())
  const first = await run(bench, subject, input.slice(0, half), { piece: seen, live: true, kept, config: { state }, signal: stop.signal })
  assert.equal(first.report.stopped_by, 'signal')
  const { values } = await run(bench, subject, input, { piece: 1, kept, config: { state } })
  assertSame(values, reference.values, 'output with a stop in the middle')
}

/** Pieces of one line; calls back once as many have been asked for. */
function watchRead(count: number, done: () => void): () => number {
  let pieces = 0
  return () => {
    if (++pieces === count) setImmediate(done)
    return 1
  }
}
