/**
 * JSON lines as one row group of a Parquet file.
 *
 * Without given columns they are those of the first row group, with the types that all of its values have. What later rows have beside them, or of another type, is put as JSON into the
 * column `_rest`: nothing is lost, and a file has one schema.
 */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { RowGroup, SchemaElement } from 'hyparquet'
import type { ByteWriter, ColumnSource, ParquetWriter } from 'hyparquet-writer'
import type { JsonValue } from '../../event/index.ts'
import type { S3Compression } from './packing.ts'
import { fitting } from './parquet-codec.ts'
import type { ColumnType } from './parquet-codec.ts'

export const REST = '_rest'
/** What a file begins and ends with. */
export const MAGIC = 4
/** Columns that are made up, at most. */
const COLUMNS_MAX = 1000
/** Bytes of lines that are parsed at a time. */
const CHUNK = 64 * 1024
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
export type PageIndexes = ParquetWriter['pendingIndexes']
type Row = Readonly<Record<string, JsonValue>>
export type Columns = Readonly<Record<string, ColumnType>>

/** What row groups of one file have in common. */
export interface ParquetForm {
  readonly compression: S3Compression
  /** True where columns were not given: what is not among them is put into `_rest`. */
  readonly hasRest: boolean
  /** Absent until the first row group has told them. */
  readonly columns: Columns | undefined
}

export interface MadeGroup {
  readonly columns: Columns
  /** Bytes, with those that a file begins with. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Places are counted from the start of `bytes`. */
  readonly group: RowGroup
  readonly indexes: PageIndexes
}

/** Loaded when a sink that needs it is opened. */
export function loadParquet(): Promise<ParquetLibrary> {
  return import('hyparquet-writer')
}

/** A writer at the start of a file. */
export function beginParquet(library: ParquetLibrary, writer: ByteWriter, { compression, hasRest, columns = {} }: ParquetForm): ParquetWriter {
  const elements = Object.entries(columns).map(([name, type]): SchemaElement => ({ name, repetition_type: 'OPTIONAL', ...ELEMENTS[type] }))
  if (hasRest) elements.push({ name: REST, repetition_type: 'OPTIONAL', ...ELEMENTS.json })
  return new library.ParquetWriter({
    writer,
    schema: [{ name: 'root', num_children: elements.length }, ...elements],
    codec: CODECS[compression],
    compressors: { GZIP: bytes => gzipSync(bytes), ZSTD: bytes => zstdCompressSync(bytes) },
    createdBy: 'sluice',
  })
}

export function makeRowGroup(library: ParquetLibrary, form: ParquetForm, lines: Uint8Array): MadeGroup {
  const columns = form.columns ?? columnsOf(lines)
  const bytes = new library.ByteWriter()
  const writer = beginParquet(library, bytes, { ...form, columns })
  const columnData = dataOf(columns, form.hasRest, lines)
  void writer.write({ columnData, rowGroupSize: Math.max(1, columnData[0]?.data.length ?? 0) })
  const [group] = writer.row_groups
  if (group === undefined) throw new Error('A row group needs a row.')
  return { columns, bytes: bytes.getBytes().slice(), group, indexes: writer.pendingIndexes }
}

/** The values of the lines, some at a time: as objects, all of a row group would take ten times its bytes. */
function* valuesOf(lines: Uint8Array): Generator<JsonValue> {
  for (let from = 0; from < lines.length; ) {
    const end = lines.indexOf(10, Math.min(from + CHUNK, lines.length - 1))
    const to = end === -1 ? lines.length : end
    const text = Buffer.from(lines.buffer, lines.byteOffset + from, to - from).toString('utf8').trimEnd()
    yield* JSON.parse(`[${text.replaceAll('\n', ',')}]`) as JsonValue[] // Lines of JSON hold no line ends but their own.
    from = to + 1
  }
}

function dataOf(columns: Columns, hasRest: boolean, lines: Uint8Array): ColumnSource[] {
  const wanted = Object.entries(columns).map(([name, type]) => ({ name, type, data: [] as JsonValue[] | bigint[] }))
  const rests: JsonValue[] = []
  for (const value of valuesOf(lines)) {
    const row = isRow(value) ? value : undefined
    let fitted = 0
    for (const { name, type, data } of wanted) {
      const given = row !== undefined && Object.hasOwn(row, name) ? row[name] : undefined
      const fits = given === undefined ? undefined : fitting(type, given)
      if (fits !== undefined) fitted++
      data.push((fits === undefined || fits === null ? null : type === 'integer' ? BigInt(fits as number) : fits) as never) // `fitting` saw that it is an integer.
    }
    if (hasRest) rests.push(row === undefined ? value : fitted === Object.keys(row).length ? null : restOf(row, columns))
  }
  const sources = wanted.map(({ name, data }): ColumnSource => ({ name, data }))
  return hasRest ? [...sources, { name: REST, data: rests }] : sources
}

/** What of the row is in no column. */
function restOf(row: Row, columns: Columns): Row {
  return Object.fromEntries(Object.entries(row).filter(([name, given]) => {
    const type = Object.hasOwn(columns, name) ? columns[name] : undefined
    return type === undefined || fitting(type, given) === undefined
  }))
}

function isRow(value: JsonValue): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Columns for all fields, each of the narrowest type that takes all of its values. */
function columnsOf(lines: Uint8Array): Columns {
  const types = new Map<string, ColumnType | undefined>()
  for (const value of valuesOf(lines)) {
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
