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
    throw new SluiceError('FILE_READ', `${path} is no Parquet file: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
  }
}

/** Hands out ranges that do not cross row groups. */
export class ParquetRanges {
  readonly #path: string
  readonly #ends: readonly number[]
  readonly #rowBytes: number
  #row: number

  private constructor(path: string, ends: readonly number[], rowBytes: number, row: number) {
    this.#path = path
    this.#ends = ends
    this.#rowBytes = rowBytes
    this.#row = row
  }

  static async open(path: string, row: number): Promise<ParquetRanges> {
    const handle = await open(path, 'r')
    try {
      const metadata = await metadataOf(await asyncBuffer(handle), path)
      let rows = 0
      const ends = metadata.row_groups.map(group => (rows += Number(group.num_rows)))
      const columns = metadata.schema.length
      return new ParquetRanges(path, ends, Math.max(32, columns * 24), row)
    } finally {
      await handle.close()
    }
  }

  next(bytes: number): Promise<(Omit<Piece, 'position'> & { readonly offset: number }) | undefined> {
    const from = this.#row
    const end = this.#ends.find(one => one > from)
    if (end === undefined) return Promise.resolve(undefined)
    const to = Math.min(end, from + Math.max(1, Math.min(ROWS_MAX, Math.floor(bytes / this.#rowBytes))))
    this.#row = to
    return Promise.resolve({ offset: to, from: { path: this.#path, row: from }, bytes: (to - from) * this.#rowBytes, affinity: this.#ends.indexOf(end), request: { path: this.#path, from, to } })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface Column {
  /** `"name":` as it stands in a row. */
  readonly start: string
  readonly values: ArrayLike<unknown>
}

interface OpenFile {
  readonly handle: FileHandle
  readonly buffer: AsyncBuffer
  readonly metadata: FileMetaData
  /** The row group that was decoded last, by column: its ranges are asked for one after the other. */
  group: { readonly from: number; readonly to: number; readonly columns: readonly Column[] } | undefined
}

export class ParquetReader implements PieceReader {
  readonly #open = new Map<string, Promise<OpenFile>>()
  /** The file that was read last. */
  #last: { readonly path: string; readonly file: OpenFile } | undefined

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
    const group = await this.#group(file, rows.path, rows.from, rows.to)
    this.#last = { path: rows.path, file }
    return write(file, group, rows, target)
  }

  async #group(file: OpenFile, path: string, from: number, to: number): Promise<NonNullable<OpenFile['group']>> {
    const known = file.group
    if (known !== undefined && from >= known.from && to <= known.to) return known
    // The old one is let go before the new one is read: one at a time is enough memory.
    file.group = undefined
    let start = 0
    let end = 0
    for (const group of file.metadata.row_groups) {
      start = end
      end += Number(group.num_rows)
      if (from < end) break
    }
    try {
      const group = { from: start, to: end, columns: await readColumns(file, start, end) }
      file.group = group
      return group
    } catch (error) {
      throw new SluiceError('FILE_READ', `${path} can't be read from row ${start} on: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
    }
  }

  #file(path: string): Promise<OpenFile> {
    let file = this.#open.get(path)
    if (file === undefined) {
      file = openFile(path)
      this.#open.set(path, file)
      if (this.#open.size > OPEN_MAX) void this.#forget()
    }
    return file
  }

  async #forget(): Promise<void> {
    const oldest = this.#open.entries().next()
    if (oldest.done === true) return
    this.#open.delete(oldest.value[0])
    await (await oldest.value[1]).handle.close()
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await (await file).handle.close()
    this.#open.clear()
  }
}

/** Writes rows of a row group as lines. */
function write(file: OpenFile, group: NonNullable<OpenFile['group']>, { path, from, to }: RowRequest, target: ReadTarget): PieceRead {
  let text = ''
  for (let row = from - group.from; row < to - group.from; row++) {
    let mark = '{'
    for (const { start, values } of group.columns) {
      text += mark + start + jsonOf(values[row])
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

async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, 'r')
  const buffer = await asyncBuffer(handle)
  return { handle, buffer, metadata: await metadataOf(buffer, path), group: undefined }
}

/** The columns of the rows `from` up to `to`, which are one row group. */
async function readColumns({ buffer, metadata }: OpenFile, from: number, to: number): Promise<Column[]> {
  const { parquetRead, parquetSchema } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const names = parquetSchema(metadata).children.map(({ element }) => element.name)
  const parts = new Map<string, { readonly at: number; readonly values: ArrayLike<unknown> }[]>(names.map(name => [name, []]))
  await parquetRead({ file: buffer, metadata, compressors, rowStart: from, rowEnd: to, onChunk: ({ columnName, columnData, rowStart }) => parts.get(columnName)?.push({ at: rowStart - from, values: columnData }) })
  return names.map(name => ({ start: `${JSON.stringify(name)}:`, values: whole(parts.get(name) ?? [], to - from) }))
}

/** The parts of a column as one list. */
function whole(parts: readonly { readonly at: number; readonly values: ArrayLike<unknown> }[], length: number): ArrayLike<unknown> {
  const [only] = parts
  if (parts.length === 1 && only?.at === 0 && only.values.length === length) return only.values
  const values = new Array<unknown>(length).fill(null)
  for (const { at, values: part } of parts) for (let row = 0; row < part.length && at + row < length; row++) values[at + row] = part[row]
  return values
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
