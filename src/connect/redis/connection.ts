/**
 * One connection to Redis, made when it is first needed and again after it was lost.
 *
 * There is no queue for calls while the server is gone: a call fails at once, and whoever made it knows what to do again. The client's own way, to wait and to send
 * again by itself, would hide which commands the server had taken.
 */
import type { createClient as CreateClient } from '@redis/client'
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import { withDeadline } from '../deadline.ts'
import { withSchemeHint } from '../network.ts'
import { TLS_FIELD, tlsOptions } from '../tls.ts'
import { isReply, redisError } from './errors.ts'

export const REDIS_FIELDS = {
  url: field.string({ default: 'redis://localhost:6379', description: 'redis://host:port, or rediss:// with encryption; /1 behind it is the number of the database' }),
  username: field.optional(field.string({ description: 'User; without it the default user' })),
  password: field.optional(field.secret({ description: 'Password' })),
  tls: TLS_FIELD,
  connect_timeout: field.duration({ default: '10s', description: 'Longest wait for the connection' }),
  timeout: field.duration({ default: '30s', description: 'Longest wait for an answer' }),
}
const SHAPE = field.object(REDIS_FIELDS)
export type RedisFields = ValueOf<typeof SHAPE>

export type Reply = string | number | Buffer | Error | null | readonly Reply[]
export type Argument = string | Buffer

type Client = ReturnType<typeof CreateClient>

/** Throws CONFIG_VALUE. */
export function addressOf(url: string): { readonly host: string; readonly port: number; readonly encrypted: boolean; readonly database: number; readonly username: string; readonly password: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.hostname === '' || !/^(\/\d*)?$/.test(parsed.pathname)) {
    throw new SluiceError('CONFIG_VALUE', '"url" must be like redis://host:port or rediss://host:port, with the number of a database behind it or not: redis://localhost:6379/1.')
  }
  return {
    host: parsed.hostname.replaceAll(/^\[|\]$/g, ''), port: parsed.port === '' ? 6379 : Number(parsed.port), encrypted: parsed.protocol === 'rediss:',
    database: Number(parsed.pathname.slice(1)), username: decodeURIComponent(parsed.username), password: decodeURIComponent(parsed.password),
  }
}

export class RedisConnection {
  /** Host and port, as messages show them. */
  readonly server: string
  readonly #fields: RedisFields
  #client: Promise<Client> | undefined
  #closed = false

  constructor(fields: RedisFields) {
    const { host, port, encrypted } = addressOf(fields.url)
    if (fields.tls !== undefined && !encrypted) throw new SluiceError('CONFIG_VALUE', '"tls" is for an encrypted connection: write rediss:// instead of redis://.')
    tlsOptions(fields.tls)
    this.server = `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#fields = fields
  }

  /** Sends one command. Throws REDIS_... */
  async call(...command: readonly Argument[]): Promise<Reply> {
    const [reply] = await this.#send([command], String(command[0]))
    if (reply instanceof Error) throw redisError(reply, this.server, String(command[0]))
    return reply ?? null
  }

  /** Sends commands one behind the other without waiting; answers a reply for each, or the error that the server gave it. */
  calls(commands: readonly (readonly Argument[])[]): Promise<readonly Reply[]> {
    return commands.length === 0 ? Promise.resolve([]) : this.#send(commands, String(commands[0]?.[0]))
  }

  async #send(commands: readonly (readonly Argument[])[], doing: string): Promise<readonly Reply[]> {
    try {
      const client = await this.#connected()
      const replies = await withDeadline(Promise.allSettled(commands.map(command => client.sendCommand<Reply>(command))), this.#fields.timeout, doing)
      return replies.map(reply => {
        if (reply.status === 'fulfilled') return reply.value
        if (isReply(reply.reason)) return reply.reason
        throw reply.reason
      })
    } catch (error) {
      // Answers that come late must not be taken for those to other calls: what is under way ends with its connection.
      if (!(error instanceof SluiceError) || error.code === 'TIMED_OUT') this.drop()
      throw redisError(error, this.server, doing)
    }
  }

  #connected(): Promise<Client> {
    if (this.#closed) throw new SluiceError('REDIS_CONNECT', 'The connection to Redis is closed.', { retry: false })
    this.#client ??= this.#connect()
    return this.#client
  }

  async #connect(): Promise<Client> {
    const { createClient, RESP_TYPES } = await import('@redis/client')
    const { host, port, encrypted, database, username, password } = addressOf(this.#fields.url)
    const common = { host, port, connectTimeout: this.#fields.connect_timeout, reconnectStrategy: false as const }
    const user = this.#fields.username ?? username
    const secret = this.#fields.password ?? password
    const client = createClient({
      RESP: 2, database, disableOfflineQueue: true,
      socket: encrypted ? { ...common, tls: true, ...tlsOptions(this.#fields.tls) } : common,
      ...(user === '' ? {} : { username: user }), ...(secret === '' ? {} : { password: secret }),
      // A timer of the client for each command costs more than the command.
      commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    }) as unknown as Client // Its type tells the kind of the replies, which we look at ourselves.
    // Who calls next hears of it; without a listener the process would end.
    client.on('error', () => undefined)
    try {
      await client.connect()
    } catch (error) {
      client.destroy()
      this.#client = undefined
      // Redis waits for more where a TLS handshake comes in on its plain port.
      throw withSchemeHint(redisError(error, this.server, 'the login'), encrypted, ['redis://', 'rediss://'])
    }
    return client
  }

  /** Cuts the connection, so that the next call makes a new one. Calls under way fail. */
  drop(): void {
    const client = this.#client
    this.#client = undefined
    void client?.then(one => one.destroy()).catch(() => undefined)
  }

  close(): void {
    this.#closed = true
    this.drop()
  }
}
