/**
 * Memory for large pieces that come and go. A buffer that may be resized is pages of its own, which go back to the system as a whole; ordinary ones lie in the C library's heap, where
 * a hundred objects that gather bytes side by side leave holes as large as what they hold.
 */
const STEP = 64 * 1024
/** Addresses that are set aside at first; they cost nothing. */
const RESERVED = 16 * 1024 * 1024
/** Pieces whose memory is kept. */
const SPARE = 2

/** What it holds is zero. */
export function mappedBuffer(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes, { maxByteLength: bytes }))
}

/** Memory of pieces that are done with. A little of it is kept for the next ones, since the system clears what it gives; the rest goes back at once, not when the collector comes by. */
export class MappedMemory {
  readonly #free: ArrayBuffer[] = []

  /** What it holds is what somebody left there. */
  take(): ArrayBuffer | undefined {
    return this.#free.pop()
  }

  /** Nobody may look at the bytes any more. */
  giveBack({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || !buffer.resizable) return
    if (this.#free.length < SPARE) this.#free.push(buffer)
    else buffer.resize(0)
  }
}

/** Bytes that are gathered, and handed over in one piece. Grows in place; only what is larger than expected is moved. */
export class MappedBytes {
  readonly #spare: MappedMemory
  #memory: ArrayBuffer | undefined
  #used = 0

  constructor(spare: MappedMemory) {
    this.#spare = spare
  }

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
    const memory = (this.#memory ??= this.#spare.take())
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
