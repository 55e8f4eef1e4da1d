/**
 * Takes events that clients post.
 *
 * A body is JSON lines, a JSON array or a single JSON value, by its content type. With `answer: durable` the client gets its 200 only when all its events are durable at
 * every sink or in the dead letters; with `accepted` it gets a 202 as soon as they are in memory. When more than `waiting_max` bytes wait, clients get 429 with Retry-After.
 *
 * A stop resets nobody who is talking: each answer then says that the connection ends with it, what comes gets 503 for a little while, and only then does it stop listening.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { timingSafeEqual, createHash } from 'node:crypto'
import { createGunzip } from 'node:zlib'
import type { Readable } from 'node:stream'
import { SluiceError, untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import { JsonArrayCutter } from '../../event/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { parseTraceparent } from '../../observe/index.ts'

const CONFIG = field.object({
  host: field.string({ default: '127.0.0.1', description: 'Address to listen at' }),
  port: field.integer({ minimum: 0, maximum: 65535, description: 'Port to listen at; 0 takes a free one' }),
  path: field.string({ default: '/', description: 'Path of the requests' }),
  answer: field.choice(['durable', 'accepted'], { default: 'durable', description: 'When a client gets its answer' }),
  token: field.optional(field.secret({ description: 'Token that clients must send as `authorization: Bearer`' })),
  body_max: field.size({ default: '8MiB', description: 'Most bytes of a body, unpacked' }),
  waiting_max: field.size({ default: '32MiB', description: 'Most bytes that wait; beyond it clients are told to come back' }),
  timeout: field.duration({ default: '30s', description: 'Longest wait for a durable answer; then 503' }),
})
type Config = ValueOf<typeof CONFIG>

/** Characters of `traceparent` and `tracestate` at most. */
const TRACEPARENT_MAX = 256
const TRACESTATE_MAX = 512

/** Milliseconds for which, after a stop, requests that were on their way are told to go elsewhere. */
const FAREWELL = 300

interface Waiting {
  readonly number: number
  readonly response: ServerResponse
  readonly cancel: () => void
}

class HttpServerSource implements Source {
  readonly live = true
  readonly format = { format: 'ndjson', options: { record_max: 64 * 1024 * 1024 } }
  readonly #config: Config
  readonly #context: ComponentContext
  #server: Server | undefined
  readonly #pieces: Piece[] = []
  #waitingBytes = 0
  #number = 0
  #waiting: Waiting[] = []
  #wake: (() => void) | undefined
  #closing = false
  /** Somebody has connected. */
  #isVisited = false

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
  }

  async open(): Promise<void> {
    const { host, port } = this.#config
    // Loaded here, because it costs every start 15 MB of memory, and few pipelines listen.
    const { createServer } = await import('node:http')
    const server = createServer((request, response) => {
      this.#take(request, response).catch((error: unknown) => this.#answer(response, 500, { error: error instanceof Error ? error.message : String(error) }))
    })
    this.#server = server
    server.on('connection', () => (this.#isVisited = true))
    await new Promise<void>((resolve, reject) => {
      server.once('error', error => reject(new SluiceError('HTTP_FAILED', `http_server can't listen at ${host}:${port}: ${error.message}`, { cause: error, retry: false })))
      server.listen(port, host, resolve)
    })
    const address = server.address()
    if (port === 0 && typeof address === 'object' && address !== null) this.#context.warn(`http_server listens at ${host}:${address.port}`)
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0]
    if (path === '/healthz' && request.method === 'GET') return this.#answer(response, 200, { status: 'ok' })
    if (path !== this.#config.path) return this.#answer(response, 404, { error: `Events go to ${this.#config.path}` })
    if (request.method !== 'POST') return this.#answer(response, 405, { error: 'Use POST.' }, { allow: 'POST' })
    if (!this.#allowed(request)) return this.#answer(response, 401, { error: 'The token is missing or wrong.' }, { 'www-authenticate': 'Bearer' })
    if (this.#closing) return this.#answer(response, 503, { error: 'The server is stopping.' }, { 'retry-after': '5' })
    if (this.#waitingBytes > this.#config.waiting_max) return this.#answer(response, 429, { error: 'Too much is waiting.' }, { 'retry-after': '1' })
    const body = await this.#body(request, response)
    if (body === undefined) return
    this.#accept(body, request, response)
  }

  #allowed(request: IncomingMessage): boolean {
    const { token } = this.#config
    if (token === undefined) return true
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${token}`))
  }

  /** The body, unpacked; answers the client itself where it is too long or broken. */
  async #body(request: IncomingMessage, response: ServerResponse): Promise<Buffer | undefined> {
    const encoding = request.headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity' && encoding !== 'gzip') return refused(response, 415, `The encoding ${encoding} is not known; gzip is.`)
    const stream: Readable = encoding === 'gzip' ? request.pipe(createGunzip()) : request
    const parts: Buffer[] = []
    let length = 0
    try {
      for await (const part of stream as AsyncIterable<Buffer>) { // No encoding is set: parts are buffers.
        length += part.length
        if (length > this.#config.body_max) return refused(response, 413, `A body may have ${this.#config.body_max} bytes.`)
        parts.push(part)
      }
    } catch {
      return refused(response, 400, 'The body could not be read.')
    }
    return Buffer.concat(parts)
  }

  #accept(body: Buffer, request: IncomingMessage, response: ServerResponse): void {
    let lines: Uint8Array
    try {
      lines = asLines(body, request.headers['content-type'] ?? '')
    } catch (error) {
      return this.#answer(response, 400, { error: error instanceof Error ? error.message : String(error) })
    }
    if (lines.length === 0) return this.#answer(response, 200, { accepted: 0 })
    const number = ++this.#number
    this.#pieces.push({ position: number, from: { request: number, offset: 0 }, bytes: lines.length, data: lines, ingested: this.#context.now(), ...traceOf(request) })
    this.#waitingBytes += lines.length
    this.#wake?.()
    if (this.#config.answer === 'accepted') return this.#answer(response, 202, { accepted: true })
    const cancel = (): void => {
      this.#waiting = this.#waiting.filter(one => one.number !== number)
    }
    const late = new AbortController()
    this.#context.sleep(this.#config.timeout, late.signal).then(
      () => {
        cancel()
        this.#answer(response, 503, { error: 'The events were taken, but are not durable yet; sending them again may double them.' }, { 'retry-after': '5' })
      },
      () => undefined,
    )
    response.on('close', cancel)
    this.#waiting.push({ number, response, cancel: () => late.abort() })
  }

  async next(_bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        this.#waitingBytes -= piece.bytes
        return piece
      }
      if (signal.aborted) {
        this.#closing = true
        return undefined
      }
      await untilAborted(new Promise<void>(resolve => (this.#wake = resolve)), signal)
      this.#wake = undefined
    }
  }

  commit(position: JsonValue): void {
    const done = this.#waiting.filter(one => one.number <= Number(position))
    this.#waiting = this.#waiting.filter(one => one.number > Number(position))
    for (const { response, cancel } of done) {
      cancel()
      this.#answer(response, 200, { durable: true })
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const { response, cancel } of this.#waiting) {
      cancel()
      this.#answer(response, 503, { error: 'The server stopped before the events were durable.' }, { 'retry-after': '5' })
    }
    this.#waiting = []
    const server = this.#server
    if (server === undefined) return
    // Clients that were answered last come back on new connections at once: they too are to hear that it is over, and not to be reset.
    if (this.#isVisited) await this.#context.sleep(FAREWELL)
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    server.closeIdleConnections()
    server.closeAllConnections()
    await (server.listening ? closed : undefined)
  }

  /** Once it closes, no connection is used again: a client that sent on it would meet its end. */
  #answer(response: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}): void {
    answer(response, status, body, this.#closing ? { ...headers, connection: 'close' } : headers)
  }
}

/** What a request says of the trace that it belongs to, as headers of its events. Each event carries it, so it must be short. */
function traceOf({ headers: { traceparent, tracestate } }: IncomingMessage): Pick<Piece, 'headers'> {
  if (typeof traceparent !== 'string' || parseTraceparent(traceparent) === undefined || traceparent.length > TRACEPARENT_MAX) return {}
  return { headers: { traceparent, ...(typeof tracestate === 'string' && tracestate.length <= TRACESTATE_MAX ? { tracestate } : {}) } }
}

function answer(response: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(`${JSON.stringify(body)}\n`)
}

/** Answers a body that was not read to its end: the connection can't be used again. */
function refused(response: ServerResponse, status: number, error: string): undefined {
  answer(response, status, { error }, { connection: 'close' })
  return undefined
}

/** A body as JSON lines. Throws JSON_SYNTAX for an array that is cut off. */
function asLines(body: Buffer, type: string): Uint8Array {
  if (/ndjson|jsonl|json-seq|text\/plain/.test(type)) return withEnd(body)
  const cutter = new JsonArrayCutter()
  const lines = cutter.push(body)
  cutter.end()
  return withEnd(lines)
}

function withEnd(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return new Uint8Array(0)
  const ended = bytes.at(-1) === 10
  const copy = new Uint8Array(bytes.length + (ended ? 0 : 1))
  copy.set(bytes)
  if (!ended) copy[bytes.length] = 10
  return copy
}

export const httpServer = defineSource({
  type: 'http_server',
  summary: 'Take events that clients post',
  description: 'The trace of a request (`traceparent`, `tracestate`) becomes headers of its events, which go on with them to a log or a broker.',
  config: CONFIG,
  acks: true,
  examples: [{ title: 'Answer when the events are durable', config: { port: 8080, path: '/events' } }],
  create: (config, context) => new HttpServerSource(config, context),
})
