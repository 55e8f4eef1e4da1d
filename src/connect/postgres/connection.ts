/**
 * One connection to PostgreSQL, made when it is first needed and again after it was lost. Queries on it run one after the other.
 *
 * All values come back as the server's texts: what is read goes on as text, and nothing is rounded on the way.
 */
import type { Client } from 'pg'
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import { withDeadline } from '../deadline.ts'
import { TLS, tlsOptions } from '../tls.ts'
import { postgresError } from './errors.ts'

export const POSTGRES_FIELDS = {
  url: field.string({ description: 'postgres://host:port/database' }),
  username: field.optional(field.string({ description: 'User; by default the one in `url`' })),
  password: field.optional(field.secret({ description: 'Password' })),
  tls: field.optional(field.either([field.boolean(), TLS], { description: 'Encryption: `true`, or what it is to be like' })),
  connect_timeout: field.duration({ default: '10s', description: 'Longest wait for the connection' }),
  timeout: field.duration({ default: '1m', description: 'Longest time of one query' }),
}
const SHAPE = field.object(POSTGRES_FIELDS)
export type PostgresFields = ValueOf<typeof SHAPE>

export type Row = Readonly<Record<string, string | null>>
export interface Query {
  readonly text: string
  readonly values?: readonly (string | number | boolean | Uint8Array | null)[]
  /** A query that comes again and again: the server keeps its plan under this name. */
  readonly name?: string
}

/** What queries go to: a connection that is made anew after it was lost, or a session that ends with it. */
export interface Session {
  readonly server: string
  /** The rows that a query answers. Throws POSTGRES_... */
  query(query: Query): Promise<readonly Row[]>
}

interface Address {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
}

/** Throws CONFIG_VALUE. */
export function addressOf({ url, username, password }: Pick<PostgresFields, 'url' | 'username' | 'password'>): Address {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const database = decodeURIComponent(parsed?.pathname.slice(1) ?? '')
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.hostname === '' || database === '') throw new SluiceError('CONFIG_VALUE', '"url" must be like postgres://host:port/database.')
  if (parsed.search !== '') throw new SluiceError('CONFIG_VALUE', '"url" takes no parameters behind a "?". For encryption, set "tls: true".')
  const user = username ?? decodeURIComponent(parsed.username)
  if (user === '') throw new SluiceError('CONFIG_VALUE', 'Give the user as "username".')
  return { host: parsed.hostname.replaceAll(/^\[|\]$/g, ''), port: parsed.port === '' ? 5432 : Number(parsed.port), database, user, password: password ?? decodeURIComponent(parsed.password) }
}

/** A name as SQL takes it. */
export function quoted(name: string): string {
  if (name === '' || name.includes('\0')) throw new SluiceError('CONFIG_VALUE', `${JSON.stringify(name)} is no name in PostgreSQL.`)
  return `"${name.replaceAll('"', '""')}"`
}

const SETTINGS = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC'; SET bytea_output = 'hex'; SET client_min_messages = 'error'"
/** How long a server may take to say that a query took too long. */
const GRACE = 5000
const TEXTS = { getTypeParser: () => (text: string | Buffer) => text }

export class PostgresConnection implements Session {
  /** Host, port and database, as messages show them. */
  readonly server: string
  readonly #fields: PostgresFields
  readonly #settings: string
  #client: Promise<Client> | undefined
  #closed = false

  /** `settings`: SQL that each new connection begins with. */
  constructor(fields: PostgresFields, settings = '') {
    const { host, port, database } = addressOf(fields)
    if (typeof fields.tls === 'object') tlsOptions(fields.tls)
    this.server = `${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
    this.#fields = fields
    this.#settings = `${SETTINGS}; SET statement_timeout = ${Math.round(fields.timeout)}; ${settings}`
  }

  async query(query: Query): Promise<readonly Row[]> {
    try {
      return await this.#ask(await this.#connected(), query)
    } catch (error) {
      throw postgresError(error, this.server, 'a query')
    }
  }

  /** The connection as it is now. When it is lost, the session is: what belongs to one transaction never goes on in another connection, outside of it. */
  async session(): Promise<Session> {
    const client = await this.#connected()
    const { server } = this
    return {
      server,
      query: query => this.#ask(client, query).catch((error: unknown) => {
        throw postgresError(error, server, 'a query')
      }),
    }
  }

  /** The server ends a query that takes too long by itself; where not even that is heard of, the connection is given up. */
  async #ask(client: Client, query: Query): Promise<readonly Row[]> {
    try {
      return await withDeadline(rowsOf(client, query), this.#fields.timeout + GRACE, 'a query')
    } catch (error) {
      if (error instanceof SluiceError) {
        this.#client = undefined
        // The client waits for the server to say goodbye; this one does not.
        client.connection.stream.destroy()
      }
      throw error
    }
  }

  #connected(): Promise<Client> {
    if (this.#closed) throw new SluiceError('POSTGRES_CONNECT', 'The connection to PostgreSQL is closed.', { retry: false })
    this.#client ??= this.#connect()
    return this.#client
  }

  async #connect(): Promise<Client> {
    const { default: pg } = await import('pg')
    const { host, port, database, user, password } = addressOf(this.#fields)
    const { tls, connect_timeout: connectionTimeoutMillis } = this.#fields
    const ssl = tls === undefined || tls === false ? false : tls === true ? true : tlsOptions(tls)
    const client = new pg.Client({ host, port, database, user, password, ssl, connectionTimeoutMillis, keepAlive: true, application_name: 'sluice' })
    const lost = (): void => {
      this.#client = undefined
    }
    // Who queries next gets a new connection; without a listener the process would end.
    client.on('error', lost)
    client.on('end', lost)
    try {
      await client.connect()
      await client.query(this.#settings)
    } catch (error) {
      lost()
      void client.end().catch(() => undefined)
      throw postgresError(error, this.server, 'the login')
    }
    return client
  }

  /** Cuts the connection. A transaction that is open on it is rolled back by the server. */
  async close(): Promise<void> {
    this.#closed = true
    const client = await this.#client?.catch(() => undefined)
    this.#client = undefined
    if (client === undefined) return
    await withDeadline(client.end(), GRACE, 'the goodbye').catch(() => client.connection.stream.destroy())
  }
}

async function rowsOf(client: Client, { text, values = [], name }: Query): Promise<readonly Row[]> {
  const { rows } = await client.query<Record<string, string | null>>({ text, values: values.map(bufferOf), types: TEXTS, ...(name === undefined ? {} : { name }) })
  return rows
}

function bufferOf<T>(value: T): T | Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}
