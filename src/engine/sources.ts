/** A source that has been opened, with what the engine keeps about it. */
import type { JsonValue } from '../event/index.ts'
import { AckTracker } from './ack-tracker.ts'
import type { AckEntry } from './ack-tracker.ts'
import type { Source } from './component.ts'
import type { Flight } from './flight.ts'

/**
 * What is kept of the pieces read, so that it never grows with the input: every position until a cut takes it (`cut`), every piece until it is durable (`ack`), or
 * the last position alone (`end`).
 */
export type Keeping = 'cut' | 'ack' | 'end'

export class OpenSource {
  readonly id: string
  /** Index of its node. */
  readonly node: number
  readonly source: Source
  /** True where somebody waits for the answer to what was read. */
  readonly acks: boolean
  readonly tracker: AckTracker<JsonValue> = new AckTracker()
  readonly #entries = new Map<number, AckEntry>()
  /** Positions of the flights read so far that are not yet committed, by number: what a barrier looks up. */
  readonly #positions: { readonly seq: number; readonly position: JsonValue }[] = []
  #last: JsonValue | undefined
  readonly #keeping: Keeping

  constructor(id: string, node: number, source: Source, acks: boolean, position: JsonValue | undefined, keeping: Keeping) {
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

  /** Tells the source what may be forgotten: the longest prefix of durable pieces. */
  async release(): Promise<void> {
    const last = this.#keeping === 'end' ? this.#last : this.tracker.release().at(-1)
    if (last !== undefined) await this.source.commit?.(last)
  }
}
