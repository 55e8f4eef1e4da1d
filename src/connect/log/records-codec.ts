/**
 * Records of a log as events: a piece is one or more record batches as the log hands them out, and each record is an event with its key, headers and time.
 *
 * The position of an event is that of its record. A record that is not what `value` says goes to the dead letters with the bytes of its value.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import { defineCodec, field } from '../../engine/index.ts'
import type { Decoder } from '../../engine/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'
import { RecordCursor } from '../../log/index.ts'

/** What a piece tells of the records in it. */
export interface RecordsMeta {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record that is wanted: those before it are passed over. */
  readonly from: number
}

/** The records of one batch; a record is found by where its value starts. */
class RecordsSlab implements Slab {
  readonly source: string
  readonly bytes: Uint8Array
  readonly from: JsonValue
  readonly #starts: number[] = []
  readonly #offsets: number[] = []
  readonly #base: number

  constructor(source: string, bytes: Uint8Array, topic: string, partition: number, base: number) {
    this.source = source
    this.bytes = bytes
    this.from = { topic, partition, offset: base }
    this.#base = base
  }

  note(start: number, offset: number): void {
    this.#starts.push(start)
    this.#offsets.push(offset)
  }

  /** Offsets behind the batch's first: what the engine adds to `from`. */
  origin(start: number): number {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#starts[middle] ?? 0) < start) low = middle + 1
      else high = middle
    }
    return (this.#offsets[low] ?? this.#base) - this.#base
  }

  locate(start: number): JsonValue {
    const { topic, partition } = this.from as unknown as RecordsMeta // Made above.
    return { topic, partition, offset: this.#base + this.origin(start) }
  }
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  const part = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)
  if (isAscii(part)) return part.toString('latin1')
  if (!isUtf8(part)) throw new SluiceError('JSON_ENCODING', 'The value of the record is not UTF-8.')
  return part.toString('utf8')
}

function eventOf(cursor: RecordCursor, slab: RecordsSlab, value: 'json' | 'text'): Event {
  const { valueStart, valueEnd } = cursor
  if (valueStart < 0) return new Event(slab, 0, 0, 'null')
  const text = textOf(cursor.bytes, valueStart, valueEnd)
  if (value === 'text') return new Event(slab, valueStart, valueEnd, undefined, { line: text })
  const event = new Event(slab, valueStart, valueEnd, text)
  try {
    void event.value
  } catch (error) {
    throw new SluiceError('JSON_SYNTAX', `The value of the record is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return event
}

function marked(event: Event, cursor: RecordCursor): Event {
  if (cursor.keyStart >= 0) event.key = Buffer.from(cursor.bytes.subarray(cursor.keyStart, cursor.keyEnd)).toString('utf8')
  if (cursor.headerCount > 0) event.headers = Object.fromEntries(cursor.headers().map(([name, content]) => [name, content === null ? '' : Buffer.from(content).toString('utf8')]))
  event.time = cursor.timestamp
  return event
}

function decoder(value: 'json' | 'text'): Decoder {
  // The log has checked the batches when it handed them out.
  const cursor = new RecordCursor({ check: false })
  return {
    decode: ({ bytes, source }, from, to, meta, out) => {
      const { topic, partition, from: first } = meta as unknown as RecordsMeta // Made by the source.
      let slab: RecordsSlab | undefined
      let batch = -1
      for (cursor.open(bytes, from, to); cursor.next(); ) {
        const offset = Number(cursor.offset)
        if (cursor.control || offset < first) continue
        if (slab === undefined || batch !== cursor.batchStart) {
          batch = cursor.batchStart
          slab = new RecordsSlab(source, cursor.bytes, topic, partition, offset)
        }
        slab.note(Math.max(0, cursor.valueStart), offset)
        try {
          out.event(marked(eventOf(cursor, slab, value), cursor))
        } catch (error) {
          out.reject(cursor.valueStart, cursor.valueEnd, error, slab)
        }
      }
    },
  }
}

export const logRecords = defineCodec({
  type: 'log_records',
  summary: 'Records of a log, with key, headers and time',
  config: field.object({
    value: field.choice(['json', 'text'], { default: 'json', description: 'What the value of a record is; `text` becomes {"line": "..."}' }),
  }),
  decoder: config => decoder(config.value),
})
