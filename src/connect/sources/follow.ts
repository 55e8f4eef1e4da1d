/**
 * Follows a file as it grows (tail -F).
 *
 * The file is looked at every `LOOK_EVERY` milliseconds. When another file has taken its name (rotation by rename), the old one is read to its end first. When it has become
 * shorter (truncation), it is read from its start. The last record is handed out once its line end is there, or when its file is replaced.
 */
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { ComponentContext, Frame, Framer, Piece } from '../../engine/index.ts'

const LOOK_EVERY = 100

type Part = Omit<Piece, 'position'> & { readonly offset: number; readonly inode: number }

export class FollowReader {
  readonly #path: string
  readonly #newFramer: () => Framer
  readonly #context: ComponentContext
  #framer: Framer
  #chunk = new Uint8Array(0)
  #handle: FileHandle | undefined
  /** Of the file that is read; before it is opened the first time, of the one that was being read, or 0. */
  #inode: number
  #offset: number
  #ready: (Frame & { readonly inode: number })[] = []

  /** Goes on at `offset` of the file with this inode; 0 where nothing was read before. */
  constructor(path: string, framer: () => Framer, { inode, offset }: { readonly inode: number; readonly offset: number }, context: ComponentContext) {
    this.#path = path
    this.#newFramer = framer
    this.#framer = framer()
    this.#inode = inode
    this.#offset = offset
    this.#context = context
  }

  async next(bytes: number, signal: AbortSignal): Promise<Part | undefined> {
    while (!signal.aborted) {
      const frame = this.#ready.shift()
      if (frame !== undefined) return this.#part(frame)
      if (await this.#read(bytes)) continue
      if (await this.#changed()) continue
      await this.#context.sleep(LOOK_EVERY, signal).catch(() => undefined)
    }
    return undefined
  }

  #part(frame: Frame & { readonly inode: number }): Part {
    const rejects = (frame.rejects ?? []).map(reject => ({ ...reject, position: { path: this.#path, offset: reject.start } }))
    return { offset: frame.end, inode: frame.inode, from: { path: this.#path, offset: frame.start }, bytes: frame.data.length, data: frame.data, rejects, ...(frame.meta === undefined ? {} : { meta: frame.meta }) }
  }

  /** Reads what is there; false where there is nothing more. */
  async #read(bytes: number): Promise<boolean> {
    if (this.#handle === undefined && !(await this.#open())) return false
    if (this.#chunk.length < bytes) this.#chunk = new Uint8Array(bytes)
    const chunk = this.#chunk
    const got = (await this.#handle?.read(chunk, 0, bytes, this.#offset))?.bytesRead ?? 0
    if (got === 0) return false
    this.#push(this.#framer.push(chunk.subarray(0, got), this.#offset))
    this.#offset += got
    return true
  }

  async #open(): Promise<boolean> {
    try {
      this.#handle = await open(this.#path, 'r')
    } catch {
      // It may come into being later.
      return false
    }
    const { ino, size } = await this.#handle.stat()
    if (this.#offset > 0 && this.#inode !== 0 && this.#inode !== ino) {
      this.#context.warn(`${this.#path} is another file than the one that was being read: it is read from its start. What was added to the other one behind byte ${this.#offset} is not read.`)
      this.#offset = 0
    }
    this.#inode = ino
    if (size < this.#offset) this.#offset = 0
    return true
  }

  /** Looks whether the file was replaced or cut; true where there is something to do at once. */
  async #changed(): Promise<boolean> {
    if (this.#handle === undefined) return false
    const own = await this.#handle.stat()
    if (own.size < this.#offset) {
      this.#context.warn(`${this.#path} was cut to ${own.size} bytes; it is read from its start.`)
      this.#begin()
      return true
    }
    const named = await stat(this.#path).catch(() => undefined)
    if (named === undefined || named.ino === this.#inode) return false
    // Something may have been written to the old file since the last read, up to the moment in which the new one took its name: only a look from now on tells.
    if ((await this.#handle.stat()).size > this.#offset) return true
    await this.#handle.close()
    this.#handle = undefined
    this.#begin()
    return true
  }

  #push(frames: readonly Frame[]): void {
    for (const frame of frames) this.#ready.push({ ...frame, inode: this.#inode })
  }

  #begin(): void {
    this.#push(this.#framer.end())
    this.#framer = this.#newFramer()
    this.#offset = 0
  }

  async close(): Promise<void> {
    await this.#handle?.close()
  }
}
