/** Bytes that may wait for their acks: beyond them callers wait, in the order in which they came. */
import type { SluiceError } from '../../base/index.ts'

interface Waiting {
  readonly bytes: number
  readonly enter: () => void
  readonly refuse: (error: SluiceError) => void
}

export class BufferRoom {
  readonly #limit: number
  #used = 0
  #waiting: Waiting[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes room at once where there is some and nobody waits. What is larger than the limit goes alone. */
  tryTake(bytes: number): boolean {
    if (this.#waiting.length > 0 || (this.#used > 0 && this.#used + bytes > this.#limit)) return false
    this.#used += bytes
    return true
  }

  /** Calls back once the room is taken; the answer gives the place in the row up. */
  wait(bytes: number, enter: () => void, refuse: (error: SluiceError) => void): () => void {
    const waiting: Waiting = { bytes, enter, refuse }
    this.#waiting.push(waiting)
    return () => {
      this.#waiting = this.#waiting.filter(other => other !== waiting)
      this.#admit()
    }
  }

  give(bytes: number): void {
    this.#used -= bytes
    if (this.#waiting.length > 0) this.#admit()
  }

  /** True while somebody waits. */
  get isCrowded(): boolean {
    return this.#waiting.length > 0
  }

  /** Turns everybody away who waits. */
  close(error: SluiceError): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { refuse } of waiting) refuse(error)
  }

  #admit(): void {
    let admitted = 0
    for (const { bytes, enter } of this.#waiting) {
      if (this.#used > 0 && this.#used + bytes > this.#limit) break
      this.#used += bytes
      admitted++
      enter()
    }
    if (admitted > 0) this.#waiting = this.#waiting.slice(admitted)
  }
}
