/**
 * One WebAssembly memory and who has which part of it.
 *
 * The memory is made as large as it may ever become: pages that nobody has written to take no room, and a memory that never grows never moves, so that
 * arrays over it stay good for ever. Blocks are given out from the front; a block that was given back is used again for one that is not larger.
 */
import { SluiceError } from '../../base/index.ts'

const PAGE = 65536
/** Behind each block: room for reads and writes of sixteen bytes that begin inside of it, and columns that don't share cache sets. */
const MARGIN = 64

export class Arena {
  readonly memory: WebAssembly.Memory
  readonly bytes: Uint8Array
  /** Free blocks by size, smallest first. */
  readonly #free: { readonly at: number; readonly size: number }[] = []
  readonly #sizes = new Map<number, number>()
  #next: number

  /** @param from first byte that is free, behind what the compiler placed */
  constructor(from: number, size: number) {
    const pages = Math.ceil((from + size) / PAGE)
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.bytes = new Uint8Array(this.memory.buffer)
    this.#next = from
  }

  /** Address of a new block. Throws COLUMNS_ROOM where none is left. */
  take(size: number): number {
    const wanted = (size + MARGIN + 15) & ~15
    const fit = this.#free.findIndex((block) => block.size >= wanted)
    const block = fit < 0 ? undefined : this.#free.splice(fit, 1)[0]
    if (block !== undefined) {
      this.#sizes.set(block.at, block.size)
      return block.at
    }
    if (this.#next + wanted > this.bytes.length) {
      throw new SluiceError('COLUMNS_ROOM', `${size} bytes more don't fit in the ${this.bytes.length} bytes of the column memory.`)
    }
    const at = this.#next
    this.#next += wanted
    this.#sizes.set(at, wanted)
    return at
  }

  /** Takes a block back. */
  give(at: number): void {
    const size = this.#sizes.get(at)
    if (size === undefined) return
    this.#sizes.delete(at)
    const place = this.#free.findIndex((block) => block.size >= size)
    this.#free.splice(place < 0 ? this.#free.length : place, 0, { at, size })
  }

  bytesAt(at: number, length: number): Uint8Array {
    return this.bytes.subarray(at, at + length)
  }
}
