/**
 * Zstandard, unpacked frame after frame, as many as there are.
 *
 * Node.js 24 unpacks the first frame of a stream and leaves out what follows without a word, though files of several frames are common: those that were appended to, and what
 * parallel compressors write. There the frames are found here, by their headers (RFC 8878, 3.1), and each gets a decompressor of its own.
 */
import { Duplex } from 'node:stream'
import { callbackify } from 'node:util'
import { createZstdDecompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ZstdDecompress } from 'node:zlib'

const MAGIC = 0xfd2fb528
const MAGIC_BYTES = 4
const SKIPPABLE = 0x184d2a50
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const SIZE_BYTES = [0, 2, 4, 8] as const
const BLOCK_HEADER = 3
const CHECKSUM = 4
const RLE = 1

let goesOn: boolean | undefined

/** A stream that unpacks. Input that is none, or ends within a frame, is an error of the stream. */
export function unzstd(): Duplex {
  goesOn ??= zstdDecompressSync(Buffer.concat([zstdCompressSync(Buffer.of(1)), zstdCompressSync(Buffer.of(2))])).length === 2
  return goesOn ? createZstdDecompress() : new ZstdFrames()
}

/**
 * magic -> descriptor -> rest of the header -> block header -> block -+-> (checksum) -> magic
 *                                                   ^                 |
 *                                                   +-----------------+
 * magic -> length -> skipped -> magic
 */
type Part = 'magic' | 'descriptor' | 'header' | 'block header' | 'block' | 'checksum' | 'length' | 'skipped' | 'broken'

/** Parts whose value is looked at. */
const NUMBERS: ReadonlySet<Part> = new Set(['magic', 'descriptor', 'block header', 'length'])
/** Parts that a decompressor is not given as they come: which it is shows only at the end of the magic number. */
const OUTSIDE: ReadonlySet<Part> = new Set(['magic', 'length', 'skipped'])

export class ZstdFrames extends Duplex {
  #part: Part = 'magic'
  /** Bytes of the part that are still to come. */
  #left = MAGIC_BYTES
  /** The part as a number, little-endian, where it is one. */
  #value = 0
  #shift = 0
  #hasChecksum = false
  #isLast = false
  #hadFrame = false
  /** Of the frame that is being unpacked. */
  #inner: ZstdDecompress | undefined

  override _read(): void {
    this.#inner?.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    callbackify(() => this.#take(chunk))(callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    callbackify(() => this.#finish())(callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#inner?.destroy()
    callback(error)
  }

  async #take(chunk: Buffer): Promise<void> {
    /** Where bytes of the frame begin that it has not been given yet. */
    let from = 0
    for (let at = 0; at < chunk.length;) {
      const part = this.#part
      const bytes = chunk.subarray(at, part === 'broken' ? chunk.length : at + Math.min(this.#left, chunk.length - at))
      if (NUMBERS.has(part)) this.#gather(bytes)
      at += bytes.length
      this.#left -= bytes.length
      if (part !== 'broken' && this.#left === 0) {
        const value = this.#value
        const isOver = this.#next(value)
        if (part === 'magic' && this.#part !== 'length') await this.#give(numberBytes(value))
        if (isOver && !OUTSIDE.has(part)) {
          await this.#give(chunk.subarray(from, at))
          await this.#end()
        }
      }
      if (OUTSIDE.has(part) || this.#part === 'magic') from = at
    }
    if (!OUTSIDE.has(this.#part) && from < chunk.length) await this.#give(chunk.subarray(from))
  }

  #gather(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.#value += byte * 2 ** this.#shift
      this.#shift += 8
    }
  }

  /** A part is whole; goes on with the next one. True where the frame is over. */
  #next(value: number): boolean {
    switch (this.#part) {
      case 'magic':
        if (value === MAGIC) return this.#to('descriptor', 1)
        return (value & 0xfffffff0) === SKIPPABLE ? this.#to('length', 4) : this.#to('broken', Infinity)
      case 'descriptor': {
        const isSingle = (value >> 5 & 1) === 1
        this.#hasChecksum = (value >> 2 & 1) === 1
        const size = value >> 6 === 0 && isSingle ? 1 : SIZE_BYTES[value >> 6 & 3] ?? 0
        return this.#to('header', (isSingle ? 0 : 1) + (DICTIONARY_BYTES[value & 3] ?? 0) + size)
      }
      case 'header':
        return this.#to('block header', BLOCK_HEADER)
      case 'block header':
        this.#isLast = (value & 1) === 1
        return this.#to('block', (value >> 1 & 3) === RLE ? 1 : value >> 3)
      case 'block':
        if (!this.#isLast) return this.#to('block header', BLOCK_HEADER)
        return this.#hasChecksum ? this.#to('checksum', CHECKSUM) : this.#to('magic', MAGIC_BYTES)
      case 'length':
        return this.#to('skipped', value)
      case 'checksum':
      case 'skipped':
        return this.#to('magic', MAGIC_BYTES)
      case 'broken':
        return false
    }
  }

  #to(part: Part, bytes: number): boolean {
    this.#value = this.#shift = 0
    this.#part = part
    this.#left = bytes
    // A part without bytes is whole at once.
    return part === 'magic' || (bytes === 0 && this.#next(0))
  }

  async #finish(): Promise<void> {
    const isBetween = this.#part === 'magic' && this.#left === MAGIC_BYTES && this.#hadFrame
    if (isBetween) return void this.push(null)
    // What is no frame, or none to its end, is for the decompressor to say.
    if (this.#part === 'magic') await this.#give(numberBytes(this.#value).subarray(0, MAGIC_BYTES - this.#left))
    if (this.#part === 'length' || this.#part === 'skipped') await this.#give(numberBytes(SKIPPABLE))
    await this.#end()
    this.push(null)
  }

  #give(bytes: Uint8Array): Promise<void> {
    const inner = (this.#inner ??= this.#begin())
    return new Promise((resolve, reject) => void inner.write(bytes, error => (error === null || error === undefined ? resolve() : reject(error))))
  }

  /** The frame is whole: waits until all of it is unpacked. */
  #end(): Promise<void> {
    const inner = (this.#inner ??= this.#begin())
    return new Promise((resolve, reject) => {
      inner.once('error', reject)
      inner.once('close', () => reject(new Error('The stream was closed.')))
      inner.once('end', () => {
        this.#hadFrame = true
        this.#inner = undefined
        resolve()
      })
      inner.end()
    })
  }

  #begin(): ZstdDecompress {
    const inner = createZstdDecompress()
    inner.on('error', error => this.destroy(error))
    inner.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) inner.pause()
    })
    return inner
  }
}

function numberBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
