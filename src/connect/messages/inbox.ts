/**
 * What a source has received from a broker and not yet acknowledged.
 *
 *     add -> [ waiting ] -> piece -> [ in flight ] -> finish -> acknowledged by the source
 *
 * A piece is numbered, and its number is its position: the broker itself knows what was acknowledged, so a position only has to grow. It goes on where an earlier run ended,
 * so that what that run had committed is never taken for something of this one.
 *
 * Memory: what waits is bounded by whoever adds (`room`); what is in flight by the pipeline's byte credits.
 */
import { untilAborted } from '../../base/index.ts'
import type { Piece } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import type { MessageMeta } from './message-codec.ts'

/** A message, with what it is acknowledged by. */
export interface Incoming<T> {
  readonly body: Uint8Array
  readonly from: JsonValue
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly time?: number
  readonly token: T
}

/** What a message costs beside its body. */
const COST = 64

export class Inbox<T> {
  readonly #waitingMax: number
  #number: number
  #waiting: Incoming<T>[] = []
  #waitingBytes = 0
  #inFlight: { readonly number: number; readonly tokens: readonly T[] }[] = []
  #failure: { readonly error: unknown } | undefined
  #arrived = Promise.withResolvers<void>()
  #left = Promise.withResolvers<void>()

  /** `position`: the last one of an earlier run. */
  constructor(waitingMax: number, position?: JsonValue) {
    this.#waitingMax = waitingMax
    this.#number = typeof position === 'number' ? position : 0
  }

  /** Messages that were not handed out yet. */
  get waiting(): number {
    return this.#waiting.length
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  add(message: Incoming<T>): void {
    this.#waiting.push(message)
    this.#waitingBytes += message.body.length + COST
    this.#arrived.resolve()
  }

  /** No more will come: who waits for a piece gets this error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#arrived.resolve()
  }

  /** Resolves when there is room for more. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#waitingBytes >= this.#waitingMax && !signal.aborted) {
      this.#left = Promise.withResolvers()
      await untilAborted(this.#left.promise, signal)
    }
  }

  /** The next piece, of about so many bytes; waits until there is one. Undefined once the signal has fired. */
  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    while (!signal.aborted) {
      const piece = this.#piece(bytes)
      if (piece !== undefined) return piece
      if (this.#failure !== undefined) throw this.#failure.error
      this.#arrived = Promise.withResolvers()
      await untilAborted(this.#arrived.promise, signal)
    }
    return undefined
  }

  #piece(bytes: number): Piece | undefined {
    let [count, cost] = [0, 0]
    for (const { body } of this.#waiting) {
      if (count > 0 && cost + body.length + COST > bytes) break
      count++
      cost += body.length + COST
    }
    if (count === 0) return undefined
    const taken = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    this.#waitingBytes -= cost
    this.#left.resolve()
    const number = ++this.#number
    this.#inFlight.push({ number, tokens: taken.map(({ token }) => token) })
    const metas: MessageMeta[] = []
    let end = 0
    for (const { body, from, key, headers, time } of taken) {
      end += body.length
      metas.push({ end, from, ...(key === undefined ? {} : { key }), ...(headers === undefined ? {} : { headers }), ...(time === undefined ? {} : { time }) })
    }
    const data = Buffer.concat(taken.map(({ body }) => body), end)
    return { position: number, from: taken[0]?.from ?? null, bytes: end, data, ingested: taken[0]?.time, meta: { messages: metas } as unknown as JsonValue } // An interface with nothing but JSON in it.
  }

  /** Everything up to the position is durable: what is to be acknowledged, in the order it came. */
  finish(position: JsonValue): T[] {
    const done = this.#inFlight.filter(({ number }) => number <= Number(position))
    this.#inFlight = this.#inFlight.filter(({ number }) => number > Number(position))
    return done.flatMap(({ tokens }) => tokens)
  }

  /** What was received and is not acknowledged. */
  held(): T[] {
    return [...this.#inFlight.flatMap(({ tokens }) => tokens), ...this.#waiting.map(({ token }) => token)]
  }

  /** Forgets what was not handed out, and answers it. */
  drop(): T[] {
    const tokens = this.#waiting.map(({ token }) => token)
    this.#waiting = []
    this.#waitingBytes = 0
    this.#left.resolve()
    return tokens
  }
}
