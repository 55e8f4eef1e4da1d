/**
 * JSON lines as a Parquet file, a row group at a time: of the file only its footer is kept in memory. Row groups are made elsewhere, several at a time; here they are put one behind the
 * other.
 */
import type { RowGroup } from 'hyparquet'
import type { S3Compression } from './packing.ts'
import { MAGIC, beginParquet } from './parquet-rows.ts'
import type { Columns, MadeGroup, PageIndexes, ParquetForm, ParquetLibrary } from './parquet-rows.ts'

/** Makes a row group of lines; these are looked at until it has answered. */
export type MakeRowGroup = (form: ParquetForm, lines: Uint8Array) => Promise<MadeGroup>

export class ParquetFile {
  readonly #library: ParquetLibrary
  readonly #make: MakeRowGroup
  readonly #given: ParquetForm
  /** Those of the first row group, where none were given. */
  #columns: Promise<Columns> | undefined
  /** The last call's answer: row groups are appended in the order of the calls. */
  #last: Promise<unknown> = Promise.resolve()
  readonly #groups: RowGroup[] = []
  readonly #indexes: PageIndexes = []
  /** Bytes of the file that are made. */
  #end = 0

  constructor(library: ParquetLibrary, make: MakeRowGroup, compression: S3Compression, columns: Columns | undefined) {
    this.#library = library
    this.#make = make
    this.#given = { compression, hasRest: columns === undefined, columns }
    if (columns !== undefined) this.#columns = Promise.resolve(columns)
  }

  /** The lines as the next row group. May be called again before it has answered. */
  add(lines: Uint8Array): Promise<Uint8Array> {
    const made = this.#columns === undefined ? this.#make(this.#given, lines) : this.#columns.then(columns => this.#make({ ...this.#given, columns }, lines))
    if (this.#columns === undefined) {
      this.#columns = made.then(({ columns }) => columns)
      // Told by the answer.
      this.#columns.catch(() => undefined)
    }
    const answer = Promise.all([made, this.#last]).then(([group]) => this.#append(group))
    this.#last = answer
    return answer
  }

  /** The end of the file, where the row groups are; once all of them have been answered. */
  async finish(): Promise<Uint8Array> {
    const bytes = new this.#library.ByteWriter()
    const writer = beginParquet(this.#library, bytes, { ...this.#given, columns: await this.#columns })
    if (this.#end > 0) {
      // The file has its beginning already; places go on from what is there.
      bytes.index = 0
      bytes.offset = this.#end
    }
    writer.row_groups = this.#groups
    writer.pendingIndexes = this.#indexes
    writer.num_rows = this.#groups.reduce((sum, { num_rows }) => sum + num_rows, 0n)
    void writer.finish()
    return bytes.getBytes()
  }

  #append({ bytes, group, indexes }: MadeGroup): Uint8Array {
    const own = this.#end === 0 ? bytes : bytes.subarray(MAGIC)
    const shift = BigInt(this.#end === 0 ? 0 : this.#end - MAGIC)
    for (const column of group.columns) {
      column.file_offset += shift
      const { meta_data: meta } = column
      if (meta === undefined) continue
      meta.data_page_offset += shift
      if (meta.dictionary_page_offset !== undefined) meta.dictionary_page_offset += shift
    }
    for (const { offsetIndex } of indexes) for (const page of offsetIndex?.page_locations ?? []) page.offset += shift
    this.#groups.push(group)
    this.#indexes.push(...indexes)
    this.#end += own.length
    return own
  }
}
