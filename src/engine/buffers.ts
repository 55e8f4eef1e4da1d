/**
 * Buffers that are used again. A buffer that crosses threads is new memory on one side and garbage on the other, which is collected late: so the side that is
 * done with it sends it back, and both threads live on the few that are under way.
 */
const KEEP_BYTES = 8 * 1024 * 1024
const STEP = 64 * 1024
/** Makes the sizes differ from that of Buffer's own pool, which others look at and which is therefore never given away. */
const ODD = 4096

export class BufferPool {
  readonly #free: ArrayBuffer[] = []
  #bytes = 0

  /** An array of `length` bytes at the start of a buffer that nobody else looks at. What it holds is undefined. */
  take(length: number): Uint8Array<ArrayBuffer> {
    for (let at = this.#free.length - 1; at >= 0; at--) {
      const buffer = this.#free[at] as ArrayBuffer // The index is inside the array.
      if (buffer.byteLength < length || buffer.byteLength > length * 4 + STEP * 2) continue
      this.#free.splice(at, 1)
      this.#bytes -= buffer.byteLength
      return new Uint8Array(buffer, 0, length)
    }
    // A little more than is asked for, so that the next batch, which is about as large, fits too.
    return new Uint8Array(new ArrayBuffer(Math.ceil((length * 1.125) / STEP) * STEP + ODD), 0, length)
  }

  /** Takes a buffer back. The oldest go where too much would lie here. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength < ODD || buffer.byteLength > KEEP_BYTES / 2) return
    this.#free.push(buffer)
    this.#bytes += buffer.byteLength
    while (this.#bytes > KEEP_BYTES) this.#bytes -= this.#free.shift()?.byteLength ?? 0
  }
}
