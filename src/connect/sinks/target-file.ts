/**
 * One output file: written at known places, so that a write which failed half way is simply made again.
 *
 * `length` is what counts as written; bytes behind it are leftovers of a failed write and are overwritten. With compression, chunks are gathered and
 * become a member (gzip) or frame (zstd) of the file when there are enough of them, or at a flush: readers take the members as one stream.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'
import { SluiceError } from '../../base/index.ts'
import { systemFiles } from '../../platform/index.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

const compressors = { gzip: promisify(gzip), zstd: promisify(zstdCompress) }
/** Bytes that become one member. */
const MEMBER = 1024 * 1024

export class TargetFile {
  readonly path: string
  readonly #compression: Compression
  #isOver = false
  #handle: FileHandle | undefined
  #length: number
  #dirty = false
  /** A device or pipe: it has no places to write at, nothing to cut, and nothing to make durable. */
  #special = false
  #made = false
  #pending: Uint8Array[] = []
  #pendingBytes = 0

  /** `length` is where the next byte goes. */
  constructor(path: string, length: number, compression: Compression) {
    this.path = path
    this.#length = length
    this.#compression = compression
  }

  /** Bytes of the file, those still gathered not counted. */
  get length(): number {
    return this.#length
  }

  /** Bytes that wait to be compressed together. */
  get gathered(): number {
    return this.#pendingBytes
  }

  /** True where nothing was written, gathered or not. */
  get isEmpty(): boolean {
    return this.#length === 0 && this.#pendingBytes === 0
  }

  /** Opens the file and cuts it to its length. Throws FILE_MARK where it is shorter. */
  async open(): Promise<void> {
    if (this.#handle !== undefined) return
    try {
      await systemFiles.makeFolder(dirname(this.path))
      const handle = await open(this.path, 'r+').catch(() => open(this.path, 'wx+'))
      const stat = await handle.stat()
      this.#special = !stat.isFile()
      const size = this.#special ? this.#length : stat.size
      if (size < this.#length) {
        await handle.close()
        throw new SluiceError('FILE_MARK', `${this.path} has ${size} bytes; the last checkpoint says ${this.#length}.`)
      }
      if (size > this.#length) await handle.truncate(this.#length)
      this.#made ||= size === 0
      if (this.#isOver) {
        await handle.close()
        throw new SluiceError('ABORTED', `${this.path} is not written to any more: the pipeline has stopped.`)
      }
      this.#handle = handle
    } catch (error) {
      throw error instanceof SluiceError ? error : writeError(this.path, error)
    }
  }

  /** All of them or, where it throws, none that counts. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#compression === 'none') return this.#put(parts)
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    if (this.#pendingBytes + bytes >= MEMBER) return this.#member([...this.#pending, ...parts])
    // Copied: a part may lie in a large buffer with those of other files, of which all would be held for it.
    for (const part of parts) this.#pending.push(new Uint8Array(part))
    this.#pendingBytes += bytes
  }

  /** Makes a member of what is gathered. */
  async pack(): Promise<void> {
    if (this.#pendingBytes > 0) await this.#member(this.#pending)
  }

  async #member(parts: readonly Uint8Array[]): Promise<void> {
    const compress = this.#compression === 'zstd' ? compressors.zstd : compressors.gzip
    await this.#put([await compress(Buffer.concat(parts))])
    // Only now: a failed write leaves what was gathered in place for the next attempt.
    this.#pending = []
    this.#pendingBytes = 0
  }

  async #put(parts: readonly Uint8Array[]): Promise<void> {
    await this.open()
    let done = 0
    try {
      for (let left = parts.filter(part => part.length > 0); left.length > 0; ) {
        const { bytesWritten = 0 } = (await this.#handle?.writev(left, this.#special ? undefined : this.#length + done)) ?? {}
        done += bytesWritten
        left = behind(left, bytesWritten)
      }
    } catch (error) {
      throw writeError(this.path, error)
    }
    this.#length += done
    this.#dirty = true
  }

  /** Makes durable what was written. */
  async sync(): Promise<void> {
    await this.pack()
    if (!this.#dirty && !this.#made) return
    await this.open()
    try {
      if (!this.#special) await this.#handle?.datasync()
      if (this.#made) await syncFolder(dirname(this.path))
    } catch (error) {
      // What a failed fsync leaves on disk is unknown: it is not tried again.
      throw new SluiceError('FILE_WRITE', `${this.path} can't be made durable: ${messageOf(error)}`, { cause: error, retry: false })
    }
    this.#dirty = false
    this.#made = false
  }

  /** Lets go of the file for good: a write that a stop at once has left behind finds it closed. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.release()
  }

  /** Lets go of the file; it is opened again when it is written to. */
  async release(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}

/** What is left of the parts behind so many bytes. */
function behind(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  return parts.flatMap(part => {
    const skipped = Math.min(skip, part.length)
    skip -= skipped
    return skipped === part.length ? [] : [part.subarray(skipped)]
  })
}

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function writeError(path: string, error: unknown): SluiceError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const hopeless = ['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'].includes(String(code))
  return new SluiceError('FILE_WRITE', `${path} can't be written: ${messageOf(error)}`, { cause: error, retry: !hopeless })
}
