/** What is told again and again, told seldom: a receiver may be away for a night, and an export fails every minute. Bounded: so many kinds of text are remembered. */
import { likeness } from '../repeats.ts'

const TOLD_EVERY_MS = 600_000
const KINDS_MAX = 100

/** `now` tells milliseconds on a clock that never goes back. */
export function seldom(tell: (text: string) => void, now: () => number): (text: string) => void {
  const told = new Map<string, { at: number; more: number }>()
  return text => {
    const key = likeness(text)
    const before = told.get(key)
    if (before !== undefined && now() - before.at < TOLD_EVERY_MS) {
      before.more++
      return
    }
    if (told.size >= KINDS_MAX) told.clear()
    told.set(key, { at: now(), more: 0 })
    tell(before === undefined || before.more === 0 ? text : `${text} (${before.more} more since it was told last)`)
  }
}
