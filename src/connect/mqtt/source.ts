/**
 * Subscribes to topics of an MQTT broker with QoS 1, in a session that the broker keeps.
 *
 *     message -> [ inbox ] -> pieces -> durable at every sink -> PUBACK
 *
 * What is not acknowledged, the broker sends again in the next connection of the session, under the same packet id and marked as sent before: what is still here by that id is not handed
 * out twice. The broker sends no more than `unacknowledged_max` messages ahead; where they are large, the connection is read no further while `waiting_max` bytes wait.
 */
import type { IPublishPacket } from 'mqtt'
import { createHash } from 'node:crypto'
import { SluiceError } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { GOODBYE, inTime } from '../messages/in-time.ts'
import { Inbox } from '../messages/inbox.ts'
import { VALUE_FIELD } from '../messages/message-codec.ts'
import { Patience } from '../patience.ts'
import { probeMqtt } from '../probes.ts'
import { MQTT_FIELDS, addressOf, connectMqtt } from './connection.ts'
import type { MqttConnection } from './connection.ts'
import { mqttError } from './errors.ts'

const TOPIC = field.string({ minLength: 1 })

const CONFIG = field.object({
  ...MQTT_FIELDS,
  topic: field.either([TOPIC, field.list(TOPIC, { minItems: 1 })], { description: 'Topic, or topics, + and # allowed; $share/GROUP/TOPIC shares the messages with others of the group' }),
  client_id: field.string({ minLength: 1, description: 'Id of this client: the broker keeps its session under this name. No two clients may have the same' }),
  session_expiry: field.duration({ default: '7d', description: 'How long the broker keeps messages for this client while it is away (MQTT 5)' }),
  unacknowledged_max: field.integer({ default: 1000, minimum: 1, maximum: 65_535, description: 'Messages that the broker may send ahead of their acknowledgement (MQTT 5); most brokers have a limit of their own, such as 20' }),
  waiting_max: field.size({ default: '8MiB', description: 'Bytes that may wait for the pipeline' }),
  value: VALUE_FIELD,
})
type Config = ValueOf<typeof CONFIG>

/** A message that the broker waits to hear of. Those of QoS 0 have no id: the broker has forgotten them. */
interface Token {
  readonly id: number | undefined
  readonly digest: string
  done: boolean
}

class MqttSource implements Source {
  readonly live = true
  readonly format: { readonly format: string; readonly options: JsonValue }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #server: string
  readonly #topics: readonly string[]
  readonly #patience: Patience
  readonly #closing = new AbortController()
  #inbox: Inbox<Token>
  #connection: MqttConnection | undefined
  /** By packet id, what was received in this session and not acknowledged. */
  readonly #held = new Map<number, Token>()
  #receiving: Promise<void> | undefined
  #count = 0

  constructor(config: Config, context: ComponentContext) {
    this.#topics = typeof config.topic === 'string' ? [config.topic] : config.topic
    for (const topic of this.#topics) if (!/^(([^+#\0/]*|\+)\/)*([^+#\0/]*|\+|#)$/.test(topic)) throw new SluiceError('CONFIG_VALUE', `"topic": ${JSON.stringify(topic)} can't be subscribed to: + stands for one whole level, and # for all that follow, at the end.`)
    this.#config = config
    this.#context = context
    this.#server = addressOf(config)
    this.#patience = new Patience(true, context)
    this.#inbox = new Inbox(config.waiting_max)
    this.format = { format: 'messages', options: { value: config.value } }
  }

  async open(position: JsonValue | undefined): Promise<void> {
    this.#inbox = new Inbox(this.#config.waiting_max, position)
    this.#receiving = this.#receive(await this.#connect())
  }

  next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    return this.#inbox.next(bytes, signal)
  }

  async #connect(): Promise<MqttConnection> {
    const { client_id: clientId, session_expiry: expiry, unacknowledged_max: ahead } = this.#config
    // The first messages come before it is known whether the broker still has the session.
    const early: IPublishPacket[] = []
    let takes = (packet: IPublishPacket): unknown => early.push(packet)
    const take = async (packet: IPublishPacket): Promise<void> => {
      takes(packet)
      await this.#inbox.room(this.#closing.signal)
    }
    const made = await connectMqtt(this.#config, this.#server, { clientId, kept: Math.max(1, Math.min(0xfffffffe, Math.ceil(expiry / 1000))), ahead, take })
    // A broker that has forgotten the session may use its packet ids for other messages.
    if (!made.connack.sessionPresent) this.#held.clear()
    this.#connection = made
    takes = packet => this.#take(made, packet)
    for (const packet of early) takes(packet)
    try {
      const granted = await Promise.race([made.client.subscribeAsync([...this.#topics], { qos: 1 }), made.over])
      const refused = granted.find(({ qos }) => qos >= 128)
      if (refused !== undefined) throw new SluiceError('MQTT_DENIED', `The MQTT broker at ${this.#server} does not allow this user to subscribe to "${refused.topic}". Give it the permission at the broker (ACL).`)
    } catch (error) {
      await made.close(true)
      throw mqttError(error, this.#server, `the subscription to "${this.#topics.join(', ')}"`)
    }
    return made
  }

  /** Keeps a connection until the source is closed. */
  async #receive(first: MqttConnection): Promise<void> {
    const { signal } = this.#closing
    let connection: MqttConnection | undefined = first
    while (!signal.aborted) {
      try {
        connection ??= await this.#connect()
        await connection.over
      } catch (error) {
        if (signal.aborted) return
        const wasOpen = connection !== undefined
        connection = undefined
        try {
          await this.#patience.failed(this.#known(error, wasOpen), signal)
        } catch (why) {
          return this.#inbox.fail(why)
        }
      }
    }
  }

  /** Many brokers do not say why they end a connection. */
  #known(error: unknown, wasOpen: boolean): SluiceError {
    const known = mqttError(error, this.#server, 'messages')
    if (!wasOpen || known.code !== 'MQTT_CONNECT') return known
    return new SluiceError('MQTT_CONNECT', `The connection to the MQTT broker at ${this.#server} was cut. If that happens again and again, another client has the same "client_id".`, { cause: known })
  }

  #take(connection: MqttConnection, packet: IPublishPacket): void {
    // The old connection may still bring what it had read.
    if (connection !== this.#connection) return
    this.#patience.succeeded()
    const { topic, messageId: id, dup, properties } = packet
    const body = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload)
    const digest = createHash('sha256').update(topic).update('\0').update(body).digest('base64')
    const before = id === undefined ? undefined : this.#held.get(id)
    if (dup && before?.digest === digest) {
      if (before.done) this.#acknowledge(before)
      return
    }
    const token: Token = { id, digest, done: false }
    if (id !== undefined) this.#held.set(id, token)
    const marks = Object.entries(properties?.userProperties ?? {}).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : value.join(', ')])
    this.#inbox.add({ body, key: topic, from: { topic, message: ++this.#count }, token, ...(marks.length === 0 ? {} : { headers: Object.fromEntries(marks) }) })
  }

  #acknowledge(token: Token): void {
    token.done = true
    // Where there is no connection, the broker sends it again in the next one, and is told then.
    if (token.id === undefined || this.#held.get(token.id) !== token || this.#connection?.isOpen !== true) return
    this.#held.delete(token.id)
    this.#connection.acknowledge(token.id)
  }

  commit(position: JsonValue): void {
    for (const token of this.#inbox.finish(position)) this.#acknowledge(token)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#inbox.drop()
    const connection = this.#connection
    if (connection !== undefined && !(await inTime(connection.close(), GOODBYE, this.#context))) await connection.close(true)
    await this.#receiving
  }
}

export const mqttSource = defineSource({
  type: 'mqtt',
  summary: 'Subscribe to topics of an MQTT broker',
  description:
    'Messages are acknowledged (QoS 1) once they are durable at every sink; the broker keeps for this client what comes while it is away. Messages that were published with QoS 0 are taken too, but the ' +
    'broker does not send them again.\n\nThe key of an event is the topic of its message; its headers are the user properties of MQTT 5. A topic that is taken out of the config stays subscribed in the session: take ' +
    'another `client_id` then.',
  config: CONFIG,
  acks: true,
  replays: true,
  examples: [
    { title: 'All devices', config: { url: 'mqtt://localhost:1883', topic: 'devices/+/state', client_id: 'sluice-devices' } },
    { title: 'A share of the work, with the login from the environment', config: { url: 'mqtts://broker.example:8883', username: 'sluice', password: '${MQTT_PASSWORD:}', topic: '$share/sluice/alarms/#', client_id: 'alarms-1' } },
  ],
  probe: probeMqtt,
  create: (config, context) => new MqttSource(config, context),
})
