/** Parts of a stream, put together in a buffer that is used again. */
export class Gather {
  #buffer = new Uint8Array(0)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was added since it was cleared; holds until then. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  add(part: Uint8Array): void {
    const length = this.#length + part.length
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length + (length >> 3), this.#buffer.length * 2))
      larger.set(this.bytes)
      this.#buffer = larger
    }
    this.#buffer.set(part, this.#length)
    this.#length = length
  }
}
