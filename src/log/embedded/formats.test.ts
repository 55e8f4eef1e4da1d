/** The worked examples of docs/formats are what the code writes, and what it reads. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { SimulatedFiles } from '../../platform/simulated-files.ts'
import { encodeDurable, readDurable } from './durable-file.ts'
import { decodeOffset, encodeOffset } from './offset-records.ts'
import { Places } from './storage/places.ts'
import { decodeTransaction, encodeTransaction } from './transaction-records.ts'

/** The bytes of the code blocks behind the heading of the examples. */
function examplesOf(page: string): { readonly blocks: Uint8Array[]; readonly text: string } {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/formats', page), 'utf8')
  const examples = text.slice(text.search(/^## Examples?$/m))
  const blocks = [...examples.matchAll(/```text\n([^`]*)```/g)].map(([, block = '']) =>
    Uint8Array.from([...block.matchAll(/^((?:[0-9a-f]{2} )+)/gm)].flatMap(([, hex = '']) => hex.trim().split(' ').map(byte => Number.parseInt(byte, 16)))))
  return { blocks, text: examples }
}

test('the example of the metadata is what is written and read', async () => {
  const { blocks, text } = examplesOf('log-meta.md')
  const json = /```json\n(.*)\n```/.exec(text)?.[1] ?? ''
  const content: unknown = JSON.parse(json)
  const bytes = encodeDurable(content)
  assert.deepEqual(new Uint8Array(bytes.subarray(0, 24)), blocks[0])
  assert.equal(bytes.toString('utf8', 16), json)
  const files = new SimulatedFiles({ record: false })
  await files.makeFolder('/meta')
  await (await files.open('/meta/topics', true)).write(bytes, 0)
  assert.deepEqual(await readDurable(files, '/meta/topics'), content)
})

test('the example of the places of a segment is what is written and read', () => {
  const { blocks: [bytes] } = examplesOf('log-segment.md')
  const places = new Places()
  places.note(0n, 0, -1)
  places.note(5n, 5000, 10)
  assert.deepEqual(new Uint8Array(places.encode({ base: 0n, length: 9000, maxTimestamp: 20 })), bytes)
  assert.deepEqual(Places.decode(bytes ?? new Uint8Array(0), 0n, 9000)?.places.beforeOffset(7n), { offset: 5n, at: 5000 })
})

test('the examples of the internal topics are what is written and read', () => {
  const { blocks: [offsetKey, offsetValue, stateKey, stateValue] } = examplesOf('log-internal-topics.md')
  assert.ok(offsetKey !== undefined && offsetValue !== undefined && stateKey !== undefined && stateValue !== undefined)
  const key = { group: 'billing', topic: 'orders', partition: 2 }
  const committed = { offset: 4711n, metadata: 'm', time: 1_772_344_800_000, topicId: 1 }
  assert.deepEqual(decodeOffset({ key: offsetKey, value: offsetValue }), { key, committed })
  assert.deepEqual(decodeOffset({ key: offsetKey, value: null }), { key, committed: undefined })
  const offset = encodeOffset(key, committed)
  assert.deepEqual([new Uint8Array(offset.key), new Uint8Array(offset.value ?? [])], [offsetKey, offsetValue])

  const record = {
    name: 'mover', producerId: 4711n, epoch: 2, timeout: 60_000, status: 'prepare_commit' as const, partitions: new Map([['orders', [0, 2]]]),
    updated: 1_772_344_800_000, started: 1_772_344_799_000,
  }
  assert.deepEqual(decodeTransaction({ key: stateKey, value: stateValue }), { name: 'mover', record })
  const state = encodeTransaction(record)
  assert.deepEqual([new Uint8Array(state.key), new Uint8Array(state.value ?? [])], [stateKey, stateValue])
})

test('records of later versions are refused or passed over, and those that end too early are told', () => {
  assert.equal(decodeOffset({ key: Uint8Array.of(0, 2, 0, 0), value: null }), undefined)
  assert.equal(decodeTransaction({ key: Uint8Array.of(0, 1, 0, 0), value: null }), undefined)
  const { key } = encodeOffset({ group: 'g', topic: 't', partition: 0 }, undefined)
  assert.throws(() => decodeOffset({ key, value: Uint8Array.of(0, 9) }), { code: 'LOG_FORMAT' })
  const older = Uint8Array.from([0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 255, 255, 0, 1, 109, 0, 0, 0, 0, 0, 0, 0, 8])
  assert.deepEqual(decodeOffset({ key, value: older })?.committed, { offset: 9n, metadata: 'm', time: 8, topicId: undefined })
  assert.throws(() => decodeOffset({ key: key.subarray(0, 5), value: null }), { code: 'LOG_CORRUPT' })
})
