/** One record of a log as an event: its value, and the key, headers, time and position beside it. */
import { isAscii, isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import type { DecodeOutput } from '../../engine/index.ts'
import { Event } from '../../event/index.ts'
import type { JsonValue, Slab } from '../../event/index.ts'
import { headersAt } from '../../log/index.ts'

/** What a piece tells of the records in it. */
export interface RecordsMeta {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record that is wanted: those before it are passed over. */
  readonly from: number
}

/** Where the parts of a record lie, as a cursor says; -1 for a key or value that is not there. */
export interface RecordPlaces {
  readonly bytes: Uint8Array
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  readonly recordEnd: number
  readonly headersStart: number
  readonly headerCount: number
  readonly timestamp: number
}

/** Where the event of a record begins: its value, or the end of a record without one. No two records share such a place, and they grow with the records. */
export function startOf({ valueStart, recordEnd }: RecordPlaces): number {
  return valueStart < 0 ? recordEnd : valueStart
}

/** The records of one batch; a record is found by where its event starts. */
export class RecordsSlab implements Slab {
  readonly source: string
  readonly bytes: Uint8Array
  readonly from: JsonValue
  readonly #starts: number[] = []
  readonly #offsets: number[] = []
  readonly #base: number

  /** `base`: offset of the first record. */
  constructor(source: string, bytes: Uint8Array, topic: string, partition: number, base: number) {
    this.source = source
    this.bytes = bytes
    this.from = { topic, partition, offset: base }
    this.#base = base
  }

  /** Records that were noted. */
  get known(): number {
    return this.#starts.length
  }

  /** Called in the order of the records. */
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

/** The event of a record with a text that is known to be JSON, or with a value. */
export function eventOf(slab: Slab, record: RecordPlaces, text: string | undefined, value?: JsonValue): Event {
  const start = startOf(record)
  const event = new Event(slab, start, Math.max(start, record.valueEnd), text, value)
  const { bytes, keyStart, keyEnd, headersStart, headerCount, timestamp } = record
  if (keyStart >= 0) event.key = Buffer.from(bytes.buffer, bytes.byteOffset + keyStart, keyEnd - keyStart).toString('utf8')
  if (headerCount > 0) event.headers = headersOf(bytes, headersStart, headerCount)
  event.time = timestamp
  return event
}

/** The headers of a record, by name. */
export function headersOf(bytes: Uint8Array, start: number, count: number): Readonly<Record<string, string>> {
  return Object.fromEntries(headersAt(bytes, start, count).map(([name, content]) => [name, content === null ? '' : Buffer.from(content).toString('utf8')]))
}

/** A record becomes an event; or is rejected, where its value is not what it should be. */
export function decodeRecord(slab: Slab, record: RecordPlaces, value: 'json' | 'text', out: DecodeOutput): void {
  let event: Event
  try {
    event = wholeEvent(slab, record, value)
  } catch (error) {
    out.reject(record.valueStart, record.valueEnd, error, slab)
    return
  }
  out.event(event)
}

function wholeEvent(slab: Slab, record: RecordPlaces, value: 'json' | 'text'): Event {
  const { bytes, valueStart, valueEnd } = record
  if (valueStart < 0) return eventOf(slab, record, 'null')
  const text = textOf(bytes, valueStart, valueEnd)
  if (value === 'text') return eventOf(slab, record, undefined, { line: text })
  const event = eventOf(slab, record, text)
  try {
    void event.value
  } catch (error) {
    throw new SluiceError('JSON_SYNTAX', `The value of the record is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return event
}
