/**
 * Writes files.
 *
 * With checkpoints, the mark holds the length of every file; opening at a mark cuts each file back to it, so that what is written again stands there once. A file that was
 * begun after the mark is begun anew.
 *
 * A file of CSV begins with the names of its columns: a file that holds nothing gets them with its first records. What is appended to has them, or goes without.
 *
 * With `rotate`, files get a number before their ending (`out-000001.ndjson`). With `atomic`, a file has the ending `.part` until the input ends.
 */
import { existsSync } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname, extname, isAbsolute, resolve, sep } from 'node:path'
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { ComponentContext, Sink, SinkChunk, SinkEncoding, ValueOf } from '../../engine/index.ts'
import type { Event, JsonValue } from '../../event/index.ts'
import { csvHead } from '../csv-head.ts'
import { probeTarget } from '../probes.ts'
import { TargetFile, syncFolder } from './target-file.ts'
import type { Compression } from './target-file.ts'
import { Turns } from './turns.ts'

const CONFIG = field.object({
  path: field.template({ description: 'File, with expressions in braces where each event goes to a file of its own: out/{event.city}.ndjson' }),
  format: field.choice(['auto', 'ndjson', 'csv', 'tsv', 'lines'], { default: 'auto', description: 'Form of the records; `auto` goes by the name of the file' }),
  options: field.formatOptions(['ndjson', 'csv', 'tsv', 'lines'], { description: 'Options of the format: csv needs `columns`, and begins each file with their names unless `header` is false' }),
  compression: field.choice(['auto', 'none', 'gzip', 'zstd'], { default: 'auto', description: '`auto` goes by the name: .gz, .zst' }),
  mode: field.choice(['overwrite', 'append', 'create'], { default: 'overwrite', description: 'What to do with a file that is there already when a run begins anew; `create` makes it an error' }),
  rotate: field.optional(field.object({ size: field.optional(field.size()), every: field.optional(field.duration()) }, { description: 'Begin another file after so many bytes or so long' })),
  atomic: field.boolean({ default: false, description: 'Give the file its name only when the input has ended' }),
})
type Config = ValueOf<typeof CONFIG>

const OPEN_MAX = 64
/** Chunks that are written at once, where they lie ready. */
const CHUNKS_MAX = 8
const TARGETS_MAX = 10_000
/** Bytes that compressed files may gather, all together. */
const GATHERED_MAX = 64 * 1024 * 1024
const ENDINGS: Readonly<Record<string, string>> = { '.csv': 'csv', '.tsv': 'tsv', '.txt': 'lines', '.log': 'lines' }

/** Bytes that a name in a path may have: what file systems allow, less what is put behind the names of files. */
const STEP_MAX = 230
const PATH_MAX = 4000

function formatOf(config: Config): string {
  if (config.format !== 'auto') return config.format
  return ENDINGS[extname(config.path.source.replace(/\.(?:gz|zst)$/, ''))] ?? 'ndjson'
}

function compressionOf(config: Config): Compression {
  if (config.compression !== 'auto') return config.compression
  return config.path.source.endsWith('.gz') ? 'gzip' : config.path.source.endsWith('.zst') ? 'zstd' : 'none'
}

function checkLength(path: string): void {
  const long = Buffer.byteLength(path) > PATH_MAX ? path : path.split(sep).find(step => Buffer.byteLength(step) > STEP_MAX)
  if (long !== undefined) throw new SluiceError('PATH_ESCAPE', `The path ${JSON.stringify(long.slice(0, 60))}... is longer than files can have it: ${STEP_MAX} bytes for a name, ${PATH_MAX} for all.`)
}

/** The folder that no target may leave. Throws CONFIG_VALUE for a template that begins with an expression. */
function rootOf(config: Config, folder: string): string {
  const { prefix, literal, source } = config.path
  if (!literal && prefix === '') throw new SluiceError('CONFIG_VALUE', `The path ${JSON.stringify(source)} must begin with a folder, not with an expression.`)
  return dirname(absolute(`${prefix}x`, folder))
}

function absolute(path: string, folder: string): string {
  return isAbsolute(path) ? resolve(path) : resolve(folder, path)
}

function encoding(config: Config, context: ComponentContext): SinkEncoding {
  const root = rootOf(config, context.folder)
  const format = { format: formatOf(config), options: config.options }
  if (config.path.literal) return format
  return {
    ...format,
    template: config.path,
    target: (event: Event) => {
      const path = absolute(config.path(event), context.folder)
      if (!path.startsWith(root + sep) || path.includes('\0')) throw new SluiceError('PATH_ESCAPE', `The path ${JSON.stringify(path.slice(0, 200))} leads out of ${root}.`)
      if (path.length > STEP_MAX / 3) checkLength(path)
      return path
    },
  }
}

interface FileMark {
  readonly target: string
  readonly index: number
  readonly length: number
  readonly begun: number
}

interface Target {
  readonly name: string
  index: number
  /** Milliseconds since 1970 when the current file was begun. */
  begun: number
  file: TargetFile
}

class FileSink implements Sink {
  readonly borrows = true
  readonly concurrency: number
  readonly #turns = new Turns(chunks => this.#write(chunks))
  readonly #config: Config
  readonly #context: ComponentContext
  /** What each file begins with. */
  readonly #head: Uint8Array
  readonly #targets = new Map<string, Target>()
  readonly #open = new Set<TargetFile>()
  /** Bytes that all files have gathered. */
  #gathered = 0

  constructor(config: Config, context: ComponentContext) {
    rootOf(config, context.folder)
    if (config.atomic && config.mode === 'append' && config.rotate === undefined) {
      throw new SluiceError('CONFIG_VALUE', 'With `atomic`, a file appears whole, and what was there before is replaced: it can not be added to. Leave one of both out.')
    }
    this.#config = config
    this.#context = context
    this.#head = csvHead(formatOf(config), config.options)
    // Compressed files gather chunks by themselves.
    this.concurrency = compressionOf(config) === 'none' ? CHUNKS_MAX : 1
  }

  async open(mark: JsonValue | undefined): Promise<void> {
    const files = mark === undefined ? undefined : (mark as unknown as { readonly files: readonly FileMark[] }).files // Made by `flush`.
    for (const { target, index, length, begun } of files ?? []) {
      const file = this.#file(target, index, length)
      if (this.#isMovedAway(target, index, file)) {
        this.#targets.set(target, { name: target, index, begun, file: this.#file(target, index, 0) })
        continue
      }
      this.#targets.set(target, { name: target, index, begun, file })
      await this.#recover(target, index, file, length)
    }
    const { path, rotate, mode } = this.#config
    if (files !== undefined || !path.literal) return
    // Known from the start, so that the first mark tells where it began.
    const target = await this.#target('')
    // One file is begun at once, so that an empty result is a file too, and a path that can't be written is known before anything is read. What is appended to needs neither.
    if (rotate !== undefined || mode === 'append') return
    await this.#use(target)
    if (this.#head.length > 0) await target.file.write(this.#headFor(target.file))
  }

  #headFor(file: TargetFile): readonly Uint8Array[] {
    return file.isEmpty && this.#head.length > 0 ? [this.#head] : []
  }

  /** Dead letters are moved away to be fed back, and begin anew then. Any other file that is gone is an error. */
  #isMovedAway(target: string, index: number, { path }: TargetFile): boolean {
    return this.#context.id === 'dead_letters' && !existsSync(path) && !existsSync(this.#name(target, index))
  }

  /** Cuts the file back and removes those begun after it. */
  async #recover(target: string, index: number, file: TargetFile, length: number): Promise<void> {
    const finished = this.#config.atomic && !existsSync(file.path) && existsSync(this.#name(target, index))
    if (finished) await rename(this.#name(target, index), file.path)
    if (length > 0 || existsSync(file.path)) await this.#use({ name: target, index, begun: 0, file })
    if (this.#config.rotate === undefined) return
    // Those that were finished since have their final names.
    const begun = (next: number): string[] => [...new Set([this.#path(target, next), this.#name(target, next)])].filter(path => existsSync(path))
    for (let next = index + 1; begun(next).length > 0; next++) for (const path of begun(next)) await rm(path)
  }

  write(chunk: SinkChunk): Promise<void> {
    return this.#turns.write(chunk)
  }

  /** Writes the chunks that go into the same file as the first, and answers how many. */
  async #write(chunks: readonly SinkChunk[]): Promise<number> {
    const [first] = chunks
    if (first === undefined) return 0
    if (this.#gathered >= GATHERED_MAX) await this.#pack()
    const target = await this.#target(first.target)
    if (this.#isFull(target, 0, first)) await this.#rotate(target)
    await this.#use(target)
    let [count, bytes] = [1, first.bytes.length]
    for (let next = chunks[count]; next?.target === first.target && !this.#isFull(target, bytes, next); next = chunks[++count]) bytes += next.bytes.length
    await this.#counting(target.file, file => file.write([...this.#headFor(file), ...chunks.slice(0, count).map(chunk => chunk.bytes)]))
    return count
  }

  /** Keeps count of what is gathered. */
  async #counting(file: TargetFile, work: (file: TargetFile) => Promise<void>): Promise<void> {
    const before = file.gathered
    await work(file)
    this.#gathered += file.gathered - before
  }

  /** Many files that each hold little would together hold much: what they have is written. */
  async #pack(): Promise<void> {
    for (const target of this.#targets.values()) {
      if (target.file.gathered === 0) continue
      await this.#use(target)
      await this.#counting(target.file, file => file.pack())
    }
  }

  /** True where `next` goes into another file, after so many bytes more than are written. */
  #isFull({ file, begun }: Target, more: number, next: SinkChunk): boolean {
    const { rotate } = this.#config
    const length = file.length + more
    if (rotate === undefined || length === 0) return false
    if (rotate.size !== undefined && length + next.bytes.length > rotate.size) return true
    return rotate.every !== undefined && this.#context.now() - begun >= rotate.every
  }

  async #rotate(target: Target): Promise<void> {
    await this.#counting(target.file, file => file.sync())
    await this.#release(target.file)
    if (this.#config.atomic) await this.#finish(target)
    target.index++
    target.begun = this.#context.now()
    target.file = this.#file(target.name, target.index, 0)
  }

  async #target(name: string): Promise<Target> {
    const known = this.#targets.get(name)
    if (known !== undefined) return known
    if (this.#targets.size >= TARGETS_MAX) throw new SluiceError('FILE_WRITE', `More than ${TARGETS_MAX} files would be written at the same time.`, { retry: false })
    let index = 1
    let length = 0
    if (this.#config.mode !== 'overwrite') {
      // Finished or not, under both of its names.
      const isThere = (): boolean => existsSync(this.#path(name, index)) || existsSync(this.#name(name, index))
      while (this.#config.rotate !== undefined && isThere()) index++
      const path = this.#path(name, index)
      const size = (await stat(path).catch(() => undefined))?.size ?? 0
      if (this.#config.mode === 'create' && isThere()) throw new SluiceError('FILE_WRITE', `${path} is there already, and the mode is "create".`, { retry: false })
      length = size
    }
    const target = { name, index, begun: this.#context.now(), file: this.#file(name, index, length) }
    // A line that a crash tore gets its end, so that it does not spoil the one that is added behind it.
    if (length > 0 && compressionOf(this.#config) === 'none' && !(await endsLine(target.file.path, length))) await target.file.write([Buffer.from('\n')])
    this.#targets.set(name, target)
    return target
  }

  #file(target: string, index: number, length: number): TargetFile {
    return new TargetFile(this.#path(target, index), length, compressionOf(this.#config))
  }

  /** Where the file is written: under another name while it is not finished, if it is to be atomic. */
  #path(target: string, index: number): string {
    return this.#name(target, index) + (this.#config.atomic ? '.part' : '')
  }

  #name(target: string, index: number): string {
    const path = target === '' ? absolute(this.#config.path.prefix, this.#context.folder) : target
    if (this.#config.rotate === undefined) return path
    const ending = /(?:\.[A-Za-z0-9]+)?(?:\.(?:gz|zst))?$/.exec(path)?.[0] ?? ''
    return `${path.slice(0, path.length - ending.length)}-${String(index).padStart(6, '0')}${ending}`
  }

  /** Opens a target's file, letting go of the one that was used longest ago where too many are open. */
  async #use({ file }: Target): Promise<void> {
    await file.open()
    this.#open.delete(file)
    this.#open.add(file)
    if (this.#open.size <= OPEN_MAX) return
    const [oldest] = this.#open
    if (oldest !== undefined) await this.#release(oldest)
  }

  async #release(file: TargetFile): Promise<void> {
    this.#open.delete(file)
    await file.release()
  }

  async flush(): Promise<JsonValue> {
    const files: FileMark[] = []
    for (const { name, index, begun, file } of this.#targets.values()) {
      await this.#counting(file, one => one.sync())
      files.push({ target: name, index, length: file.length, begun })
    }
    return { files: files.map(one => ({ ...one })) }
  }

  async #finish(target: Target): Promise<void> {
    const from = this.#path(target.name, target.index)
    const to = this.#name(target.name, target.index)
    await rename(from, to)
    await syncFolder(dirname(to))
  }

  async close(outcome: 'done' | 'stopped' | 'failed'): Promise<void> {
    for (const target of this.#targets.values()) {
      await target.file.end()
      if (outcome === 'done' && this.#config.atomic && existsSync(this.#path(target.name, target.index))) await this.#finish(target)
    }
  }
}

/** True where the last byte is a line end, and for what is no file. */
async function endsLine(path: string, length: number): Promise<boolean> {
  const handle = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(1), 0, 1, length - 1)
    return bytesRead === 0 || buffer[0] === 10
  } finally {
    await handle.close()
  }
}

export const file = defineSink({
  type: 'file',
  summary: 'Write files',
  config: CONFIG,
  durable: 'flush',
  marks: true,
  replaces: config => config['mode'] === 'overwrite' && config['rotate'] === undefined,
  examples: [
    { title: 'JSON lines', config: { path: 'out/events.ndjson' } },
    { title: 'A compressed file for each city', config: { path: 'out/{event.city}.ndjson.gz' } },
  ],
  encoding,
  probe: ({ path }, { folder }) => (path.literal ? probeTarget(absolute(path.prefix, folder), false) : probeTarget(dirname(absolute(`${path.prefix}x`, folder)), true)),
  create: (config, context) => new FileSink(config, context),
})
