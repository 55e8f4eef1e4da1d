/** Where a cluster is and how to get in: addresses, encryption, login. */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'

/** Encryption. Certificates and keys are PEM texts. */
export interface KafkaTls {
  /** Certificates that are trusted; default those that Node.js brings. */
  readonly ca?: string | readonly string[] | undefined
  /** Certificate and key of this client, where the brokers ask for one. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly passphrase?: string | undefined
  /** The name that the certificate of a broker must bear; default the host that was connected to. */
  readonly serverName?: string | undefined
}

/** Login. */
export type KafkaLogin =
  | { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: string }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: string | (() => string | Promise<string>); readonly extensions?: Readonly<Record<string, string>> | undefined }

export interface KafkaOptions {
  /** How the brokers call this client in their logs and quotas; default `sluice`. */
  readonly clientId?: string | undefined
  /** True: encrypted, trusting the certificates that Node.js brings. Default: not encrypted. */
  readonly tls?: KafkaTls | boolean | undefined
  readonly login?: KafkaLogin | undefined
  /** Milliseconds that making a connection may take, login included; default 10,000. */
  readonly connectTimeout?: number | undefined
  /** Milliseconds after which a broker that does not answer is given up; default 12,000, less than half of what a call may take. */
  readonly requestTimeout?: number | undefined
  /** How members of groups agree. `consumer` (KIP-848, brokers from 4.0 on): the coordinator shares out, without stopping the others; no transactions take its offsets. Default `classic`. */
  readonly groupProtocol?: 'classic' | 'consumer' | undefined
  /** Milliseconds between two looks at the topics of a group (new ones, new partitions); default 10,000. */
  readonly lookEvery?: number | undefined
  /** What a person should know. */
  readonly warn?: ((message: string) => void) | undefined
  readonly clock?: Clock | undefined
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export const nameOfEndpoint = ({ host, port }: Endpoint): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** The brokers of `kafka://HOST:PORT,HOST2:PORT`; the port is 9092 where none is given. LOG_CONNECT for what is no such address. */
export function parseAddress(address: string): Endpoint[] {
  const refuse = (why: string): never => {
    throw new SluiceError('LOG_CONNECT', `"${address.replace(/\/\/.*@/, '//...@')}" is no address of a cluster: ${why}. Write kafka://HOST:PORT,HOST2:PORT.`, { retry: false })
  }
  if (!address.startsWith('kafka://')) refuse('it does not begin with kafka://')
  const rest = address.slice('kafka://'.length).replace(/\/$/, '')
  if (rest.includes('@')) refuse('a user and password do not belong into it, they are given apart')
  return rest.split(',').map(text => {
    const { host = '', v6, port = '9092' } = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:/?#\s]+))(?::(?<port>\d{1,5}))?$/.exec(text.trim())?.groups ?? {}
    const number = Number(port)
    if ((host === '' && v6 === undefined) || number < 1 || number > 65_535) refuse(`"${text}" is no HOST:PORT`)
    return { host: v6 ?? host, port: number }
  })
}
