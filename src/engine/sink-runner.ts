/**
 * Feeds one sink: chunks in the pipeline's order, one write at a time (or as many as the sink allows), each under the sink's policy.
 *
 * A chunk is answered when all its rows are: taken by the sink, or handed to `reject`, which puts them into the dead letters. A sink that does
 * not answer per row and fails for good stops the pipeline: its rows can't be told apart, and nothing may be skipped in silence.
 */
import { SluiceError } from '../base/index.ts'
import type { Policy } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import type { RowAnswer, Sink, SinkChunk } from './component.ts'
import type { Flight } from './flight.ts'
import type { SinkRows } from './sink-encoder.ts'

export interface SinkTotals {
  events: number
  bytes: number
  retries: number
}

/** Rows that the sink refused: indices into the chunk, with the reason of each. */
export type Refused = (rows: SinkRows, refused: readonly { row: number; error: unknown; attempts: number }[], flight: Flight) => void

type Item =
  | { readonly kind: 'write'; readonly rows: SinkRows; readonly flight: Flight }
  | { readonly kind: 'flush'; readonly resolve: (mark: JsonValue | undefined) => void; readonly reject: (error: unknown) => void }

export class SinkRunner {
  readonly id: string
  readonly totals: SinkTotals = { events: 0, bytes: 0, retries: 0 }
  readonly #sink: Sink
  readonly #policy: Policy
  readonly #signal: AbortSignal
  #refused: Refused
  #failed: (error: unknown) => void
  readonly #queue: Item[] = []
  #holdBehind: number | undefined
  #held: { readonly rows: SinkRows; readonly flight: Flight }[] = []
  #writing = 0
  /** Of the next chunk. */
  #number = 0
  #flushing = false
  /** Set once a write or flush has failed for good: nothing more is written. */
  #broken = false
  #why: unknown

  constructor(id: string, sink: Sink, policy: Policy, signal: AbortSignal, refused: Refused, failed: (error: unknown) => void) {
    this.id = id
    this.#sink = sink
    this.#policy = policy
    this.#signal = signal
    this.#refused = refused
    this.#failed = failed
  }

  /** Goes on under another plan. Nothing may be under way. */
  rewire(refused: Refused, failed: (error: unknown) => void): void {
    this.#refused = refused
    this.#failed = failed
  }

  get sink(): Sink {
    return this.#sink
  }

  /** Chunks that wait or are being written. */
  get backlog(): number {
    return this.#queue.length + this.#held.length + this.#writing
  }

  /** Keeps back the rows of flights behind `seq`, until called with undefined: they must not be part of the mark that is being made. */
  hold(seq: number | undefined): void {
    this.#holdBehind = seq
    const held = this.#held
    this.#held = []
    for (const { rows, flight } of held) this.write(rows, flight)
  }

  /** Takes rows on behalf of a flight, which is told when they are answered. */
  write(rows: SinkRows, flight: Flight): void {
    if (this.#holdBehind !== undefined && flight.seq > this.#holdBehind) {
      this.#held.push({ rows, flight })
      return
    }
    this.#queue.push({ kind: 'write', rows, flight })
    this.#next()
  }

  /** Makes durable what was handed in before, and answers its mark. Rejects where that can't be, so that whoever waits for it learns it. */
  flush(): Promise<JsonValue | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#why)
      this.#queue.push({ kind: 'flush', resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    while (!this.#broken && !this.#flushing) {
      const item = this.#queue[0]
      if (item === undefined) return
      if (item.kind === 'flush') {
        if (this.#writing > 0) return
        this.#queue.shift()
        this.#flushing = true
        this.#sink.flush().then(
          mark => this.#flushed(item.resolve, mark),
          (error: unknown) => {
            item.reject(error)
            this.#break(error)
          },
        )
        return
      }
      if (this.#writing >= (this.#sink.concurrency ?? 1)) return
      this.#queue.shift()
      this.#writing++
      this.#deliver(this.#number++, item.rows, item.flight).then(() => this.#written(item), (error: unknown) => this.#break(error))
    }
  }

  #flushed(resolve: (mark: JsonValue | undefined) => void, mark: JsonValue | undefined): void {
    this.#flushing = false
    resolve(mark)
    this.#next()
  }

  #written(item: Extract<Item, { kind: 'write' }>): void {
    this.#writing--
    item.flight.close()
    this.#next()
  }

  #break(error: unknown): void {
    this.#broken = true
    this.#why ??= error
    for (const item of this.#queue) if (item.kind === 'flush') item.reject(this.#why)
    this.#failed(error)
  }

  async #deliver(number: number, rows: SinkRows, flight: Flight): Promise<void> {
    const refused: { row: number; error: unknown; attempts: number }[] = []
    // Rows still to be taken, as indices into the chunk. A retry sends only these.
    let open: readonly number[] | undefined
    let attempts = 0
    try {
      await this.#policy.call({ events: rows.rows, bytes: rows.bytes.length }, async () => {
        attempts++
        if (attempts > 1) this.totals.retries++
        const answers = await this.#sink.write(open === undefined ? whole(number, rows) : part(number, rows, open), this.#signal)
        const retry = sort(answers ?? [], open, refused, attempts)
        if (retry.length === 0) return
        open = retry.map(one => one.row)
        const error = new SluiceError('SINK_RETRY', `Sink "${this.id}" asks for another attempt: ${retry[0]?.reason ?? ''}`, { retry: true })
        throw Object.assign(error, { retryAfter: Math.max(...retry.map(({ after }) => after)) })
      }, this.#signal)
    } catch (error) {
      if (this.#signal.aborted || rows.origins.length === 0) throw error
      const left = open ?? Array.from({ length: rows.rows }, (_, row) => row)
      for (const row of left) refused.push({ row, error, attempts })
    }
    if (refused.length > 0) this.#refused(rows, refused.sort((a, b) => a.row - b.row), flight)
    this.totals.events += rows.rows - refused.length
    this.totals.bytes += rows.bytes.length
  }
}

function whole(number: number, rows: SinkRows): SinkChunk {
  return { number, target: rows.target, bytes: rows.bytes, rows: rows.rows, ends: rows.ends }
}

/** A chunk of some of the rows. */
function part(number: number, rows: SinkRows, wanted: readonly number[]): SinkChunk {
  const spans = wanted.map(row => rows.bytes.subarray(row === 0 ? 0 : (rows.ends?.[row - 1] ?? 0), rows.ends?.[row] ?? rows.bytes.length))
  const bytes = new Uint8Array(spans.reduce((sum, span) => sum + span.length, 0))
  const ends = new Uint32Array(spans.length)
  let at = 0
  spans.forEach((span, index) => {
    bytes.set(span, at)
    at += span.length
    ends[index] = at
  })
  return { number, target: rows.target, bytes, rows: wanted.length, ends }
}

/** Puts refused rows aside and answers those to be sent again, as rows of the whole chunk. */
function sort(
  answers: readonly RowAnswer[],
  open: readonly number[] | undefined,
  refused: { row: number; error: unknown; attempts: number }[],
  attempts: number,
): { row: number; reason: string; after: number }[] {
  const retry: { row: number; reason: string; after: number }[] = []
  for (const answer of answers) {
    const row = open === undefined ? answer.row : (open[answer.row] ?? answer.row)
    if (answer.answer === 'retry') retry.push({ row, reason: answer.reason, after: answer.after ?? 0 })
    else refused.push({ row, error: new SluiceError('SINK_REJECTED', answer.reason), attempts })
  }
  return retry
}
