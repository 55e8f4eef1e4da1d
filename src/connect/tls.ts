/** What connectors ask for alike where the other side is reached over TLS. */
import { SluiceError } from '../base/index.ts'
import { field } from '../engine/index.ts'
import type { ValueOf } from '../engine/index.ts'

export const TLS = field.object(
  {
    ca: field.optional(field.string({ description: 'Certificates that are trusted, as PEM: ${file:ca.pem}; those that Node.js brings by default' })),
    cert: field.optional(field.string({ description: 'Certificate of this client, as PEM' })),
    key: field.optional(field.secret({ description: 'Its key, as PEM' })),
    passphrase: field.optional(field.secret({ description: 'What the key is encrypted with' })),
    server_name: field.optional(field.string({ description: 'Name that the server\'s certificate must bear; the host of the address by default' })),
  },
  { description: 'What the encrypted connection is to be like' },
)
export const TLS_FIELD = field.optional(TLS)

/** As `tls.connect` takes it. Throws CONFIG_VALUE for what does not go together. */
export function tlsOptions(fields: ValueOf<typeof TLS> | undefined): { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly passphrase?: string; readonly servername?: string } {
  const { ca, cert, key, passphrase, server_name: servername } = fields ?? {}
  for (const [name, text] of Object.entries({ ca, cert, key })) {
    if (text !== undefined && !text.includes('-----BEGIN ')) throw new SluiceError('CONFIG_VALUE', `tls.${name} is no PEM text. To take it from a file, write \${file:${name}.pem}.`)
  }
  if ((cert === undefined) !== (key === undefined)) throw new SluiceError('CONFIG_VALUE', 'tls: "cert" and "key" go together.')
  return {
    ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }), ...(servername === undefined ? {} : { servername }),
  }
}
