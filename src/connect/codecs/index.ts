/** The formats that sources and sinks know. */
import { JsonArrayCutter, LineFramer, decodeCsv, decodeJsonLines, decodePlainLines, encodeCsv, parseRecord } from '../../event/index.ts'
import type { ColumnType, CsvOptions, FramedSlab, JsonValue } from '../../event/index.ts'
import { SluiceError } from '../../base/index.ts'
import { logRecords } from '../log/records-codec.ts'
import { messages } from '../messages/message-codec.ts'
import { postgresRows } from '../postgres/rows-codec.ts'
import { redisEntries } from '../redis/entries-codec.ts'
import { parquetRows } from '../s3/parquet-codec.ts'
import { deadLetters } from './dead-letters.ts'
import { defineCodec, field } from '../../engine/index.ts'
import type { CodecDeclaration, Decoder, Frame, Framer } from '../../engine/index.ts'

const RECORD_MAX = field.size({ default: '1MiB', description: 'Most bytes of one record; longer ones go to the dead letters' })

/** Skips a byte order mark at the start of the stream. */
class WithoutMark implements Framer {
  readonly #inner: LineFramer
  #first = true

  constructor(inner: LineFramer) {
    this.#inner = inner
  }

  get held(): number {
    return this.#inner.held
  }

  push(bytes: Uint8Array, position: number): readonly Frame[] {
    const marked = this.#first && position === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
    this.#first = false
    return this.#inner.push(marked ? bytes.subarray(3) : bytes, marked ? position + 3 : position).map(frame)
  }

  end(): readonly Frame[] {
    return this.#inner.end().map(frame)
  }
}

function frame(slab: FramedSlab): Frame {
  return slab
}

/** A slab of columns has lines of 1 MiB at most: a smaller limit is for the object path to keep. */
function jsonDecoder(recordMax: number): Decoder {
  return { columns: recordMax >= 1 << 20, decode: (slab, from, to, _meta, out) => decodeJsonLines(slab, from, to, out, recordMax) }
}

const ndjson = defineCodec({
  type: 'ndjson',
  summary: 'One JSON value a line',
  config: field.object({ record_max: RECORD_MAX }),
  framer: config => new WithoutMark(new LineFramer(config.record_max)),
  decoder: config => jsonDecoder(config.record_max),
  encoder: () => ({ encode: event => `${event.text}\n` }),
})

const lines = defineCodec({
  type: 'lines',
  summary: 'Plain text, one event a line',
  config: field.object({ record_max: RECORD_MAX, field: field.string({ default: 'line', description: 'Field that holds the text; a sink writes this field' }) }),
  framer: config => new WithoutMark(new LineFramer(config.record_max)),
  decoder: config => ({ decode: (slab, from, to, _meta, out) => decodePlainLines(slab, from, to, config.field, out, config.record_max) }),
  encoder: config => ({
    encode: event => {
      const { value } = event
      const text = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>)[config.field] : value // An object that is no array.
      if (typeof text !== 'string') throw new SluiceError('FIELD_TYPE', `The field "${config.field}" is no text, so there is no line to write.`)
      return `${text.replaceAll('\n', ' ')}\n`
    },
  }),
})

/** Elements of an array, as JSON lines. */
class ArrayFramer implements Framer {
  readonly #cutter = new JsonArrayCutter()
  readonly #framer: LineFramer
  #at = 0

  constructor(recordMax: number) {
    this.#framer = new LineFramer(recordMax)
  }

  get held(): number {
    return this.#framer.held
  }

  push(bytes: Uint8Array, position: number): readonly Frame[] {
    // Places count bytes of the array itself; within a slab they are near enough, because a cut adds no bytes.
    const made = this.#cutter.push(bytes)
    const frames = this.#framer.push(made, this.#at).map(frame)
    this.#at += made.length
    return frames.map(one => ({ ...one, end: position + bytes.length }))
  }

  end(): readonly Frame[] {
    this.#cutter.end()
    return this.#framer.end().map(frame)
  }
}

const json = defineCodec({
  type: 'json',
  summary: 'A JSON array, or JSON values one after the other',
  config: field.object({ record_max: RECORD_MAX }),
  framer: config => new ArrayFramer(config.record_max),
  decoder: config => jsonDecoder(config.record_max),
})

const TYPE = field.choice(['string', 'number', 'integer', 'boolean', 'json'])

function csvConfig(delimiter: string) {
  return field.object({
    record_max: RECORD_MAX,
    delimiter: field.string({ default: delimiter, pattern: '^[^\\r\\n]$', description: 'One character between fields' }),
    quote: field.string({ default: '"', pattern: '^[!-~]$', description: 'One character of ASCII around fields' }),
    header: field.boolean({ default: true, description: 'The first record holds the names of the columns' }),
    columns: field.optional(field.list(field.string(), { description: 'Names of the columns; needed without a header, and to write' })),
    types: field.record<ColumnType>(TYPE, { default: {}, description: 'Types of columns that are not text' }),
    nulls: field.list(field.string(), { default: [], description: 'Texts that mean null' }),
  })
}

/** Takes the header off and hands it on with every slab. */
class CsvFramer implements Framer {
  readonly #inner: WithoutMark
  readonly #options: Pick<CsvOptions, 'delimiter' | 'quote'>
  #header: JsonValue | undefined

  constructor(inner: WithoutMark, options: Pick<CsvOptions, 'delimiter' | 'quote'>, header: JsonValue | undefined) {
    this.#inner = inner
    this.#options = options
    this.#header = header
  }

  get held(): number {
    return this.#inner.held
  }

  push(bytes: Uint8Array, position: number): readonly Frame[] {
    return this.#inner.push(bytes, position).map(one => this.#withHeader(one))
  }

  end(): readonly Frame[] {
    return this.#inner.end().map(one => this.#withHeader(one))
  }

  #withHeader(one: Frame): Frame {
    if (this.#header !== undefined) return { ...one, meta: this.#header }
    const text = Buffer.from(one.data.buffer, one.data.byteOffset, one.data.byteLength).toString('utf8')
    const { fields, end } = parseRecord(text, 0, this.#options)
    const bytes = Buffer.byteLength(text.slice(0, end))
    this.#header = fields
    return { ...one, data: one.data.subarray(bytes), start: one.start + bytes, meta: fields }
  }
}

function csvCodec(type: string, summary: string, delimiter: string): CodecDeclaration {
  return defineCodec({
    type,
    summary,
    config: csvConfig(delimiter),
    framer: config => {
      if (!config.header && config.columns === undefined) throw new SluiceError('CONFIG_VALUE', `${type}: without a header, "columns" must name the columns.`)
      return new CsvFramer(new WithoutMark(new LineFramer(config.record_max, config.quote.charCodeAt(0))), config, config.header ? undefined : config.columns)
    },
    decoder: config => ({
      decode: (slab, from, to, meta, out) => decodeCsv(slab, from, to, Array.isArray(meta) ? meta.map(String) : (config.columns ?? []), config, out),
    }),
    encoder: config => {
      const { columns } = config
      if (columns === undefined) throw new SluiceError('CONFIG_VALUE', `${type}: to write it, "columns" must name the columns.`)
      return { encode: event => encodeCsv(event.value, columns, config) }
    },
  }) as CodecDeclaration // A codec of one config is a codec.
}

const plain: readonly CodecDeclaration[] = [ndjson, lines, json, csvCodec('csv', 'Comma-separated values', ','), csvCodec('tsv', 'Tab-separated values', '\t')]

export const codecs: readonly CodecDeclaration[] = [...plain, deadLetters(plain, recordMax => new WithoutMark(new LineFramer(recordMax))), logRecords, messages, postgresRows, redisEntries, parquetRows]
