import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Places } from './places.ts'

interface Noted {
  readonly offset: bigint
  readonly at: number
  readonly time: number
}

/** Batches one behind the other, with the greatest time of all before each. */
const batches = fc.array(fc.record({ records: fc.integer({ min: 1, max: 50 }), bytes: fc.integer({ min: 61, max: 9000 }), time: fc.integer({ min: 0, max: 1e6 }) }), { maxLength: 300 }).map(list => {
  const noted: Noted[] = []
  let [offset, at, time] = [0n, 0, -1]
  for (const batch of list) {
    noted.push({ offset, at, time })
    offset += BigInt(batch.records)
    at += batch.bytes
    time = Math.max(time, batch.time)
  }
  return noted
})

function placesOf(noted: readonly Noted[]): Places {
  const places = new Places()
  for (const { offset, at, time } of noted) places.note(offset, at, time)
  return places
}

test('a place lies before what is looked for, and no further before it than a few batches', () => {
  fc.assert(fc.property(batches, fc.bigInt({ min: -1n, max: 20_000n }), fc.integer({ min: -2, max: 1_000_001 }), (noted, offset, time) => {
    const places = placesOf(noted)
    const holds = noted.findLast(batch => batch.offset <= offset)
    const place = places.beforeOffset(offset)
    assert.equal(place === undefined, holds === undefined)
    if (place !== undefined && holds !== undefined) assert.ok(place.at <= holds.at && holds.at - place.at < 4096 && noted.some(batch => batch.at === place.at && batch.offset === place.offset))
    const first = noted.findLast(batch => batch.time < time)
    const at = places.beforeTime(time)?.at
    assert.equal(at === undefined, first === undefined)
    if (at !== undefined && first !== undefined) assert.ok(at <= first.at && first.at - at < 4096)
  }))
})

test('a file of places is read back as it was written', () => {
  fc.assert(fc.property(batches, fc.bigInt({ min: 0n, max: 2n ** 62n }), fc.integer({ min: 0, max: 2 ** 40 }), (noted, base, length) => {
    const places = placesOf(noted)
    const bytes = places.encode({ base, length, maxTimestamp: 77 })
    assert.ok(Places.isWhole(bytes))
    const read = Places.decode(bytes, base, length)
    assert.equal(read?.maxTimestamp, 77)
    assert.equal(read.places.count, places.count)
    for (let index = 0; index < places.count; index++) assert.deepEqual(read.places.place(index), places.place(index))
    for (const { time } of noted) assert.deepEqual(read.places.beforeTime(time), places.beforeTime(time))
    assert.equal(Places.decode(bytes, base + 1n, length), undefined, 'of another segment')
    assert.equal(Places.decode(bytes, base, length + 1), undefined, 'of another length')
  }))
})

test('a file of places with any bit changed, or cut anywhere, is not used', () => {
  const bytes = placesOf([{ offset: 5n, at: 0, time: -1 }, { offset: 9n, at: 5000, time: 12 }]).encode({ base: 5n, length: 6000, maxTimestamp: 13 })
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = new Uint8Array(bytes)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(Places.decode(changed, 5n, 6000), undefined, `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++) assert.equal(Places.decode(bytes.subarray(0, length), 5n, 6000), undefined, `${length} bytes`)
})
