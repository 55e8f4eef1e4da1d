/**
 * A dictionary in the kernel's memory: the host adds keys and makes the tables larger, the kernel looks up.
 *
 * Three parts, each of which may move while the record at `table` names them: slots (hash and number + 1, eight bytes), entries (place and length of key and of
 * value, sixteen bytes), and chunks that hold the bytes of keys and values. Slots are at most half full.
 */
import type { Arena } from './arena.ts'
import type { Dictionary } from './columns.ts'

/** The kernel's part. */
export interface DictionaryKernel {
  find(table: number, key: number, length: number): number
  enter(table: number, from: number, to: number): void
}

const ENTRY_BYTES = 16
const SLOT_BYTES = 8
const FIRST_ENTRIES = 64
const CHUNK_BYTES = 1 << 16

export class KernelDictionary implements Dictionary {
  /** Address of the record: slots, mask, entries, size. */
  readonly table: number
  readonly #arena: Arena
  readonly #kernel: DictionaryKernel
  readonly #view: DataView
  readonly #chunks: number[] = []
  #chunkAt = 0
  #chunkEnd = 0
  #capacity = FIRST_ENTRIES
  #slots = 0
  #entries = 0
  #size = 0

  constructor(arena: Arena, kernel: DictionaryKernel) {
    this.#arena = arena
    this.#kernel = kernel
    this.#view = new DataView(arena.memory.buffer)
    this.table = arena.take(16)
    this.#place(FIRST_ENTRIES)
  }

  get size(): number {
    return this.#size
  }

  add(key: string, value = 'null'): number {
    const known = this.get(key)
    if (known >= 0) {
      this.#writeEntry(known, undefined, value)
      return known
    }
    if (this.#size === this.#capacity) this.#grow()
    const number = this.#size
    this.#writeEntry(number, key, value)
    this.#size++
    this.#view.setUint32(this.table + 12, this.#size, true)
    this.#kernel.enter(this.table, number, this.#size)
    return number
  }

  get(key: string): number {
    const bytes = Buffer.from(key)
    const at = this.#room(bytes.length)
    this.#arena.bytes.set(bytes, at)
    return this.#kernel.find(this.table, at, bytes.length)
  }

  close(): void {
    for (const block of [...this.#chunks, this.#slots, this.#entries, this.table]) this.#arena.give(block)
    this.#chunks.length = 0
    this.#size = 0
  }

  #writeEntry(number: number, key: string | undefined, value: string): void {
    const entry = this.#entries + number * ENTRY_BYTES
    if (key !== undefined) this.#writeBytes(entry, Buffer.from(key))
    this.#writeBytes(entry + 8, Buffer.from(value))
  }

  #writeBytes(record: number, bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#chunkAt += bytes.length
    this.#arena.bytes.set(bytes, at)
    this.#view.setUint32(record, at, true)
    this.#view.setUint32(record + 4, bytes.length, true)
  }

  /** Address with room for so many bytes behind what was written last. */
  #room(length: number): number {
    if (this.#chunkAt + length > this.#chunkEnd) {
      const size = Math.max(CHUNK_BYTES, length)
      this.#chunkAt = this.#arena.take(size)
      this.#chunkEnd = this.#chunkAt + size
      this.#chunks.push(this.#chunkAt)
    }
    return this.#chunkAt
  }

  #grow(): void {
    const slots = this.#slots
    const entries = this.#entries
    this.#capacity *= 2
    this.#place(this.#capacity)
    this.#arena.bytes.copyWithin(this.#entries, entries, entries + this.#size * ENTRY_BYTES)
    this.#kernel.enter(this.table, 0, this.#size)
    this.#arena.give(slots)
    this.#arena.give(entries)
  }

  /** Takes empty slots and entries for so many keys and writes the record. */
  #place(capacity: number): void {
    const slotBytes = capacity * 2 * SLOT_BYTES
    this.#slots = this.#arena.take(slotBytes)
    this.#entries = this.#arena.take(capacity * ENTRY_BYTES)
    this.#arena.bytes.fill(0, this.#slots, this.#slots + slotBytes)
    this.#view.setUint32(this.table, this.#slots, true)
    this.#view.setUint32(this.table + 4, capacity * 2 - 1, true)
    this.#view.setUint32(this.table + 8, this.#entries, true)
    this.#view.setUint32(this.table + 12, this.#size, true)
  }
}
