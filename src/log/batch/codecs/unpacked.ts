/**
 * What a packed batch unpacks to, as it grows: bytes of the input that are copied, and repetitions of what is there already. Never more than its limit, which is
 * checked before anything is written.
 *
 * Short runs are copied by words and may scribble up to seven bytes beyond their end, which the next run overwrites: the array has room for that behind its
 * limit, and no word is read from behind the input.
 */
const SCRIBBLE = 8
/** Longer runs are copied by a call. */
const WORDS_MAX = 128

export class Unpacked {
  length = 0
  readonly #limit: number
  readonly #source: Uint8Array
  readonly #sourceView: DataView
  #bytes: Uint8Array
  #view: DataView

  /** `guess`: bytes to begin with. */
  constructor(source: Uint8Array, limit: number, guess: number) {
    this.#limit = limit
    this.#source = source
    this.#sourceView = viewOf(source)
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(guess, 64)) + SCRIBBLE)
    this.#view = viewOf(this.#bytes)
  }

  /** Copies `[from, to)` of the input. */
  literals(from: number, to: number): void {
    let at = this.length
    const end = at + to - from
    if (end > this.#bytes.length - SCRIBBLE) this.#grow(end)
    this.length = end
    if (to - from > WORDS_MAX || to + SCRIBBLE > this.#source.length) {
      this.#bytes.set(this.#source.subarray(from, to), at)
      return
    }
    const view = this.#view
    const source = this.#sourceView
    for (; at < end; at += 8, from += 8) view.setBigUint64(at, source.getBigUint64(from))
  }

  /** Repeats `count` bytes that lie `distance` back; they may overlap what is written. `floor` is where the bytes begin that may be repeated. */
  match(distance: number, count: number, floor: number): void {
    let at = this.length
    let from = at - distance
    if (distance === 0 || from < floor) throw new Error('a repetition of what is not there')
    const end = at + count
    if (end > this.#bytes.length - SCRIBBLE) this.#grow(end)
    this.length = end
    const bytes = this.#bytes
    if (distance < 8) {
      while (at < end) bytes[at++] = bytes[from++] ?? 0
    } else if (count > WORDS_MAX && distance >= count) {
      bytes.copyWithin(at, from, from + count)
    } else {
      const view = this.#view
      for (; at < end; at += 8, from += 8) view.setBigUint64(at, view.getBigUint64(from))
    }
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  #grow(needed: number): void {
    if (needed > this.#limit) throw new Error(`more than ${this.#limit} bytes when unpacked`)
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(needed, this.#bytes.length * 2)) + SCRIBBLE)
    larger.set(this.#bytes.subarray(0, this.length))
    this.#bytes = larger
    this.#view = viewOf(larger)
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
