/** Of which input an object was made: for the manifest, and for `{{first}}` in a key. */
import type { InputRange } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'

/** Places that are told apart; what comes from more of them is only counted. */
const PLACES_MAX = 100

interface Span {
  readonly place: Readonly<Record<string, JsonValue | undefined>>
  first: number | undefined
  last: number | undefined
  end: number | undefined
}

function isMap(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Offset of the first record, where the source has offsets. */
export function firstOf(input: readonly InputRange[] | undefined): number | undefined {
  const from = input?.[0]?.from
  return isMap(from) && typeof from['offset'] === 'number' ? from['offset'] : undefined
}

export class Spans {
  readonly #spans = new Map<string, Span>()
  #more = 0

  add(input: readonly InputRange[] | undefined): void {
    for (const { source, from, position } of input ?? []) {
      const { offset, ...rest } = isMap(from) ? from : { offset: undefined }
      const place = { source, ...rest }
      const name = JSON.stringify(place)
      let span = this.#spans.get(name)
      if (span === undefined && this.#spans.size >= PLACES_MAX) {
        this.#more++
        continue
      }
      if (span === undefined) this.#spans.set(name, (span = { place, first: typeof offset === 'number' ? offset : undefined, last: undefined, end: undefined }))
      const next = nextOf(rest, position)
      // A log's offsets count records, those of a file bytes.
      if (next !== undefined && 'partition' in rest) span.last = next - 1
      else span.end = next
    }
  }

  toJson(): JsonValue[] {
    const all: JsonValue[] = [...this.#spans.values()].map(({ place, first, last, end }) => ({ ...place, ...(first === undefined ? {} : { first }), ...(last === undefined ? {} : { last }), ...(end === undefined ? {} : { end }) }))
    return this.#more === 0 ? all : [...all, { more: this.#more }]
  }
}

/** Where reading goes on at this place: `{ offset }`, or by topic and partition as logs have it. */
function nextOf(place: Readonly<Record<string, JsonValue | undefined>>, position: JsonValue): number | undefined {
  if (!isMap(position)) return undefined
  const { topic, partition } = place
  const partitions = typeof topic === 'string' ? position[topic] : undefined
  const next = isMap(partitions) ? partitions[String(partition)] : position['offset']
  return typeof next === 'number' ? next : undefined
}
