/**
 * Cuts a stream of bytes into slabs that end at a line end. Memory: what was pushed and does not end in a line end, at most `recordMax` bytes and the last chunk.
 *
 * Slabs are views of a buffer that is used again: they hold until the next push.
 *
 * With `quote` set, a line end inside of quotes does not end a record (CSV).
 */
const NEWLINE = 10

export interface FramedSlab {
  readonly data: Uint8Array
  /** Places in the stream: of the first byte, and behind the last one that was used up. */
  readonly start: number
  readonly end: number
  readonly rejects: readonly { readonly start: number; readonly end: number; readonly code: string; readonly reason: string; readonly original: Uint8Array }[]
}

/** How much of a record that is too long is kept for the dead letters. */
export const REJECT_KEEP = 4096

export class LineFramer {
  readonly #recordMax: number
  readonly #quote: number | undefined
  #buffer = new Uint8Array(0)
  /** Where the bytes that are held back lie in the buffer. */
  #from = 0
  #held = 0
  /** Place in the stream of the first byte that is held back. */
  #at: number | undefined
  #inQuotes = false
  /** A record that is too long and has not ended: where it began, and its beginning. */
  #skipping: { readonly start: number; readonly original: Uint8Array } | undefined

  constructor(recordMax: number, quote?: number) {
    this.#recordMax = recordMax
    this.#quote = quote
  }

  get held(): number {
    return this.#held
  }

  push(bytes: Uint8Array, position: number): FramedSlab[] {
    this.#at ??= position
    this.#append(bytes)
    const cut = this.#lastEnd(bytes)
    if (cut === 0) {
      this.#tooLong(position + bytes.length)
      return []
    }
    const rest = bytes.length - cut
    const data = this.#buffer.subarray(0, this.#held - rest)
    const start = this.#at
    this.#from = data.length
    this.#held = rest
    this.#at = position + cut
    const slab = this.#skipping === undefined ? { data, start, end: this.#at, rejects: [] } : this.#afterSkip(data, start, this.#at)
    this.#tooLong(position + bytes.length)
    return [slab]
  }

  end(): FramedSlab[] {
    const start = this.#at ?? 0
    const end = start + this.#held
    const data = this.#buffer.subarray(this.#from, this.#from + this.#held)
    this.#held = 0
    this.#at = end
    this.#inQuotes = false
    if (this.#skipping !== undefined) return [this.#afterSkip(data, start, end)]
    return data.length === 0 ? [] : [{ data, start, end, rejects: [] }]
  }

  /** Brings what is held back to the front, and the bytes behind it. */
  #append(bytes: Uint8Array): void {
    const length = this.#held + bytes.length
    const held = this.#buffer.subarray(this.#from, this.#from + this.#held)
    if (length > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(length + (length >> 3), this.#buffer.length * 2))
      this.#buffer.set(held)
    } else if (this.#from > 0) this.#buffer.set(held)
    this.#buffer.set(bytes, this.#held)
    this.#from = 0
    this.#held = length
  }

  /** Behind the last line end that ends a record; 0 where there is none. */
  #lastEnd(bytes: Uint8Array): number {
    if (this.#quote === undefined) return bytes.lastIndexOf(NEWLINE) + 1
    let cut = 0
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]
      if (byte === this.#quote) this.#inQuotes = !this.#inQuotes
      else if (byte === NEWLINE && !this.#inQuotes) cut = at + 1
    }
    return cut
  }

  /** Stops keeping a record that has grown too long. */
  #tooLong(end: number): void {
    if (this.#held <= this.#recordMax) return
    this.#skipping ??= { start: this.#at ?? 0, original: this.#buffer.slice(this.#from, this.#from + Math.min(this.#held, REJECT_KEEP)) }
    this.#held = 0
    this.#at = end
  }

  /** The record that was too long has ended in `data`: its end goes, the records behind it stay. */
  #afterSkip(data: Uint8Array, start: number, end: number): FramedSlab {
    const skipped = this.#skipping
    this.#skipping = undefined
    const newline = data.indexOf(NEWLINE)
    const behind = newline < 0 ? data.length : newline + 1
    const rejects = skipped === undefined ? [] : [{
      start: skipped.start,
      end: start + behind,
      code: 'RECORD_TOO_LONG',
      reason: `A record of ${start + behind - skipped.start} bytes; ${this.#recordMax} is the most. Its first ${skipped.original.length} bytes are kept.`,
      original: skipped.original,
    }]
    return { data: data.subarray(behind), start: start + behind, end, rejects }
  }
}
