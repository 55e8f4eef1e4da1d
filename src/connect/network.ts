/** What goes wrong on the way to a server, in plain words: by the code of the error that the way itself gave. */

const WAYS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there. Is it running, and is the port right?',
  ENOTFOUND: 'there is no host of that name.',
  EAI_AGAIN: 'the name of the host could not be looked up just now.',
  ETIMEDOUT: 'it did not answer in time. A firewall may be between.',
  EHOSTUNREACH: 'there is no way to that host.',
  ENETUNREACH: 'there is no way to that network.',
  ECONNRESET: 'the connection was cut.',
  EPIPE: 'the connection was cut.',
}

/** Certificates that are refused carry one of these. */
const TLS = /^(CERT_|ERR_TLS|ERR_SSL|ERR_OSSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH)/

const CURES: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'Use a name that is in the certificate.',
  CERT_HAS_EXPIRED: 'The certificate has to be renewed.',
  CERT_NOT_YET_VALID: 'Is the clock of this machine right?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'Does that port speak TLS? If not, write http:// instead of https://.',
  EPROTO: 'Does that port speak TLS? If not, write http:// instead of https://.',
}
const OWN_AUTHORITY = 'If its certificate comes from an authority of your own, name it in NODE_EXTRA_CA_CERTS.'

export interface WayTrouble {
  readonly reason: string
  /** True where another attempt can't help: the certificates or the protocol do not fit. */
  readonly lasts: boolean
}

/** Why a server could not be reached. Where several addresses were tried, what each said. */
export function wayTrouble(error: unknown): WayTrouble {
  if (error instanceof AggregateError && error.message === '') {
    const all = error.errors.map(wayTrouble)
    return { reason: [...new Set(all.map(({ reason }) => reason))].join('; '), lasts: all.every(({ lasts }) => lasts) }
  }
  if (!(error instanceof Error)) return { reason: String(error), lasts: false }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (TLS.test(code)) return { reason: `the encrypted connection could not be made: ${error.message.replace(/[.\n]+$/, '')}. ${CURES[code] ?? OWN_AUTHORITY}`, lasts: true }
  return { reason: WAYS[code] ?? error.message, lasts: false }
}
