import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../../base/index.ts'
import { BatchWriter, encodeMarker, records, sign, stamp } from '../batch/index.ts'
import type { AbortedFrom } from './fetch.ts'
import { visibleIn } from './visible.ts'

const AT = { topic: 't', partition: 0 }

/** With the offset of its marker: a broker names only those that end behind the place that is asked for. */
interface Aborted extends AbortedFrom {
  readonly last: bigint
}

interface Step {
  readonly producer: number
  readonly what: 'plain' | 'write' | 'commit' | 'abort'
}

/** A partition as a broker would hold it, with its list of aborted transactions, and what a committed reader must see of it. */
function partitionOf(steps: readonly Step[]): { readonly batches: Uint8Array[]; readonly aborted: Aborted[]; readonly seen: string[]; readonly stable: bigint } {
  const batches: Uint8Array[] = []
  const aborted: Aborted[] = []
  const open = new Map<number, { readonly first: bigint; readonly values: string[] }>()
  const seen = new Map<bigint, string>()
  let next = 0n
  const push = (batch: Uint8Array, count: number): bigint => {
    const offset = next
    stamp(batch, { baseOffset: offset, leaderEpoch: 0 })
    batches.push(batch)
    next += BigInt(count)
    return offset
  }
  for (const [index, { producer, what }] of steps.entries()) {
    if (what === 'plain' || what === 'write') {
      const writer = new BatchWriter()
      const values = [`${index}a`, `${index}b`]
      for (const value of values) writer.add(null, Buffer.from(value), [], 1)
      const batch = writer.finish()
      if (what === 'write') sign(batch, { producerId: BigInt(producer), epoch: 0, sequence: 0, transactional: true })
      const offset = push(batch, 2)
      if (what === 'plain') for (const [delta, value] of values.entries()) seen.set(offset + BigInt(delta), value)
      else {
        const transaction = open.get(producer) ?? { first: offset, values: [] }
        for (const [delta, value] of values.entries()) transaction.values.push(`${offset + BigInt(delta)} ${value}`)
        open.set(producer, transaction)
      }
      continue
    }
    const transaction = open.get(producer)
    if (transaction === undefined) continue
    open.delete(producer)
    const marker = push(encodeMarker({ commit: what === 'commit', producerId: BigInt(producer), epoch: 0, timestamp: 1 }), 1)
    if (what === 'abort') aborted.push({ producerId: BigInt(producer), first: transaction.first, last: marker })
    else for (const entry of transaction.values) seen.set(BigInt(entry.split(' ')[0] ?? ''), entry.split(' ')[1] ?? '')
  }
  const stable = [...open.values()].reduce((least, { first }) => (first < least ? first : least), next)
  return { batches, aborted, stable, seen: [...seen].filter(([offset]) => offset < stable).sort(([a], [b]) => Number(a - b)).map(([, value]) => value) }
}

const valuesIn = (bytes: Uint8Array): string[] => [...records(bytes)].map(({ value }) => Buffer.from(value ?? []).toString())

const anySteps = fc.array(fc.record<Step>({ producer: fc.integer({ min: 1, max: 3 }), what: fc.constantFrom('plain', 'write', 'write', 'commit', 'abort') }), { maxLength: 30 })

test('a committed reader sees what was committed, wherever the answers of the broker are cut', () => {
  fc.assert(fc.property(anySteps, fc.integer({ min: 70, max: 600 }), (steps, cut) => {
    const { batches, aborted, seen, stable } = partitionOf(steps)
    const found: string[] = []
    let from = 0n
    for (let rounds = 0; rounds < 200 && from < stable; rounds++) {
      // From the batch that holds the place that was asked for, up to a number of bytes: the first batch is always whole.
      const stableBatches = batches.filter((batch, index) => offsetOf(batches, index) + BigInt(recordCount(batch)) > from && offsetOf(batches, index) < stable)
      const all = Buffer.concat(stableBatches)
      const answer = all.subarray(0, Math.max(cut, stableBatches[0]?.length ?? 0))
      // A broker names the transactions that reach into what it answers.
      const start = from
      const visible = visibleIn(answer, from, aborted.filter(({ last }) => last >= start), AT)
      assert.ok(visible.next > from)
      found.push(...valuesIn(visible.bytes))
      from = visible.next
    }
    assert.deepEqual(found, seen)
  }))
})

const recordCount = (batch: Uint8Array): number => new DataView(batch.buffer, batch.byteOffset).getInt32(57)
const offsetOf = (batches: readonly Uint8Array[], index: number): bigint => {
  const batch = batches[index]
  return batch === undefined ? 0n : new DataView(batch.buffer, batch.byteOffset).getBigInt64(0)
}

test('nothing is copied where nothing has to be left out', () => {
  const { batches } = partitionOf([{ producer: 1, what: 'plain' }, { producer: 1, what: 'plain' }])
  const bytes = Buffer.concat(batches)
  const { bytes: seen } = visibleIn(bytes, 0n, [], AT)
  assert.deepEqual([seen.buffer, seen.byteOffset, seen.length], [bytes.buffer, bytes.byteOffset, bytes.length])
})

test('a damaged batch is told with partition and place', () => {
  const [batch = new Uint8Array(0)] = partitionOf([{ producer: 1, what: 'plain' }]).batches
  batch[70] = (batch[70] ?? 0) ^ 1
  assert.throws(() => visibleIn(batch, 0n, [], { topic: 'orders', partition: 3 }), (error: unknown) => error instanceof SluiceError && error.code === 'LOG_CORRUPT' && /"orders" partition 3/.test(error.message))
})

test('an answer that holds only the beginning of a batch moves nothing', () => {
  const [batch = new Uint8Array(0)] = partitionOf([{ producer: 1, what: 'plain' }]).batches
  assert.deepEqual(visibleIn(batch.subarray(0, 65), 5n, [], AT), { bytes: new Uint8Array(0), next: 5n })
})
