/**
 * Parquet files in a bucket, by ranges: the coordinating thread hands out ranges of rows, and the workers ask for the bytes that these need.
 *
 * What the readers of files call a path is here an object's key, tag and size, as JSON.
 */
import { Retry } from '../../base/index.ts'
import type { ComponentContext, Piece, PieceRead, PieceReader, ReadTarget } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { ParquetRanges, ParquetReader } from '../sources/parquet.ts'
import type { OpenPath } from '../sources/parquet.ts'
import { S3Store } from './store.ts'
import type { FoundObject, S3Connection } from './store.ts'

export const RETRY = { backoff: 200, factor: 2, backoffMax: 15_000, deadline: 0, budget: 0 }

function opener(store: S3Store, retry: Retry, signal: AbortSignal): OpenPath {
  return path => {
    const object = JSON.parse(path) as FoundObject // Made below.
    const slice = async (from: number, to = object.size): Promise<ArrayBuffer> => {
      const { value } = await retry.run(() => store.getRange(object, from, to, signal), signal)
      return value
    }
    return Promise.resolve({ buffer: { byteLength: object.size, slice }, name: object.key, close: () => Promise.resolve() })
  }
}

type Ranged = Omit<Piece, 'position'> & { readonly offset: number }

/** Ranges of the rows of one object. */
export class ParquetObject {
  readonly object: FoundObject
  readonly #ranges: ParquetRanges

  private constructor(object: FoundObject, ranges: ParquetRanges) {
    this.object = object
    this.#ranges = ranges
  }

  static async open(store: S3Store, object: FoundObject, row: number, retry: Retry, signal: AbortSignal): Promise<ParquetObject> {
    return new ParquetObject(object, await ParquetRanges.open(JSON.stringify(object), row, opener(store, retry, signal)))
  }

  async next(bytes: number): Promise<Ranged | undefined> {
    const piece = await this.#ranges.next(bytes)
    return piece === undefined ? undefined : { ...piece, from: named(piece.from, this.object.key) }
  }

  close(): void {
    void this.#ranges.close()
  }
}

/** The workers' half. */
export class ParquetObjectReader implements PieceReader {
  readonly #store: S3Store
  readonly #closing = new AbortController()
  readonly #reader: ParquetReader
  #opening: Promise<void> | undefined

  constructor(config: S3Connection, context: ComponentContext) {
    this.#store = new S3Store(config)
    const open = opener(this.#store, new Retry({ ...RETRY, attempts: 10 }, context), AbortSignal.any([this.#closing.signal, context.signal]))
    this.#reader = new ParquetReader(async path => {
      await (this.#opening ??= this.#store.open())
      return open(path)
    })
  }

  read(request: JsonValue, target: ReadTarget): PieceRead | Promise<PieceRead> {
    const { path } = request as { readonly path: string } // Made by ParquetRanges.
    const { key } = JSON.parse(path) as FoundObject // Made above.
    const read = this.#reader.read(request, target)
    const told = (made: PieceRead): PieceRead => ({ ...made, from: named(made.from, key) })
    return read instanceof Promise ? read.then(told) : told(read)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#reader.close().catch(() => undefined)
    this.#store.close()
  }
}

function named(from: JsonValue, key: string): JsonValue {
  return typeof from === 'object' && from !== null && 'row' in from ? { key, row: from['row'] } : from
}
