import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Event } from '../../event/index.ts'
import { fieldsOf, packEntry, unpackEntry } from './entries-codec.ts'
import { takePiece } from './pieces.ts'

const slab = { source: 'in', bytes: new Uint8Array(0), locate: () => null }
const form = { value: 'json', body: 'body', key: 'key' } as const

test('entries that lie one behind the other are unpacked as they were packed', () => {
  fc.assert(fc.property(fc.array(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 8 })), entries => {
    const packed = entries.map(packEntry)
    let at = 0
    const found = packed.map(one => {
      const fields = unpackEntry(Buffer.concat(packed), at)
      at += one.length
      return fields
    })
    assert.deepEqual(found, entries)
  }))
})

test('key and headers of an event are fields beside its body, and can not take their places', () => {
  const event = new Event(slab, 0, 0, '{"n":1}')
  event.key = 'k'
  event.headers = { trace: 't', body: 'x', key: 'y' }
  assert.deepEqual(fieldsOf(event, form), ['body', '{"n":1}', 'key', 'k', 'trace', 't'])
})

test('with fields, texts stay as they are and other values are JSON; what is no object, or empty, has no entry', () => {
  const fields = (text: string): string[] => fieldsOf(new Event(slab, 0, 0, text), { ...form, value: 'fields' })
  assert.deepEqual(fields('{"a":"x","b":1,"c":null,"d":{"e":[]}}'), ['a', 'x', 'b', '1', 'c', 'null', 'd', '{"e":[]}'])
  assert.throws(() => fields('[1]'), { code: 'FIELD_TYPE' })
  assert.throws(() => fields('{}'), { code: 'FIELD_TYPE', message: /has no fields/ })
})

test('pieces hold all entries in order, each about as large as asked for and never empty', () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 200 })), fc.integer({ min: 1, max: 500 }), (lengths, bytes) => {
    let rest: readonly { readonly id: string; readonly fields: readonly Buffer[] | undefined }[] = lengths.map((length, n) => ({ id: `1-${n}`, fields: [Buffer.from('body'), Buffer.from('x'.repeat(length))] }))
    const taken: string[] = []
    while (rest.length > 0) {
      const piece = takePiece('s', rest, bytes, form)
      assert.ok(piece.taken.length > 0 && (piece.taken.length === 1 || piece.bytes <= bytes))
      taken.push(...piece.taken)
      rest = piece.rest
    }
    assert.deepEqual(taken, lengths.map((_, n) => `1-${n}`))
  }))
})
