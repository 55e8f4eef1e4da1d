/**
 * Memory for large pieces that come and go. A buffer that may be resized is pages of its own, which go back to the system as a whole; ordinary ones lie in the C library's heap, where
 * a hundred objects that gather bytes side by side leave holes as large as what they hold.
 */
const STEP = 64 * 1024
/** Addresses that are set aside at first; they cost nothing. */
const RESERVED = 16 * 1024 * 1024

/** What it holds is zero. */
export function mappedBuffer(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes, { maxByteLength: bytes }))
}

/** Gives memory back at once, not when the collector comes by. Nobody may look at it any more. */
export function letGo({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.resizable) buffer.resize(0)
}

/** Bytes that are gathered, and handed over in one piece. Grows in place; only what is larger than expected is moved. */
export class MappedBytes {
  #memory: ArrayBuffer | undefined
  #used = 0

  get length(): number {
    return this.#used
  }

  /** Copies the bytes. */
  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const needed = this.#used + bytes.length
    const memory = this.#room(needed)
    new Uint8Array(memory, this.#used, bytes.length).set(bytes)
    this.#used = needed
  }

  #room(needed: number): ArrayBuffer {
    const memory = this.#memory
    if (memory !== undefined && needed <= memory.byteLength) return memory
    const length = Math.ceil(needed / STEP) * STEP
    if (memory !== undefined && length <= memory.maxByteLength) {
      memory.resize(length)
      return memory
    }
    const larger = new ArrayBuffer(length, { maxByteLength: Math.max(RESERVED, length * 2) })
    if (memory !== undefined) new Uint8Array(larger).set(new Uint8Array(memory, 0, this.#used))
    return (this.#memory = larger)
  }

  /** All that was added. Begins anew. */
  take(): Buffer {
    const taken = this.#memory === undefined ? Buffer.alloc(0) : Buffer.from(this.#memory, 0, this.#used)
    this.#memory = undefined
    this.#used = 0
    return taken
  }
}
