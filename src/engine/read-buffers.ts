/**
 * The places that readers read to: one for each batch under way on this worker, used again and again.
 */
import { SluiceError } from '../base/index.ts'
import type { ReadTarget } from './component.ts'

const FIRST = 320 * 1024

class GrowingTarget implements ReadTarget {
  bytes: Uint8Array = new Uint8Array(FIRST)
  readonly #recordMax: number

  constructor(recordMax: number) {
    this.#recordMax = recordMax
  }

  grow(keep: number, atLeast: number): Uint8Array {
    if (atLeast > this.bytes.length && atLeast - this.bytes.length > this.#recordMax + FIRST) {
      throw new SluiceError('RECORD_TOO_LONG', `A record does not end within ${this.#recordMax} bytes.`)
    }
    const larger = new Uint8Array(Math.max(atLeast, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, keep))
    this.bytes = larger
    return larger
  }
}

export class ReadBuffers {
  readonly #recordMax: number
  readonly #free: GrowingTarget[] = []

  constructor(recordMax: number) {
    this.#recordMax = recordMax
  }

  take(): GrowingTarget {
    return this.#free.pop() ?? new GrowingTarget(this.#recordMax)
  }

  /** Takes a place back; one that had to grow far is left to the collector. */
  give(target: GrowingTarget): void {
    if (target.bytes.length <= FIRST * 8) this.#free.push(target)
  }
}
