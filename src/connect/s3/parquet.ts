/**
 * JSON lines as a Parquet file, a row group at a time: of the file only its footer is kept in memory.
 *
 * Without given columns they are those of the first row group, with the types that all of its values have. What later rows have beside them, or of another type, is put as JSON into the
 * column `_rest`: nothing is lost, and a file has one schema.
 */
import { zstdCompressSync, gzipSync } from 'node:zlib'
import type { SchemaElement } from 'hyparquet'
import type { ByteWriter, ColumnSource, ParquetWriter } from 'hyparquet-writer'
import type { JsonValue } from '../../event/index.ts'
import { fitting } from './parquet-codec.ts'
import type { ColumnType } from './parquet-codec.ts'

export const REST = '_rest'
/** Columns that are made up, at most. */
const COLUMNS_MAX = 1000
const CODECS = { none: 'UNCOMPRESSED', gzip: 'GZIP', zstd: 'ZSTD' } as const
const ELEMENTS: Readonly<Record<ColumnType, Omit<SchemaElement, 'name'>>> = {
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  integer: { type: 'INT64' },
  number: { type: 'DOUBLE' },
  boolean: { type: 'BOOLEAN' },
  timestamp: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
  json: { type: 'BYTE_ARRAY', converted_type: 'JSON' },
}

export type ParquetLibrary = typeof import('hyparquet-writer')
type Row = Readonly<Record<string, JsonValue>>
export type Columns = Readonly<Record<string, ColumnType>>

/** Loaded when a sink that needs it is opened. */
export function loadParquet(): Promise<ParquetLibrary> {
  return import('hyparquet-writer')
}

export class ParquetFile {
  readonly #library: ParquetLibrary
  readonly #codec: (typeof CODECS)[keyof typeof CODECS]
  /** False where columns were given: what is not among them is not wanted. */
  readonly #hasRest: boolean
  readonly #bytes: ByteWriter
  #columns: Columns | undefined
  #writer: ParquetWriter | undefined

  constructor(library: ParquetLibrary, compression: keyof typeof CODECS, columns: Columns | undefined) {
    this.#library = library
    this.#codec = CODECS[compression]
    this.#columns = columns
    this.#hasRest = columns === undefined
    this.#bytes = new library.ByteWriter()
  }

  /** The lines as the next row group. */
  add(lines: Uint8Array): Uint8Array {
    const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString('utf8').trimEnd()
    const values = JSON.parse(`[${text.replaceAll('\n', ',')}]`) as JsonValue[] // Lines of JSON hold no line ends but their own.
    this.#columns ??= columnsOf(values)
    this.#writer ??= this.#begin(this.#columns)
    void this.#writer.write({ columnData: this.#columnData(this.#columns, values), rowGroupSize: values.length })
    return this.#take()
  }

  /** The end of the file: where the row groups are. */
  finish(): Uint8Array {
    this.#writer ??= this.#begin(this.#columns ?? {})
    void this.#writer.finish()
    return this.#take()
  }

  #begin(columns: Columns): ParquetWriter {
    const elements = Object.entries(columns).map(([name, type]): SchemaElement => ({ name, repetition_type: 'OPTIONAL', ...ELEMENTS[type] }))
    if (this.#hasRest) elements.push({ name: REST, repetition_type: 'OPTIONAL', ...ELEMENTS.json })
    return new this.#library.ParquetWriter({
      writer: this.#bytes,
      schema: [{ name: 'root', num_children: elements.length }, ...elements],
      codec: this.#codec,
      compressors: { GZIP: bytes => gzipSync(bytes), ZSTD: bytes => zstdCompressSync(bytes) },
      createdBy: 'sluice',
    })
  }

  /** What was written since the last call. */
  #take(): Uint8Array {
    const bytes = this.#bytes.getBytes().slice()
    // The writer goes on at the start of its buffer; the places that it tells are counted apart from that.
    this.#bytes.index = 0
    return bytes
  }

  #columnData(columns: Columns, values: readonly JsonValue[]): ColumnSource[] {
    const names = Object.keys(columns)
    const data = new Map(names.map(name => [name, new Array<unknown>(values.length).fill(null)]))
    const rests = new Array<JsonValue>(values.length).fill(null)
    values.forEach((value, at) => {
      if (!isRow(value)) {
        rests[at] = value
        return
      }
      const rest: [string, JsonValue][] = []
      for (const [name, given] of Object.entries(value)) {
        const type = Object.hasOwn(columns, name) ? columns[name] : undefined
        const fits = type === undefined ? undefined : fitting(type, given)
        const column = data.get(name)
        if (type !== undefined && fits !== undefined && column !== undefined) column[at] = type === 'integer' && fits !== null ? BigInt(fits as number) : fits // `fitting` saw that it is an integer.
        else rest.push([name, given])
      }
      if (rest.length > 0) rests[at] = Object.fromEntries(rest)
    })
    const sources = names.map((name): ColumnSource => ({ name, data: data.get(name) ?? [] }))
    return this.#hasRest ? [...sources, { name: REST, data: rests as unknown[] }] : sources
  }
}

function isRow(value: JsonValue): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Columns for all fields, each of the narrowest type that takes all of its values. */
function columnsOf(values: readonly JsonValue[]): Columns {
  const types = new Map<string, ColumnType | undefined>()
  for (const value of values) {
    if (!isRow(value)) continue
    for (const [name, given] of Object.entries(value)) {
      if (name === REST || (!types.has(name) && types.size >= COLUMNS_MAX)) continue
      types.set(name, given === null ? types.get(name) : wider(types.get(name), typeOf(given)))
    }
  }
  // Of a column of nulls nothing is known.
  return Object.fromEntries([...types].map(([name, type]) => [name, type ?? 'json']))
}

function typeOf(value: JsonValue): ColumnType {
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value === 'string' ? 'string' : 'boolean'
  return typeof value === 'number' ? (Number.isSafeInteger(value) ? 'integer' : 'number') : 'json'
}

function wider(a: ColumnType | undefined, b: ColumnType): ColumnType {
  if (a === undefined || a === b) return b
  return [a, b].every(type => type === 'integer' || type === 'number') ? 'number' : 'json'
}
