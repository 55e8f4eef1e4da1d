/**
 * Bytes that may wait for their acks: beyond them callers wait, in the order in which they came.
 *
 * The row may be long (a caller that sends a million records without waiting), so entering and leaving it take the same small time wherever one stands: who
 * leaves stays in the row as a gap until its turn comes.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { Call } from '../log.ts'
import { TIMEOUT_DEFAULT } from './calls.ts'

interface Waiting {
  readonly bytes: number
  readonly enter: () => void
  readonly refuse: (error: SluiceError) => void
  isGone: boolean
}

/** Entries behind which the row is cut, once they are more than half of it. */
const CUT_MIN = 1024

export class BufferRoom {
  readonly #limit: number
  #used = 0
  /** The row; what lies before `#first` has entered or left. */
  #row: Waiting[] = []
  #first = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes room at once where there is some and nobody waits. What is larger than the limit goes alone. */
  tryTake(bytes: number): boolean {
    if (this.isCrowded || !this.#fits(bytes)) return false
    this.#used += bytes
    return true
  }

  /** Runs `work` once there is room, in the order of the calls. A caller that gives up while waiting (TIMED_OUT, ABORTED) leaves the row, and the work is not done. */
  enter<T>(clock: Clock, bytes: number, call: Call | undefined, work: () => Promise<T>): Promise<T> {
    if (this.tryTake(bytes)) return work()
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        cancel()
        call?.signal?.removeEventListener('abort', onAbort)
      }
      const leave = (error: SluiceError): void => {
        stop()
        giveUp()
        reject(error)
      }
      const onAbort = (): void => leave(new SluiceError('ABORTED', 'The wait for room was cancelled; nothing was sent.', { cause: call?.signal?.reason }))
      const timeout = call?.timeout ?? TIMEOUT_DEFAULT
      const cancel = clock.timer(timeout, () => leave(new SluiceError('TIMED_OUT', `There was no room in the buffer within ${timeout} ms; nothing was sent.`)))
      call?.signal?.addEventListener('abort', onAbort, { once: true })
      const enter = (): void => {
        stop()
        resolve(work())
      }
      const giveUp = this.wait(bytes, enter, error => {
        stop()
        reject(error)
      })
    })
  }

  /** Calls back once the room is taken; the answer gives the place in the row up. */
  wait(bytes: number, enter: () => void, refuse: (error: SluiceError) => void): () => void {
    const waiting: Waiting = { bytes, enter, refuse, isGone: false }
    this.#row.push(waiting)
    return () => {
      waiting.isGone = true
      this.#admit()
    }
  }

  give(bytes: number): void {
    this.#used -= bytes
    if (this.isCrowded) this.#admit()
  }

  /** True while somebody waits. */
  get isCrowded(): boolean {
    return this.#first < this.#row.length
  }

  /** Turns everybody away who waits. */
  close(error: SluiceError): void {
    const row = this.#row.slice(this.#first)
    this.#row = []
    this.#first = 0
    for (const { refuse, isGone } of row) if (!isGone) refuse(error)
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit
  }

  #admit(): void {
    for (let next = this.#row[this.#first]; next !== undefined && (next.isGone || this.#fits(next.bytes)); next = this.#row[this.#first]) {
      this.#first++
      if (next.isGone) continue
      this.#used += next.bytes
      next.enter()
    }
    if (this.#first > CUT_MIN && this.#first * 2 > this.#row.length) {
      this.#row = this.#row.slice(this.#first)
      this.#first = 0
    }
  }
}
