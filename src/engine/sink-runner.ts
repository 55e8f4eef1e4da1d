/**
 * Feeds one sink: chunks in the pipeline's order, one write at a time (or as many as the sink allows), each under the sink's policy.
 *
 * Where the sink gathers, chunks that follow each other become one write: as many as fit into a batch, or came within its age. A flush, or another target, ends the wait.
 *
 * A chunk is answered when all its rows are: taken by the sink, or handed to `reject`, which puts them into the dead letters. A sink that does
 * not answer per row and fails for good stops the pipeline: its rows can't be told apart, and nothing may be skipped in silence.
 */
import { SluiceError } from '../base/index.ts'
import type { BreakerState, ErrorCode, Policy } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import { Distribution, LATENCY_SECONDS } from '../observe/index.ts'
import type { WriteTrace } from '../observe/index.ts'
import type { Trouble } from '../observe/index.ts'
import { systemClock } from '../platform/index.ts'
import type { Clock } from '../platform/index.ts'
import { Slots } from './adaptive/slots.ts'
import type { ComponentContext, RowAnswer, Sink, SinkChunk } from './component.ts'
import type { BatchConfig } from './config.ts'
import type { Flight } from './flight.ts'
import { BusyClock } from './meter.ts'
import type { SinkRows } from './sink-encoder.ts'

export interface SinkTotals {
  events: number
  bytes: number
  retries: number
}

/** Rows that the sink refused: indices into the chunk, with the reason of each. */
export type Refused = (rows: SinkRows, refused: readonly { row: number; error: unknown; attempts: number }[], flight: Flight) => void

type Item =
  | { readonly kind: 'write'; readonly rows: SinkRows; readonly flight: Flight; readonly since: number }
  | { readonly kind: 'flush'; readonly resolve: (mark: JsonValue | undefined) => void; readonly reject: (error: unknown) => void }

type Write = Extract<Item, { kind: 'write' }>

/** What chunks are put together by. */
export interface Gathering {
  readonly batch: BatchConfig
  readonly clock: Clock
}

/** Chunks in one write at most: fewer than the batches that a pipeline may have under way, so that it never waits for itself. */
const CHUNKS_MAX = 16

export class SinkRunner {
  readonly id: string
  readonly totals: SinkTotals = { events: 0, bytes: 0, retries: 0 }
  /** Time in which a write or a flush was under way. */
  readonly busy: BusyClock
  /** Seconds that a write took, with all its attempts. */
  readonly latency = new Distribution(LATENCY_SECONDS)
  readonly #sink: Sink
  readonly #policy: Policy
  readonly #signal: AbortSignal
  #refused: Refused
  #failed: (error: unknown) => void
  readonly #gathering: Gathering | undefined
  readonly #clock: Clock
  readonly #trouble: Trouble | undefined
  /** Where as many writes are under way as the other side takes. */
  readonly #slots: Slots | undefined
  /** Ends the wait for more chunks. */
  #cancel: (() => void) | undefined
  readonly #queue: Item[] = []
  #holdBehind: number | undefined
  #held: { readonly rows: SinkRows; readonly flight: Flight }[] = []
  #writing = 0
  #bytes = 0
  /** Of the next chunk. */
  #number = 0
  #flushing = false
  /** Set once a write or flush has failed for good: nothing more is written. */
  #broken = false
  #why: unknown

  constructor(id: string, sink: Sink, policy: Policy, signal: AbortSignal, refused: Refused, failed: (error: unknown) => void, gathering?: Gathering, trouble?: Trouble, limited?: ComponentContext['limited']) {
    this.id = id
    this.#trouble = trouble
    this.#sink = sink
    this.#policy = policy
    this.#signal = signal
    this.#refused = refused
    this.#failed = failed
    this.#gathering = sink.gathers === true ? gathering : undefined
    this.#clock = gathering?.clock ?? systemClock
    this.busy = new BusyClock(this.#clock)
    this.#slots = sink.concurrency === 'auto' ? new Slots({ monotonic: () => this.#clock.monotonic(), limited }) : undefined
  }

  /** Goes on under another plan. Nothing may be under way. */
  rewire(refused: Refused, failed: (error: unknown) => void): void {
    this.#refused = refused
    this.#failed = failed
  }

  get sink(): Sink {
    return this.#sink
  }

  /** Writes that may be under way at once. */
  get concurrency(): number {
    const { concurrency = 1 } = this.#sink
    return concurrency === 'auto' ? (this.#slots?.limit ?? 1) : concurrency
  }

  /** Chunks that wait or are being written. */
  get backlog(): number {
    return this.#queue.length + this.#held.length + this.#writing
  }

  get breaker(): BreakerState | undefined {
    return this.#policy.breaker
  }

  /** Seconds in which its rate limit held it back; undefined where it has none. */
  get limitedSeconds(): number | undefined {
    const { limitedMs } = this.#policy
    return limitedMs === undefined ? undefined : limitedMs / 1000
  }

  /** Bytes of these. */
  get backlogBytes(): number {
    return this.#bytes
  }

  /** Keeps back the rows of flights behind `seq`, until called with undefined: they must not be part of the mark that is being made. */
  hold(seq: number | undefined): void {
    this.#holdBehind = seq
    const held = this.#held
    this.#held = []
    for (const { rows, flight } of held) {
      this.#bytes -= rows.bytes.length
      this.write(rows, flight)
    }
  }

  /** Takes rows on behalf of a flight, which is told when they are answered. */
  write(rows: SinkRows, flight: Flight): void {
    this.#bytes += rows.bytes.length
    if (this.#holdBehind !== undefined && flight.seq > this.#holdBehind) {
      this.#held.push({ rows, flight })
      return
    }
    this.#queue.push({ kind: 'write', rows, flight, since: this.#gathering?.clock.monotonic() ?? 0 })
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

  /** The last mark is in a checkpoint. */
  async committed(): Promise<JsonValue | undefined> {
    const { committed } = this.#sink
    if (committed === undefined) return undefined
    return (await this.#policy.call({ events: 0, bytes: 0 }, () => this.#watched('commit', () => committed.call(this.#sink)), this.#signal)).value
  }

  #watched<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#trouble === undefined ? work() : this.#trouble.watch(work, name)
  }

  #next(): void {
    while (!this.#broken && !this.#flushing) {
      const item = this.#queue[0]
      if (item === undefined) return
      if (item.kind === 'flush') {
        if (this.#writing > 0) return
        this.#queue.shift()
        this.#flushing = true
        this.busy.begin()
        this.#policy.call({ events: 0, bytes: 0 }, () => this.#watched('flush', () => this.#sink.flush()), this.#signal).then(
          ({ value }) => this.#flushed(item.resolve, value),
          (error: unknown) => {
            this.busy.end()
            item.reject(error)
            this.#break(error)
          },
        )
        return
      }
      if (this.#writing >= this.concurrency) return
      const writes = this.#ready(item)
      if (writes.length === 0) return
      this.#queue.splice(0, writes.length)
      this.#writing++
      this.busy.begin()
      const since = this.#clock.monotonic()
      this.#deliver(this.#number++, writes).then(() => this.#written(writes, since), (error: unknown) => this.#break(error))
    }
  }

  /** The chunks that go now, in one write; none where more may come in time. */
  #ready(first: Write): readonly Write[] {
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#gathering === undefined) return [first]
    const { batch, clock } = this.#gathering
    const writes: Write[] = []
    let [events, bytes] = [0, 0]
    for (const item of this.#queue) {
      const fits = item.kind === 'write' && item.rows.target === first.rows.target && events + item.rows.rows <= batch.events && bytes + item.rows.bytes.length <= batch.bytes
      if (!fits && writes.length > 0) return writes
      if (item.kind === 'flush') break
      writes.push(item)
      events += item.rows.rows
      bytes += item.rows.bytes.length
      if (writes.length === CHUNKS_MAX || events >= batch.events || bytes >= batch.bytes) return writes
    }
    const left = first.since + batch.age - clock.monotonic()
    if (left <= 0) return writes
    // A sleep keeps the process alive: where all else rests, the rows that wait here would else be lost with it.
    const over = new AbortController()
    this.#cancel = () => over.abort()
    clock.sleep(left, over.signal).then(() => this.#next(), () => undefined)
    return []
  }

  #flushed(resolve: (mark: JsonValue | undefined) => void, mark: JsonValue | undefined): void {
    this.#flushing = false
    this.busy.end()
    resolve(mark)
    this.#next()
  }

  #written(writes: readonly Write[], since: number): void {
    this.#writing--
    this.busy.end()
    this.latency.add((this.#clock.monotonic() - since) / 1000)
    for (const { rows, flight } of writes) {
      this.#bytes -= rows.bytes.length
      flight.close()
    }
    this.#next()
  }

  #break(error: unknown): void {
    this.#broken = true
    this.#cancel?.()
    this.#why ??= error
    for (const item of this.#queue) if (item.kind === 'flush') item.reject(this.#why)
    this.#failed(error)
  }

  #inSlot<T>(work: () => Promise<T>): Promise<T> {
    return this.#slots === undefined ? work() : this.#slots.run(work)
  }

  async #deliver(number: number, writes: readonly Write[]): Promise<void> {
    const rows = joined(writes)
    const input = writes.flatMap(({ flight }) => flight.input ?? [])
    const trace = this.#trace(rows.rows, rows.bytes.length, writes)
    const refused: { row: number; error: unknown; attempts: number }[] = []
    // Rows still to be taken, as indices into the chunk. A retry sends only these.
    let open: readonly number[] | undefined
    let attempts = 0
    let failure: unknown
    try {
      await this.#policy.call({ events: rows.rows, bytes: rows.bytes.length }, () => this.#watched('write', () => this.#inSlot(async () => {
        attempts++
        if (attempts > 1) this.totals.retries++
        const answers = await this.#sink.write({ ...(open === undefined ? whole(number, rows) : part(number, rows, open)), input, trace: trace?.context }, this.#signal)
        const retry = sort(answers ?? [], open, refused, attempts)
        if (retry.length === 0) return
        open = retry.map(one => one.row)
        const error = new SluiceError(retry[0]?.code ?? 'SINK_RETRY', `Sink "${this.id}" asks for another attempt: ${retry[0]?.reason ?? ''}`, { retry: true })
        throw Object.assign(error, { retryAfter: Math.max(...retry.map(({ after }) => after)) })
      })), this.#signal)
      // Whoever was cut off answers in many ways. What it refuses then is left to the next start, and is not given up.
      if (refused.length > 0) this.#signal.throwIfAborted()
    } catch (error) {
      failure = error
      if (this.#signal.aborted || (error instanceof SluiceError && error.stops) || writes.some(write => write.rows.origins.length === 0)) throw error
      const left = open ?? Array.from({ length: rows.rows }, (_, row) => row)
      for (const row of left) refused.push({ row, error, attempts })
    } finally {
      trace?.end({ attempts, refused: refused.length, error: failure })
    }
    if (refused.length > 0) this.#tell(writes, refused.sort((a, b) => a.row - b.row))
    this.totals.events += rows.rows - refused.length
    this.totals.bytes += rows.bytes.length
  }

  /** A span for a write, below that of the first batch in it that has one. */
  #trace(events: number, bytes: number, writes: readonly Write[]): WriteTrace | undefined {
    const [first, ...others] = writes.flatMap(({ flight }) => flight.trace ?? [])
    return first?.write({ sink: this.id, events, bytes, others: [...new Set(others)].filter(other => other !== first) })
  }

  /** Tells of refused rows by the chunk and the batch that each came in. */
  #tell(writes: readonly Write[], refused: readonly { row: number; error: unknown; attempts: number }[]): void {
    let start = 0
    for (const { rows, flight } of writes) {
      const end = start + rows.rows
      const own = refused.filter(({ row }) => row >= start && row < end).map(one => ({ ...one, row: one.row - start }))
      if (own.length > 0) this.#refused(rows, own, flight)
      start = end
    }
  }
}

/** Chunks as one. */
function joined(writes: readonly Write[]): Pick<SinkRows, 'target' | 'bytes' | 'rows' | 'ends'> {
  const [first, ...more] = writes.map(({ rows }) => rows)
  if (first === undefined) throw new SluiceError('INTERNAL', 'a write of nothing')
  if (more.length === 0) return first
  const all = [first, ...more]
  const bytes = new Uint8Array(all.reduce((sum, rows) => sum + rows.bytes.length, 0))
  const count = all.reduce((sum, rows) => sum + rows.rows, 0)
  const ends = all.every(rows => rows.ends !== undefined) ? new Uint32Array(count) : undefined
  let [at, row] = [0, 0]
  for (const rows of all) {
    bytes.set(rows.bytes, at)
    for (const end of rows.ends ?? []) if (ends !== undefined) ends[row++] = at + end
    at += rows.bytes.length
  }
  return { target: first.target, bytes, rows: count, ends }
}

function whole(number: number, rows: Pick<SinkRows, 'target' | 'bytes' | 'rows' | 'ends'>): SinkChunk {
  return { number, target: rows.target, bytes: rows.bytes, rows: rows.rows, ends: rows.ends }
}

/** A chunk of some of the rows. */
function part(number: number, rows: Pick<SinkRows, 'target' | 'bytes' | 'rows' | 'ends'>, wanted: readonly number[]): SinkChunk {
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
): { row: number; reason: string; code: ErrorCode | undefined; after: number }[] {
  const retry: { row: number; reason: string; code: ErrorCode | undefined; after: number }[] = []
  for (const answer of answers) {
    const row = open === undefined ? answer.row : (open[answer.row] ?? answer.row)
    if (answer.answer === 'retry') retry.push({ row, reason: answer.reason, code: answer.code, after: answer.after ?? 0 })
    else refused.push({ row, error: new SluiceError(answer.code ?? 'SINK_REJECTED', answer.reason), attempts })
  }
  return retry
}
