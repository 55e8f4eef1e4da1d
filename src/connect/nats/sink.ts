/**
 * Publishes to streams of NATS JetStream.
 *
 * A message is done once the stream has answered that it keeps it (PubAck). Each has an id, by which the server drops repeats within the stream's window for duplicates: the
 * event's own where `message_id` is given, else one that stays the same however often the sink tries.
 */
import type { JetStreamClient } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { randomUUID } from 'node:crypto'
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { ComponentContext, RowAnswer, Sink, SinkChunk, ValueOf } from '../../engine/index.ts'
import { inTime } from '../messages/in-time.ts'
import { VALUE_FIELD, messagesOf, sinkFormat } from '../messages/message-codec.ts'
import type { Outgoing } from '../messages/message-codec.ts'
import { NATS_FIELDS, NatsLink } from './connection.ts'
import { isLate, natsError, silentError } from './errors.ts'

const CONFIG = field.object({
  ...NATS_FIELDS,
  subject: field.template({ description: 'Subject to publish to; {...} takes a part of it from the event' }),
  stream: field.optional(field.string({ minLength: 1, description: 'Stream that must take the messages; another one that has the subject is an error' })),
  message_id: field.optional(field.expression({ description: 'Id of a message, by which the server drops repeats; without it, what the sink itself sends again is dropped' })),
  headers: field.record(field.expression(), { default: {}, description: 'Headers beside those that the event came with' }),
  value: VALUE_FIELD,
})
type Config = ValueOf<typeof CONFIG>

/** Messages under way at once: enough to fill the line, few enough that none of their answers comes late. */
const UNDER_WAY = 1000
/** Bytes that a message's headers and subject may take beside its body. */
const AROUND = 16 * 1024

/** One that can be published to. */
const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/

interface Open {
  readonly connection: NatsConnection
  readonly client: JetStreamClient
  /** Rejects when the connection breaks. */
  readonly over: Promise<never>
  /** Whether the server itself still answers. */
  isThere(): Promise<boolean>
  headersOf(message: Outgoing): MsgHdrs
}

class NatsSink implements Sink {
  readonly gathers = true
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #link: NatsLink
  /** Begins the ids of this run. */
  readonly #run = randomUUID()
  /** Rows of the chunk that is being tried again, as they were numbered at first. */
  #open: { readonly number: number; readonly rows: readonly number[] } | undefined

  constructor(config: Config, context: ComponentContext) {
    const { subject } = config
    if (subject.literal && !SUBJECT.test(subject.source)) throw new SluiceError('CONFIG_VALUE', `"subject" is words with dots between, without * and >: orders.new; it is ${JSON.stringify(subject.source)}.`)
    this.#config = config
    this.#context = context
    this.#link = new NatsLink(config, `sluice ${context.id}`)
  }

  /** Wrong logins, and a subject that no stream takes, are told at the start. */
  async open(): Promise<void> {
    const { subject, stream, timeout, domain } = this.#config
    const connection = await this.#link.connected()
    const { jetstreamManager } = await import('@nats-io/jetstream')
    try {
      const manager = await jetstreamManager(connection, { timeout, ...(domain === undefined ? {} : { domain }) })
      if (stream !== undefined) await manager.streams.info(stream)
      else if (subject.literal) await manager.streams.find(subject.source)
    } catch (error) {
      if (/no stream matches subject/.test(String(error))) throw new SluiceError('NATS_STREAM', `No stream at NATS ${this.#link.server} takes the subject "${subject.source}". Make one, or check "subject".`, { cause: error, retry: false })
      const known = natsError(error, this.#link.server, `the stream ${stream ?? `of ${subject.source}`}`)
      // Who may only publish may not ask for streams; what is wrong with them comes out then.
      if (known.code !== 'NATS_DENIED') throw known
    }
  }

  async write(chunk: SinkChunk): Promise<readonly RowAnswer[]> {
    const messages = messagesOf(chunk)
    const rows = this.#open?.number === chunk.number ? this.#open.rows : messages.map((_, row) => row)
    const open = await this.#client()
    const most = (open.connection.info?.max_payload ?? 1024 * 1024) - AROUND
    const answers: RowAnswer[] = []
    for (let from = 0; from < messages.length; from += UNDER_WAY) {
      const sent = messages.slice(from, from + UNDER_WAY).map(async (message, at): Promise<void> => {
        const row = from + at
        const refused = whyNot(message, most)
        if (refused !== undefined) return void answers.push({ row, answer: 'reject', ...refused })
        const failed = await this.#publish(open, message, `${this.#run}.${chunk.number}.${rows[row] ?? row}`)
        if (failed !== undefined) answers.push({ row, answer: failed.retry ? 'retry' : 'reject', code: failed.code, reason: failed.message })
      })
      await Promise.all(sent)
      const failed = answers.find(({ answer }) => answer === 'retry')
      if (failed === undefined) continue
      // Those behind stay behind.
      for (let row = from + sent.length; row < messages.length; row++) answers.push({ ...failed, row })
      break
    }
    answers.sort((a, b) => a.row - b.row)
    this.#open = { number: chunk.number, rows: answers.filter(({ answer }) => answer === 'retry').map(({ row }) => rows[row] ?? row) }
    return answers
  }

  async #client(): Promise<Open> {
    const connection = await this.#link.connected()
    const [{ jetstream }, { headers }] = await Promise.all([import('@nats-io/jetstream'), import('@nats-io/transport-node')])
    const { timeout, domain } = this.#config
    const headersOf = (message: Outgoing): MsgHdrs => {
      const made = headers()
      for (const [name, value] of message.headers) if (!/^nats-/i.test(name)) made.append(name, value)
      return made
    }
    // What waits for an answer when the connection breaks would wait until its time is up.
    const over = connection.closed().then((): never => {
      throw new SluiceError('NATS_CONNECT', `The connection to NATS at ${this.#link.server} was cut.`)
    })
    over.catch(() => undefined)
    let asked: Promise<boolean> | undefined
    const isThere = (): Promise<boolean> => (asked ??= inTime(Promise.race([connection.rtt(), over]), timeout, this.#context).then(came => came && !connection.isClosed()))
    return { connection, headersOf, over, isThere, client: jetstream(connection, { timeout, ...(domain === undefined ? {} : { domain }) }) }
  }

  /** Why it was not taken; undefined where it was. */
  async #publish({ client, over, isThere, headersOf }: Open, message: Outgoing, own: string): Promise<SluiceError | undefined> {
    const { stream, timeout } = this.#config
    const msgID = message.id === '' ? own : message.id
    try {
      await Promise.race([client.publish(message.to, message.body, { msgID, headers: headersOf(message), timeout, ...(stream === undefined ? {} : { expect: { streamName: stream } }) }), over])
      return undefined
    } catch (error) {
      if (isLate(error) && (await isThere())) return silentError(error, this.#link.server, message.to, timeout)
      return natsError(error, this.#link.server, `a message for "${message.to}"`)
    }
  }

  flush(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  close(): Promise<void> {
    return this.#link.close()
  }
}

/** Why a message can't be sent at all. */
function whyNot({ to, body, headers }: Outgoing, most: number): Pick<RowAnswer, 'code' | 'reason'> | undefined {
  if (!SUBJECT.test(to)) return { code: 'NATS_SUBJECT', reason: `${JSON.stringify(to)} is no subject to publish to: it is words with dots between, without blanks, * and >.` }
  if (body.length > most) return { reason: `The message has ${body.length} bytes, and the server takes ${most} ("max_payload").` }
  const bad = headers.find(([name, value]) => !/^[!-9;-~]+$/.test(name) || /[\r\n]/.test(value))
  return bad === undefined ? undefined : { reason: `The header ${JSON.stringify(bad[0])} can't be sent: its name has other characters than letters, digits and signs, or its value has a line end.` }
}

export const natsSink = defineSink({
  type: 'nats',
  summary: 'Publish to streams of NATS JetStream',
  description:
    'Each event is a message: its JSON is the body, its headers are those of the event. A message is done once the stream has answered that it keeps it.\n\n' +
    'What the sink sends again after a broken connection, the server drops by its id (`Nats-Msg-Id`) within the stream\'s window for duplicates, two minutes unless set otherwise. ' +
    'To drop repeats after a crash of the pipeline too, give `message_id`, such as `event.id`.',
  config: CONFIG,
  durable: 'write',
  examples: [
    { title: 'A subject, with the login from the environment', config: { servers: 'nats://localhost:4222', user: 'sluice', password: '${NATS_PASSWORD:}', subject: 'orders.new' } },
    { title: 'A subject for each country, repeats dropped by an id', config: { subject: 'orders.{event.country}', stream: 'ORDERS', message_id: 'event.id' } },
  ],
  encoding: ({ subject, message_id: id, headers, value }) => ({ ...sinkFormat(subject, id, headers, value), rows: true }),
  opensQuietly: true,
  create: (config, context) => new NatsSink(config, context),
})
