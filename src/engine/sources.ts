/** A source that has been opened, with what the engine keeps about it. */
import type { JsonValue } from '../event/index.ts'
import { AckTracker } from './ack-tracker.ts'
import type { AckEntry } from './ack-tracker.ts'
import type { Piece, Source } from './component.ts'
import type { Flight } from './flight.ts'

/**
 * What is kept of the pieces read, so that it never grows with the input: every position until a cut takes it (`cut`), every piece until it is durable (`ack`), or
 * the last position alone (`end`).
 */
export type Keeping = 'cut' | 'ack' | 'end'

/** What a source has answered: a piece, or its end. */
export interface Answer {
  readonly piece: Piece | undefined
}

/** A source's question that may outlive who asked it: a reading that is paused leaves it, and the next one takes it up. What it brings is never lost. */
class Asking {
  readonly #source: Source
  readonly #closing = new AbortController()
  #pending: Promise<Answer> | undefined
  #signal: AbortSignal | undefined

  constructor(source: Source) {
    this.#source = source
  }

  /** The answer to the last question, or to a new one. `drain` ends the source's wait. */
  ask(bytes: number, drain: AbortSignal): Promise<Answer> {
    if (this.#pending === undefined) {
      this.#signal ??= AbortSignal.any([drain, this.#closing.signal])
      this.#pending = this.#source.next(bytes, this.#signal).then(piece => ({ piece }))
      // Who waits for it hears of a failure; nobody may be waiting now.
      this.#pending.catch(() => undefined)
    }
    return this.#pending
  }

  /** The answer was taken. */
  taken(): void {
    this.#pending = undefined
  }

  /** Ends the wait of a source that is about to be closed. */
  async end(): Promise<void> {
    this.#closing.abort()
    await this.#pending?.catch(() => undefined)
  }
}

export class OpenSource {
  readonly id: string
  /** Index of its node. */
  readonly node: number
  readonly source: Source
  /** True where somebody waits for the answer to what was read. */
  readonly acks: boolean
  readonly tracker: AckTracker<JsonValue> = new AckTracker()
  readonly asking: Asking
  readonly #entries = new Map<number, AckEntry>()
  /** Positions of the flights read so far that are not yet committed, by number: what a barrier looks up. */
  readonly #positions: { readonly seq: number; readonly position: JsonValue }[] = []
  #last: JsonValue | undefined
  readonly #keeping: Keeping

  /** `before`: the same source under the plan before. */
  constructor(id: string, node: number, source: Source, acks: boolean, position: JsonValue | undefined, keeping: Keeping, before?: OpenSource) {
    this.asking = before?.asking ?? new Asking(source)
    this.id = id
    this.node = node
    this.source = source
    this.acks = acks
    this.#last = position
    this.#keeping = keeping
  }

  track(flight: Flight): void {
    if (flight.position === undefined) return
    // Where nothing is kept by cuts, the last one is what another generation goes on from: by then everything has landed.
    if (this.#keeping !== 'cut') this.#last = flight.position
    if (this.#keeping === 'end') return
    this.#entries.set(flight.seq, this.tracker.track(flight.position, 1))
    if (this.#keeping === 'cut') this.#positions.push({ seq: flight.seq, position: flight.position })
  }

  /** The flight is durable everywhere. */
  durable(seq: number): void {
    const entry = this.#entries.get(seq)
    if (entry === undefined) return
    this.#entries.delete(seq)
    this.tracker.delivered(entry)
  }

  /** Every flight up to `seq` is durable everywhere. */
  durableUpTo(seq: number): void {
    for (const number of [...this.#entries.keys()]) if (number <= seq) this.durable(number)
  }

  /** The position behind everything read up to the flight `seq`; what lies before it is forgotten. */
  positionAt(seq: number): JsonValue | undefined {
    while (this.#positions.length > 0 && (this.#positions[0]?.seq ?? 0) <= seq) this.#last = this.#positions.shift()?.position
    return this.#last
  }

  /** Ends its wait and closes it. What it may bring now is read again by whoever goes on behind the last position. */
  async close(): Promise<void> {
    await this.asking.end()
    await this.source.close()
  }

  /** Tells the source what may be forgotten: the longest prefix of durable pieces. */
  async release(): Promise<void> {
    const last = this.#keeping === 'end' ? this.#last : this.tracker.release().at(-1)
    if (last !== undefined) await this.source.commit?.(last)
  }
}
