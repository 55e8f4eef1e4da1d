/**
 * Messages of a broker as events, and events as messages: NATS, MQTT and AMQP share it.
 *
 * Between source and worker, a piece is the bodies of its messages, one behind the other; its `meta` says where each ends, and what came beside it. Between worker and sink,
 * a message is `u32 count`, then so many texts, each `u32 length` and its bytes, little-endian, and then the body up to the row's end. The texts are where it goes to, its
 * id (or nothing), and names and values of its headers by turns.
 */
import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import { defineCodec, field } from '../../engine/index.ts'
import type { CompiledExpression, CompiledTemplate, Decoder, Encoder } from '../../engine/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'

export const VALUE_FIELD = field.choice(['json', 'text'], { default: 'json', description: 'What the body of a message is; `text` becomes {"line": "..."}' })

const CONFIG = field.object({
  value: VALUE_FIELD,
  to: field.optional(field.template({ description: 'Where a message goes to' })),
  id: field.optional(field.expression({ description: 'Its id' })),
  headers: field.record(field.expression(), { default: {}, description: 'Headers beside those that the event came with' }),
})

/** What a piece tells of its messages. */
export interface MessagesMeta {
  readonly messages: readonly MessageMeta[]
}
export interface MessageMeta {
  /** Where its body ends in the piece. */
  readonly end: number
  readonly from: JsonValue
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly time?: number
}

/** One message in the bytes of a piece. */
class MessageSlab implements Slab {
  readonly source: string
  readonly bytes: Uint8Array
  readonly from: JsonValue

  constructor(source: string, bytes: Uint8Array, from: JsonValue) {
    this.source = source
    this.bytes = bytes
    this.from = from
  }

  locate(): JsonValue {
    return this.from
  }
}

function eventOf(slab: Slab, start: number, end: number, { key, headers, time }: MessageMeta, value: 'json' | 'text'): Event {
  const body = Buffer.from(slab.bytes.buffer, slab.bytes.byteOffset + start, end - start)
  if (!isUtf8(body)) throw new SluiceError('JSON_ENCODING', 'The body of the message is not UTF-8.')
  const text = body.toString('utf8')
  const event = value === 'text' ? new Event(slab, start, end, undefined, { line: text }) : new Event(slab, start, end, text)
  try {
    void event.value
  } catch (error) {
    throw new SluiceError('JSON_SYNTAX', `The body of the message is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (key !== undefined) event.key = key
  if (headers !== undefined) event.headers = headers
  if (time !== undefined) event.time = time
  return event
}

function decoder(value: 'json' | 'text'): Decoder {
  return {
    decode: ({ bytes, source }, from, _to, meta, out) => {
      let start = from
      for (const message of (meta as unknown as MessagesMeta).messages) { // Made by the source.
        const end = from + message.end
        const slab = new MessageSlab(source, bytes, message.from)
        try {
          out.event(eventOf(slab, start, end, message, value))
        } catch (error) {
          out.reject(start, end, error, slab)
        }
        start = end
      }
    },
  }
}

function encoder(to: CompiledTemplate | undefined, id: CompiledExpression | undefined, headers: Readonly<Record<string, CompiledExpression>>, value: 'json' | 'text'): Encoder {
  const own = Object.entries(headers)
  return {
    encode: event => {
      const texts = [to?.(event) ?? '', id === undefined ? '' : asText(id(event), 'The id of a message')]
      for (const [name, content] of Object.entries(event.headers)) if (!Object.hasOwn(headers, name)) texts.push(name, content)
      for (const [name, content] of own) texts.push(name, asText(content(event), `The header "${name}"`))
      return packMessage(texts, value === 'json' ? event.text : lineOf(event))
    },
  }
}

function asText(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  throw new SluiceError('FIELD_TYPE', `${what} must be a text, a number or true or false; it is ${value === null || value === undefined ? 'missing' : 'something else'}.`)
}

function lineOf({ value }: Event): string {
  const line = typeof value === 'object' && value !== null && 'line' in value ? value['line'] : undefined
  if (typeof line !== 'string') throw new SluiceError('FIELD_TYPE', 'With "value: text" an event must have a text in its field "line".')
  return line
}

/** A message between worker and sink. */
export function packMessage(texts: readonly string[], body: string): Uint8Array {
  const packed = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + 4 + Buffer.byteLength(text), 4) + Buffer.byteLength(body))
  let at = packed.writeUInt32LE(texts.length, 0)
  for (const text of texts) {
    const length = packed.write(text, at + 4)
    packed.writeUInt32LE(length, at)
    at += 4 + length
  }
  packed.write(body, at)
  return packed
}

/** A message that is to be sent. */
export interface Outgoing {
  readonly to: string
  /** Empty where there is none. */
  readonly id: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

/** The message of a row. */
export function unpackMessage(bytes: Uint8Array, start: number, end: number): Outgoing {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: string[] = []
  let at = start + 4
  for (let left = packed.readUInt32LE(start); left > 0; left--) {
    const from = at + 4
    at = from + packed.readUInt32LE(at)
    texts.push(packed.toString('utf8', from, at))
  }
  const headers: [string, string][] = []
  for (let n = 2; n < texts.length; n += 2) headers.push([texts[n] ?? '', texts[n + 1] ?? ''])
  return { to: texts[0] ?? '', id: texts[1] ?? '', headers, body: packed.subarray(at, end) }
}

/** The messages of a chunk. */
export function messagesOf({ bytes, rows, ends }: { readonly bytes: Uint8Array; readonly rows: number; readonly ends: Uint32Array | undefined }): Outgoing[] {
  return Array.from({ length: rows }, (_, row) => unpackMessage(bytes, row === 0 ? 0 : (ends?.[row - 1] ?? 0), ends?.[row] ?? bytes.length))
}

/** The options of this codec, for a sink: expressions and templates cross to the worker as their texts. */
export function sinkFormat(to: CompiledTemplate, id: CompiledExpression | undefined, headers: Readonly<Record<string, CompiledExpression>>, value: 'json' | 'text'): { readonly format: string; readonly options: JsonValue } {
  return {
    format: 'messages',
    options: { value, to: to.source, ...(id === undefined ? {} : { id: id.expression.source }), headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, one.expression.source])) },
  }
}

export const messages = defineCodec({
  type: 'messages',
  summary: 'Messages of a broker, with their headers',
  config: CONFIG,
  decoder: ({ value }) => decoder(value),
  encoder: ({ to, id, headers, value }) => encoder(to, id, headers, value),
})
