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
    return Promise.resolve({ offset: to, from: { path: this.#path, row: from }, bytes: (to - from) * this.#rowBytes, request: { path: this.#path, from, to } })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface OpenFile {
  readonly handle: FileHandle
  readonly buffer: AsyncBuffer
  readonly metadata: FileMetaData
  /** Rows of the row group that was decoded last: its ranges are asked for one after the other. */
  group: { readonly from: number; readonly to: number; readonly rows: readonly Record<string, unknown>[] } | undefined
}

export class ParquetReader implements PieceReader {
  readonly #open = new Map<string, Promise<OpenFile>>()

  async read(request: JsonValue, target: ReadTarget): Promise<PieceRead> {
    const { path, from, to } = request as unknown as RowRequest // Made by ParquetRanges.
    const file = await this.#file(path)
    const rows = await this.#rows(file, path, from, to)
    let bytes = target.bytes
    let length = 0
    for (const row of rows) {
      const line = Buffer.from(`${JSON.stringify(row, plain)}\n`)
      if (length + line.length > bytes.length) bytes = target.grow(length, (length + line.length) * 2)
      bytes.set(line, length)
      length += line.length
    }
    return { start: 0, end: length, from: { path, row: from } }
  }

  async #rows(file: OpenFile, path: string, from: number, to: number): Promise<readonly Record<string, unknown>[]> {
    if (file.group === undefined || from < file.group.from || to > file.group.to) {
      const { parquetReadObjects } = await import('hyparquet')
      const { compressors } = await import('hyparquet-compressors')
      let start = 0
      let end = 0
      for (const group of file.metadata.row_groups) {
        start = end
        end += Number(group.num_rows)
        if (from < end) break
      }
      try {
        const rows = await parquetReadObjects({ file: file.buffer, metadata: file.metadata, compressors, rowStart: start, rowEnd: end })
        file.group = { from: start, to: end, rows }
      } catch (error) {
        throw new SluiceError('FILE_READ', `${path} can't be read from row ${start} on: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
      }
    }
    return file.group.rows.slice(from - file.group.from, to - file.group.from)
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

async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, 'r')
  const buffer = await asyncBuffer(handle)
  return { handle, buffer, metadata: await metadataOf(buffer, path), group: undefined }
}

/** Values that JSON does not have, as text or numbers. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value.toString()
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
}
