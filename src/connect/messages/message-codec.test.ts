import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { prepareConfig } from '../../engine/index.ts'
import type { DecodeOutput } from '../../engine/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'
import { testContext } from '../testing.ts'
import { messages, messagesOf } from './message-codec.ts'

const slabOf = (bytes: Uint8Array): Slab => ({ source: 'in', bytes, locate: () => ({}) })

function eventOf(value: JsonValue, headers: Readonly<Record<string, string>> = {}, key?: string): Event {
  const event = new Event(slabOf(new Uint8Array()), 0, 0, undefined, value)
  event.headers = headers
  event.key = key
  return event
}

function packed(options: object, events: readonly Event[]): ReturnType<typeof messagesOf> {
  const encoder = messages.encoder?.(prepareConfig(messages.config, { value: 'json', ...options }, testContext()))
  const rows = events.map(event => Buffer.from(encoder?.encode(event) ?? ''))
  const ends = Uint32Array.from(rows.map((_, row) => rows.slice(0, row + 1).reduce((sum, { length }) => sum + length, 0)))
  return messagesOf({ bytes: Buffer.concat(rows), rows: rows.length, ends })
}

test('a message has the place, the id, the headers and the body that were packed, whatever they hold', () => {
  const text = fc.string({ unit: 'grapheme' })
  fc.assert(fc.property(fc.array(fc.record({ to: text, id: fc.string({ unit: 'grapheme', minLength: 1 }), body: fc.jsonValue(), headers: fc.dictionary(text, text) }), { minLength: 1, maxLength: 5 }), rows => {
    const found = packed({ to: '{event.to}', id: 'event.id' }, rows.map(({ headers, ...value }) => eventOf(value as JsonValue, headers))) // Made of JSON.
    assert.deepEqual(found.map(({ to, id, headers, body }) => ({ to, id, headers: Object.fromEntries(headers), body: JSON.parse(Buffer.from(body).toString()) as unknown })),
      rows.map(({ headers, ...value }) => ({ to: value.to, id: value.id, headers: { ...headers }, body: JSON.parse(JSON.stringify(value)) as unknown })))
  }))
})

test('headers of the config stand beside those of the event, and replace one of the same name', () => {
  const [found] = packed({ to: 'a', headers: { kind: '"new"', n: 'event.n' } }, [eventOf({ n: 3 }, { kind: 'old', other: 'x' })])
  assert.deepEqual(Object.fromEntries(found?.headers ?? []), { other: 'x', kind: 'new', n: '3' })
})

test('the place may be made of the key', () => {
  assert.equal(packed({ to: 'copy.{key}' }, [eventOf({}, {}, 'orders.de')])[0]?.to, 'copy.orders.de')
})

test('a header or an id that is no text, number or boolean, and an event without a line, have no form here', () => {
  assert.throws(() => packed({ to: 'a', id: 'event.list' }, [eventOf({ list: [1] })]), { code: 'FIELD_TYPE', message: /The id of a message must be a text/ })
  assert.throws(() => packed({ to: 'a', headers: { h: 'event.list' } }, [eventOf({ list: [1] })]), { code: 'FIELD_TYPE', message: /The header "h"/ })
  assert.throws(() => packed({ to: 'a', value: 'text' }, [eventOf({ n: 1 })]), { code: 'FIELD_TYPE', message: /"line"/ })
  assert.equal(Buffer.from(packed({ to: 'a', value: 'text' }, [eventOf({ line: 'plain' })])[0]?.body ?? []).toString(), 'plain')
})

test('a body that is no JSON, or no UTF-8, is refused with its place and its bytes, and those around it are read', async () => {
  const bodies = [Buffer.from('{"n":1}'), Buffer.from('{'), Buffer.from([0xff]), Buffer.from(''), Buffer.from('2')]
  const bytes = Buffer.concat(bodies)
  const meta = { messages: bodies.map((_, n) => ({ end: bodies.slice(0, n + 1).reduce((sum, { length }) => sum + length, 0), from: { n }, key: `k${n}` })) }
  const read: unknown[] = []
  const refused: unknown[] = []
  const out: DecodeOutput = {
    event: event => read.push([event.value, event.key, event.slab.locate(event.start)]),
    reject: (start, end, error, slab) => refused.push([bytes.subarray(start, end).toString('latin1'), error instanceof Error && 'code' in error ? error.code : '', slab?.locate(start)]),
  }
  await messages.decoder?.(prepareConfig(messages.config, { value: 'json' }, testContext())).decode(slabOf(bytes), 0, bytes.length, meta, out)
  assert.deepEqual(read, [[{ n: 1 }, 'k0', { n: 0 }], [2, 'k4', { n: 4 }]])
  assert.deepEqual(refused, [['{', 'JSON_SYNTAX', { n: 1 }], ['ÿ', 'JSON_ENCODING', { n: 2 }], ['', 'JSON_SYNTAX', { n: 3 }]])
})
