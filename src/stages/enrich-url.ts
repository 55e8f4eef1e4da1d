/**
 * Look-ups by a server: the JSON object that it answers with, by address.
 *
 * Answers, 404 among them, are kept for `cache.age`, `cache.entries` at most and CACHE_MAX characters in all; the oldest go first. Events that ask for one address at the
 * same time share one call. Nothing is tried again here: what may succeed later is an error with `retry`, and the engine's policy does the rest.
 */
import { SluiceError } from '../base/index.ts'
import { compileFor, templateParts } from '../engine/index.ts'
import type { StageContext } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { isObject } from './paths.ts'
import { keyOf } from './values.ts'

export type Row = Readonly<Record<string, JsonValue>>

export interface ServerOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly timeout: number
  readonly cache: { readonly entries: number; readonly age: number }
}

/** Characters that the cache of a stage holds at most, and an answer. */
const CACHE_MAX = 64 * 1024 * 1024
const ANSWER_MAX = 1024 * 1024

export class Server {
  readonly #options: ServerOptions
  readonly #context: StageContext
  readonly #addressOf: (event: Event) => string
  readonly #cache = new Map<string, { readonly until: number; readonly row: Row | undefined; readonly size: number }>()
  /** Calls under way. As many as there are events under way at most. */
  readonly #asked = new Map<string, Promise<Row | undefined>>()
  #held = 0

  /** Throws CONFIG_VALUE where an event could choose the server, and EXPR_... for the expressions of the address. */
  constructor(options: ServerOptions, context: StageContext) {
    this.#options = options
    this.#context = context
    checkHeaders(options.headers)
    this.#addressOf = escapedAddress(options.url, context)
  }

  /** Where an event's row is asked for. Throws FIELD_TYPE for a value that can't be a part of an address. */
  addressOf(event: Event): string {
    return this.#addressOf(event)
  }

  /** The row, or undefined where the server knows none. Throws HTTP_FAILED and HTTP_STATUS. */
  get(address: string): Promise<Row | undefined> {
    const known = this.#cache.get(address)
    if (known !== undefined && known.until > this.#context.now()) return Promise.resolve(known.row)
    let asked = this.#asked.get(address)
    if (asked === undefined) {
      asked = this.#watched(address).finally(() => this.#asked.delete(address))
      this.#asked.set(address, asked)
    }
    return asked
  }

  /** Only what the server itself answers shows that it is there: the cache answers also while it is gone. */
  #watched(address: string): Promise<Row | undefined> {
    const { trouble } = this.#context
    return trouble === undefined ? this.#ask(address) : trouble.watch(() => this.#ask(address), 'server')
  }

  async #ask(address: string): Promise<Row | undefined> {
    const row = await getJson(address, this.#options, this.#context)
    const { entries, age } = this.#options.cache
    const size = address.length + JSON.stringify(row ?? null).length
    this.#forget(address)
    if (entries === 0 || age === 0) return row
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size < entries && this.#held + size <= CACHE_MAX) break
      this.#forget(oldest)
    }
    this.#cache.set(address, { until: this.#context.now() + age, row, size })
    this.#held += size
    return row
  }

  #forget(address: string): void {
    this.#held -= this.#cache.get(address)?.size ?? 0
    this.#cache.delete(address)
  }
}

/** Throws CONFIG_VALUE for a header that can't be sent, without its value: that may be secret. */
function checkHeaders(headers: ServerOptions['headers']): void {
  const tried = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    try {
      tried.set(name, value)
    } catch {
      throw new SluiceError('CONFIG_VALUE', `enrich: the header ${JSON.stringify(name)} can't be sent as it is.`)
    }
  }
}

/** The address for an event. What comes from the event is escaped, so that it can choose neither another server nor another path. */
function escapedAddress(source: string, context: StageContext): (event: Event) => string {
  if (!/^https?:\/\/[^/{?#]+\//.test(source)) throw new SluiceError('CONFIG_VALUE', `enrich: the url must begin with a fixed server, such as http://localhost:8080/; it is ${JSON.stringify(source)}.`)
  const parts = templateParts(source).map(part => (typeof part === 'string' ? part : compileFor(part.source, 'any', context)))
  return event => parts.map(part => (typeof part === 'string' ? part : escaped(keyOf(part, event)))).join('')
}

function escaped(text: string): string {
  if (text === '.' || text === '..' || !text.isWellFormed()) throw new SluiceError('FIELD_TYPE', `${JSON.stringify(text.slice(0, 100))} can't be a part of an address.`)
  return encodeURIComponent(text)
}

async function getJson(url: string, { timeout, headers }: ServerOptions, context: StageContext): Promise<Row | undefined> {
  const { origin } = new URL(url)
  const text = await answerOf(url, origin, timeout, headers, context)
  if (text === undefined) return undefined
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue // JSON, whatever its shape.
  } catch (error) {
    throw new SluiceError('HTTP_STATUS', `${origin} did not answer with JSON.`, { cause: error })
  }
  if (!isObject(value)) throw new SluiceError('HTTP_STATUS', `${origin} did not answer with a JSON object.`)
  return value as Row // Parsed JSON has no undefined.
}

/** The text of the answer; undefined for 404. */
async function answerOf(url: string, origin: string, timeout: number, headers: Readonly<Record<string, string>>, context: StageContext): Promise<string | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]), headers: { accept: 'application/json', ...headers } })
    if (!response.ok) await response.body?.cancel()
    if (response.status === 404) return undefined
    if (!response.ok) throw refusal(response, origin, context)
    return await bodyOf(response, origin)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    if (context.signal.aborted) throw new SluiceError('ABORTED', 'The pipeline stops.', { cause: error })
    const late = error instanceof Error && error.name === 'TimeoutError'
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    throw new SluiceError('HTTP_FAILED', late ? `${origin} did not answer within ${timeout} ms.` : `${origin} could not be reached: ${cause instanceof Error ? cause.message : String(cause)}`, { cause: error })
  }
}

/** An answer that is no success; with `retryAfter`, in milliseconds, where the server says when to come again. */
function refusal({ status, headers }: Response, origin: string, context: StageContext): SluiceError {
  const error = new SluiceError('HTTP_STATUS', `${origin} answered ${status}.`, { retry: status >= 500 || status === 429 || status === 408 || status === 425 })
  const after = headers.get('retry-after')
  if (after === null) return error
  const wait = /^\s*\d+\s*$/.test(after) ? Number(after) * 1000 : Date.parse(after) - context.now()
  return wait > 0 ? Object.assign(error, { retryAfter: Math.min(wait, 3_600_000) }) : error
}

/** The text of an answer of bounded length. */
async function bodyOf(response: Response, origin: string): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > ANSWER_MAX) throw new SluiceError('HTTP_STATUS', `${origin} answered with more than ${ANSWER_MAX} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
