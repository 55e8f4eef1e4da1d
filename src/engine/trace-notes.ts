/**
 * The traces that the events of one batch came with, as a worker notes them. What an event is carried on with from here on names a span of this pipeline, which the
 * coordinating thread makes later, by the id that is chosen here.
 *
 * Bounded: beyond so many of a batch, events keep the trace that they came with, and have no span here.
 */
import { TRACEPARENT, TRACESTATE, parseTraceparent, traceparentOf } from '../observe/index.ts'
import type { TracedEvent, Traces } from '../observe/index.ts'

const EVENTS_MAX = 100

type Headers = Readonly<Record<string, string>>

export class TraceNotes {
  readonly #random: () => number
  #events: TracedEvent[] = []
  #isShared = false

  /** `random`: at least 0, below 1. */
  constructor(random: () => number) {
    this.#random = random
  }

  /** The headers that an event leaves with. `shared`: they are those of all events of the batch. */
  carry(headers: Headers, shared = false): Headers {
    const text = headers[TRACEPARENT]
    if (text === undefined || this.#events.length >= EVENTS_MAX) return headers
    const parent = parseTraceparent(text)
    if (parent?.sampled !== true) return headers
    const span = this.#newId()
    this.#events.push({ parent: text, state: headers[TRACESTATE], span })
    this.#isShared = shared
    return { ...headers, [TRACEPARENT]: traceparentOf({ ...parent, spanId: span }) }
  }

  /** An event with these headers went to the dead letters. */
  failed(headers: Headers, code: string): void {
    const span = parseTraceparent(headers[TRACEPARENT] ?? '')?.spanId
    const at = span === undefined ? -1 : this.#events.findIndex(event => event.span === span)
    const event = this.#events[at]
    if (event !== undefined) this.#events[at] = { ...event, error: code }
  }

  /** What was noted of a batch with so many events; undefined where none came with a trace. */
  take(events: number): Traces | undefined {
    const noted = this.#events
    if (noted.length === 0) return undefined
    const shared = this.#isShared || (noted.length === 1 && events === 1)
    this.#events = []
    this.#isShared = false
    return { events: noted, shared }
  }

  #newId(): string {
    const half = (): string => Math.floor(this.#random() * 2 ** 32).toString(16).padStart(8, '0')
    const id = half() + half()
    return id === '0'.repeat(16) ? this.#newId() : id
  }
}
