/**
 * One connection to NATS, made when it is first needed and again after it was lost.
 *
 * The client's own way to connect again is switched off: it would keep what was sent meanwhile and send it later, when whoever sent it has long tried again.
 */
import type { Authenticator, ConnectionOptions, NatsConnection } from '@nats-io/transport-node'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import { TLS_FIELD, tlsOptions } from '../tls.ts'
import { natsError } from './errors.ts'

const SERVER = field.string({ minLength: 1 })

export const NATS_FIELDS = {
  servers: field.either([SERVER, field.list(SERVER, { minItems: 1 })], { default: 'nats://localhost:4222', description: 'nats://host:port, or a list of them; tls:// for an encrypted connection' }),
  user: field.optional(field.string({ description: 'User' })),
  password: field.optional(field.secret({ description: 'Password' })),
  token: field.optional(field.secret({ description: 'Token, where the server asks for one instead of a user' })),
  credentials: field.optional(field.secret({ description: 'What a .creds file holds: ${file:user.creds}' })),
  tls: TLS_FIELD,
  domain: field.optional(field.string({ description: 'Domain of JetStream, where it is another than that of the server' })),
  timeout: field.duration({ default: '10s', description: 'Longest wait for the connection, and for an answer of the server' }),
}
const SHAPE = field.object(NATS_FIELDS)
export type NatsFields = ValueOf<typeof SHAPE>

/** Throws CONFIG_VALUE. No message shows an address that does not fit: it may hold a password. */
function addressOf(server: string): { readonly shown: string; readonly encrypted: boolean } {
  const url = URL.canParse(server) ? new URL(server) : undefined
  if (url === undefined || !/^(nats|tls):$/.test(url.protocol) || url.hostname === '') throw new SluiceError('CONFIG_VALUE', '"servers" must be like nats://host:port, or tls://host:port for an encrypted connection.')
  if (url.username !== '' || url.password !== '') throw new SluiceError('CONFIG_VALUE', '"servers" must not hold a login: give it as "user" and "password", or as "token".')
  return { shown: `${url.hostname}:${url.port === '' ? 4222 : url.port}`, encrypted: url.protocol === 'tls:' }
}

export class NatsLink {
  /** Hosts and ports, as messages show them. */
  readonly server: string
  readonly #fields: NatsFields
  readonly #name: string
  readonly #encrypted: boolean
  #connection: Promise<NatsConnection> | undefined
  #closed = false

  constructor(fields: NatsFields, name: string) {
    const addresses = (typeof fields.servers === 'string' ? [fields.servers] : fields.servers).map(addressOf)
    this.server = addresses.map(({ shown }) => shown).join(', ')
    this.#encrypted = fields.tls !== undefined || addresses.some(({ encrypted }) => encrypted)
    if ((fields.user === undefined) !== (fields.password === undefined)) throw new SluiceError('CONFIG_VALUE', '"user" and "password" go together.')
    if ([fields.user, fields.token, fields.credentials].filter(one => one !== undefined).length > 1) throw new SluiceError('CONFIG_VALUE', 'Give one login: "user" and "password", or "token", or "credentials".')
    if (fields.credentials?.includes('-----BEGIN NATS USER JWT-----') === false) throw new SluiceError('CONFIG_VALUE', '"credentials" is not what a .creds file holds. To take it from a file, write ${file:user.creds}.')
    tlsOptions(fields.tls)
    this.#fields = fields
    this.#name = name
  }

  /** Throws NATS_... */
  connected(): Promise<NatsConnection> {
    if (this.#closed) throw new SluiceError('NATS_CONNECT', 'The connection to NATS is closed.', { retry: false })
    if (this.#connection === undefined) {
      const made = this.#connect()
      const forget = (): void => {
        if (this.#connection === made) this.#connection = undefined
      }
      this.#connection = made
      made.then(connection => connection.closed()).then(forget, forget)
    }
    return this.#connection
  }

  async #connect(): Promise<NatsConnection> {
    const { connect, credsAuthenticator } = await import('@nats-io/transport-node')
    const { servers, user, password, token, credentials, timeout } = this.#fields
    const authenticator: Authenticator | undefined = credentials === undefined ? undefined : credsAuthenticator(new TextEncoder().encode(credentials))
    const options: ConnectionOptions = {
      servers: typeof servers === 'string' ? servers : [...servers], name: this.#name, timeout, reconnect: false, noAsyncTraces: true, pingInterval: 10_000, maxPingOut: 2,
      ...(user === undefined ? {} : { user }), ...(password === undefined ? {} : { pass: password }), ...(token === undefined ? {} : { token }),
      ...(authenticator === undefined ? {} : { authenticator }), tls: this.#encrypted ? { ...tlsOptions(this.#fields.tls), ...this.#identity() } : null,
    }
    try {
      return await connect(options)
    } catch (error) {
      throw natsError(error, this.server, 'the login')
    }
  }

  /** The client gives Node no name to look for in the certificate of a server that is named by an address, and Node then takes "localhost" for it. */
  #identity(): { readonly checkServerIdentity?: typeof checkServerIdentity } {
    const { servers, tls } = this.#fields
    const hosts = (typeof servers === 'string' ? [servers] : servers).map(server => new URL(server).hostname.replaceAll(/^\[|\]$/g, ''))
    if (tls?.server_name !== undefined || !hosts.every(host => isIP(host) !== 0)) return {}
    return {
      checkServerIdentity: (_name, certificate) => {
        const refused = hosts.map(host => checkServerIdentity(host, certificate))
        return refused.includes(undefined) ? undefined : refused[0]
      },
    }
  }

  /** Cuts the connection, so that the next call makes a new one. */
  drop(): void {
    const connection = this.#connection
    this.#connection = undefined
    void connection?.then(one => one.close()).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#closed = true
    const connection = await this.#connection?.catch(() => undefined)
    this.#connection = undefined
    if (connection?.isClosed() === false) await connection.close().catch(() => undefined)
  }
}
