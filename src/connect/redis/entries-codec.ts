/**
 * Entries of a Redis stream as events, and events as entries.
 *
 * An entry is a list of fields. With `value: json`, the field `body` holds the event as JSON, the field `key` its key, and all others are its headers. With
 * `value: fields`, the fields of the entry are the fields of the event; texts as they are, other values as JSON.
 *
 * Between source and worker, a piece is the texts of its events, one behind the other; its `meta` says where each ends. Between worker and sink, an entry is
 * `u32 count`, then for each name and value `u32 length` and the bytes, little-endian.
 */
import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import { defineCodec, field } from '../../engine/index.ts'
import type { Decoder } from '../../engine/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'

export const ENTRY_FIELDS = {
  value: field.choice(['json', 'fields'], { default: 'json', description: '`json`: one field of the entry holds the event, the others are its headers. `fields`: the fields of the entry are those of the event' }),
  body: field.string({ default: 'body', minLength: 1, description: 'With `json`: the field that holds the event' }),
  key: field.string({ default: 'key', minLength: 1, description: 'With `json`: the field that holds the key of the event, where it has one' }),
}
const CONFIG = field.object(ENTRY_FIELDS)
export interface EntryForm {
  readonly value: 'json' | 'fields'
  readonly body: string
  readonly key: string
}

/** What a piece tells of its entries. */
export interface EntriesMeta {
  readonly stream: string
  readonly entries: readonly EntryMeta[]
}
export interface EntryMeta {
  readonly id: string
  /** Where its text ends in the piece. */
  readonly end: number
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One entry in the bytes of a piece. */
class EntrySlab implements Slab {
  readonly source: string
  readonly bytes: Uint8Array
  readonly from: JsonValue

  constructor(source: string, bytes: Uint8Array, stream: string, id: string) {
    this.source = source
    this.bytes = bytes
    this.from = { stream, id }
  }

  locate(): JsonValue {
    return this.from
  }
}

function decode(slab: Slab, start: number, end: number, { id, key, headers }: EntryMeta, stream: string): Event {
  const part = Buffer.from(slab.bytes.buffer, slab.bytes.byteOffset + start, end - start)
  if (!isUtf8(part)) throw new SluiceError('JSON_ENCODING', `The entry ${id} of "${stream}" is not UTF-8.`)
  const event = new Event(slab, start, end, part.toString('utf8'))
  try {
    void event.value
  } catch (error) {
    throw new SluiceError('JSON_SYNTAX', `The entry ${id} of "${stream}" is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (key !== undefined) event.key = key
  if (headers !== undefined) event.headers = headers
  event.time = Number.parseInt(id, 10)
  return event
}

function decoder(): Decoder {
  return {
    decode: ({ bytes, source }, from, _to, meta, out) => {
      const { stream, entries } = meta as unknown as EntriesMeta // Made by the source.
      let start = from
      for (const entry of entries) {
        const end = from + entry.end
        const slab = new EntrySlab(source, bytes, stream, entry.id)
        try {
          out.event(decode(slab, start, end, entry, stream))
        } catch (error) {
          out.reject(start, end, error, slab)
        }
        start = end
      }
    },
  }
}

/** Names and values of an event's entry, by turns. Throws where it has none. */
export function fieldsOf(event: Event, { value, body, key }: EntryForm): string[] {
  if (value === 'json') {
    const headers = Object.entries(event.headers).filter(([name]) => name !== body && name !== key)
    return [body, event.text, ...(event.key === undefined ? [] : [key, event.key]), ...headers.flat()]
  }
  const whole = event.value
  if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) throw new SluiceError('FIELD_TYPE', 'With "value: fields" an event must be an object: its fields become those of the entry.')
  const fields = Object.entries(whole).flatMap(([name, one]) => [name, typeof one === 'string' ? one : JSON.stringify(one)])
  if (fields.length === 0) throw new SluiceError('FIELD_TYPE', 'The event has no fields, and Redis takes no entry without.')
  return fields
}

export function packEntry(fields: readonly string[]): Uint8Array {
  const packed = Buffer.allocUnsafe(fields.reduce((sum, one) => sum + 4 + Buffer.byteLength(one), 4))
  let at = packed.writeUInt32LE(fields.length, 0)
  for (const one of fields) {
    const length = packed.write(one, at + 4)
    packed.writeUInt32LE(length, at)
    at += 4 + length
  }
  return packed
}

/** Names and values of the entry at `start`. As texts: the client writes bytes to its socket one by one. */
export function unpackEntry(bytes: Uint8Array, start: number): string[] {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: string[] = []
  let at = start + 4
  for (let left = packed.readUInt32LE(start); left > 0; left--) {
    const from = at + 4
    at = from + packed.readUInt32LE(at)
    fields.push(packed.toString('utf8', from, at))
  }
  return fields
}

export const redisEntries = defineCodec({
  type: 'redis_entries',
  summary: 'Entries of a Redis stream',
  config: CONFIG,
  decoder,
  encoder: form => ({ encode: event => packEntry(fieldsOf(event, form)) }),
})
