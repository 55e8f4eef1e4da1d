/** How the lines of an object become its bytes: as they are, compressed, or as a Parquet file. */
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import type { Gzip, ZstdCompress } from 'node:zlib'

export type S3Compression = 'none' | 'gzip' | 'zstd'

/** Of one object. */
export interface Packing {
  /** Bytes that are packed together. */
  readonly member: number
  /** Members of an object that are being packed, or wait for that, before more is taken. */
  readonly ahead: number
  /** Packs whole lines. Several calls may be under way; what they answer belongs together in the order of the calls. */
  add(lines: Uint8Array): Promise<Uint8Array>
  /** What comes last. */
  finish(): Promise<Uint8Array>
}

const MEMBER = 1024 * 1024
const AHEAD = 4
/** A fifth less work than the usual 6, for objects that are two in a hundred larger. */
const GZIP_LEVEL = 4
/** A quarter less work than the usual 3. Of members of this size it makes no larger ones: see the frames of `bench/kafka-to-s3`. */
const ZSTD_LEVEL = 1
/** Few large ones: each is a call back from another thread. */
const CHUNK = 1024 * 1024

/**
 * Compressors that are used again. One has megabytes of memory of its own, outside of the heap: made anew for each member, they had the collector run all the time.
 *
 *     free --add--> at work --its member is whole--> free          one that failed is thrown away
 *
 * As many as there were members at work at the same time, which the objects bound.
 */
export class Compressors {
  readonly #make: () => Compressor
  readonly #free: Compressor[] = []
  #isClosed = false

  constructor(compression: Exclude<S3Compression, 'none'>, level: number | undefined) {
    this.#make = () => new Compressor(compression, level)
  }

  /** Members (gzip) or frames (zstd), which readers take as one stream. */
  async pack(lines: Uint8Array): Promise<Uint8Array> {
    const compressor = this.#free.pop() ?? this.#make()
    const packed = await compressor.member(lines)
    if (this.#isClosed) compressor.close()
    else this.#free.push(compressor)
    return packed
  }

  /** Those at work are done with their members first. */
  close(): void {
    this.#isClosed = true
    for (const compressor of this.#free.splice(0)) compressor.close()
  }
}

class Compressor {
  readonly #stream: Gzip | ZstdCompress
  /** Begins the next. */
  readonly #begin: () => void
  #chunks: Uint8Array[] = []
  #fail: (error: unknown) => void = () => undefined

  constructor(compression: Exclude<S3Compression, 'none'>, level: number | undefined) {
    if (compression === 'gzip') {
      const gzip = createGzip({ chunkSize: CHUNK, level: level ?? GZIP_LEVEL, flush: constants.Z_FINISH }) as Gzip & { reset(): void } // Documented for all that deflate; the types have forgotten this one.
      this.#stream = gzip
      this.#begin = () => gzip.reset()
    } else {
      this.#stream = createZstdCompress({ chunkSize: CHUNK, flush: constants.ZSTD_e_end, params: { [constants.ZSTD_c_compressionLevel]: level ?? ZSTD_LEVEL } })
      // It begins a frame by itself.
      this.#begin = () => undefined
    }
    this.#stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
    this.#stream.on('error', error => this.#fail(error))
  }

  member(lines: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#fail = reject
      // Every write ends a member.
      this.#stream.write(lines, error => {
        if (error !== null && error !== undefined) return reject(error)
        const chunks = this.#chunks
        this.#chunks = []
        this.#begin()
        const [only] = chunks
        resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks))
      })
    })
  }

  close(): void {
    this.#stream.destroy()
  }
}

/** Lines as they are, or members of these compressors. */
export function linesPacking(compressors: Compressors | undefined): Packing {
  return { member: MEMBER, ahead: AHEAD, add: lines => (compressors === undefined ? Promise.resolve(lines) : compressors.pack(lines)), finish: () => Promise.resolve(new Uint8Array()) }
}
