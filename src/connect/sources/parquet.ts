/**
 * Parquet files as JSON lines: ranges of rows, which the workers read and turn into lines.
 *
 * A row becomes an object of its columns, in the file's order. 64 bit integers that a double can't hold become text; times become ISO 8601; bytes base64.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { SluiceError } from '../../base/index.ts'
import type { Piece, PieceRead, PieceReader, ReadTarget } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'

interface RowRequest {
  readonly path: string
  readonly from: number
  readonly to: number
}

/** Rows in a piece, at most: a piece must fit the columns. */
const ROWS_MAX = 8192
const OPEN_MAX = 4

/** A file that is open for reading by ranges. */
export interface OpenBytes {
  readonly buffer: AsyncBuffer
  /** What messages call it. */
  readonly name: string
  close(): Promise<void>
}
/** Opens what a path means; a file, unless said otherwise. */
export type OpenPath = (path: string) => Promise<OpenBytes>

const openLocal: OpenPath = async path => {
  const handle = await open(path, 'r')
  return { buffer: await asyncBuffer(handle), name: path, close: () => handle.close() }
}

async function asyncBuffer(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat()
  return {
    byteLength: size,
    slice: async (from, to = size) => {
      const bytes = new Uint8Array(to - from)
      let done = 0
      while (done < bytes.length) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, from + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return bytes.buffer
    },
  }
}

async function metadataOf(buffer: AsyncBuffer, path: string): Promise<FileMetaData> {
  const { parquetMetadataAsync } = await import('hyparquet')
  try {
    return await parquetMetadataAsync(buffer)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('FILE_READ', `${path} is no Parquet file: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
  }
}

/** Hands out ranges that do not cross row groups. */
export class ParquetRanges {
  readonly #path: string
  readonly #ends: readonly number[]
  readonly #rowBytes: number
  /** Affinity of the first row group. */
  readonly #affinity: number
  #row: number
  /** How many row groups were opened: each has a number of its own. */
  static #groups = 0

  private constructor(path: string, ends: readonly number[], rowBytes: number, row: number) {
    this.#path = path
    this.#ends = ends
    this.#rowBytes = rowBytes
    this.#row = row
    this.#affinity = ParquetRanges.#groups
    ParquetRanges.#groups += ends.length
  }

  static async open(path: string, row: number, openPath = openLocal): Promise<ParquetRanges> {
    const { buffer, name, close } = await openPath(path)
    try {
      const metadata = await metadataOf(buffer, name)
      let rows = 0
      const ends = metadata.row_groups.map(group => (rows += Number(group.num_rows)))
      const columns = metadata.schema.length
      return new ParquetRanges(path, ends, Math.max(32, columns * 24), row)
    } finally {
      await close()
    }
  }

  next(bytes: number): Promise<(Omit<Piece, 'position'> & { readonly offset: number }) | undefined> {
    const from = this.#row
    const end = this.#ends.find(one => one > from)
    if (end === undefined) return Promise.resolve(undefined)
    const to = Math.min(end, from + Math.max(1, Math.min(ROWS_MAX, Math.floor(bytes / this.#rowBytes))))
    this.#row = to
    return Promise.resolve({ offset: to, from: { path: this.#path, row: from }, bytes: (to - from) * this.#rowBytes, affinity: this.#affinity + this.#ends.indexOf(end), request: { path: this.#path, from, to } })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface Column {
  /** `"name":` as it stands in a row. */
  readonly start: string
  /** The value of a row as JSON text. */
  readonly textAt: (row: number) => string
}

interface OpenFile extends OpenBytes {
  readonly metadata: FileMetaData
  /** The row group that was decoded last, by column: its ranges are asked for one after the other. */
  group: RowGroup | undefined
  /** While a row group is decoded. */
  loading: Promise<RowGroup> | undefined
}

interface RowGroup {
  readonly from: number
  readonly to: number
  readonly columns: readonly Column[]
}

export class ParquetReader implements PieceReader {
  readonly #open = new Map<string, Promise<OpenFile>>()
  /** The file that was read last. */
  #last: { readonly path: string; readonly file: OpenFile } | undefined
  readonly #openPath: OpenPath

  constructor(openPath = openLocal) {
    this.#openPath = openPath
  }

  read(request: JsonValue, target: ReadTarget): PieceRead | Promise<PieceRead> {
    const rows = request as unknown as RowRequest // Made by ParquetRanges.
    const file = this.#last?.path === rows.path ? this.#last.file : undefined
    const group = file?.group
    // Nothing is waited for within a row group: a wait would let other pieces pass by the columns.
    if (file === undefined || group === undefined || rows.from < group.from || rows.to > group.to) return this.#load(rows, target)
    return write(file, group, rows, target)
  }

  async #load(rows: RowRequest, target: ReadTarget): Promise<PieceRead> {
    const file = await this.#file(rows.path)
    const group = await this.#group(file, rows.from, rows.to)
    this.#last = { path: rows.path, file }
    return write(file, group, rows, target)
  }

  /** The row group that holds the rows. Pieces that come while it is decoded wait for it too. */
  #group(file: OpenFile, from: number, to: number): Promise<RowGroup> {
    const { group, loading } = file
    if (group !== undefined && from >= group.from && to <= group.to) return Promise.resolve(group)
    if (loading !== undefined) return loading.then(() => this.#group(file, from, to))
    // The old one is let go before the new one is read: one at a time is enough memory.
    file.group = undefined
    file.loading = this.#decode(file, from).finally(() => (file.loading = undefined))
    return file.loading
  }

  async #decode(file: OpenFile, from: number): Promise<RowGroup> {
    let start = 0
    let end = 0
    for (const group of file.metadata.row_groups) {
      start = end
      end += Number(group.num_rows)
      if (from < end) break
    }
    try {
      file.group = { from: start, to: end, columns: await readColumns(file, start, end) }
      return file.group
    } catch (error) {
      if (error instanceof SluiceError) throw error
      throw new SluiceError('FILE_READ', `${file.name} can't be read from row ${start} on: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
    }
  }

  #file(path: string): Promise<OpenFile> {
    let file = this.#open.get(path)
    if (file === undefined) {
      file = openFile(path, this.#openPath)
      this.#open.set(path, file)
      if (this.#open.size > OPEN_MAX) void this.#forget()
    }
    return file
  }

  async #forget(): Promise<void> {
    const oldest = this.#open.entries().next()
    if (oldest.done === true) return
    this.#open.delete(oldest.value[0])
    await (await oldest.value[1]).close()
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await (await file).close()
    this.#open.clear()
  }
}

/** Writes rows of a row group as lines. */
function write(file: OpenFile, group: RowGroup, { path, from, to }: RowRequest, target: ReadTarget): PieceRead {
  let text = ''
  for (let row = from - group.from; row < to - group.from; row++) {
    let mark = '{'
    for (const { start, textAt } of group.columns) {
      text += mark + start + textAt(row)
      mark = ','
    }
    text += '}\n'
  }
  const made = Buffer.from(text)
  const bytes = made.length > target.bytes.length ? target.grow(0, made.length) : target.bytes
  bytes.set(made)
  return { start: 0, end: made.length, bytes: fileBytes(file, to) - fileBytes(file, from), from: { path, row: from } }
}

/** The part of the file's bytes that lies before a row, as if all rows had equal shares. Those of all rows make up the whole file. */
function fileBytes({ buffer, metadata }: OpenFile, row: number): number {
  return Math.round((buffer.byteLength * row) / Math.max(1, Number(metadata.num_rows)))
}

async function openFile(path: string, openPath: OpenPath): Promise<OpenFile> {
  const opened = await openPath(path)
  return { ...opened, metadata: await metadataOf(opened.buffer, opened.name), group: undefined, loading: undefined }
}

/** The columns of the rows `from` up to `to`, which are one row group. One after the other: as they come, values take many times the memory that is kept. */
async function readColumns({ buffer, metadata }: OpenFile, from: number, to: number): Promise<Column[]> {
  const { parquetRead, parquetSchema } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const columns: Column[] = []
  for (const { element: { name } } of parquetSchema(metadata).children) {
    const texts = new ColumnTexts(to - from)
    await parquetRead({
      file: buffer, metadata, compressors, columns: [name], rowStart: from, rowEnd: to,
      onChunk: ({ columnName, columnData, rowStart }) => {
        if (columnName === name) texts.put(rowStart - from, columnData)
      },
    })
    columns.push({ start: `${JSON.stringify(name)}:`, textAt: texts.reader() })
  }
  return columns
}

/** Different texts of a column, at most, that are kept once each. */
const TEXTS_MAX = 65_536

/** A column as texts: each different one once, with its number in each row; one text for each row where they are too many. */
class ColumnTexts {
  readonly #rows: number
  readonly #numbers = new Map<unknown, number>()
  readonly #texts: string[] = ['null']
  readonly #codes: Uint16Array
  #all: string[] | undefined

  constructor(rows: number) {
    this.#rows = rows
    this.#codes = new Uint16Array(rows)
  }

  put(at: number, values: ArrayLike<unknown>): void {
    const end = Math.min(values.length, this.#rows - at)
    for (let row = 0; row < end; row++) {
      const value = values[row]
      if (value === null || value === undefined) continue
      if (this.#all === undefined) this.#code(at + row, value)
      else this.#all[at + row] = jsonOf(value)
    }
  }

  /** Lists and structs are objects of their own each: their numbers are never found again, and they end as texts. */
  #code(row: number, value: unknown): void {
    const key = value instanceof Date ? value.getTime() : value
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#texts.length
      if (number === TEXTS_MAX) {
        this.#all = Array.from(this.#codes, code => this.#texts[code] ?? 'null')
        this.#all[row] = jsonOf(value)
        return
      }
      this.#numbers.set(key, number)
      this.#texts.push(jsonOf(value))
    }
    this.#codes[row] = number
  }

  reader(): (row: number) => string {
    this.#numbers.clear()
    const all = this.#all
    if (all !== undefined) return row => all[row] ?? 'null'
    const [codes, texts] = [this.#codes, this.#texts]
    return row => texts[codes[row] ?? 0] ?? 'null'
  }
}

/** A value as JSON text. */
function jsonOf(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  if (value === null || value === undefined) return 'null'
  // The usual kinds need no look at what is inside.
  if (typeof value === 'string' || typeof value === 'boolean' || value instanceof Date) return JSON.stringify(value)
  if (typeof value === 'bigint') return JSON.stringify(plain('', value))
  // Bytes have a toJSON of their own, which is not wanted: they are turned before.
  return JSON.stringify(value instanceof Uint8Array ? plain('', value) : value, plain)
}

/** Values that JSON does not have, as text or numbers. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value.toString()
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
