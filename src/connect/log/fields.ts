/** What the log source and the log sink ask for alike. */
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ValueOf } from '../../engine/index.ts'
import type { KafkaAccess } from '../../log/index.ts'

const SASL = field.object(
  {
    mechanism: field.choice(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'], { description: 'How to log in' }),
    username: field.optional(field.string({ description: 'User; not for OAUTHBEARER' })),
    password: field.optional(field.secret({ description: 'Password; not for OAUTHBEARER' })),
    token: field.optional(field.secret({ description: 'Token, for OAUTHBEARER' })),
  },
  { description: 'Login to Apache Kafka' },
)
const TLS = field.object({
  ca: field.optional(field.string({ description: 'Certificates that are trusted, as PEM: ${file:ca.pem}; those that Node.js brings by default' })),
  cert: field.optional(field.string({ description: 'Certificate of this client, as PEM' })),
  key: field.optional(field.secret({ description: 'Its key, as PEM' })),
  passphrase: field.optional(field.secret({ description: 'What the key is encrypted with' })),
  server_name: field.optional(field.string({ description: 'Name that the broker\'s certificate must bear; the host of the address by default' })),
})

export const GROUP_PROTOCOL = field.optional(
  field.choice(['classic', 'consumer'], { description: 'How the members of a group on Apache Kafka agree; `consumer` needs brokers from 4.0 on and shares partitions out without stopping the other members. classic by default' }),
)
export const LOG_FIELDS = {
  log: field.string({ default: 'sluice-data', description: 'Folder of the log, or kafka://host:port[,host:port]' }),
  sasl: field.optional(SASL),
  tls: field.optional(field.either([field.boolean(), TLS], { description: 'Encryption to Apache Kafka: `true`, or what it is to be like' })),
}
export interface LogFields {
  readonly log: string
  readonly sasl?: ValueOf<typeof SASL> | undefined
  readonly tls?: boolean | ValueOf<typeof TLS> | undefined
}

/** How to get into a cluster; undefined where nothing was said. Throws CONFIG_VALUE for what does not go together. */
export function accessOf({ log, sasl, tls }: LogFields, groupProtocol?: KafkaAccess['groupProtocol']): KafkaAccess | undefined {
  if (sasl === undefined && tls === undefined && groupProtocol === undefined) return undefined
  if (!log.startsWith('kafka://')) throw new SluiceError('CONFIG_VALUE', `${groupProtocol === undefined ? '"sasl" and "tls" are' : '"group_protocol" is'} for Apache Kafka; ${JSON.stringify(log)} is a folder.`)
  return { ...(groupProtocol === undefined ? {} : { groupProtocol }), login: sasl === undefined ? undefined : loginOf(sasl), tls: tls === undefined || typeof tls === 'boolean' ? tls : tlsOf(tls) }
}

function loginOf({ mechanism, username, password, token }: ValueOf<typeof SASL>): KafkaAccess['login'] {
  const refuse = (why: string): never => {
    throw new SluiceError('CONFIG_VALUE', `sasl: ${mechanism} ${why}.`)
  }
  if (mechanism === 'OAUTHBEARER') {
    if (username !== undefined || password !== undefined) refuse('takes a "token", and neither "username" nor "password"')
    return { mechanism, token: token ?? refuse('needs a "token"') }
  }
  if (token !== undefined) refuse('takes "username" and "password", and no "token"')
  return { mechanism, username: username ?? refuse('needs a "username"'), password: password ?? refuse('needs a "password"') }
}

function tlsOf({ ca, cert, key, passphrase, server_name: serverName }: ValueOf<typeof TLS>): KafkaAccess['tls'] {
  for (const [name, text] of Object.entries({ ca, cert, key })) {
    if (text !== undefined && !text.includes('-----BEGIN ')) throw new SluiceError('CONFIG_VALUE', `tls.${name} is no PEM text. To take it from a file, write \${file:${name}.pem}.`)
  }
  if ((cert === undefined) !== (key === undefined)) throw new SluiceError('CONFIG_VALUE', 'tls: "cert" and "key" go together.')
  return { ca, cert, key, passphrase, serverName }
}
