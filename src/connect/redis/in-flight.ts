/**
 * What was handed out and is not acknowledged yet, oldest first, and what of it a position says is done.
 *
 * A run of fresh entries is named by its first and last id: the server gives a stretch of a stream to one consumer only, so whatever of that stretch this
 * consumer still has pending is of that run. Entries that came another way (given before, or taken over from a consumer that is gone) are named one by one.
 *
 * A position is the stretches that were handed out and not acknowledged: after a crash, what a checkpoint has already is acknowledged instead of being read again. It holds
 * so many at most; what it does not hold comes again, and nothing is left out.
 */
import type { JsonValue } from '../../event/index.ts'
import { compareIds } from './group.ts'

/** `[stream, first, last]`, or `[stream, [id, ...]]`. */
type Stretch = readonly [stream: string, first: string, last: string] | readonly [stream: string, ids: readonly string[]]

export interface EntriesPosition {
  readonly piece: number
  readonly done: readonly Stretch[]
}

interface Piece {
  readonly number: number
  readonly stream: string
  readonly ids: readonly string[]
  readonly since: number
  readonly stretch: Stretch
}

const STRETCHES_MAX = 500
const IDS_MAX = 2000

export class InFlight {
  readonly #pieces: Piece[] = []
  readonly #ids = new Set<string>()
  #number: number

  /** `after`: number of the last piece of an earlier run. */
  constructor(after: number) {
    this.#number = after
  }

  has(stream: string, id: string): boolean {
    return this.#ids.has(`${id} ${stream}`)
  }

  /** Notes a piece; answers the position behind it. */
  add(stream: string, ids: readonly string[], fresh: boolean, now: number): JsonValue {
    const first = ids[0] ?? ''
    const stretch: Stretch = fresh ? [stream, first, ids.at(-1) ?? first] : [stream, ids]
    this.#pieces.push({ number: ++this.#number, stream, ids, since: now, stretch })
    for (const id of ids) this.#ids.add(`${id} ${stream}`)
    return { piece: this.#number, done: this.#done() as unknown as JsonValue } // Lists of texts.
  }

  /** The newest stretches, as many as a position holds. */
  #done(): Stretch[] {
    const done: Stretch[] = []
    let ids = 0
    for (let at = this.#pieces.length - 1; at >= 0 && done.length < STRETCHES_MAX; at--) {
      const stretch = this.#pieces[at]?.stretch
      if (stretch === undefined) break
      if (stretch.length === 2) ids += stretch[1].length
      if (ids > IDS_MAX) break
      done.push(stretch)
    }
    return done.reverse()
  }

  /** Takes out the pieces up to a position; answers their ids by stream. */
  finish(position: JsonValue): Map<string, string[]> {
    const { piece } = position as unknown as EntriesPosition // Made by `add`.
    const finished = new Map<string, string[]>()
    while ((this.#pieces[0]?.number ?? Infinity) <= piece) {
      const { stream, ids } = this.#pieces.shift() as Piece // It has a number.
      let of = finished.get(stream)
      if (of === undefined) finished.set(stream, (of = []))
      for (const id of ids) {
        of.push(id)
        this.#ids.delete(`${id} ${stream}`)
      }
    }
    return finished
  }

  /** Ids that were handed out before `time`, by stream. */
  before(time: number): Map<string, string[]> {
    const old = new Map<string, string[]>()
    for (const { stream, ids, since } of this.#pieces) if (since < time) old.set(stream, [...(old.get(stream) ?? []), ...ids])
    return old
  }
}

/** True where an entry is part of what a position says is done. */
export function isDone({ done }: EntriesPosition, stream: string, id: string): boolean {
  return done.some(stretch => {
    if (stretch[0] !== stream) return false
    return stretch.length === 2 ? stretch[1].includes(id) : compareIds(stretch[1], id) <= 0 && compareIds(id, stretch[2]) <= 0
  })
}
