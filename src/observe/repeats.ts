/**
 * Tells what repeats once, and then how often it came:
 *
 *     first of a key --told--> counting --window over, more came--> told with their number, counting on
 *                                 |
 *                                 +--window over, none came--> forgotten: the next is a first again
 *
 * Keys beyond KEYS_MAX are counted together under their kind, so that foreign text can't fill the memory. The first error is always told: only its like are held back.
 */
import { systemClock } from '../platform/index.ts'
import type { Clock } from '../platform/index.ts'
import type { Notice, Tell } from './notices.ts'

export const REPEATS_WINDOW = 10_000
const KEYS_MAX = 500

interface Seen {
  last: Notice
  more: number
  cancel: () => void
}

export class Repeats {
  readonly #tell: Tell
  readonly #clock: Clock
  readonly #window: number
  readonly #seen = new Map<string, Seen>()

  constructor(tell: Tell, clock: Clock = systemClock, window: number = REPEATS_WINDOW) {
    this.#tell = tell
    this.#clock = clock
    this.#window = window
  }

  /** A notice without a key is told at once. */
  take(notice: Notice): void {
    if (notice.key === undefined) return this.#tell(notice)
    const { kind, level, place = '' } = notice
    const own = `${kind} ${level} ${place} ${notice.key}`
    const key = this.#seen.has(own) || this.#seen.size < KEYS_MAX ? own : `${kind} ${level}`
    const seen = this.#seen.get(key)
    if (seen === undefined) {
      this.#seen.set(key, { last: notice, more: 0, cancel: this.#arm(key) })
      return this.#tell(notice)
    }
    seen.more += notice.count ?? 1
    seen.last = notice
  }

  /** Tells what was held back, and forgets all. */
  close(): void {
    for (const [key, seen] of this.#seen) {
      seen.cancel()
      this.#seen.delete(key)
      if (seen.more > 0) this.#tell(summed(seen, this.#window))
    }
  }

  #arm(key: string): () => void {
    return this.#clock.timer(this.#window, () => this.#over(key))
  }

  #over(key: string): void {
    const seen = this.#seen.get(key)
    if (seen === undefined) return
    if (seen.more === 0) return void this.#seen.delete(key)
    const told = summed(seen, this.#window)
    seen.more = 0
    seen.cancel = this.#arm(key)
    this.#tell(told)
  }
}

function summed({ last, more }: Seen, window: number): Notice {
  const { key: _key, ...rest } = last
  return { ...rest, count: more, text: `${last.text} (... ${more.toLocaleString('en-US')} more of these in the last ${window / 1000} s)` }
}

/** A key for a text that names changing numbers: attempts, offsets, ports. */
export function likeness(text: string): string {
  return text.replaceAll(/\d+/g, '0')
}
