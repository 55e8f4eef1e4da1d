/**
 * Asks a pull consumer for messages, one request at a time, each for so many bytes.
 *
 *     ask -> messages ... -> all came | no more fits | time is up -> ask again
 *
 * The client has calls for this too, but they bound a request either by messages or by bytes, and at their end drop what is still on its way: the server would then hold that
 * back until its wait for a sign of life is over.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import { SluiceError } from '../../base/index.ts'
import { natsError } from './errors.ts'

/** Seconds that a request stands at the server, and after which the server says that it is still there. */
const EXPIRES = 30
const HEARTBEAT = 5
const MESSAGES_MAX = 10_000
const NANOS = 1e9

export interface PullPlace {
  readonly stream: string
  readonly consumer: string
  readonly domain: string | undefined
  /** The server's address, for messages. */
  readonly server: string
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** What the server says in the address of an acknowledgement. */
export interface Delivery {
  readonly sequence: number
  readonly time: number
  readonly pending: number
}

/** The address is $JS.ACK.STREAM.CONSUMER.TIMES.SEQUENCE.DELIVERED.NANOSECONDS.PENDING, in newer servers with a domain and an account behind ACK. */
export function deliveryOf(reply: string): Delivery {
  const parts = reply.split('.')
  const at = parts.length === 9 ? 0 : 2
  return { sequence: Number(parts[at + 5]), time: Math.floor(Number(parts[at + 7]) / 1e6), pending: Number(parts[at + 8]) }
}

interface Standing {
  left: number
  received: number
  readonly bytes: number
  heard: boolean
  readonly over: PromiseWithResolvers<void>
}

export class Pull {
  readonly #connection: NatsConnection
  readonly #place: PullPlace
  readonly #take: (message: Msg) => void
  readonly #inbox: string
  readonly #subscription: Subscription
  #standing: Standing | undefined

  constructor(connection: NatsConnection, inbox: string, place: PullPlace, take: (message: Msg) => void) {
    this.#connection = connection
    this.#place = place
    this.#take = take
    this.#inbox = inbox
    this.#subscription = connection.subscribe(inbox, { callback: (error, message) => this.#came(error, message) })
    void connection.closed().then(() => this.#end(new SluiceError('NATS_CONNECT', `The connection to NATS at ${place.server} was cut.`)))
  }

  /** Asks, and resolves when the request is over. Throws NATS_... */
  async ask(bytes: number, signal: AbortSignal): Promise<void> {
    const { stream, consumer, domain } = this.#place
    const standing: Standing = { left: MESSAGES_MAX, received: 0, bytes, heard: true, over: Promise.withResolvers() }
    this.#standing = standing
    const asked = { batch: MESSAGES_MAX, max_bytes: bytes, expires: EXPIRES * NANOS, idle_heartbeat: HEARTBEAT * NANOS }
    this.#connection.publish(`$JS.${domain === undefined ? '' : `${domain}.`}API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(asked), { reply: this.#inbox })
    const done = new AbortController()
    const stopped = (): void => this.#end()
    signal.addEventListener('abort', stopped, { once: true })
    void this.#listen(standing, done.signal)
    if (signal.aborted) stopped()
    try {
      await standing.over.promise
    } finally {
      done.abort()
      signal.removeEventListener('abort', stopped)
    }
  }

  #came(error: Error | null, message: Msg): void {
    const standing = this.#standing
    if (error !== null) return this.#end(natsError(error, this.#place.server, 'messages'))
    if (standing !== undefined) standing.heard = true
    if (message.subject !== this.#inbox) {
      if (standing !== undefined) standing.received++
      this.#take(message)
      if (standing !== undefined && --standing.left === 0) this.#end()
      return
    }
    const { code = 0, description = '' } = message.headers ?? {}
    if (code !== 100 && standing !== undefined) this.#end(this.#meaning(standing, code, description.toLowerCase()))
  }

  /** Why the server ended the request; undefined where another one is to follow. */
  #meaning({ received, bytes }: Standing, code: number, description: string): SluiceError | undefined {
    const { server, stream, consumer } = this.#place
    const known = (kind: 'NATS_CONSUMER' | 'NATS_STREAM' | 'NATS_REPLY', message: string, retry: boolean): SluiceError => new SluiceError(kind, message, { retry })
    if (code === 404 || code === 408) return undefined
    if (description.includes('exceeds maxbytes')) return received > 0 ? undefined : known('NATS_REPLY', `A message of the stream "${stream}" at NATS ${server} is larger than ${bytes} bytes. Raise "waiting_max".`, false)
    if (description.includes('consumer deleted')) return known('NATS_CONSUMER', `The consumer "${consumer}" of the stream "${stream}" at NATS ${server} is gone: somebody deleted it. Start the pipeline again, and it is made anew where "start" says.`, false)
    if (description.includes('push based')) return known('NATS_CONSUMER', `The consumer "${consumer}" of the stream "${stream}" at NATS ${server} was made a push consumer.`, false)
    return known('NATS_REPLY', `NATS at ${server} ended the wait for messages: ${description === '' ? code : description}.`, code !== 400)
  }

  /** A server that says nothing for so long is gone, or has forgotten the request. */
  async #listen(standing: Standing, done: AbortSignal): Promise<void> {
    while (!done.aborted && standing.heard) {
      standing.heard = false
      await this.#place.sleep(2.5 * HEARTBEAT * 1000, done).catch(() => undefined)
    }
    if (!done.aborted) this.#end(new SluiceError('NATS_CONNECT', `NATS at ${this.#place.server} has been silent for too long.`))
  }

  #end(error?: SluiceError): void {
    if (error === undefined) this.#standing?.over.resolve()
    else this.#standing?.over.reject(error)
    this.#standing = undefined
  }

  /** Takes back the request. What is on its way is still taken. */
  async close(): Promise<void> {
    if (!this.#connection.isClosed()) await Promise.race([this.#subscription.drain().catch(() => undefined), this.#connection.closed()])
  }
}
