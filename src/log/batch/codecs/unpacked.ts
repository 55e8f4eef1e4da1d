/**
 * What a packed batch unpacks to, as it grows: bytes that are copied, and repetitions of what is there already. Never more than its limit, which is checked
 * before anything is written.
 */
export class Unpacked {
  length = 0
  readonly #limit: number
  #bytes: Uint8Array

  /** `guess`: bytes to begin with. */
  constructor(limit: number, guess: number) {
    this.#limit = limit
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(guess, 64)))
  }

  /** Copies `source[from, to)`. */
  literals(source: Uint8Array, from: number, to: number): void {
    const count = to - from
    let at = this.length
    if (at + count > this.#bytes.length) this.#grow(at + count)
    const bytes = this.#bytes
    this.length = at + count
    // A loop copies short runs faster than a call does.
    if (count <= 32) while (from < to) bytes[at++] = source[from++] ?? 0
    else bytes.set(source.subarray(from, to), at)
  }

  /** Repeats `count` bytes that lie `distance` back; they may overlap what is written. `floor` is where the bytes begin that may be repeated. */
  match(distance: number, count: number, floor: number): void {
    let at = this.length
    let from = at - distance
    if (distance === 0 || from < floor) throw new Error('a repetition of what is not there')
    if (at + count > this.#bytes.length) this.#grow(at + count)
    const bytes = this.#bytes
    const end = this.length = at + count
    if (count > 64 && distance >= count) bytes.copyWithin(at, from, from + count)
    else while (at < end) bytes[at++] = bytes[from++] ?? 0
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  #grow(needed: number): void {
    if (needed > this.#limit) throw new Error(`more than ${this.#limit} bytes when unpacked`)
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(needed, this.#bytes.length * 2)))
    larger.set(this.#bytes.subarray(0, this.length))
    this.#bytes = larger
  }
}
