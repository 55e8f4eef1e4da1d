/** What answers of servers hold: values at paths, and how far the newest event is. */
import { SluiceError } from '../../base/index.ts'

/**
 * The parts of a path: `data.items`, or the same as JSONPath (RFC 9535) where that leads to one place: `$.data['items'][0]`, with `[*]` at its end or not. Throws CONFIG_VALUE
 * for a JSONPath that may lead to several places.
 */
export function partsOf(path: string): string[] {
  if (!path.startsWith('$')) return path.split('.')
  const parts: string[] = []
  let rest = path.slice(1).replace(/\[\*\]$/, '')
  while (rest !== '') {
    const [whole = '', name, quoted, index] = /^(?:\.([\p{L}_][\p{L}\p{N}_-]*)|\[(?:'([^'\\]*)'|"[^"\\]*")\]|\[(\d+)\])/u.exec(rest) ?? []
    if (whole === '') throw new SluiceError('CONFIG_VALUE', `The path ${JSON.stringify(path)} can't be used from ${JSON.stringify(rest)} on: it must lead to one place, by names and numbers alone.`)
    parts.push(name ?? quoted ?? index ?? whole.slice(2, -2))
    rest = rest.slice(whole.length)
  }
  return parts
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value
  for (const part of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined
    found = (found as Readonly<Record<string, unknown>>)[part] // An own field of an object.
  }
  return found
}

export type Mark = string | number

export interface WatermarkConfig {
  readonly field: string
  readonly parameter: string
  readonly start: string | undefined
}

/** The greatest value of a field: what a round asks with, and what it has seen. */
export class Watermark {
  readonly #path: readonly string[]
  readonly #parameter: string
  #asked: Mark | undefined
  #seen: Mark | undefined

  constructor({ field, parameter, start }: WatermarkConfig) {
    this.#path = partsOf(field)
    this.#parameter = parameter
    this.#asked = start
  }

  restore(asked: Mark | undefined, seen: Mark | undefined): void {
    this.#asked = asked ?? this.#asked
    this.#seen = seen
  }

  ask(url: URL): void {
    if (this.#asked !== undefined) url.searchParams.set(this.#parameter, String(this.#asked))
  }

  /** Takes an event into account. One without a number or text there changes nothing. */
  see(event: unknown): void {
    const value = valueAt(event, this.#path)
    if (typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value))) return
    if (this.#seen === undefined || isGreater(value, this.#seen)) this.#seen = value
  }

  roundOver(): void {
    if (this.#seen !== undefined && (this.#asked === undefined || isGreater(this.#seen, this.#asked))) this.#asked = this.#seen
    this.#seen = undefined
  }

  /** For the position of a page; `isLast`: the round is over once it is durable. */
  position(isLast: boolean): { readonly mark?: Mark; readonly seen?: Mark } {
    const [mark, seen] = [this.#asked, this.#seen]
    const isNewer = seen !== undefined && (mark === undefined || isGreater(seen, mark))
    if (isLast) return isNewer ? { mark: seen } : mark === undefined ? {} : { mark }
    return { ...(mark === undefined ? {} : { mark }), ...(seen === undefined ? {} : { seen }) }
  }
}

/** Numbers by size, also where one was given as text; texts by their code units. */
function isGreater(a: Mark, b: Mark): boolean {
  if (typeof a === 'number' || typeof b === 'number') return Number(a) > Number(b)
  return a > b
}
