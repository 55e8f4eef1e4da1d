/** Reads one object from front to back, unpacks it on the way, and cuts it into whole records. */
import type { Readable } from 'node:stream'
import { SluiceError } from '../../base/index.ts'
import type { Retry } from '../../base/index.ts'
import type { FormatChoice, Frame, Framer, Piece } from '../../engine/index.ts'
import { Gather } from '../sources/gather.ts'
import { objectBytes } from './object-bytes.ts'
import type { FoundObject, S3Store } from './store.ts'

/** Formats of which any line may be the first. */
const LINES = new Set(['ndjson', 'lines'])

export class ObjectReader {
  readonly object: FoundObject
  readonly #stream: Readable
  readonly #chunks: AsyncIterator<Buffer>
  readonly #framer: Framer
  readonly #skip: number
  readonly #gather = new Gather()
  #position: number
  #ended = false
  #ready: Frame[] = []

  /** Records that end at or before `offset` are passed over. */
  constructor(store: S3Store, object: FoundObject, compression: 'none' | 'gzip' | 'zstd', { format }: FormatChoice, framer: () => Framer, offset: number, retry: Retry, signal: AbortSignal) {
    this.object = object
    // What is not packed, and needs nothing from its beginning, is read from there on.
    this.#position = compression === 'none' && LINES.has(format) ? offset : 0
    this.#stream = objectBytes(store, object, this.#position, compression, retry, signal)
    this.#chunks = this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer> // No encoding is set: chunks are buffers.
    this.#framer = framer()
    this.#skip = offset
  }

  async next(bytes: number): Promise<(Omit<Piece, 'position'> & { readonly offset: number }) | undefined> {
    for (;;) {
      const frame = this.#ready.shift()
      const piece = frame === undefined ? undefined : this.#piece(frame)
      if (piece !== undefined) return piece
      if (frame !== undefined) continue
      if (this.#ended) return undefined
      await this.#read(bytes)
    }
  }

  async #read(bytes: number): Promise<void> {
    this.#gather.clear()
    try {
      while (this.#gather.length < bytes && !this.#ended) {
        const { value, done } = await this.#chunks.next()
        if (done === true) this.#ended = true
        else this.#gather.add(value)
      }
    } catch (error) {
      if (error instanceof SluiceError) throw error
      throw new SluiceError('FILE_READ', `${this.object.key} can't be read behind byte ${this.#position + this.#gather.length} of its content: ${error instanceof Error ? error.message : String(error)}`, { cause: error, retry: false })
    }
    if (this.#gather.length > 0) this.#ready.push(...this.#framer.push(this.#gather.bytes, this.#position))
    this.#position += this.#gather.length
    if (this.#ended) this.#ready.push(...this.#framer.end())
  }

  #piece(frame: Frame): (Omit<Piece, 'position'> & { readonly offset: number }) | undefined {
    if (frame.end <= this.#skip) return undefined
    // A frame may begin before the place to go on at, where frames are cut otherwise than they were before.
    const start = Math.max(frame.start, this.#skip)
    const data = frame.data.subarray(start - frame.start)
    const { key } = this.object
    const rejects = (frame.rejects ?? []).filter(reject => reject.end > this.#skip).map(reject => ({ ...reject, position: { key, offset: reject.start } }))
    return { offset: frame.end, from: { key, offset: start }, bytes: data.length, data, rejects, ...(frame.meta === undefined ? {} : { meta: frame.meta }) }
  }

  close(): void {
    this.#stream.destroy()
  }
}
