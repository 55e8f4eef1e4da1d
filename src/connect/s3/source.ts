/**
 * Reads objects of a bucket: once, in the order of their keys, or with `poll` again and again, in the order in which they were written.
 *
 * Position: `{ key, tag, offset }`, bytes of the unpacked object, or rows of Parquet; what lies in front of `key` is done. With `poll` also `{ time, done }`: objects that were written before `time` are done, and of the
 * later ones those in `done`. An object may appear that was written before others which were read already (uploads in parts count from their beginning): `late` is how long that may take.
 */
import { matchesGlob } from 'node:path'
import { Retry, SluiceError } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, FormatChoice, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { framerFor } from '../sources/stream-reader.ts'
import { KeyOrder, TimeOrder } from './listing.ts'
import type { Listing } from './listing.ts'
import { ObjectReader } from './object-reader.ts'
import { ParquetObject, ParquetObjectReader, RETRY } from './parquet-objects.ts'
import { S3Store, S3_FIELDS } from './store.ts'
import type { FoundObject } from './store.ts'

const CONFIG = field.object({
  ...S3_FIELDS,
  prefix: field.string({ default: '', description: 'Beginning of the keys' }),
  match: field.optional(field.string({ minLength: 1, description: 'Pattern that the rest of a key must have: **/*.ndjson.zst' })),
  format: field.choice(['auto', 'ndjson', 'json', 'csv', 'tsv', 'lines', 'parquet'], { default: 'auto', description: 'Form of the records; `auto` goes by `match`, or else by `prefix`' }),
  options: field.formatOptions(['ndjson', 'json', 'csv', 'tsv', 'lines'], { description: 'Options of the format, such as `types` for csv' }),
  compression: field.choice(['auto', 'none', 'gzip', 'zstd'], { default: 'auto', description: '`auto` goes by the key: .gz, .zst' }),
  poll: field.optional(field.duration({ description: 'Look for new objects so often; without it, the source ends with the last object' })),
  late: field.duration({ default: '1h', description: 'With `poll`: how much later than others an object may appear that was begun before them' }),
  line_max: field.size({ default: '1MiB', description: 'Most bytes of a record; longer ones go to the dead letters' }),
})
type Config = ValueOf<typeof CONFIG>

const ENDINGS: Readonly<Record<string, string>> = { ndjson: 'ndjson', jsonl: 'ndjson', json: 'json', csv: 'csv', tsv: 'tsv', parquet: 'parquet', log: 'lines', txt: 'lines' }

function formatOf({ format, match, prefix }: Config): FormatChoice['format'] {
  if (format !== 'auto') return format
  const name = (match ?? prefix).replace(/\.(?:gz|zst)$/, '')
  return ENDINGS[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'ndjson'
}

function compressionOf({ compression }: Config, key: string): 'none' | 'gzip' | 'zstd' {
  if (compression !== 'auto') return compression
  return key.endsWith('.gz') ? 'gzip' : key.endsWith('.zst') ? 'zstd' : 'none'
}

interface Place {
  readonly key: string
  readonly tag: string
  readonly offset: number
}

class S3Source implements Source {
  readonly live: boolean
  readonly format: FormatChoice
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #store: S3Store
  readonly #retry: Retry
  readonly #closing = new AbortController()
  #listing: Listing | undefined
  /** What was being read at the position that the source was opened at. */
  #begun: Place | undefined
  #reader: ObjectReader | ParquetObject | undefined

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.live = config.poll !== undefined
    // Rows come from the workers' half as JSON lines.
    this.format = { format: formatOf(config) === 'parquet' ? 'ndjson' : formatOf(config), options: { record_max: config.line_max, ...config.options } }
    this.#store = new S3Store(config)
    // A source with an end gives up after about a minute; one without goes on trying.
    this.#retry = new Retry({ ...RETRY, attempts: this.live ? 0 : 10 }, context, work => context.trouble?.watch(work) ?? work())
  }

  async open(position: JsonValue | undefined): Promise<void> {
    await this.#store.open()
    const place = position as unknown as (Place & { readonly listing: JsonValue }) | undefined // Made by `next`.
    this.#begun = place
    const { prefix, match, late } = this.#config
    const wanted = ({ key }: FoundObject): boolean => !key.endsWith('/') && (match === undefined || matchesGlob(key.slice(prefix.length), match))
    const list = async (after: string | undefined) => {
      const { objects, more } = await this.#store.list(prefix, after)
      return { objects: objects.filter(wanted), last: objects.at(-1)?.key, more }
    }
    this.#listing = this.live ? new TimeOrder(list, late, place?.listing, message => this.#context.warn(message, 'late')) : new KeyOrder(list, place?.listing)
    // What is wrong is told at the start.
    await this.#store.list(prefix, undefined)
  }

  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    while (!signal.aborted) {
      const reader = (this.#reader ??= await this.#nextObject(signal))
      if (reader === undefined) return undefined
      const piece = await reader.next(bytes)
      if (piece !== undefined) return this.#placed(piece, reader)
      reader.close()
      this.#reader = undefined
      this.#listing?.done(reader.object)
    }
    return undefined
  }

  #placed({ offset, ...piece }: Omit<Piece, 'position'> & { readonly offset: number }, { object }: ObjectReader | ParquetObject): Piece {
    return { ...piece, position: { key: object.key, tag: object.tag, offset, listing: this.#listing?.position ?? null } }
  }

  /** The next object to read, as soon as there is one. Undefined at the end, and when the signal fires. */
  async #nextObject(signal: AbortSignal): Promise<ObjectReader | ParquetObject | undefined> {
    for (;;) {
      const found = await this.#retry.run(() => this.#listing?.next(this.#begun?.key) ?? Promise.resolve(undefined), signal).catch((error: unknown) => {
        if (signal.aborted) return undefined
        throw error
      })
      if (signal.aborted) return undefined
      if (found?.value !== undefined) return this.#open(found.value)
      if (this.#config.poll === undefined) return undefined
      await this.#context.sleep(this.#config.poll, signal).catch(() => undefined)
    }
  }

  async #open(object: FoundObject): Promise<ObjectReader | ParquetObject> {
    const begun = this.#begun
    this.#begun = undefined
    if (begun !== undefined && begun.key !== object.key) this.#context.warn(`${begun.key}, which was being read, is not there any more. What was not read of it by then is passed over.`)
    const goesOn = begun?.key === object.key && begun.tag === object.tag
    // Where objects are read as they appear, one that was written anew is a new one.
    if (begun?.key === object.key && !goesOn && !this.live) throw new SluiceError('S3_CHANGED', `${object.key} is another object than the one that was being read.`)
    if (formatOf(this.#config) === 'parquet') return ParquetObject.open(this.#store, object, goesOn ? begun.offset : 0, this.#retry, this.#closing.signal)
    const compression = compressionOf(this.#config, object.key)
    return new ObjectReader(this.#store, object, compression, this.format, framerFor(this.format), goesOn ? begun.offset : 0, this.#retry, this.#closing.signal)
  }

  close(): Promise<void> {
    this.#closing.abort()
    this.#reader?.close()
    this.#store.close()
    return Promise.resolve()
  }
}

export const s3Source = defineSource({
  type: 's3',
  summary: 'Read objects of a bucket, once or as they appear',
  config: CONFIG,
  replays: true,
  examples: [
    { title: 'All objects below a prefix', config: { bucket: 'results', prefix: 'rows/', match: '**/*.ndjson.zst' } },
    { title: 'New objects every half minute', config: { bucket: 'uploads', prefix: 'in/', match: '*.csv.gz', poll: '30s' } },
  ],
  opensQuietly: true,
  create: (config, context) => new S3Source(config, context),
  reader: (config, context) => new ParquetObjectReader(config, context),
})
