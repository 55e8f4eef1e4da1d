/**
 * Reads a stream of NATS JetStream as a durable pull consumer.
 *
 *     ask for so many bytes -> messages -> [ inbox ] -> pieces -> durable at every sink -> acknowledged, and the server's word for it awaited
 *
 * The server keeps what was acknowledged, so the next run goes on there, and several pipelines with one consumer share the work. While messages are worked on for long, the
 * server is told so. What it sends again although it is here, is not handed out again; what was done, but whose acknowledgement it has not taken, is acknowledged once more.
 */
import type { Msg } from '@nats-io/transport-node'
import { SluiceError } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { GOODBYE, inTime } from '../messages/in-time.ts'
import { Inbox } from '../messages/inbox.ts'
import type { Incoming } from '../messages/inbox.ts'
import { VALUE_FIELD } from '../messages/message-codec.ts'
import { Patience } from '../patience.ts'
import { probeStream } from '../probes.ts'
import { NATS_FIELDS, NatsLink } from './connection.ts'
import { ensureConsumer, startOf } from './consumer.ts'
import { natsError } from './errors.ts'
import { Pull, deliveryOf } from './pull.ts'

const CONFIG = field.object({
  ...NATS_FIELDS,
  stream: field.string({ minLength: 1, description: 'Stream to read' }),
  consumer: field.string({ minLength: 1, description: 'Name of the durable consumer; made where it is not there. Pipelines with one name share the messages' }),
  subjects: field.list(field.string({ minLength: 1 }), { default: [], description: 'Subjects of the stream to read, * and > allowed; all by default. Only when the consumer is made' }),
  start: field.string({ default: 'earliest', description: 'Where a new consumer begins: earliest, latest, the number of a message, or a time such as 2026-01-31T12:00:00Z' }),
  ack_wait: field.duration({ default: '30s', description: 'How long the server waits for a sign of life before it hands messages to another reader. Only when the consumer is made' }),
  unacknowledged_max: field.integer({ default: 20_000, minimum: 1, description: 'Messages that may be under way without an acknowledgement. Only when the consumer is made' }),
  waiting_max: field.size({ default: '8MiB', description: 'Bytes that are asked for ahead of the pipeline' }),
  value: VALUE_FIELD,
})
type Config = ValueOf<typeof CONFIG>

/** Longest wait for the server's word that it took acknowledgements. */
const ACK_WAIT = 2000
/** Messages that are remembered as done while that word is missing. */
const DONE_MAX = 100_000

class NatsSource implements Source {
  readonly live = true
  readonly format: { readonly format: string; readonly options: JsonValue }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #link: NatsLink
  readonly #patience: Patience
  readonly #closing = new AbortController()
  #inbox: Inbox<number>
  /** Where to send the acknowledgement of each message that is here, by its number in the stream. */
  readonly #held = new Map<number, string>()
  /** The same of those that are done, until the server has taken the acknowledgement. */
  readonly #done = new Map<number, string>()
  /** Numbers of those that came again. */
  readonly #again: number[] = []
  #ackWait: number
  #pending: number | undefined
  #tasks: Promise<void>[] = []

  constructor(config: Config, context: ComponentContext) {
    startOf(config.start)
    for (const [name, text] of [['stream', config.stream], ['consumer', config.consumer]] as const) {
      if (/[\s.*>/\\]/.test(text)) throw new SluiceError('CONFIG_VALUE', `"${name}" must not have blanks, dots, slashes, * or >; it is ${JSON.stringify(text)}.`)
    }
    this.#config = config
    this.#context = context
    this.#patience = new Patience(true, context)
    this.#ackWait = config.ack_wait
    this.#inbox = new Inbox(config.waiting_max)
    this.#link = new NatsLink(config, `sluice ${context.id}`)
    this.format = { format: 'messages', options: { value: config.value } }
  }

  async open(position: JsonValue | undefined): Promise<void> {
    this.#inbox = new Inbox(this.#config.waiting_max, position)
    const pull = await this.#pull()
    this.#tasks = [this.#receive(pull), this.#beat()]
  }

  next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    return this.#inbox.next(bytes, signal)
  }

  get lag(): number | undefined {
    return this.#pending === undefined ? undefined : this.#pending + this.#inbox.waiting
  }

  async #pull(): Promise<Pull> {
    const connection = await this.#link.connected()
    this.#ackWait = await ensureConsumer(connection, this.#link.server, this.#config)
    const { createInbox } = await import('@nats-io/transport-node')
    const { stream, consumer, domain } = this.#config
    return new Pull(connection, createInbox(), { stream, consumer, domain, server: this.#link.server, sleep: (ms, signal) => this.#context.sleep(ms, signal) }, message => this.#take(message))
  }

  /** Fills the inbox until the source is closed, through broken connections. */
  async #receive(first: Pull): Promise<void> {
    const { signal } = this.#closing
    let pull: Pull | undefined = first
    while (!signal.aborted) {
      try {
        if (pull === undefined) {
          pull = await this.#pull()
          // What the last connection took with it.
          void this.#acknowledge([...this.#done.keys()])
        }
        await this.#inbox.room(signal)
        if (!signal.aborted) await pull.ask(this.#config.waiting_max, signal)
      } catch (error) {
        pull = undefined
        this.#link.drop()
        try {
          await this.#patience.failed(natsError(error, this.#link.server, 'messages'), signal)
        } catch (why) {
          return this.#inbox.fail(why)
        }
      }
    }
    await pull?.close()
  }

  #take(message: Msg): void {
    const { reply = '' } = message
    const { sequence, time, pending } = deliveryOf(reply)
    this.#pending = pending
    this.#patience.succeeded()
    // Where it is here already, the newest way to acknowledge is the one that counts.
    if (this.#done.has(sequence)) return this.#acknowledgeAgain(sequence, reply)
    const isHere = this.#held.has(sequence)
    this.#held.set(sequence, reply)
    if (isHere) return
    const headers = headersOf(message)
    const incoming: Incoming<number> = {
      body: message.data, key: message.subject, time, from: { stream: this.#config.stream, sequence }, token: sequence, ...(headers === undefined ? {} : { headers }),
    }
    this.#inbox.add(incoming)
  }

  async commit(position: JsonValue): Promise<void> {
    const numbers = this.#inbox.finish(position)
    for (const number of numbers) {
      this.#done.set(number, this.#held.get(number) ?? '')
      this.#held.delete(number)
    }
    await this.#acknowledge(numbers)
    // Those whose acknowledgement the server never answered, and which it did not send again, are settled.
    for (const number of this.#done.keys()) {
      if (this.#done.size <= DONE_MAX) break
      this.#done.delete(number)
    }
  }

  #acknowledgeAgain(number: number, reply: string): void {
    this.#done.set(number, reply)
    if (this.#again.push(number) === 1) setImmediate(() => void this.#acknowledge(this.#again.splice(0)))
  }

  /**
   * Sends acknowledgements; the server takes them in order, so its word for the last one goes for all. Without that word, they are kept: the server may send the messages
   * once more, and a server that was killed may not know that it had sent them.
   */
  async #acknowledge(numbers: readonly number[]): Promise<void> {
    const waiting = numbers.filter(number => this.#done.has(number))
    const last = waiting.at(-1)
    if (last === undefined) return
    try {
      const connection = await this.#link.connected()
      for (const number of waiting) if (number !== last) connection.publish(this.#done.get(number) ?? '', '+ACK')
      await connection.request(this.#done.get(last) ?? '', '+ACK', { timeout: Math.min(ACK_WAIT, this.#config.timeout) })
      for (const number of waiting) this.#done.delete(number)
    } catch {
      // Whoever receives tells of a connection that is lost, and the next one acknowledges again.
    }
  }

  /** Tells the server, for as long as they are here, that messages are being worked on. */
  async #beat(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#context.sleep(Math.max(100, this.#ackWait / 3), signal).catch(() => undefined)
      if (!signal.aborted) await this.#say('+WPI', this.#held.values())
    }
  }

  /** Where there is no connection, whoever receives tells of it. */
  async #say(word: string, replies: Iterable<string>): Promise<void> {
    try {
      const connection = await this.#link.connected()
      for (const reply of replies) connection.publish(reply, word)
      await connection.flush()
    } catch {
      this.#link.drop()
    }
  }

  /** What is here and not done goes to the next reader at once, in the order it came. */
  async #giveBack(): Promise<void> {
    if (this.#held.size === 0) return
    const { jetstreamManager } = await import('@nats-io/jetstream')
    const { stream, consumer, timeout, domain } = this.#config
    // Asked for this, the server forgets our last request. Else it would find nobody there with the first message in its hand, and put that behind the others.
    const manager = await jetstreamManager(await this.#link.connected(), { timeout, checkAPI: false, ...(domain === undefined ? {} : { domain }) })
    await manager.consumers.info(stream, consumer).catch(() => undefined)
    await this.#say('-NAK', this.#held.values())
  }

  async close(): Promise<void> {
    this.#closing.abort()
    if (this.#tasks.length > 0) await inTime(this.#goodbye(), GOODBYE, this.#context)
    await this.#link.close()
  }

  async #goodbye(): Promise<void> {
    await Promise.all(this.#tasks)
    await this.#acknowledge([...this.#done.keys()])
    if (this.#done.size > 0) this.#context.warn(`${this.#done.size} messages are done, but the server has not taken their acknowledgement: they may come again in the next run.`)
    await this.#giveBack().catch(() => undefined)
  }
}

function headersOf({ headers }: Msg): Record<string, string> | undefined {
  if (headers === undefined) return undefined
  const own = headers.keys().filter(name => !/^nats-/i.test(name))
  return own.length === 0 ? undefined : Object.fromEntries(own.map(name => [name, headers.values(name).join(', ')]))
}

export const natsSource = defineSource({
  type: 'nats',
  summary: 'Read a stream of NATS JetStream',
  description:
    'Messages are acknowledged once they are durable at every sink. The server keeps what was acknowledged under the name of the consumer: the next run goes on there, and several pipelines with one ' +
    'name share the messages.\n\nThe key of an event is the subject of its message; headers and time are those of the message. Headers of NATS itself (`Nats-...`) are left out.',
  config: CONFIG,
  acks: true,
  replays: true,
  examples: [
    { title: 'A stream from its start', config: { servers: 'nats://localhost:4222', stream: 'ORDERS', consumer: 'billing' } },
    { title: 'Some subjects, with the login from the environment', config: { servers: ['nats://a:4222', 'nats://b:4222'], user: 'sluice', password: '${NATS_PASSWORD:}', stream: 'ORDERS', consumer: 'returns', subjects: ['orders.*.returned'], start: 'latest' } },
  ],
  probe: probeStream,
  create: (config, context) => new NatsSource(config, context),
})
