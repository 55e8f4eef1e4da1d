/** What goes wrong on the way to a server, in plain words: by the code of the error that the way itself gave. */
import { SluiceError } from '../base/index.ts'

/** By the code of an error: why there is no way to a server. */
export const WAYS: Readonly<Record<string, string>> = {
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
const CLIENT_CERTIFICATE = /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|NO_CERTIFICATE)/i

export function isTlsCode(code: unknown): code is string {
  return typeof code === 'string' && TLS.test(code)
}

/** What a user of a connector can do about encryption. */
export interface TlsCures {
  /** Where the certificate of an authority is given. */
  readonly authority: string
  /** Where a name is given that the certificate bears; undefined where that can't be. */
  readonly name?: string | undefined
  /** What to write where there is no encryption; undefined where the address does not say it. */
  readonly plain?: string | undefined
}
/** For connectors with a field `tls`. */
export const tlsCures = (plain?: string): TlsCures => ({ authority: 'give that as tls.ca', name: 'tls.server_name', plain })

function textAt(object: unknown, name: string): string {
  const value: unknown = typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined
  return typeof value === 'string' ? value : ''
}

/** Why an encrypted connection could not be made, and what to do: sentences behind `could not be made: `. */
export function tlsWords(error: Error, { authority, name, plain }: TlsCures): string {
  const code = textAt(error, 'code')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    const names = textAt(Reflect.get(error, 'cert'), 'subjectaltname').replaceAll(/\b(?:DNS|IP Address):/g, '')
    return `its certificate is for ${names === '' ? 'other names' : names}, not for "${textAt(error, 'host')}". Connect by a name that it bears${name === undefined ? '' : `, or give one as ${name}`}.`
  }
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired. The certificate has to be renewed.'
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet. Is the clock of this machine right?'
  if (/^(DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_UNTRUSTED|CERT_SIGNATURE)/.test(code)) return `its certificate does not come from an authority that is trusted here. If it comes from an authority of your own, ${authority}.`
  if (CLIENT_CERTIFICATE.test(`${code} ${error.message}`)) return 'it wants a certificate of this client, or does not take the one that it was shown. Give tls.cert and tls.key that it trusts.'
  if (/^(ERR_SSL|EPROTO)/.test(code)) {
    const said = /wrong version number|packet length too long/i.test(error.message) ? 'what answers there is not TLS' : error.message.replace(/[.\n]+$/, '')
    return `${said}. Does that port speak TLS?${plain === undefined ? '' : ` If not, write ${plain}.`}`
  }
  return `${error.message.replace(/[.\n]+$/, '')}.`
}

/** The same error, with what may be wrong where a connection is cut, or hangs, before anything was said: one side speaks TLS, and the other does not. `schemes`: plain and encrypted. */
export function withSchemeHint(error: SluiceError, isEncrypted: boolean, [plain, secure]: readonly [string, string]): SluiceError {
  if (!/was cut|in time/.test(error.message) || !error.code.endsWith('_CONNECT')) return error
  const hint = isEncrypted ? `If that port does not speak TLS, write ${plain} instead of ${secure}.` : `If that port speaks TLS, write ${secure} instead of ${plain}.`
  return new SluiceError(error.code, `${error.message} ${hint}`, { cause: error.cause, retry: error.retry })
}

export interface WayTrouble {
  readonly reason: string
  /** True where another attempt can't help: the certificates or the protocol do not fit. */
  readonly lasts: boolean
}

const HTTPS: TlsCures = { authority: 'name it in NODE_EXTRA_CA_CERTS', plain: 'http:// instead of https://' }

/** Why a server could not be reached by HTTP. Where several addresses were tried, what each said. */
export function wayTrouble(error: unknown): WayTrouble {
  if (error instanceof AggregateError && error.message === '') {
    const all = error.errors.map(wayTrouble)
    return { reason: [...new Set(all.map(({ reason }) => reason))].join('; '), lasts: all.every(({ lasts }) => lasts) }
  }
  if (!(error instanceof Error)) return { reason: String(error), lasts: false }
  const code = textAt(error, 'code')
  if (isTlsCode(code)) return { reason: `the encrypted connection could not be made: ${tlsWords(error, HTTPS)}`, lasts: true }
  return { reason: WAYS[code] ?? error.message, lasts: false }
}
