/**
 * Memory for what brokers answer, used again once a reader has said that it is done with it. Made anew for each answer, it is what keeps the collector at work: it counts as
 * much as the heap does, and is only found to be free when all of that is looked through.
 *
 *     take -> lent --giveBack--> free -> take ...          what is never given back is collected like anything else
 */
const STEP = 64 * 1024
const FREE_MAX = 8 * 1024 * 1024

export class AnswerMemory {
  readonly #lent = new WeakSet<ArrayBufferLike>()
  readonly #free: ArrayBuffer[] = []
  #freeBytes = 0

  /** So many bytes; what they hold is undefined. */
  take(length: number): Uint8Array {
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= length && byteLength <= length * 4 + STEP)
    const buffer = at < 0 ? new ArrayBuffer(Math.ceil(length / STEP) * STEP) : (this.#free.splice(at, 1)[0] as ArrayBuffer) // The index was found.
    if (at >= 0) this.#freeBytes -= buffer.byteLength
    this.#lent.add(buffer)
    return new Uint8Array(buffer, 0, length)
  }

  /** Nobody looks at these bytes any more, which are all or a part of what was taken. What was not taken here, or was given back before, is left alone. */
  giveBack({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || !this.#lent.delete(buffer)) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.byteLength
    while (this.#freeBytes > FREE_MAX) this.#freeBytes -= this.#free.shift()?.byteLength ?? 0
  }
}
