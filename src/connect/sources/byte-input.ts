/**
 * Bytes that come by themselves, handed out in parts of about the size that is asked for: from a stream, or from the standard input.
 *
 * A pipe is read into one buffer of our own, over and over. The usual stream would make a new one for each 64 KiB, thousands a second, and the
 * collector, which is late, would let them pile up.
 */
import { fstatSync, read } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { Gather } from './gather.ts'

export interface ByteInput {
  /** What there is, at least one byte and `bytes` at most; waits for it. Undefined at the end. It holds until the next call; one call at a time. */
  next(bytes: number): Promise<Uint8Array | undefined>
  close(): void
}

/** From any stream of bytes. */
export class StreamInput implements ByteInput {
  readonly #stream: Readable
  readonly #chunks: AsyncIterator<Buffer>
  readonly #gather = new Gather()
  /** Asked for at once: Node throws away what a command has written when it ends and nobody is reading yet. */
  #first: Promise<IteratorResult<Buffer>> | undefined
  /** Of what was gathered, what has been handed out. */
  #at = 0

  constructor(stream: Readable) {
    this.#stream = stream
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer> // No encoding is set: chunks are buffers.
    this.#first = this.#chunks.next()
    // Told by `next`; a stream that is closed before need not be read.
    this.#first.catch(() => undefined)
  }

  async next(bytes: number): Promise<Uint8Array | undefined> {
    if (this.#at < this.#gather.length) return this.#part(bytes)
    const first = await (this.#first ?? this.#chunks.next())
    this.#first = undefined
    if (first.done === true) return undefined
    this.#gather.clear()
    this.#gather.add(first.value)
    // What is there already comes along; nothing more is waited for.
    while (this.#gather.length < bytes) {
      const more: unknown = this.#stream.read()
      if (!(more instanceof Buffer)) break
      this.#gather.add(more)
    }
    this.#at = 0
    return this.#part(bytes)
  }

  /** The rest stays for the next call. */
  #part(bytes: number): Uint8Array {
    const from = this.#at
    this.#at = Math.min(this.#gather.length, from + bytes)
    return this.#gather.bytes.subarray(from, this.#at)
  }

  close(): void {
    this.#stream.destroy()
  }
}

const CHUNK = 64 * 1024

/** From a pipe or socket that this process was given. */
class PipeInput implements ByteInput {
  readonly #socket: Socket
  #filling = new Gather()
  #given = new Gather()
  /** Of what is given, what has been handed out. */
  #at = 0
  #most = CHUNK
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  constructor(fd: number) {
    const buffer = Buffer.alloc(CHUNK)
    this.#socket = new Socket({ fd, readable: true, writable: false, onread: { buffer, callback: length => this.#take(buffer.subarray(0, length)) } })
    this.#socket.on('end', () => this.#over(undefined))
    this.#socket.on('close', () => this.#over(undefined))
    this.#socket.on('error', error => this.#over(error))
    this.#socket.resume()
  }

  /** False stops the reading until somebody has taken what there is. */
  #take(part: Uint8Array): boolean {
    this.#filling.add(part)
    this.#wake?.()
    return this.#filling.length < this.#most
  }

  #over(error: Error | undefined): void {
    this.#ended = true
    this.#error ??= error
    this.#wake?.()
  }

  async next(bytes: number): Promise<Uint8Array | undefined> {
    this.#most = bytes
    if (this.#at < this.#given.length) return this.#part(bytes)
    while (this.#filling.length === 0) {
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) return undefined
      await new Promise<void>(resolve => (this.#wake = resolve))
      this.#wake = undefined
    }
    const given = this.#filling
    this.#filling = this.#given
    this.#filling.clear()
    this.#given = given
    this.#at = 0
    if (!this.#ended) this.#socket.resume()
    return this.#part(bytes)
  }

  /** The rest stays for the next call. */
  #part(bytes: number): Uint8Array {
    const from = this.#at
    this.#at = Math.min(this.#given.length, from + bytes)
    return this.#given.bytes.subarray(from, this.#at)
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** From a file that this process was given, from where it stands. */
class FileInput implements ByteInput {
  readonly #fd: number
  #buffer = new Uint8Array(0)

  constructor(fd: number) {
    this.#fd = fd
  }

  next(bytes: number): Promise<Uint8Array | undefined> {
    if (this.#buffer.length < bytes) this.#buffer = new Uint8Array(bytes)
    return new Promise((resolve, reject) => {
      read(this.#fd, this.#buffer, 0, bytes, null, (error, length) => {
        if (error !== null) reject(error)
        else resolve(length === 0 ? undefined : this.#buffer.subarray(0, length))
      })
    })
  }

  close(): void {
    // The file is not ours.
  }
}

/** The standard input, by what it is: a pipe, a file, or something else such as a terminal. */
export function standardInput(): ByteInput {
  const stat = fstatSync(0)
  if (stat.isFIFO() || stat.isSocket()) return new PipeInput(0)
  return stat.isFile() ? new FileInput(0) : new StreamInput(process.stdin)
}
