/** Reads one file from front to back, decompressing it on the way, and cuts it into whole records. */
import { createReadStream } from 'node:fs'
import { PassThrough, pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Readable } from 'node:stream'
import { SluiceError } from '../../base/index.ts'
import { prepareConfig } from '../../engine/index.ts'
import type { FormatChoice, Frame, Framer, Piece } from '../../engine/index.ts'
import { Gather } from './gather.ts'
import { codecs } from '../codecs/index.ts'
import { unzstd } from '../zstd.ts'

/** The framer of a format. Throws SOURCE_FORMAT. */
export function framerFor({ format, options }: FormatChoice): () => Framer {
  const codec = codecs.find(one => one.type === format)
  if (codec?.framer === undefined) throw new SluiceError('SOURCE_FORMAT', `The format "${format}" can't be read from a stream.`)
  const config: unknown = prepareConfig(codec.config, options, { folder: '/', now: Date.now, random: Math.random })
  return () => codec.framer?.(config) as Framer // Checked above.
}

/** Bytes of a file, decompressed. An input that ends too early is an error of the stream. */
export function openBytes(path: string, compression: 'none' | 'gzip' | 'zstd'): Readable {
  const raw = createReadStream(path, { highWaterMark: 256 * 1024 })
  const through = compression === 'gzip' ? createGunzip() : compression === 'zstd' ? unzstd() : new PassThrough({ highWaterMark: 256 * 1024 })
  // The error reaches whoever reads `through`; the callback only keeps it from being uncaught.
  pipeline(raw, through, () => undefined)
  return through
}

export class StreamReader {
  readonly #path: string
  readonly #chunks: AsyncIterator<Buffer>
  readonly #stream: Readable
  readonly #framer: Framer
  readonly #skip: number
  readonly #gather = new Gather()
  #position = 0
  #ended = false
  #ready: Frame[] = []

  /** Frames that end at or before `offset` are passed over. */
  constructor(path: string, compression: 'none' | 'gzip' | 'zstd', framer: () => Framer, offset: number) {
    this.#path = path
    this.#stream = openBytes(path, compression)
    this.#chunks = this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer> // No encoding is set: chunks are buffers.
    this.#framer = framer()
    this.#skip = offset
  }

  async next(bytes: number): Promise<(Omit<Piece, 'position'> & { readonly offset: number }) | undefined> {
    for (;;) {
      const frame = this.#ready.shift()
      if (frame !== undefined) {
        const piece = this.#piece(frame)
        if (piece !== undefined) return piece
        continue
      }
      if (this.#ended) return undefined
      await this.#read(bytes)
    }
  }

  async #read(bytes: number): Promise<void> {
    this.#gather.clear()
    try {
      while (this.#gather.length < bytes) {
        const { value, done } = await this.#chunks.next()
        if (done === true) {
          this.#ended = true
          break
        }
        this.#gather.add(value)
      }
    } catch (error) {
      throw new SluiceError('FILE_READ', `${this.#path} can't be read behind byte ${this.#position + this.#gather.length} of its content: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
    }
    const { length } = this.#gather
    if (length > 0) this.#ready.push(...this.#framer.push(this.#gather.bytes, this.#position))
    this.#position += length
    if (this.#ended) this.#ready.push(...this.#framer.end())
  }

  #piece(frame: Frame): (Omit<Piece, 'position'> & { readonly offset: number }) | undefined {
    let { data, start } = frame
    if (frame.end <= this.#skip) return undefined
    // A frame may begin before the place to go on at, where frames are cut otherwise than they were before.
    if (start < this.#skip) {
      data = data.subarray(this.#skip - start)
      start = this.#skip
    }
    const from = { path: this.#path, offset: start }
    const rejects = (frame.rejects ?? []).filter(reject => reject.end > this.#skip).map(reject => ({ ...reject, position: { path: this.#path, offset: reject.start } }))
    return { offset: frame.end, from, bytes: data.length, data, rejects, ...(frame.meta === undefined ? {} : { meta: frame.meta }) }
  }

  close(): Promise<void> {
    this.#stream.destroy()
    return Promise.resolve()
  }
}
