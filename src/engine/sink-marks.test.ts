/** Sinks that show what they wrote only once the checkpoint is kept. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import { systemClock } from '../platform/index.ts'
import { defineSink } from './component.ts'
import type { InputRange, SinkDeclaration } from './component.ts'
import * as field from './fields.ts'
import { runPipeline } from './run.ts'
import { memorySource, sinkConfig, testPipeline, testRegistry } from './testing.ts'

const LINES = Array.from({ length: 40 }, (_, n) => JSON.stringify({ n }))

interface Shown {
  /** Rows that were written since the last mark, were in a mark, and are shown. */
  waiting: number
  marked: number
  shown: number
  /** What happened, in order. */
  readonly steps: string[]
  readonly opened: (JsonValue | undefined)[]
  readonly input: InputRange[]
  keeps?: boolean | undefined
  failCommitted: number
  failFlush: number
}

function shownSink(state: Shown, cutsEvery?: number): SinkDeclaration {
  return defineSink({
    type: 'memory',
    summary: 'Shows what it wrote late',
    config: field.object({}),
    durable: 'flush',
    marks: true,
    encoding: () => ({ format: 'ndjson', options: {} }),
    create: (_config, { id, keeps }) => {
      const isLetters = id === 'dead_letters'
      if (!isLetters) state.keeps = keeps
      return {
        ...(cutsEvery === undefined ? {} : { cutsEvery }),
        open: mark => {
          if (!isLetters) state.opened.push(mark)
          return Promise.resolve()
        },
        write: ({ rows, input = [] }) => {
          state.waiting += rows
          state.input.push(...input)
          return Promise.resolve()
        },
        flush: () => {
          if (isLetters) return Promise.resolve(undefined)
          if (state.failFlush-- > 0) return Promise.reject(new SluiceError('FILE_WRITE', 'Not now, says the test.', { retry: true }))
          state.marked += state.waiting
          state.waiting = 0
          state.steps.push('flush')
          return Promise.resolve({ pending: state.marked })
        },
        committed: () => {
          if (isLetters || state.marked === 0) return Promise.resolve(undefined)
          if (state.failCommitted-- > 0) return Promise.reject(new SluiceError('FILE_WRITE', 'Not now, says the test.', { retry: true }))
          state.shown += state.marked
          state.marked = 0
          state.steps.push('committed')
          return Promise.resolve({ pending: 0 })
        },
        close: () => Promise.resolve(),
      }
    },
  })
}

function fresh(): Shown {
  return { waiting: 0, marked: 0, shown: 0, steps: [], opened: [], input: [], failCommitted: 0, failFlush: 0 }
}

/** Runs a pipeline from memory into the sink; `commit` is told of the source's commits. */
function run(state: Shown, { folder, retries = 0, acks = false, cutsEvery, commit = () => undefined }: { folder?: string; retries?: number; acks?: boolean; cutsEvery?: number; commit?: (position: JsonValue) => void } = {}) {
  const source = memorySource(LINES, 10)
  const watched: typeof source = {
    ...source,
    acks,
    create: (config, context) => {
      const made = source.create(config, context)
      return { live: made.live, format: made.format, open: position => made.open(position), next: (bytes, signal) => made.next(bytes, signal), commit, close: () => made.close() }
    },
  }
  const retry = { attempts: retries + 1, backoff: 1, factor: 1, backoffMax: 1, deadline: 0, budget: 0 }
  const config = testPipeline([], [sinkConfig('out', 'in', { retry })], { state: folder, checkpointInterval: 1 })
  return runPipeline(config, testRegistry([watched, shownSink(state, cutsEvery)]), { clock: systemClock })
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-marks-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('what was written is shown once the checkpoint is kept, and the source learns of it after', async t => {
  const state = fresh()
  await run(state, { folder: folderOf(t), commit: () => void state.steps.push(`commit at ${state.shown}`) })
  assert.equal(state.keeps, true)
  assert.equal(state.shown, LINES.length)
  const last = state.steps.slice(-3)
  assert.deepEqual(last, ['flush', 'committed', `commit at ${LINES.length}`])
})

test('the mark after that is the one a new run is opened at', async t => {
  const [state, folder] = [fresh(), folderOf(t)]
  await run(state, { folder })
  await run(state, { folder })
  assert.deepEqual(state.opened, [undefined, { pending: 0 }])
})

test('what could not be shown is in the mark that a new run is opened at', async t => {
  const [state, folder] = [fresh(), folderOf(t)]
  state.failCommitted = 1
  await assert.rejects(run(state, { folder }), /Not now/)
  const pending = state.marked
  assert.ok(pending > 0)
  await run(state, { folder })
  assert.deepEqual(state.opened[1], { pending })
})

test('flush and committed are tried again by the policy of the sink', async t => {
  const state = fresh()
  state.failCommitted = 2
  state.failFlush = 2
  await run(state, { folder: folderOf(t), retries: 2 })
  assert.equal(state.shown, LINES.length)
})

test('without checkpoints nothing is told, and a sink knows', async () => {
  const state = fresh()
  await run(state)
  assert.equal(state.keeps, false)
  assert.deepEqual(state.steps, ['flush'])
})

test('a sink for which marks are dear gets few of them, and the end of the input does not wait', async t => {
  for (const [folder, acks] of [[folderOf(t), false], [undefined, true]] as const) {
    const state = fresh()
    await run(state, { ...(folder === undefined ? {} : { folder }), acks, cutsEvery: 3_600_000 })
    // One before anything is written, so that a run can go back to it, or when the end hurries it; and one at the end.
    assert.equal(state.steps.filter(step => step === 'flush').length, 2)
  }
})

test('a sink is told which part of the input its rows come from', async () => {
  const state = fresh()
  await run(state)
  assert.deepEqual(state.input, [0, 10, 20, 30].map(line => ({ source: 'in', from: { line, offset: 0 }, position: line + 10 })))
})
