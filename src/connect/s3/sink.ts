/**
 * Writes objects into a bucket.
 *
 *     write -> open objects --size, events, memory--> sealed --flush--> mark --checkpoint--> completed: readers see it
 *
 * With checkpoints it is exactly once: parts of objects are uploaded before the positions are kept, and the objects are completed after. What a crash leaves behind is either part of
 * the last mark, and `open` completes it, or nobody ever sees it. Each checkpoint ends all open objects, so `age` is the time between two checkpoints.
 *
 * Without checkpoints an object is shown as soon as it is full, or at a flush: at least once.
 *
 * What readers see is told, where `notify` asks for it, in the order in which objects ended; a mark holds what was not told yet.
 */
import { SluiceError } from '../../base/index.ts'
import { Slots, defineSink, field } from '../../engine/index.ts'
import type { ComponentContext, Sink, SinkChunk, SinkEncoding, ValueOf } from '../../engine/index.ts'
import type { Event, JsonValue } from '../../event/index.ts'
import { failpoint } from '../../platform/index.ts'
import { csvHead } from '../csv-head.ts'
import { NOTIFY, notifierOf } from '../notify/index.ts'
import type { Notifier, Written } from '../notify/index.ts'
import { AtOnce } from './at-once.ts'
import { checkTemplate, keyOf, withId } from './key.ts'
import { MappedMemory } from './mapped-bytes.ts'
import { S3Object } from './object.ts'
import type { ObjectOptions, Sealed } from './object.ts'
import { Compressors, linesPacking } from './packing.ts'
import type { Packing, S3Compression } from './packing.ts'
import { loadParquet } from './parquet-rows.ts'
import type { Columns, ParquetLibrary } from './parquet-rows.ts'
import { ParquetThreads } from './parquet-threads.ts'
import { ParquetFile } from './parquet.ts'
import { S3Store, S3_FIELDS } from './store.ts'
import { firstOf } from './spans.ts'
import { Uploads } from './uploads.ts'

const CONFIG = field.object({
  ...S3_FIELDS,
  key: field.template({ description: 'Key of the objects, with expressions in braces; an id is put before its ending, or where {{id}} stands; {{first}} is the offset of the first record' }),
  format: field.choice(['auto', 'ndjson', 'csv', 'tsv', 'lines', 'parquet'], { default: 'auto', description: 'Form of the records; `auto` goes by the key' }),
  options: field.formatOptions(['ndjson', 'csv', 'tsv', 'lines', 'parquet_rows'], { description: 'Options of the format: `columns`, a list for csv, and types by names for parquet (string, integer, number, boolean, timestamp, json)' }),
  compression: field.choice(['auto', 'none', 'gzip', 'zstd'], { default: 'auto', description: '`auto` goes by the key: .gz, .zst; it is zstd for parquet' }),
  row_group: field.size({ default: '8MiB', description: 'Bytes of JSON that become one row group of parquet' }),
  level: field.optional(field.integer({ minimum: 1, maximum: 19, description: 'How hard to compress: for gzip 1 to 9, 4 where nothing is said; for zstd 1 to 19, and 1' })),
  size: field.size({ default: '256MiB', description: 'Begin another object after so many bytes before compression' }),
  events: field.optional(field.integer({ minimum: 1, description: 'Begin another object after so many events' })),
  age: field.duration({ default: '60s', description: 'Begin other objects after so long. With checkpoints, these are as far apart as this' }),
  part_size: field.size({ default: '8MiB', description: 'Bytes of a part of an upload' }),
  uploads: field.either([field.integer({ minimum: 1, maximum: 64 }), field.choice(['auto'])], { default: 4, description: 'Requests under way at once; `auto` finds out how many the server takes well, by how long it takes to answer and what it refuses' }),
  buffer: field.size({ default: '64MiB', description: 'Bytes in memory that wait to be uploaded; beyond that, the largest open object ends' }),
  storage_class: field.optional(field.string({ description: 'Such as STANDARD_IA' })),
  encryption: field.optional(field.choice(['AES256', 'aws:kms', 'aws:kms:dsse'], { description: 'Encryption at the server, where the bucket\'s own is not meant' })),
  kms_key: field.optional(field.string({ description: 'Key of the encryption with aws:kms' })),
  tags: field.record(field.string(), { default: {}, description: 'Tags of the objects' }),
  manifest: field.optional(field.string({ minLength: 1, description: 'Beginning of the keys of objects that list, as JSON lines, which objects are complete: results/_manifest/' })),
  notify: NOTIFY,
  on_gone: field.choice(['fail', 'warn'], { default: 'fail', description: 'What to do at a start where an upload of the last checkpoint is neither open nor complete' }),
})
type Config = ValueOf<typeof CONFIG>

const PARTS_MAX = 10_000
const PART_MIN = 5 * 1024 * 1024
/** Objects that may be open at once. */
const OPEN_MAX = 1000
/** Bytes that all open objects together may gather before they are packed, and the least of one. */
const MEMBERS = 32 * 1024 * 1024
const MEMBER_MIN = 64 * 1024
/** Members that are packed at once, and that wait for it before more is taken. */
const PACKERS = 4
/** Objects in a manifest, without checkpoints. */
const SHOWN_MAX = 1000
const ENDINGS: Readonly<Record<string, string>> = { '.csv': 'csv', '.tsv': 'tsv', '.txt': 'lines', '.log': 'lines', '.parquet': 'parquet' }
const TYPES: Readonly<Record<string, string>> = { csv: 'text/csv', tsv: 'text/tab-separated-values', lines: 'text/plain', ndjson: 'application/x-ndjson', parquet: 'application/vnd.apache.parquet' }

function formatOf({ format, key }: Config): string {
  if (format !== 'auto') return format
  return ENDINGS[/\.[a-z]+$/.exec(key.source.replace(/\.(?:gz|zst)$/, ''))?.[0] ?? ''] ?? 'ndjson'
}

function compressionOf(config: Config): S3Compression {
  const { compression, key } = config
  if (compression !== 'auto') return compression
  if (formatOf(config) === 'parquet') return 'zstd'
  return key.source.endsWith('.gz') ? 'gzip' : key.source.endsWith('.zst') ? 'zstd' : 'none'
}

function check(config: Config): void {
  checkTemplate(config.key)
  if (config.part_size < PART_MIN) throw new SluiceError('CONFIG_VALUE', 'S3 takes no parts below 5MiB ("part_size").')
  if (config.size > config.part_size * PARTS_MAX) throw new SluiceError('CONFIG_VALUE', `An object has ${PARTS_MAX} parts at most: set "part_size" higher, or "size" lower.`)
  if (config.kms_key !== undefined && config.encryption === undefined) throw new SluiceError('CONFIG_VALUE', '"kms_key" needs "encryption: aws:kms".')
}

function encoding(config: Config): SinkEncoding {
  const { key, options } = config
  // Rows of columns that are made up are plain JSON lines.
  const rows = options['columns'] === undefined ? 'ndjson' : 'parquet_rows'
  const format = { format: formatOf(config) === 'parquet' ? rows : formatOf(config), options }
  return key.literal ? format : { ...format, target: (event: Event) => keyOf(key, event), template: key }
}

/** What `flush` hands to a checkpoint: the objects that readers shall see once it is kept. */
interface Mark {
  readonly objects: readonly Sealed[]
  /** Key of the manifest that tells of them. */
  readonly manifest?: string
  /** Objects of former marks that nobody was told of yet. */
  readonly untold?: readonly Written[]
}

class S3Sink implements Sink {
  /** Objects copy what they are given. */
  readonly borrows = true
  /** Each checkpoint ends the open objects. */
  readonly cutsEvery: number
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #store: S3Store
  readonly #uploads: Uploads
  readonly #packers = new AtOnce(PACKERS)
  readonly #options: ObjectOptions
  #parquet: { readonly library: ParquetLibrary; readonly threads: ParquetThreads } | undefined
  #compressors: Compressors | undefined
  readonly #open = new Map<string, S3Object>()
  /** Bytes of memory in them. */
  #held = 0
  /** Whose last part is under way. */
  #sealing: S3Object[] = []
  /** Readers see these once the mark is in a checkpoint. */
  #mark: Mark = { objects: [] }
  /** Without checkpoints: objects that are complete, and not yet in a manifest. */
  #shown: Written[] = []
  readonly #notifier: Notifier | undefined
  /** Without checkpoints: objects that have ended, in order; true once readers see them. They are told in this order. */
  readonly #ended = new Map<S3Object, boolean>()
  /** Begins every id, so that no two runs share one. */
  readonly #run: string
  #number = 0

  constructor(config: Config, context: ComponentContext) {
    check(config)
    this.#config = config
    this.#context = context
    this.cutsEvery = config.age
    this.#store = new S3Store(config)
    this.#notifier = notifierOf(config.notify, config.bucket, config.key.prefix, context)
    this.#uploads = new Uploads(config.uploads === 'auto' ? new Slots({ monotonic: () => performance.now(), limited: context.limited }) : config.uploads)
    this.#run = `${new Date(context.now()).toISOString().replaceAll(/[-:.]/g, '')}${Math.floor(context.random() * 36 ** 4).toString(36).padStart(4, '0')}`
    this.#options = {
      store: this.#store, uploads: this.#uploads, packing: () => this.#packing(), memberMax: () => this.#memberMax(), packers: this.#packers, partSize: config.part_size, head: csvHead(formatOf(config), config.options), spare: [], parts: new MappedMemory(),
      hashes: config.manifest !== undefined || config.notify !== undefined,
      // Without checkpoints nothing is waited for.
      arrived: context.keeps === true ? undefined : object => this.#uploads.add(0, () => this.#showNow(object)),
      keeping: { contentType: TYPES[formatOf(config)] ?? 'application/octet-stream', storageClass: config.storage_class, encryption: config.encryption, kmsKey: config.kms_key, tags: config.tags },
    }
  }

  /** Objects that are open share the memory for what is not packed yet. Below the least, packing would not be worth while. */
  #memberMax(): number {
    return this.#parquet === undefined ? Math.max(MEMBER_MIN, MEMBERS / Math.max(1, this.#open.size)) : Infinity
  }

  async open(mark: JsonValue | undefined): Promise<void> {
    if (formatOf(this.#config) === 'parquet') this.#parquet = { library: await loadParquet(), threads: new ParquetThreads() }
    await this.#store.open()
    await this.#notifier?.open()
    const { objects = [], manifest, untold = [] } = (mark ?? {}) as unknown as Partial<Mark> // Made by `flush`.
    // Also where nobody is told of them: objects of the last checkpoint are in no way there before.
    const completed = await this.#complete(objects, manifest)
    this.#notifier?.add([...untold, ...completed])
    await this.#probe()
  }

  #packing(): Packing {
    const compression = compressionOf(this.#config)
    if (this.#parquet === undefined) return linesPacking(compression === 'none' ? undefined : (this.#compressors ??= new Compressors(compression, this.#config.level)))
    const { library, threads } = this.#parquet
    const columns = this.#config.options['columns'] as Columns | undefined // Checked against the codec's own schema.
    const file = new ParquetFile(library, (form, lines) => threads.make(form, lines), compression, columns)
    return { member: this.#config.row_group, ahead: threads.most, add: lines => file.add(lines), finish: () => file.finish() }
  }

  /** Begins an upload and gives it up, so that what is wrong is told at the start. Nobody sees anything of it, and it needs no other permissions than the objects do. */
  async #probe(): Promise<void> {
    const key = withId(this.#config.key.prefix, 'probe')
    await this.#store.abort(key, await this.#store.begin(key, this.#options.keeping))
  }

  /** May be done again: neither objects nor the manifest then change. Answers those that are there. */
  async #complete(objects: readonly Sealed[], manifest: string | undefined): Promise<readonly Sealed[]> {
    const gone = new Set<string>()
    for (const { key, upload, parts } of objects) this.#uploads.add(0, async () => void ((await this.#show(key, upload, parts)) || gone.add(key)))
    await this.#uploads.settle()
    const there = objects.filter(({ key }) => !gone.has(key))
    if (manifest !== undefined) await this.#tell(manifest, there)
    return there
  }

  async #tell(manifest: string, objects: readonly Written[]): Promise<void> {
    const { bucket } = this.#config
    const lines = objects.map(({ key, events, bytes, sha256, time, input }) => `${JSON.stringify({ bucket, key, events, bytes, sha256, time: new Date(time).toISOString(), input })}\n`)
    await this.#store.put(manifest, Buffer.from(lines.join('')), { ...this.#options.keeping, contentType: 'application/x-ndjson' })
  }

  #manifestKey(): string | undefined {
    return this.#config.manifest === undefined ? undefined : `${this.#config.manifest}${this.#nextId()}.ndjson`
  }

  #nextId(): string {
    return `${this.#run}-${String(++this.#number).padStart(6, '0')}`
  }

  /** False where it can't be, and that is no reason to fail. */
  async #show(key: string, upload: string, parts: Sealed['parts']): Promise<boolean> {
    try {
      await this.#store.complete(key, upload, parts)
      return true
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'S3_GONE') throw error
      const message = `The object ${key} of the last checkpoint is neither there nor still being uploaded.`
      if (this.#config.on_gone === 'fail') throw new SluiceError('S3_GONE', `${message} If it was read and removed, start once with "on_gone: warn"; if its upload was aborted, its events are lost.`, { cause: error })
      this.#context.warn(message, key)
      return false
    }
  }

  async #showNow(object: S3Object): Promise<void> {
    const { key, upload, parts } = await object.sealed()
    this.#sealed(object, await this.#show(key, upload, parts))
  }

  #sealed(object: S3Object, isThere: boolean): void {
    this.#sealing = this.#sealing.filter(one => one !== object)
    if (!isThere) return void this.#ended.delete(object)
    this.#ended.set(object, true)
    for (const [first, there] of this.#ended) {
      if (!there) break
      this.#ended.delete(first)
      this.#notifier?.add([first.described()])
    }
    if (this.#config.manifest !== undefined) this.#shown.push(object.described())
  }

  async write(chunk: SinkChunk): Promise<void> {
    // Throws before anything of the chunk is taken.
    await this.#notifier?.room()
    await this.#uploads.room(this.#uploadsMax())
    const object = this.#objectFor(chunk)
    await object.add(chunk.bytes, chunk.rows, chunk.input)
    const { size, events } = this.#config
    if (object.bytes >= size || (events !== undefined && object.events >= events)) await this.#seal(chunk.target, object)
    await this.#limit()
    await this.#packers.room(PACKERS)
    if (this.#shown.length >= SHOWN_MAX) this.#tellShown()
  }

  #objectFor({ target, input }: SinkChunk): S3Object {
    const known = this.#open.get(target)
    if (known !== undefined) return known
    const object = new S3Object(withId(this.#config.key.literal ? this.#config.key.prefix : target, this.#nextId(), firstOf(input)), this.#context.now(), this.#options)
    this.#open.set(target, object)
    return object
  }

  /** Ends objects that are too old or, where too many or too large ones are open, the largest. */
  async #limit(): Promise<void> {
    if (this.#context.keeps !== true) {
      const before = this.#context.now() - this.#config.age
      for (const [target, object] of this.#open) if (object.since <= before) await this.#seal(target, object)
    }
    let held = 0
    for (const object of this.#open.values()) held += object.held
    while (held > this.#config.buffer || this.#open.size > OPEN_MAX) {
      const [largest] = [...this.#open].sort(([, a], [, b]) => b.held - a.held)
      if (largest === undefined) break
      held -= largest[1].held
      await this.#seal(...largest)
    }
    this.#held = held
  }

  /** Bytes that may be on their way: what open objects hold counts too, but not so much that nothing goes on. */
  #uploadsMax(): number {
    const { part_size: part, buffer } = this.#config
    return Math.max(part, Math.min(part * this.#uploads.most, buffer - this.#held))
  }

  async #seal(target: string, object: S3Object): Promise<void> {
    this.#open.delete(target)
    this.#sealing.push(object)
    if (this.#context.keeps !== true) this.#ended.set(object, false)
    const whole = await object.seal(this.#context.keeps !== true, this.#context.now())
    if (whole === undefined) return
    this.#uploads.add(whole.length, async () => {
      await this.#store.put(object.key, whole, this.#options.keeping)
      this.#sealed(object, true)
    })
  }

  async flush(): Promise<JsonValue> {
    for (const [target, object] of this.#open) await this.#seal(target, object)
    await this.#uploads.settle()
    const objects: Sealed[] = []
    for (const object of this.#sealing) objects.push(await object.sealed())
    const all = [...this.#mark.objects, ...objects]
    const manifest = this.#mark.manifest ?? (all.length > 0 ? this.#manifestKey() : undefined)
    this.#mark = { objects: all, ...(manifest === undefined ? {} : { manifest }), ...this.#untold() }
    this.#sealing = []
    this.#tellShown()
    await this.#uploads.settle()
    // Without checkpoints nobody else remembers what is to be told.
    if (this.#context.keeps !== true) await this.#notifier?.told()
    failpoint('s3.uploaded')
    return this.#mark as unknown as JsonValue // JSON throughout.
  }

  #tellShown(): void {
    const shown = this.#shown
    const manifest = shown.length === 0 ? undefined : this.#manifestKey()
    if (manifest === undefined) return
    this.#shown = []
    this.#uploads.add(0, () => this.#tell(manifest, shown))
  }

  async committed(): Promise<JsonValue | undefined> {
    const { objects, manifest, untold = [] } = this.#mark
    const waiting = this.#notifier?.untold.length ?? 0
    if (objects.length === 0 && untold.length === waiting) return undefined
    const there = await this.#complete(objects, manifest)
    failpoint('s3.completed')
    this.#mark = { objects: [] }
    this.#notifier?.add(there)
    await this.#notifier?.settle()
    failpoint('s3.told')
    this.#mark = { objects: [], ...this.#untold() }
    return this.#mark as unknown as JsonValue // JSON throughout.
  }

  /** The mark's part for what is not told yet. */
  #untold(): Pick<Mark, 'untold'> {
    const untold = this.#notifier?.untold ?? []
    return untold.length === 0 ? {} : { untold }
  }

  async close(outcome: 'done' | 'stopped' | 'failed'): Promise<void> {
    // What is part of a mark is left: whether the mark is in a checkpoint is not known here.
    for (const object of [...this.#open.values(), ...this.#sealing]) await object.abort().catch(() => undefined)
    this.#store.close()
    this.#compressors?.close()
    await this.#parquet?.threads.close()
    await this.#notifier?.close(outcome === 'done')
  }
}

export const s3 = defineSink({
  type: 's3',
  summary: 'Write objects into a bucket of Amazon S3, or of a server that speaks its protocol',
  config: CONFIG,
  durable: 'flush',
  marks: true,
  examples: [
    { title: 'A folder for each day', config: { bucket: 'results', key: 'rows/dt={format_time(event.at, "yyyy-MM-dd")}/rows.ndjson.zst' } },
    { title: 'A server of your own', config: { bucket: 'results', key: 'rows/{event.city}/part-{{id}}.csv.gz', options: { columns: ['city', 'delay'] }, endpoint: 'http://localhost:9000' } },
  ],
  encoding,
  opensQuietly: true,
  create: (config, context) => new S3Sink(config, context),
})
