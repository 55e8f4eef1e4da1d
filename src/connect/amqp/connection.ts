/** One connection to an AMQP broker, with one channel. It is made by hand and never by itself again: whoever uses it knows what must be sent again. */
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import { Socket } from 'node:net'
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import { withSchemeHint } from '../network.ts'
import { TLS_FIELD, tlsOptions } from '../tls.ts'
import { amqpError } from './errors.ts'

export const AMQP_FIELDS = {
  url: field.string({ default: 'amqp://localhost:5672', description: 'amqp://host:port, or amqps:// with encryption; a path behind it names the virtual host' }),
  username: field.string({ default: 'guest', description: 'User' }),
  password: field.secret({ default: 'guest', description: 'Password' }),
  tls: TLS_FIELD,
  timeout: field.duration({ default: '10s', description: 'Longest wait for the connection' }),
}
const SHAPE = field.object(AMQP_FIELDS)
export type AmqpFields = ValueOf<typeof SHAPE>

export interface AmqpAddress {
  /** Host and port, as messages show them. */
  readonly server: string
  readonly hostname: string
  readonly port: number
  readonly vhost: string
  readonly encrypted: boolean
}

/** Throws CONFIG_VALUE. No message shows an address that does not fit: it may hold a password. */
export function addressOf({ url, tls }: AmqpFields): AmqpAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^amqps?:$/.test(parsed.protocol) || parsed.hostname === '') throw new SluiceError('CONFIG_VALUE', '"url" must be like amqp://host:port, or amqps://host:port for an encrypted connection; /name behind it is the virtual host.')
  if (parsed.username !== '' || parsed.password !== '') throw new SluiceError('CONFIG_VALUE', '"url" must not hold a login: give it as "username" and "password".')
  const encrypted = parsed.protocol === 'amqps:'
  if (tls !== undefined && !encrypted) throw new SluiceError('CONFIG_VALUE', '"tls" is for an encrypted connection: write amqps:// instead of amqp://.')
  tlsOptions(tls)
  const port = parsed.port === '' ? (encrypted ? 5671 : 5672) : Number(parsed.port)
  const path = decodeURIComponent(parsed.pathname.slice(1))
  return { server: `${parsed.hostname}:${port}`, hostname: parsed.hostname.replaceAll(/^\[|\]$/g, ''), port, vhost: path === '' ? '/' : path, encrypted }
}

export interface AmqpConnection<C extends Channel> {
  readonly channel: C
  /** Rejects when the connection or the channel is over, with the reason. */
  readonly over: Promise<never>
  /** Ends it, for a reason that those who wait for `over` are told. */
  fail(error: SluiceError): void
  readonly isOpen: boolean
  close(): Promise<void>
  /** Cuts it, without a goodbye. */
  destroy(): void
}

interface Opening {
  readonly name: string
  warn(message: string): void
}

export async function connectToRead(fields: AmqpFields, address: AmqpAddress, opening: Opening): Promise<AmqpConnection<Channel>> {
  return connect(fields, address, opening, model => model.createChannel())
}

/** A channel on which the broker confirms what it has taken. */
export async function connectToPublish(fields: AmqpFields, address: AmqpAddress, opening: Opening): Promise<AmqpConnection<ConfirmChannel>> {
  return connect(fields, address, opening, model => model.createConfirmChannel())
}

/** Throws AMQP_... */
async function connect<C extends Channel>(fields: AmqpFields, { server, hostname, port, vhost, encrypted }: AmqpAddress, { name, warn }: Opening, channelOf: (model: ChannelModel) => Promise<C>): Promise<AmqpConnection<C>> {
  const { default: amqp } = await import('amqplib')
  const { username, password, timeout, tls } = fields
  const over = Promise.withResolvers<never>()
  // Whoever waits for it hears of it; nobody may be waiting.
  over.promise.catch(() => undefined)
  let isOpen = true
  const fail = (error: unknown): void => {
    isOpen = false
    over.reject(amqpError(error, server, 'messages'))
  }
  try {
    const model = await amqp.connect(
      { protocol: encrypted ? 'amqps' : 'amqp', hostname, port, username, password, vhost, heartbeat: 10 },
      { timeout, noDelay: true, clientProperties: { connection_name: name }, ...(encrypted ? tlsOptions(tls) : {}) },
    )
    model.on('error', fail)
    model.on('close', (error?: Error) => fail(error ?? new Error('closed')))
    model.on('blocked', reason => warn(`The AMQP broker at ${server} takes nothing at present: ${reason}. It goes on once the broker has room again.`))
    const channel = await channelOf(model)
    channel.on('error', fail)
    channel.on('close', () => fail(new Error('closed')))
    return {
      channel, over: over.promise, fail,
      get isOpen() {
        return isOpen
      },
      close: async () => {
        // The channel first: its acknowledgements that are still on their way would come too late behind the end of the connection.
        if (isOpen) await channel.close().catch(() => undefined)
        isOpen = false
        await model.close().catch(() => undefined)
      },
      destroy: () => {
        fail(new Error('closed'))
        // The client has its socket on the connection, though not in its type.
        if ('stream' in model.connection && model.connection.stream instanceof Socket) model.connection.stream.destroy()
      },
    }
  } catch (error) {
    // The client does not hand on what the broker says of it.
    if (error instanceof Error && /ConnectionOpenOk.*ConnectionClose/.test(error.message)) {
      throw new SluiceError('AMQP_DENIED', `The AMQP broker at ${server} does not let this user into the virtual host "${vhost}": it is not there, or the user has no permission for it. Check the path of "url", which names it.`, { cause: error })
    }
    throw withSchemeHint(amqpError(error, server, 'the login'), encrypted, ['amqp://', 'amqps://'])
  }
}
