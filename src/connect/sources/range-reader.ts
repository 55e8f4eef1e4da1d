/**
 * The worker's half of the file source: reads a range of a file, cut at line ends.
 *
 * A line belongs to the range that its first byte lies in. A range begins at a line if the byte before it is a line end; otherwise the line it begins in
 * belongs to the range before. The last line is read to its end, wherever that is. So the ranges of a file can be read in any order, by anybody, and every line is
 * read once, whatever the size of the ranges.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { REJECT_KEEP } from '../../event/index.ts'
import { SluiceError } from '../../base/index.ts'
import type { JsonValue } from '../../event/index.ts'
import type { PieceRead, PieceReader, ReadTarget, SourceReject } from '../../engine/index.ts'

export interface RangeRequest {
  readonly path: string
  readonly from: number
  readonly to: number
  /** Length of the file when it was looked at: nothing behind it is read. */
  readonly size: number
}

const NEWLINE = 10
const OPEN_MAX = 16
/** Bytes read at a time behind the range, to find the end of its last line. */
const TAIL = 64 * 1024

export class RangeReader implements PieceReader {
  readonly #recordMax: number
  readonly #open = new Map<string, number>()

  constructor(recordMax: number) {
    this.#recordMax = recordMax
  }

  read(request: JsonValue, target: ReadTarget): PieceRead {
    const { path, from, to, size } = request as unknown as RangeRequest // Made by the file source.
    const fd = this.#file(path)
    // One byte more in front tells whether a line begins here.
    const before = from > 0 ? 1 : 0
    const bytes = target.bytes.length >= to - from + before ? target.bytes : target.grow(0, to - from + before + TAIL)
    const length = this.#fill(fd, path, bytes, 0, Math.min(to, size) - from + before, from - before)
    // A byte order mark belongs to the first line: it is taken off once that line is whole, so that a range of the mark alone does not lose the line.
    const start = before === 1 ? firstLine(bytes, length) : 0
    const at = (place: number): JsonValue => ({ path, offset: from - before + place })
    if (start >= length) return { start: 0, end: 0, from: at(length) }
    return this.#toLineEnd(fd, path, bytes, start, length, from - before, size, target)
  }

  /** Reads on until the last line ends. */
  #toLineEnd(fd: number, path: string, first: Uint8Array, start: number, read: number, base: number, size: number, target: ReadTarget): PieceRead {
    const from = (place: number): JsonValue => ({ path, offset: base + place })
    let bytes = first
    let length = read
    const line = bytes[length - 1] === NEWLINE ? length : bytes.lastIndexOf(NEWLINE, length - 1) + 1
    while (base + length < size && bytes[length - 1] !== NEWLINE) {
      if (length - line > this.#recordMax) return { start, end: Math.max(start, line), from: from(start), rejects: [this.#tooLong(fd, path, bytes, Math.max(line, start), length, base, size)] }
      const more = Math.min(TAIL, size - base - length)
      if (bytes.length < length + more) bytes = target.grow(length, length + more)
      const got = this.#fill(fd, path, bytes, length, more, base + length)
      if (got === 0) break
      const newline = bytes.subarray(length, length + got).indexOf(NEWLINE)
      length += newline < 0 ? got : newline + 1
    }
    const begin = base === 0 && start === 0 ? Math.min(length, markLength(bytes, length)) : start
    return { start: begin, end: length, from: from(begin) }
  }

  #tooLong(fd: number, path: string, bytes: Uint8Array, line: number, length: number, base: number, size: number): SourceReject {
    let end = base + length
    const chunk = new Uint8Array(TAIL)
    for (let got = 1; end < size && got > 0; ) {
      got = readSync(fd, chunk, 0, TAIL, end)
      const newline = chunk.subarray(0, got).indexOf(NEWLINE)
      end += newline < 0 ? got : newline + 1
      if (newline >= 0) break
    }
    const original = bytes.slice(line, Math.min(length, line + REJECT_KEEP))
    return {
      position: { path, offset: base + line },
      code: 'RECORD_TOO_LONG',
      reason: `A record of ${end - base - line} bytes; ${this.#recordMax} is the most. Its first ${original.length} bytes are kept.`,
      original,
    }
  }

  #fill(fd: number, path: string, bytes: Uint8Array, at: number, length: number, position: number): number {
    let done = 0
    try {
      while (done < length) {
        const got = readSync(fd, bytes, at + done, length - done, position + done)
        if (got === 0) break
        done += got
      }
    } catch (error) {
      throw new SluiceError('FILE_READ', `${path} can't be read at byte ${position + done}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    return done
  }

  #file(path: string): number {
    const known = this.#open.get(path)
    if (known !== undefined) return known
    if (this.#open.size >= OPEN_MAX) {
      const oldest = this.#open.entries().next()
      if (oldest.done === false) {
        closeSync(oldest.value[1])
        this.#open.delete(oldest.value[0])
      }
    }
    try {
      const fd = openSync(path, 'r')
      this.#open.set(path, fd)
      return fd
    } catch (error) {
      throw new SluiceError('FILE_READ', `${path} can't be opened: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd)
    this.#open.clear()
  }
}

/** Behind the line that the byte before the range belongs to. */
function firstLine(bytes: Uint8Array, length: number): number {
  const newline = bytes.subarray(0, length).indexOf(NEWLINE)
  return newline < 0 ? length : newline + 1
}

/** Length of a byte order mark at the start of a file. */
function markLength(bytes: Uint8Array, length: number): number {
  return length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
}
