/**
 * Publishes to an exchange of RabbitMQ, or of another broker that speaks AMQP 0-9-1.
 *
 * A message is persistent and mandatory, and done once the broker has confirmed it: a durable queue then has it on disk. One that no queue takes comes back, and is refused. Each has an
 * id that stays the same however often the sink tries, so that who reads can drop repeats.
 */
import type { ConfirmChannel } from 'amqplib'
import { randomUUID } from 'node:crypto'
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { ComponentContext, RowAnswer, Sink, SinkChunk, ValueOf } from '../../engine/index.ts'
import { GOODBYE, inTime } from '../messages/in-time.ts'
import { VALUE_FIELD, messagesOf, sinkFormat } from '../messages/message-codec.ts'
import type { Outgoing } from '../messages/message-codec.ts'
import { AMQP_FIELDS, addressOf, connectToPublish } from './connection.ts'
import type { AmqpAddress, AmqpConnection } from './connection.ts'
import { amqpError } from './errors.ts'

const CONFIG = field.object({
  ...AMQP_FIELDS,
  exchange: field.string({ default: '', description: 'Exchange to publish to; the default one takes the routing key for the name of a queue' }),
  routing_key: field.template({ description: 'Routing key; {...} takes a part of it from the event' }),
  message_id: field.optional(field.expression({ description: 'Id of a message, by which who reads can drop repeats; without it, the sink makes one' })),
  headers: field.record(field.expression(), { default: {}, description: 'Headers beside those that the event came with' }),
  value: VALUE_FIELD,
})
type Config = ValueOf<typeof CONFIG>

/** What the headers of a message may take together: the client's own limit is 64 KiB. */
const HEADERS_MAX = 60_000

class AmqpSink implements Sink {
  readonly gathers = true
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #address: AmqpAddress
  /** Begins the ids of this run. */
  readonly #run = randomUUID()
  #connection: AmqpConnection<ConfirmChannel> | undefined
  /** Rows of the chunk that is being tried again, as they were numbered at first. */
  #open: { readonly number: number; readonly rows: readonly number[] } | undefined
  /** Ids of messages that came back. */
  readonly #returned = new Set<string>()

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.#address = addressOf(config)
  }

  /** Wrong logins, and an exchange or a queue that is not there, are told at the start. */
  async open(): Promise<void> {
    const { exchange, routing_key: key } = this.#config
    const { server } = this.#address
    const { channel } = await this.#connected()
    try {
      if (exchange !== '') await channel.checkExchange(exchange)
      else if (key.literal) await channel.checkQueue(key.source)
    } catch (error) {
      const known = amqpError(error, server, `publishing to "${exchange === '' ? key.source : exchange}"`)
      await this.#drop()
      if (known.code === 'AMQP_MISSING') throw new SluiceError('AMQP_MISSING', `There is no ${exchange === '' ? `queue "${key.source}"` : `exchange "${exchange}"`} at the AMQP broker ${server}. Check the name, or make it.`, { cause: error })
      // Who may publish may not be allowed to look.
      if (known.code !== 'AMQP_DENIED') throw known
    }
  }

  async #connected(): Promise<AmqpConnection<ConfirmChannel>> {
    if (this.#connection?.isOpen === true) return this.#connection
    await this.#drop()
    const connection = await connectToPublish(this.#config, this.#address, { name: `sluice ${this.#context.id}`, warn: message => this.#context.warn(message, 'blocked') })
    connection.channel.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)))
    this.#connection = connection
    return connection
  }

  async write(chunk: SinkChunk): Promise<readonly RowAnswer[]> {
    const messages = messagesOf(chunk)
    const rows = this.#open?.number === chunk.number ? this.#open.rows : messages.map((_, row) => row)
    const connection = await this.#connected()
    this.#returned.clear()
    const sent = messages.map(async (message, row): Promise<RowAnswer | undefined> => {
      const fault = faultOf(message)
      if (fault !== undefined) return { row, answer: 'reject', reason: fault }
      const id = message.id === '' ? `${this.#run}.${chunk.number}.${rows[row] ?? row}` : message.id
      const error = await this.#publish(connection, message, id)
      // What comes back does so before it is confirmed.
      if (error === undefined && this.#returned.has(id)) return { row, answer: 'reject', code: 'AMQP_MISSING', reason: `No queue takes what is sent to ${this.#place(message.to)}. Bind one, or check the routing key.` }
      return error === undefined ? undefined : { row, answer: error.retry ? 'retry' : 'reject', code: error.code, reason: error.message }
    })
    const answers = (await Promise.all(sent)).filter(answer => answer !== undefined)
    this.#open = { number: chunk.number, rows: answers.filter(({ answer }) => answer === 'retry').map(({ row }) => rows[row] ?? row) }
    return answers
  }

  #place(key: string): string {
    const { exchange } = this.#config
    return exchange === '' ? `the queue "${key}"` : `the exchange "${exchange}" with the routing key "${key}"`
  }

  /** Why it was not taken; undefined where it was. */
  async #publish(connection: AmqpConnection<ConfirmChannel>, { to, headers, body }: Outgoing, messageId: string): Promise<SluiceError | undefined> {
    const { exchange } = this.#config
    const { server } = this.#address
    const confirmed = Promise.withResolvers<SluiceError | undefined>()
    try {
      const options = { mandatory: true, persistent: true, contentType: 'application/json', messageId, timestamp: Math.floor(this.#context.now() / 1000), headers: Object.fromEntries(headers) }
      connection.channel.publish(exchange, to, Buffer.from(body), options, (error: unknown) => {
        if (error === null || error === undefined) confirmed.resolve(undefined)
        else if (connection.isOpen) confirmed.resolve(new SluiceError('AMQP_FULL', `The AMQP broker at ${server} did not take a message for ${this.#place(to)}: the queue is full, or has no leader just now.`))
        else confirmed.resolve(undefined)
      })
      // A channel that was ended says why by itself; its messages only say that it is gone.
      await Promise.race([confirmed.promise, connection.over])
      return await (connection.isOpen ? confirmed.promise : connection.over)
    } catch (error) {
      return amqpError(error, server, `publishing to ${this.#place(to)}`)
    }
  }

  async #drop(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    if (connection !== undefined && !(await inTime(connection.close(), GOODBYE, this.#context))) connection.destroy()
  }

  flush(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  close(): Promise<void> {
    return this.#drop()
  }
}

/** Why a message can't be sent at all. */
function faultOf({ to, id, headers }: Outgoing): string | undefined {
  if (Buffer.byteLength(to) > 255) return `A routing key may have 255 bytes; this one has ${Buffer.byteLength(to)}.`
  if (Buffer.byteLength(id) > 255) return `The id of a message may have 255 bytes; this one has ${Buffer.byteLength(id)}.`
  const size = headers.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 8, 0)
  if (size > HEADERS_MAX) return `The headers of a message may have ${HEADERS_MAX} bytes together; these have ${size}.`
  const long = headers.find(([name]) => Buffer.byteLength(name) > 128)
  return long === undefined ? undefined : 'The name of a header may have 128 bytes; one is longer.'
}

export const amqpSink = defineSink({
  type: 'amqp',
  summary: 'Publish to an exchange or a queue of RabbitMQ (AMQP 0-9-1)',
  description:
    'Each event is a persistent message: its JSON is the body, its headers are those of the event. A message is done once the broker has confirmed it. One that no queue takes becomes a dead letter.\n\n' +
    'Where the connection breaks before the confirmation came, the message is sent again under the same `message_id`.',
  config: CONFIG,
  durable: 'write',
  examples: [
    { title: 'A queue', config: { url: 'amqp://localhost:5672', routing_key: 'orders' } },
    { title: 'An exchange, with the login from the environment', config: { url: 'amqps://broker.example/shop', username: 'sluice', password: '${AMQP_PASSWORD:}', exchange: 'orders', routing_key: 'new.{event.country}', message_id: 'event.id' } },
  ],
  encoding: ({ routing_key: key, message_id: id, headers, value }) => ({ ...sinkFormat(key, id, headers, value), rows: true }),
  opensQuietly: true,
  create: (config, context) => new AmqpSink(config, context),
})
