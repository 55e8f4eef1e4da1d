/**
 * One connection to one broker, made when first used and made anew after it broke.
 *
 *     none --first request--> connecting --> open --broken, or no answer in time--> none
 *                                 |
 *                                 +--failed--> none, after a pause that grows to a second
 *
 * Requests go out in the order of the calls, up to `inFlight` at a time, and are answered in that order: a broker works on one request of a connection after
 * the other. So whatever may wait long at the broker (a fetch, a member that joins) has a link of its own.
 */
import type { Socket } from 'node:net'
import { Connection, apiVersionsV3 } from '@platformatic/kafka'
import type { API, ConnectionOptions, Reader, ResponseParser, Writer } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import { connectError, lateError } from './errors.ts'
import type { Way } from './errors.ts'
import { nameOfEndpoint } from './options.ts'
import type { Endpoint } from './options.ts'

const PAUSE_MIN = 50
const PAUSE_MAX = 1000
/** Milliseconds that a connection gets to say goodbye. */
const GOODBYE_MAX = 500
const CONNECT_TIMEOUT = 10_000
/** Milliseconds of silence after which the system asks whether the other side is there. */
const KEEP_ALIVE = 10_000

export interface LinkOptions {
  readonly clientId: string
  readonly client: ConnectionOptions
  readonly way: Omit<Way, 'endpoint'>
  readonly clock: Clock
}

interface Versions {
  readonly min: number
  readonly max: number
}

/** A connection that stands, and what its broker knows. */
export interface Open {
  readonly connection: Connection
  readonly versions: ReadonlyMap<number, Versions>
}

/** A request of our own making. */
export interface RawRequest<T> {
  readonly key: number
  readonly version: number
  readonly name: string
  readonly write: () => Writer
  readonly parse: (reader: Reader) => T
}

export class Link {
  readonly endpoint: Endpoint
  readonly #options: LinkOptions
  #open: Open | undefined
  #opening: Promise<Open> | undefined
  /** What is being opened. */
  #begun: Connection | undefined
  #pause = 0
  #failedAt = -Infinity
  #failure: SluiceError | undefined
  #isClosed = false

  constructor(endpoint: Endpoint, options: LinkOptions) {
    this.endpoint = endpoint
    this.#options = options
  }

  /** Sends a request of the client's. An answer that tells errors is an answer too: the caller looks at its numbers. */
  async request<Args extends unknown[], T>(api: API<Args, T>, ...args: Args): Promise<T> {
    const { connection } = await this.ready(api.key, api.version)
    try {
      return await api.async(connection, ...args)
    } catch (error) {
      const response = responseOf(error) as T | undefined // What the parser of this very request made before it threw.
      if (response !== undefined) return response
      throw this.#broken(error)
    }
  }

  /** Sends a request of our own; `open` comes from `ready`, without a pause between, so that the order of the calls is kept. */
  send<T>({ connection }: Open, { key, version, write, parse }: RawRequest<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const parser: ResponseParser<T> = (_id, _key, _version, reader) => parse(reader)
    connection.send(key, version, write, parser, true, true, (error, answer) => {
      // The answer is there where no error is: the client's own type says "maybe" to both.
      if (error === null || error === undefined) resolve(answer as T)
      else reject(this.#broken(error))
    })
    return promise
  }

  /** The connection, made where there is none; LOG_UNSUPPORTED where the broker does not know this version of this request. */
  async ready(key: number, version: number): Promise<Open> {
    const open = this.#open ?? (await this.#connect())
    const known = open.versions.get(key)
    if (known !== undefined && version >= known.min && version <= known.max) return open
    throw new SluiceError('LOG_UNSUPPORTED', `${nameOfEndpoint(this.endpoint)} does not know version ${version} of request ${key}${known === undefined ? '' : `, only ${known.min} to ${known.max}`}: Kafka 2.8 or newer is needed.`)
  }

  /** The greatest version that both sides know; undefined where there is none. */
  async versionOf(key: number, least: number, most: number): Promise<number | undefined> {
    const known = (this.#open ?? (await this.#connect())).versions.get(key)
    const version = known === undefined ? -1 : Math.min(most, known.max)
    return version >= least && version >= (known?.min ?? 0) ? version : undefined
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** The connection as it is now. */
  get current(): Open | undefined {
    return this.#open
  }

  /** Ends the connection, and does not wait for one that says nothing: what was not written out by then is not. */
  async close(): Promise<void> {
    this.#isClosed = true
    const connection = this.#open?.connection
    this.#open = undefined
    if (this.#begun !== undefined) destroy(this.#begun)
    if (connection === undefined) return
    const cancel = this.#options.clock.timer(GOODBYE_MAX, () => destroy(connection))
    await connection.close().catch(() => undefined)
    cancel()
  }

  /** Ends the connection without waiting, also one that is being made; what is under way fails. */
  drop(): void {
    for (const connection of [this.#open?.connection, this.#begun]) if (connection !== undefined) destroy(connection)
    this.#open = undefined
  }

  #connect(): Promise<Open> {
    this.#opening ??= this.#make().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #make(): Promise<Open> {
    const { clock, clientId, client } = this.#options
    if (this.#isClosed) throw this.#closed()
    // Whoever asks again at once gets the answer of the last attempt, so that a broker that is down costs little.
    if (this.#failure !== undefined && clock.monotonic() - this.#failedAt < this.#pause) throw this.#failure
    const connection = new Connection(clientId, client)
    // Without a listener an error of a connection would end the process. Those of requests come back with the requests.
    connection.on('error', () => undefined)
    let isLate = false
    const cancel = clock.timer(client.connectTimeout ?? CONNECT_TIMEOUT, () => {
      isLate = true
      destroy(connection)
    })
    try {
      const open = await this.#begin(connection)
      if (this.#isClosed) throw this.#closed()
      if (!connection.isConnected()) throw new Error('Connection closed')
      connection.once('close', () => {
        if (this.#open === open) this.#open = undefined
        // It is closed; but the client forgets its timer for the next login only when told to close.
        void connection.close().catch(() => undefined)
      })
      this.#pause = 0
      this.#failure = undefined
      this.#open = open
      return open
    } catch (error) {
      void connection.close().catch(() => undefined)
      destroy(connection)
      const way = { endpoint: this.endpoint, ...this.#options.way }
      const failure = this.#isClosed ? this.#closed() : isLate ? lateError(error, way) : connectError(error, way)
      this.#pause = Math.min(PAUSE_MAX, Math.max(PAUSE_MIN, this.#pause * 2))
      this.#failedAt = clock.monotonic()
      this.#failure = failure
      throw failure
    } finally {
      cancel()
      this.#begun = undefined
    }
  }

  async #begin(connection: Connection): Promise<Open> {
    const connected = connection.connect(this.endpoint.host, this.endpoint.port)
    this.#begun = connection
    // The client waits for its timeout where a socket is closed on this side before it stands: no error tells of that, and nobody looks for the end.
    connection.socket.once('close', () => void connection.emit('close'))
    // A peer that is gone without a word is noticed also where nothing is asked.
    connection.socket.setKeepAlive(true, KEEP_ALIVE)
    await connected
    const { apiKeys } = await apiVersionsV3.api.async(connection, 'sluice', '1')
    return { connection, versions: new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { min: minVersion, max: maxVersion }])) }
  }

  #broken(error: unknown): SluiceError {
    if (this.#isClosed) return this.#closed()
    return connectError(error, { endpoint: this.endpoint, ...this.#options.way })
  }

  #closed(): SluiceError {
    return new SluiceError('LOG_CLOSED', `The connection to ${nameOfEndpoint(this.endpoint)} was closed.`)
  }
}

function destroy(connection: Connection): void {
  const socket: Socket | undefined = connection.socket // There is none where it could not even be begun, as with a certificate that is none.
  socket?.destroy()
}

/** The answer that an error of the client carries, where a broker answered at all. */
function responseOf(error: unknown): unknown {
  if (!(error instanceof Error) || !('response' in error) || typeof error.response !== 'object' || error.response === null) return undefined
  return error.response
}
