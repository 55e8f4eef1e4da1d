/**
 * Posts batches to a server.
 *
 * A status of 200 to 299 takes the batch; 408, 425, 429 and 5xx are tried again by the sink's `retry`; others refuse the batch, whose events go to the dead letters one by one.
 * With `results`, the answer's JSON tells of single events: a list, in the order of the batch, whose items have a `status` (a number) or an `error`.
 */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { ComponentContext, RowAnswer, Sink, SinkChunk, ValueOf } from '../../engine/index.ts'
import { AUTH, authHeaders, bodyText, call } from '../http.ts'

const CONFIG = field.object({
  url: field.string({ description: 'Where to post to' }),
  method: field.choice(['POST', 'PUT', 'PATCH'], { default: 'POST' }),
  body: field.choice(['ndjson', 'array', 'single'], { default: 'ndjson', description: 'JSON lines, one JSON array, or one request for each event' }),
  headers: field.record(field.string(), { default: {}, description: 'Further headers' }),
  auth: AUTH,
  compression: field.choice(['none', 'gzip'], { default: 'none' }),
  events: field.integer({ default: 500, minimum: 1, description: 'Most events in a request' }),
  results: field.optional(field.string({ description: 'Field of the answer that holds a list with a result for each event' })),
  timeout: field.duration({ default: '30s', description: 'Longest wait for an answer' }),
  concurrency: field.either([field.integer({ minimum: 1, maximum: 100 }), field.choice(['auto'])], {
    default: 1,
    description: 'Writes under way at once; above 1 the order at the server is not kept. auto takes as many as the server takes, by round-trip times and refusals',
  }),
})
type Config = ValueOf<typeof CONFIG>

const compress = promisify(gzip)
const ANSWER_MAX = 16 * 1024 * 1024

/** Rows `from` up to `to` of a chunk. */
function rowsOf(chunk: SinkChunk, from: number, to: number): Uint8Array {
  const start = from === 0 ? 0 : (chunk.ends?.[from - 1] ?? 0)
  return chunk.bytes.subarray(start, chunk.ends?.[to - 1] ?? chunk.bytes.length)
}

class HttpSink implements Sink {
  readonly concurrency: number | 'auto'
  readonly gathers = true
  readonly #config: Config
  readonly #context: ComponentContext

  constructor(config: Config, context: ComponentContext) {
    this.concurrency = config.concurrency
    this.#config = config
    this.#context = context
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  async write(chunk: SinkChunk): Promise<readonly RowAnswer[]> {
    const size = this.#config.body === 'single' ? 1 : this.#config.events
    const answers: RowAnswer[] = []
    for (let from = 0; from < chunk.rows; from += size) {
      const to = Math.min(chunk.rows, from + size)
      try {
        answers.push(...(await this.#post(rowsOf(chunk, from, to), to - from, chunk.trace)).map(answer => ({ ...answer, row: answer.row + from })))
      } catch (error) {
        // What stood before has been taken: only the rest is answered as failed. An error for all would send the others twice.
        if ((from === 0 && to === chunk.rows && isRetriable(error)) || (error instanceof SluiceError && error.stops)) throw error
        const answer = isRetriable(error) ? 'retry' : 'reject'
        const until = answer === 'retry' ? chunk.rows : to
        for (let row = from; row < until; row++) answers.push({ row, answer, code: error instanceof SluiceError ? error.code : undefined, reason: error instanceof Error ? error.message : String(error), after: afterOf(error) })
        if (answer === 'retry') break
      }
    }
    return answers
  }

  async #post(rows: Uint8Array, count: number, trace: string | undefined): Promise<readonly RowAnswer[]> {
    const { url, method, headers, auth, body, compression, timeout } = this.#config
    const text = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
    const made = body === 'array' ? Buffer.from(`[${text.toString('utf8').trimEnd().replaceAll('\n', ',')}]`) : text
    const type = body === 'ndjson' ? 'application/x-ndjson' : 'application/json'
    const response = await call(
      url,
      {
        method,
        headers: { 'content-type': type, ...(trace === undefined ? {} : { traceparent: trace }), ...headers, ...authHeaders(auth), ...(compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}) },
        body: new Uint8Array(compression === 'gzip' ? await compress(made) : made),
      },
      timeout,
      this.#context,
    )
    const answer = bodyText(response, ANSWER_MAX, url)
    // The status has taken the batch: what breaks off behind it is no reason to send it again. It is read so that the connection can be used again.
    if (this.#config.results === undefined) return answer.then(() => [], () => [])
    return resultsOf(await answer, this.#config.results, count)
  }

  flush(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** How long the server asks to be left alone for. */
function afterOf(error: unknown): number | undefined {
  return error instanceof Error && 'retryAfter' in error && typeof error.retryAfter === 'number' ? error.retryAfter : undefined
}

function isRetriable(error: unknown): boolean {
  return error instanceof Error && 'retry' in error && error.retry === true
}

/** What the server says of single events; a list that is not there, or too short, says nothing of them. */
function resultsOf(text: string, name: string, count: number): readonly RowAnswer[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return []
  }
  const list: unknown = typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, name) ? (parsed as Readonly<Record<string, unknown>>)[name] : undefined // An own field of an object.
  if (!Array.isArray(list)) return []
  return list.slice(0, count).flatMap((item: unknown, row): RowAnswer[] => {
    const result = typeof item === 'object' && item !== null ? (item as { readonly status?: unknown; readonly error?: unknown }) : { status: item }
    const status = typeof result.status === 'number' ? result.status : result.error === undefined || result.error === null ? 200 : 400
    if (status < 300) return []
    const again = status >= 500 || status === 429 || status === 408
    return [{ row, answer: again ? 'retry' : 'reject', code: 'HTTP_STATUS', reason: `The server says ${status}${result.error === undefined ? '' : `: ${JSON.stringify(result.error).slice(0, 300)}`}` }]
  })
}

/** Asks for the head of the address: whatever the server says of that, it is there, unless it refuses the login. */
async function probe({ url, headers, auth, timeout }: Config, context: ComponentContext): Promise<void> {
  try {
    await call(url, { method: 'HEAD', headers: { ...headers, ...authHeaders(auth) } }, timeout, context)
  } catch (error) {
    const status = error instanceof Error && 'status' in error ? error.status : undefined
    if (status === undefined || status === 401 || status === 403) throw error
  }
}

export const http = defineSink({
  type: 'http',
  summary: 'Post events to a server',
  description: 'With [telemetry](../../how-to/telemetry.md), a request carries its trace on in `traceparent`, unless `headers` names that.',
  config: CONFIG,
  durable: 'write',
  examples: [{ title: 'Batches of JSON lines', config: { url: 'https://example.org/events', auth: { bearer: '${TOKEN:none}' } } }],
  encoding: () => ({ format: 'ndjson', options: {}, rows: true }),
  probe,
  create: (config, context) => new HttpSink(config, context),
})
