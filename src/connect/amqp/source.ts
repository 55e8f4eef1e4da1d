/**
 * Reads a queue of RabbitMQ, or of another broker that speaks AMQP 0-9-1.
 *
 *     message -> [ inbox ] -> pieces -> durable at every sink -> basic.ack
 *
 * The broker sends no more than `prefetch` messages ahead of their acknowledgement. When the connection breaks, it puts back what was not acknowledged: what was not handed out yet is
 * then forgotten here, and what was is known again by its `message_id`, where it has one; without, it comes twice.
 */
import type { Channel, ConsumeMessage } from 'amqplib'
import { SluiceError } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { GOODBYE, inTime } from '../messages/in-time.ts'
import { Inbox } from '../messages/inbox.ts'
import { VALUE_FIELD } from '../messages/message-codec.ts'
import { Patience } from '../patience.ts'
import { probeQueue } from '../probes.ts'
import { AMQP_FIELDS, addressOf, connectToRead } from './connection.ts'
import type { AmqpAddress, AmqpConnection } from './connection.ts'
import { amqpError } from './errors.ts'

const CONFIG = field.object({
  ...AMQP_FIELDS,
  queue: field.string({ minLength: 1, description: 'Queue to read' }),
  create: field.optional(field.choice(['quorum', 'classic'], { description: 'Make the queue where it is not there, durable and of this type' })),
  prefetch: field.integer({ default: 1000, minimum: 1, maximum: 65_535, description: 'Messages that the broker sends ahead of their acknowledgement: so many may be in memory' }),
  value: VALUE_FIELD,
})
type Config = ValueOf<typeof CONFIG>

/** A message that the broker waits to hear of. */
interface Token {
  readonly id: string | undefined
  message: ConsumeMessage
  channel: Channel
  done: boolean
}

class AmqpSource implements Source {
  readonly live = true
  readonly format: { readonly format: string; readonly options: JsonValue }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #address: AmqpAddress
  readonly #patience: Patience
  readonly #closing = new AbortController()
  #inbox: Inbox<Token> = new Inbox(Infinity)
  #connection: AmqpConnection<Channel> | undefined
  /** By their ids, messages that were handed out and are not acknowledged. */
  readonly #held = new Map<string, Token>()
  #receiving: Promise<void> | undefined
  #count = 0

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.#address = addressOf(config)
    this.#patience = new Patience(true, context)
    this.format = { format: 'messages', options: { value: config.value } }
  }

  async open(position: JsonValue | undefined): Promise<void> {
    this.#inbox = new Inbox(Infinity, position)
    this.#receiving = this.#receive(await this.#connect())
  }

  next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    return this.#inbox.next(bytes, signal)
  }

  get lag(): number | undefined {
    return this.#inbox.waiting
  }

  async #connect(): Promise<AmqpConnection<Channel>> {
    const { queue, create, prefetch } = this.#config
    const { server } = this.#address
    const connection = await connectToRead(this.#config, this.#address, { name: `sluice ${this.#context.id}`, warn: message => this.#context.warn(message, 'blocked') })
    const { channel } = connection
    this.#connection = connection
    try {
      if (create === undefined) await channel.checkQueue(queue)
      else await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': create } })
      await channel.prefetch(prefetch)
      await channel.consume(queue, message => {
        if (message === null) connection.fail(new SluiceError('AMQP_CONNECT', `The AMQP broker at ${server} ended the reading of "${queue}": the queue was deleted, or has moved.`))
        else this.#take(connection, message)
      })
    } catch (error) {
      await this.#end(connection)
      const known = amqpError(error, server, `reading "${queue}"`)
      throw known.code === 'AMQP_MISSING' ? new SluiceError('AMQP_MISSING', `There is no queue "${queue}" at the AMQP broker ${server}. Check "queue", or let "create" make it.`, { cause: error }) : known
    }
    return connection
  }

  /** Keeps a connection until the source is closed. */
  async #receive(first: AmqpConnection<Channel>): Promise<void> {
    const { signal } = this.#closing
    let connection: AmqpConnection<Channel> | undefined = first
    while (!signal.aborted) {
      try {
        connection ??= await this.#connect()
        await connection.over
      } catch (error) {
        if (signal.aborted) return
        await this.#end(connection)
        connection = undefined
        // The broker sends these again.
        for (const token of this.#inbox.drop()) this.#forget(token)
        try {
          await this.#patience.failed(amqpError(error, this.#address.server, 'messages'), signal)
        } catch (why) {
          return this.#inbox.fail(why)
        }
      }
    }
  }

  async #end(connection: AmqpConnection<Channel> | undefined): Promise<void> {
    if (connection !== undefined && !(await inTime(connection.close(), GOODBYE, this.#context))) connection.destroy()
  }

  #take(connection: AmqpConnection<Channel>, message: ConsumeMessage): void {
    if (connection !== this.#connection || !connection.isOpen) return
    this.#patience.succeeded()
    const { fields, properties, content } = message
    const id: unknown = properties.messageId
    const token: Token = { id: typeof id === 'string' ? id : undefined, message, channel: connection.channel, done: false }
    const before = token.id === undefined || !fields.redelivered ? undefined : this.#held.get(token.id)
    if (before !== undefined && before.channel !== connection.channel) {
      // It is here already, and was put back with the connection that brought it.
      Object.assign(before, { message, channel: connection.channel })
      if (before.done) this.#acknowledge(before)
      return
    }
    const headers = headersOf(properties.headers)
    const time: unknown = properties.timestamp
    this.#inbox.add({
      body: content, key: fields.routingKey, from: { queue: this.#config.queue, message: ++this.#count }, token,
      ...(headers === undefined ? {} : { headers }), ...(typeof time === 'number' ? { time: time * 1000 } : {}),
    })
    if (token.id !== undefined && !this.#held.has(token.id)) this.#held.set(token.id, token)
  }

  #acknowledge(token: Token): void {
    token.done = true
    const { channel, message } = token
    // Where its connection is gone, the message comes again; it is acknowledged then, if its id tells which it is.
    if (this.#connection?.isOpen !== true || this.#connection.channel !== channel) return
    this.#forget(token)
    channel.ack(message)
  }

  #forget(token: Token): void {
    if (token.id !== undefined && this.#held.get(token.id) === token) this.#held.delete(token.id)
  }

  commit(position: JsonValue): void {
    for (const token of this.#inbox.finish(position)) this.#acknowledge(token)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#end(this.#connection)
    await this.#receiving
  }
}

/** Headers as texts; what is none is shown as JSON. */
function headersOf(given: unknown): Record<string, string> | undefined {
  if (typeof given !== 'object' || given === null) return undefined
  const entries = Object.entries(given).map(([name, value]: [string, unknown]): [string, string] => [name, typeof value === 'string' ? value : (JSON.stringify(value) ?? '')])
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

export const amqpSource = defineSource({
  type: 'amqp',
  summary: 'Read a queue of RabbitMQ (AMQP 0-9-1)',
  description:
    'Messages are acknowledged once they are durable at every sink. What was not acknowledged when a connection broke, the broker sends again.\n\n' +
    'The key of an event is the routing key of its message; headers and time are those of the message.',
  config: CONFIG,
  acks: true,
  replays: true,
  examples: [
    { title: 'A queue that is there', config: { url: 'amqp://localhost:5672', queue: 'orders' } },
    { title: 'Over TLS in a virtual host, with the login from the environment', config: { url: 'amqps://broker.example/shop', username: 'sluice', password: '${AMQP_PASSWORD:}', queue: 'orders', create: 'quorum' } },
  ],
  probe: probeQueue,
  create: (config, context) => new AmqpSource(config, context),
})
