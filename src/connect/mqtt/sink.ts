/**
 * Publishes to an MQTT broker with QoS 1: a message is done once the broker has acknowledged it.
 *
 * As many are under way as the broker takes. Where the connection breaks before the acknowledgement came, the broker may have the message already: it is then sent again.
 */
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { ComponentContext, RowAnswer, Sink, SinkChunk, ValueOf } from '../../engine/index.ts'
import { GOODBYE, inTime } from '../messages/in-time.ts'
import { VALUE_FIELD, messagesOf, sinkFormat } from '../messages/message-codec.ts'
import type { Outgoing } from '../messages/message-codec.ts'
import { probeMqtt } from '../probes.ts'
import { MQTT_FIELDS, addressOf, connectMqtt } from './connection.ts'
import type { MqttConnection } from './connection.ts'
import { mqttError } from './errors.ts'

const CONFIG = field.object({
  ...MQTT_FIELDS,
  topic: field.template({ description: 'Topic to publish to; {...} takes a part of it from the event' }),
  client_id: field.optional(field.string({ minLength: 1, description: 'Id of this client; a new one at each start by default' })),
  retain: field.boolean({ default: false, description: 'Whether the broker keeps the last message of a topic for those who subscribe later' }),
  headers: field.record(field.expression(), { default: {}, description: 'Headers beside those that the event came with: user properties of MQTT 5' }),
  value: VALUE_FIELD,
})
type Config = ValueOf<typeof CONFIG>

const UNDER_WAY = 1000
/** Bytes that a packet's topic and properties may take beside the body. */
const AROUND = 4096

type Fault = Pick<RowAnswer, 'code' | 'reason'>

class MqttSink implements Sink {
  readonly gathers = true
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #server: string
  readonly #clientId: string
  #connection: MqttConnection | undefined
  /** Messages that were acknowledged. */
  #answered = 0

  constructor(config: Config, context: ComponentContext) {
    if (config.topic.literal && topicFault(config.topic.source) !== undefined) throw new SluiceError('CONFIG_VALUE', `"topic": ${topicFault(config.topic.source)}`)
    if (config.version !== '5' && Object.keys(config.headers).length > 0) throw new SluiceError('CONFIG_VALUE', '"headers" need MQTT 5: write "version: \'5\'".')
    this.#config = config
    this.#context = context
    this.#server = addressOf(config)
    this.#clientId = config.client_id ?? `sluice-${context.id}-${Math.floor(context.random() * 2 ** 40).toString(36)}`
  }

  /** Wrong logins and addresses are told at the start. */
  async open(): Promise<void> {
    await this.#connected()
  }

  async #connected(): Promise<MqttConnection> {
    if (this.#connection?.isOpen === true) return this.#connection
    this.#connection = await connectMqtt(this.#config, this.#server, { clientId: this.#clientId, kept: 0 })
    return this.#connection
  }

  async write(chunk: SinkChunk): Promise<readonly RowAnswer[]> {
    const messages = messagesOf(chunk)
    const connection = await this.#connected()
    const { properties } = connection.connack
    const most = (properties?.maximumPacketSize ?? 256 * 1024 * 1024) - AROUND
    const answers: RowAnswer[] = []
    let next = 0
    let broken: SluiceError | undefined
    // Each of these takes the next message when its last one is acknowledged, so that they leave in order.
    const run = async (): Promise<void> => {
      for (let message = messages[next]; message !== undefined; message = messages[next]) {
        const row = next++
        const fault = broken === undefined ? this.#fault(message, most) : undefined
        if (fault !== undefined) answers.push({ row, answer: 'reject', ...fault })
        const error = fault === undefined ? (broken ?? (await this.#publish(connection, message))) : undefined
        if (error?.retry === true) broken ??= error
        if (error !== undefined) answers.push({ row, answer: error.retry ? 'retry' : 'reject', code: error.code, reason: error.message })
      }
    }
    const done = new AbortController()
    void this.#watch(connection, done.signal)
    await Promise.all(Array.from({ length: Math.min(UNDER_WAY, properties?.receiveMaximum ?? UNDER_WAY, messages.length) }, run))
    done.abort()
    if (broken !== undefined) await this.#drop()
    return answers.sort((a, b) => a.row - b.row)
  }

  /** Ends a connection by which no answer came for too long. */
  async #watch(connection: MqttConnection, done: AbortSignal): Promise<void> {
    const { timeout } = this.#config
    for (let seen = -1; seen !== this.#answered; ) {
      seen = this.#answered
      await this.#context.sleep(timeout, done).catch(() => undefined)
      if (done.aborted) return
    }
    connection.fail(new SluiceError('MQTT_CONNECT', `The MQTT broker at ${this.#server} did not answer within ${timeout} ms: it may be overloaded or stand still; else raise "timeout".`))
  }

  #fault({ to, body }: Outgoing, most: number): Fault | undefined {
    const reason = topicFault(to)
    if (reason !== undefined) return { code: 'MQTT_TOPIC', reason }
    return body.length > most ? { reason: `The message has ${body.length} bytes, and the broker takes ${most}.` } : undefined
  }

  /** Why it was not taken; undefined where it was. */
  async #publish(connection: MqttConnection, { to, body, headers }: Outgoing): Promise<SluiceError | undefined> {
    const { retain, version } = this.#config
    const properties = version === '5' && headers.length > 0 ? { properties: { userProperties: Object.fromEntries(headers) } } : {}
    try {
      await Promise.race([connection.client.publishAsync(to, Buffer.from(body), { qos: 1, retain, ...properties }), connection.over])
      this.#answered++
      return undefined
    } catch (error) {
      return mqttError(error, this.#server, `a message for "${to}"`)
    }
  }

  async #drop(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    await connection?.close(true)
  }

  flush(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    if (connection !== undefined && !(await inTime(connection.close(), GOODBYE, this.#context))) await connection.close(true)
  }
}

/** Why a topic can't be published to. */
function topicFault(topic: string): string | undefined {
  if (topic === '') return 'The topic is empty.'
  if (/[+#\0]/.test(topic)) return `${JSON.stringify(topic)} is no topic to publish to: + and # are for those who subscribe.`
  return Buffer.byteLength(topic) > 65_535 ? 'The topic has more than 65535 bytes.' : undefined
}

export const mqttSink = defineSink({
  type: 'mqtt',
  summary: 'Publish to an MQTT broker',
  description:
    'Each event is a message with QoS 1: its JSON is the body, and with MQTT 5 its headers are user properties. A message is done once the broker has acknowledged it.\n\n' +
    'A broker of version 3.1.1 has no way to say that a user may not publish to a topic: it acknowledges such messages and throws them away. With version 5 they become dead letters.',
  config: CONFIG,
  durable: 'write',
  examples: [
    { title: 'A topic for each device', config: { url: 'mqtt://localhost:1883', topic: 'devices/{event.device}/state', retain: true } },
    { title: 'Over TLS, with the login from the environment', config: { url: 'mqtts://broker.example:8883', username: 'sluice', password: '${MQTT_PASSWORD:}', topic: 'alarms' } },
  ],
  encoding: ({ topic, headers, value }) => ({ ...sinkFormat(topic, undefined, headers, value), rows: true }),
  probe: probeMqtt,
  create: (config, context) => new MqttSink(config, context),
})
