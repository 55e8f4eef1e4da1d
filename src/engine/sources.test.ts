import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonValue } from '../event/index.ts'
import { Flight } from './flight.ts'
import { OpenSource } from './sources.ts'
import type { Keeping } from './sources.ts'

/** A source that has read batches 0, 2, 4 ... with positions 10, 30, 50 ..., and what it was told to forget. */
function readSource(keeping: Keeping, batches: number, from?: JsonValue): { readonly open: OpenSource; readonly committed: JsonValue[] } {
  const committed: JsonValue[] = []
  const source = {
    live: false,
    format: { format: 'ndjson', options: {} },
    open: () => Promise.resolve(),
    next: () => Promise.resolve(undefined),
    commit: (position: JsonValue) => void committed.push(position),
    close: () => Promise.resolve(),
  }
  const open = new OpenSource('in', 0, source, true, from, keeping)
  for (let seq = 0; seq < batches * 2; seq += 2) open.track(new Flight(seq, 0, 0, seq * 10 + 10, 1, () => undefined))
  return { open, committed }
}

test('the position of a cut is that of the last batch before it, and never that of one behind it', () => {
  const { open } = readSource('cut', 4)
  assert.equal(open.positionAt(0), 10)
  assert.equal(open.positionAt(1), 10)
  assert.equal(open.positionAt(4), 50)
  assert.equal(open.positionAt(5), 50)
})

test('a source that has read nothing since the start keeps the position it started from', () => {
  assert.equal(readSource('cut', 0, 70).open.positionAt(9), 70)
  assert.equal(readSource('cut', 0).open.positionAt(9), undefined)
})

test('only what a cut covers is told to the source', async () => {
  const { open, committed } = readSource('cut', 4)
  open.durableUpTo(3)
  await open.release()
  assert.deepEqual(committed, [30])
  await open.release()
  assert.deepEqual(committed, [30])
})

test('a batch that is durable before an earlier one is told only with it', async () => {
  const { open, committed } = readSource('ack', 3)
  open.durable(2)
  await open.release()
  assert.deepEqual(committed, [])
  open.durable(0)
  await open.release()
  assert.deepEqual(committed, [30])
})
