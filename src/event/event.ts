/**
 * One event on the object path.
 *
 * An event is JSON text and, once somebody has asked, the value that the text stands for. It stays text until it is read and leaves as the
 * very bytes it came as until it is changed:
 *
 *     text only --value--> text and value --replace()--> value only --text--> text and value
 *               --edit()-> other text, no value
 *
 * `value` is for reading. Whoever changes an event calls `replace` (a new value) or `edit` (new text); a value that was changed in place
 * without `replace` leaves unchanged. An event is also the scope of an expression: `event`, `key`, `headers`, `time` and `position` are
 * what expressions see.
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined }

/** Where events came from: a slab of bytes as a source delivered it. Shared by all events cut from it. */
export interface Slab {
  /** Id of the source in the pipeline. */
  readonly source: string
  readonly bytes: Uint8Array
  /** Position of the record that starts at `start` in `bytes`, as dead letters and expressions show it. */
  locate(start: number): JsonValue
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

export class Event {
  /** The slab that the original record lies in, with its place there. */
  readonly slab: Slab
  readonly start: number
  readonly end: number
  /** Number of the input event within its batch: an answer to any event derived from it answers this one. */
  ticket = 0
  /** Place in the array that a stage is working on; the engine sets it to see that each event is answered once. */
  slot = 0
  /** The value of the last `partition_by` that the event went through. */
  partition: string | undefined = undefined
  key: string | undefined = undefined
  headers: Readonly<Record<string, string>> = NO_HEADERS
  /** Event time in milliseconds since 1970, where a source or stage has set it. */
  time: number | undefined = undefined
  #text: string | undefined
  #value: JsonValue | undefined

  constructor(slab: Slab, start: number, end: number, text: string | undefined, value?: JsonValue) {
    this.slab = slab
    this.start = start
    this.end = end
    this.#text = text
    this.#value = value
  }

  /** The event's value, parsed at the first call. Throws SyntaxError where the text is not JSON. Not to be changed in place. */
  get value(): JsonValue {
    if (this.#value === undefined) this.#value = JSON.parse(this.#text ?? 'null') as JsonValue // JSON.parse yields nothing else.
    return this.#value
  }

  /** The event's JSON text: what it came as, or its changed value written anew. */
  get text(): string {
    if (this.#text === undefined) this.#text = JSON.stringify(this.#value ?? null)
    return this.#text
  }

  /** True while the event is text that nobody has replaced by a value: edits then keep the bytes of the fields that they don't touch. */
  get isText(): boolean {
    return this.#text !== undefined
  }

  /** Puts a new value in place of the old one. */
  replace(value: JsonValue): void {
    this.#value = value
    this.#text = undefined
  }

  /** Puts new JSON text in place of the old one. */
  edit(text: string): void {
    this.#text = text
    this.#value = undefined
  }

  /** A new event with the same origin, key, headers and time. */
  derive(value: JsonValue): Event {
    return this.#like(new Event(this.slab, this.start, this.end, undefined, value))
  }

  /** A copy that can be changed without this one noticing. */
  copy(): Event {
    return this.#like(new Event(this.slab, this.start, this.end, this.text))
  }

  #like(other: Event): Event {
    other.ticket = this.ticket
    other.slot = this.slot
    other.partition = this.partition
    other.key = this.key
    other.headers = this.headers
    other.time = this.time
    return other
  }

  /** Position of the original record at its source. */
  get position(): JsonValue {
    return this.slab.locate(this.start)
  }

  /** The bytes that the source delivered for this event. */
  get original(): Uint8Array {
    return this.slab.bytes.subarray(this.start, this.end)
  }

  /** What expressions call `event`. */
  get event(): JsonValue {
    return this.value
  }
}
