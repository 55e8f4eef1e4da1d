/**
 * Reads files: JSON lines, JSON arrays, CSV, plain lines, Parquet; compressed or not; once, or following them as they grow.
 *
 * Files are read in the order of their names. Uncompressed JSON lines and plain lines are handed out as ranges that the workers read by themselves; Parquet as ranges
 * of rows; everything else is read, decompressed and cut here, and travels as bytes.
 *
 * Position: `{ path, inode, offset }`. Files in front of `path` are done, `path` is read up to `offset` (bytes of the uncompressed stream, or rows of Parquet).
 */
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, FormatChoice, Piece, PieceReader, Source, ValueOf } from '../../engine/index.ts'
import { SluiceError } from '../../base/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { FollowReader } from './follow.ts'
import { ParquetRanges, ParquetReader } from './parquet.ts'
import { findFiles } from './paths.ts'
import type { FoundFile } from './paths.ts'
import { RangeReader } from './range-reader.ts'
import { StreamReader, framerFor } from './stream-reader.ts'

const CONFIG = field.object({
  path: field.either([field.path(), field.list(field.path(), { minItems: 1 })], { description: 'File, or files; * ? [] {} make a pattern' }),
  format: field.choice(['auto', 'ndjson', 'json', 'csv', 'tsv', 'lines', 'parquet', 'dead_letters'], { default: 'auto', description: 'Form of the records; `auto` goes by the name of the file' }),
  options: field.formatOptions(['ndjson', 'json', 'csv', 'tsv', 'lines', 'dead_letters'], { description: 'Options of the format, such as `types` for csv' }),
  compression: field.choice(['auto', 'none', 'gzip', 'zstd'], { default: 'auto', description: '`auto` goes by the name: .gz, .zst' }),
  follow: field.boolean({ default: false, description: 'Wait for more at the end, also across rotation and truncation' }),
  optional: field.boolean({ default: false, description: 'No error where nothing is found' }),
  line_max: field.size({ default: '1MiB', description: 'Most bytes of a record; longer ones go to the dead letters' }),
})
type Config = ValueOf<typeof CONFIG>

const ENDINGS: Readonly<Record<string, string>> = { ndjson: 'ndjson', jsonl: 'ndjson', json: 'json', csv: 'csv', tsv: 'tsv', parquet: 'parquet', log: 'lines', txt: 'lines' }

function patternsOf(config: Config): readonly string[] {
  return typeof config.path === 'string' ? [config.path] : config.path
}

/** The format that a config means; by the name of the first file where it says `auto`. */
function formatOf(config: Config): string {
  if (config.format !== 'auto') return config.format
  const name = (patternsOf(config)[0] ?? '').replace(/\.(?:gz|zst)$/, '')
  return ENDINGS[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'ndjson'
}

function codecOf(config: Config): FormatChoice {
  const format = formatOf(config)
  return { format: format === 'parquet' ? 'ndjson' : format, options: { record_max: config.line_max, ...config.options } }
}

export function compressionOf(config: Pick<Config, 'compression'>, path: string): 'none' | 'gzip' | 'zstd' {
  if (config.compression !== 'auto') return config.compression
  return path.endsWith('.gz') ? 'gzip' : path.endsWith('.zst') ? 'zstd' : 'none'
}

/** What one file is read by. */
interface FileReader {
  /** `inode`: of the file that the piece is from, where that may be another than the one that was found. */
  next(bytes: number, signal: AbortSignal): Promise<(Omit<Piece, 'position'> & { readonly offset: number; readonly inode?: number }) | undefined>
  close(): Promise<void>
}

/** Ranges of a file for the workers to read. */
class Ranges implements FileReader {
  readonly #file: FoundFile
  #offset: number

  constructor(file: FoundFile, offset: number) {
    this.#file = file
    this.#offset = offset
  }

  next(bytes: number): Promise<(Omit<Piece, 'position'> & { readonly offset: number }) | undefined> {
    const { path, size } = this.#file
    const from = this.#offset
    if (from >= size) return Promise.resolve(undefined)
    const to = Math.min(size, from + bytes)
    this.#offset = to
    return Promise.resolve({ offset: to, from: { path, offset: from }, bytes: to - from, request: { path, from, to, size } })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface FilePosition {
  readonly path: string
  /** 0 where it is not known. */
  readonly inode: number
  readonly offset: number
}

class FileSource implements Source {
  readonly live: boolean
  readonly format: FormatChoice
  readonly #config: Config
  readonly #context: ComponentContext
  #files: readonly FoundFile[] = []
  #at = 0
  #offset = 0
  /** Of the file that was being read, where it is followed. */
  #inode = 0
  #reader: FileReader | undefined
  #size: number | undefined

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.live = config.follow
    this.format = codecOf(config)
    if (config.follow && formatOf(config) === 'parquet') throw new SluiceError('CONFIG_VALUE', 'file: a Parquet file can\'t be followed.')
  }

  get size(): number | undefined {
    return this.#size
  }

  open(position: JsonValue | undefined): Promise<void> {
    this.#files = findFiles(patternsOf(this.#config), this.#config.optional || this.#config.follow)
    // A Parquet file is compressed in parts, of which the reader says how many bytes they are.
    const plain = formatOf(this.#config) === 'parquet' || this.#files.every(({ path }) => compressionOf(this.#config, path) === 'none')
    this.#size = plain && !this.#config.follow ? this.#files.reduce((sum, { size }) => sum + size, 0) : undefined
    if (position !== undefined) this.#goOn(position as unknown as FilePosition) // Made by `next`.
    return Promise.resolve()
  }

  #goOn({ path, inode, offset }: FilePosition): void {
    const at = this.#files.findIndex(file => file.path === path)
    const file = this.#files[at]
    this.#offset = offset
    this.#inode = inode
    if (this.#config.follow) return
    if (file === undefined) throw new SluiceError('FILE_CHANGED', `${path}, which was being read, is not there any more.`)
    if (inode !== 0 && file.inode !== inode) throw new SluiceError('FILE_CHANGED', `${path} is another file than the one that was being read.`)
    if (formatOf(this.#config) !== 'parquet' && compressionOf(this.#config, path) === 'none' && file.size < offset) {
      throw new SluiceError('FILE_CHANGED', `${path} has ${file.size} bytes; ${offset} were read before.`)
    }
    this.#at = at
  }

  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    if (this.#config.follow) return this.#follow(bytes, signal)
    for (let file = this.#files[this.#at]; file !== undefined; file = this.#files[this.#at]) {
      this.#reader ??= await this.#openFile(file, this.#offset)
      const piece = await this.#reader.next(bytes, signal)
      if (piece !== undefined) {
        const { offset, ...rest } = piece
        return { ...rest, position: { path: file.path, inode: file.inode, offset } }
      }
      await this.#reader.close()
      this.#reader = undefined
      this.#offset = 0
      this.#at++
    }
    return undefined
  }

  async #follow(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    const path = patternsOf(this.#config)[0] ?? ''
    this.#reader ??= new FollowReader(path, framerFor(this.format), { inode: this.#inode, offset: this.#offset }, this.#context)
    const piece = await this.#reader.next(bytes, signal)
    if (piece === undefined) return undefined
    const { offset, inode = 0, ...rest } = piece
    return { ...rest, position: { path, inode, offset } }
  }

  async #openFile(file: FoundFile, offset: number): Promise<FileReader> {
    const format = formatOf(this.#config)
    const compression = compressionOf(this.#config, file.path)
    if (format === 'parquet') return ParquetRanges.open(file.path, offset)
    if (compression === 'none' && (format === 'ndjson' || format === 'lines' || format === 'dead_letters')) return new Ranges(file, offset)
    return new StreamReader(file.path, compression, framerFor(this.format), offset)
  }

  async close(): Promise<void> {
    await this.#reader?.close()
  }
}

export const file = defineSource({
  type: 'file',
  summary: 'Read files, once or as they grow',
  config: CONFIG,
  replays: true,
  examples: [
    { title: 'JSON lines', config: { path: 'data/events.ndjson' } },
    { title: 'CSV with types', config: { path: 'data/*.csv.gz', options: { types: { price: 'number' } } } },
  ],
  opensQuietly: true,
  create: (config, context) => new FileSource(config, context),
  reader: (config): PieceReader => (formatOf(config) === 'parquet' ? new ParquetReader() : new RangeReader(config.line_max)),
})
