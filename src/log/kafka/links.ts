/** Connections to the brokers of a cluster, one per broker, for one user of them: a producer, a consumer, or the calls of everybody else. */
import type { ConnectionOptions } from '@platformatic/kafka'
import type { Clock } from '../../platform/index.ts'
import { TIMEOUT_DEFAULT } from '../embedded/calls.ts'
import { Link } from './link.ts'
import type { LinkOptions } from './link.ts'
import { nameOfEndpoint } from './options.ts'
import type { Endpoint, KafkaOptions } from './options.ts'

export interface LinkNeeds {
  /** Requests under way at a time. */
  readonly inFlight: number
  /** Milliseconds until a broker that does not answer is given up; default that of the options. */
  readonly requestTimeout?: number | undefined
}

/** A call that has a stalled connection under it must have time left for another one. */
export const requestTimeoutOf = ({ requestTimeout = 0.4 * TIMEOUT_DEFAULT }: KafkaOptions): number => requestTimeout

const isAddress = (host: string): boolean => host.includes(':') || /^[\d.]+$/.test(host)

/** What the client is told for one broker. */
export function linkOptions(options: KafkaOptions, { host }: Endpoint, { inFlight, requestTimeout }: LinkNeeds, clock: Clock): LinkOptions {
  const { tls, login, clientId = 'sluice', connectTimeout = 10_000 } = options
  const isEncrypted = tls !== undefined && tls !== false
  const { ca, cert, key, passphrase, serverName } = typeof tls === 'object' ? tls : {}
  const defined = <T extends object>(fields: T): { [K in keyof T]: NonNullable<T[K]> } =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]: NonNullable<T[K]> } // Only what is there is left.
  const client: ConnectionOptions = {
    connectTimeout,
    requestTimeout: requestTimeout ?? requestTimeoutOf(options),
    maxInflights: inFlight,
    ...(isEncrypted ? { tls: defined({ ca: typeof ca === 'object' ? [...ca] : ca, cert, key, passphrase }) } : {}),
    // Brokers behind one address are told apart by this name, and Node.js does not send it unless told to.
    ...(isEncrypted && (serverName !== undefined || !isAddress(host)) ? { tlsServerName: serverName ?? host } : {}),
    ...(login === undefined ? {} : { sasl: saslOf(login) }),
  }
  const user = login !== undefined && 'username' in login ? login.username : undefined
  return { clientId, client, clock, way: { encrypted: isEncrypted, hasCertificate: cert !== undefined, serverName: serverName ?? host, mechanism: login?.mechanism, user } }
}

function saslOf(login: NonNullable<KafkaOptions['login']>): NonNullable<ConnectionOptions['sasl']> {
  if (login.mechanism !== 'OAUTHBEARER') return { mechanism: login.mechanism, username: login.username, password: login.password }
  return { mechanism: login.mechanism, token: login.token, ...(login.extensions === undefined ? {} : { oauthBearerExtensions: { ...login.extensions } }) }
}

export class Links {
  readonly #make: (endpoint: Endpoint) => Link
  readonly #links = new Map<string, Link>()

  constructor(options: KafkaOptions, needs: LinkNeeds, clock: Clock) {
    this.#make = endpoint => new Link(endpoint, linkOptions(options, endpoint, needs, clock))
  }

  to(endpoint: Endpoint): Link {
    const name = nameOfEndpoint(endpoint)
    let link = this.#links.get(name)
    if (link === undefined) this.#links.set(name, (link = this.#make(endpoint)))
    return link
  }

  /** Ends all connections without waiting; the next request makes new ones. */
  drop(): void {
    for (const link of this.#links.values()) link.drop()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map(link => link.close()))
  }
}
