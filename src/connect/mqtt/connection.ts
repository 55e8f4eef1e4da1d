/**
 * One connection to an MQTT broker. It is made by hand and never by itself again: whoever uses it knows what must be sent again.
 */
import type { IClientOptions, IConnackPacket, IPublishPacket, MqttClient } from 'mqtt'
import { Socket } from 'node:net'
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import { withSchemeHint } from '../network.ts'
import { TLS_FIELD, tlsOptions } from '../tls.ts'
import { Ended, mqttError } from './errors.ts'

export const MQTT_FIELDS = {
  url: field.string({ default: 'mqtt://localhost:1883', description: 'mqtt://host:port, or mqtts:// with encryption; ws:// and wss:// for WebSockets' }),
  username: field.optional(field.string({ description: 'User' })),
  password: field.optional(field.secret({ description: 'Password' })),
  tls: TLS_FIELD,
  version: field.choice(['5', '3.1.1'], { default: '5', description: 'Version of MQTT; headers need 5' }),
  timeout: field.duration({ default: '10s', description: 'Longest wait for the connection, and for an answer of the broker' }),
}
const SHAPE = field.object(MQTT_FIELDS)
export type MqttFields = ValueOf<typeof SHAPE>

export interface Session {
  readonly clientId: string
  /** Seconds that the broker keeps the session for once the connection is gone; 0 for none. */
  readonly kept: number
  /** Messages that the broker may send ahead of their acknowledgement. */
  readonly ahead?: number
  /** Takes a message. The client acknowledges none: that is done by `acknowledge`. */
  take?(packet: IPublishPacket): Promise<void>
}

/** Throws CONFIG_VALUE. No message shows an address that does not fit: it may hold a password. */
export function addressOf({ url, tls, username, password }: MqttFields): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^(mqtts?|wss?):$/.test(parsed.protocol) || parsed.hostname === '') throw new SluiceError('CONFIG_VALUE', '"url" must be like mqtt://host:port, or mqtts://host:port for an encrypted connection.')
  if (parsed.username !== '' || parsed.password !== '') throw new SluiceError('CONFIG_VALUE', '"url" must not hold a login: give it as "username" and "password".')
  const encrypted = parsed.protocol === 'mqtts:' || parsed.protocol === 'wss:'
  if (tls !== undefined && !encrypted) throw new SluiceError('CONFIG_VALUE', '"tls" is for an encrypted connection: write mqtts:// instead of mqtt://.')
  if (username === undefined && password !== undefined) throw new SluiceError('CONFIG_VALUE', '"password" needs a "username".')
  tlsOptions(tls)
  const usual = { 'mqtt:': '1883', 'mqtts:': '8883', 'ws:': '80', 'wss:': '443' }[parsed.protocol] ?? ''
  return `${parsed.hostname}:${parsed.port === '' ? usual : parsed.port}`
}

export class MqttConnection {
  readonly client: MqttClient
  readonly connack: IConnackPacket
  /** Rejects when the connection is over, with the reason. */
  readonly over: Promise<never>
  readonly #fail: (error: SluiceError) => void

  constructor(client: MqttClient, connack: IConnackPacket, over: PromiseWithResolvers<never>) {
    this.client = client
    this.connack = connack
    this.over = over.promise
    this.#fail = over.reject
  }

  /** Ends it, for a reason that those who wait for `over` are told. */
  fail(error: SluiceError): void {
    this.#fail(error)
    void this.close(true)
  }

  /** Whether it can still be used. */
  get isOpen(): boolean {
    return this.client.connected
  }

  /** Sends PUBACK: 4 bytes that are the same in both versions of MQTT. The client itself only acknowledges in the order and at the time that a message is taken. */
  acknowledge(packetId: number): void {
    if (this.isOpen) this.client.stream.write(Buffer.from([0x40, 2, packetId >> 8, packetId & 0xff]))
  }

  /** Says goodbye, or cuts the connection. */
  async close(force = false): Promise<void> {
    if (!force) return this.client.endAsync().catch(() => undefined)
    // The client waits for its own goodbye where one was begun.
    this.client.end(true)
    this.client.stream.destroy()
  }
}

/** Throws MQTT_... */
export async function connectMqtt(fields: MqttFields, server: string, session: Session): Promise<MqttConnection> {
  const { connect } = await import('mqtt')
  const client = connect(fields.url, options(fields, session))
  const { take } = session
  if (take !== undefined) {
    client.handleMessage = (packet, callback): void => {
      // An error keeps the client from acknowledging; it goes on with the next message all the same.
      void take(packet).finally(() => setImmediate(callback, new SluiceError('ABORTED', 'acknowledged later')))
    }
  }
  const over = Promise.withResolvers<never>()
  // Whoever waits for it hears of it; nobody may be waiting.
  over.promise.catch(() => undefined)
  let last: unknown
  const ready = Promise.withResolvers<IConnackPacket>()
  client.on('connect', connack => ready.resolve(connack))
  client.on('error', error => {
    last = error
    ready.reject(mqttError(error, server, 'the login'))
    // The client reads no further behind what it does not understand, and would never say that the connection is of no use any more.
    if (client.connected && !('code' in error)) {
      over.reject(new SluiceError('MQTT_REPLY', `The MQTT broker at ${server} answered as its protocol does not allow it: ${error.message}. Its log may tell what it refused.`, { cause: error, retry: true }))
      client.end(true)
      client.stream.destroy()
    }
  })
  client.on('disconnect', ({ reasonCode = 0 }) => (last = new Ended(reasonCode)))
  client.on('close', () => {
    const error = mqttError(last ?? new Error('closed'), server, client.connected || last === undefined ? 'messages' : 'the connection')
    ready.reject(error)
    over.reject(error)
  })
  client.connect()
  try {
    const connack = await ready.promise
    last = undefined
    // Else a small message waits for the broker's delayed sign that it got the last one.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true)
    return new MqttConnection(client, connack, over)
  } catch (error) {
    client.end(true)
    throw error instanceof SluiceError && /^(mqtts?):/.test(fields.url) ? withSchemeHint(error, fields.url.startsWith('mqtts:'), ['mqtt://', 'mqtts://']) : error
  }
}

function options({ username, password, tls, version, timeout }: MqttFields, { clientId, kept, ahead }: Session): IClientOptions {
  return {
    clientId, clean: kept === 0, protocolVersion: version === '5' ? 5 : 4, manualConnect: true, reconnectPeriod: 0, connectTimeout: timeout, keepalive: 30, resubscribe: false,
    ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }),
    ...(version === '5' ? { properties: { ...(kept > 0 ? { sessionExpiryInterval: kept } : {}), ...(ahead === undefined ? {} : { receiveMaximum: ahead }) } } : {}),
    ...tlsOptions(tls),
  }
}
