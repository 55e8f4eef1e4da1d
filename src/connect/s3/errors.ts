/** What an object store and the way to it say, in plain words. No message holds a key or a token. */
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { isTlsCode, tlsWords, withSchemeHint } from '../network.ts'

/** Where something was asked for: what the messages name. */
export interface S3Place {
  /** The endpoint, or `Amazon S3` with its region. */
  readonly server: string
  readonly bucket: string
  readonly region: string
}

interface Meaning {
  readonly code: ErrorCode
  readonly retry?: boolean
  readonly say: (place: S3Place, reply: string) => string
}

const WRONG_KEY: Meaning = { code: 'S3_AUTH', say: ({ server }) => `${server} does not know the access key. Check "access_key", or what the environment or the profile gives.` }
const WRONG_SECRET: Meaning = { code: 'S3_AUTH', say: ({ server, region }) => `${server} refused the signature: the secret key is wrong, or the region "${region}" is not the bucket's. Check "secret_key" and "region".` }
const EXPIRED: Meaning = { code: 'S3_AUTH', say: ({ server }) => `${server} says that the token has expired. Log in again, or let the credentials come from a role, which renews them.` }
const DENIED: Meaning = { code: 'S3_DENIED', say: ({ server, bucket }, reply) => `${server} does not allow that in the bucket "${bucket}"${reply}. The sink needs s3:PutObject and s3:AbortMultipartUpload, the source s3:GetObject and s3:ListBucket.` }
const NO_BUCKET: Meaning = { code: 'S3_BUCKET', say: ({ server, bucket }) => `There is no bucket "${bucket}" at ${server}. Make it, or check "bucket" and "endpoint".` }
const ELSEWHERE: Meaning = { code: 'S3_BUCKET', say: ({ bucket, region }, reply) => `The bucket "${bucket}" is not in the region "${region}"${reply}. Set "region".` }
const FULL: Meaning = { code: 'S3_BUSY', retry: true, say: ({ server, bucket }, reply) => `${server} has no room left for the bucket "${bucket}"${reply}. Make room, or raise its quota.` }
const BUSY: Meaning = { code: 'S3_BUSY', retry: true, say: ({ server }, reply) => `${server} can't do that now${reply}.` }

/** By the name of an error reply. */
const REPLIES: Readonly<Record<string, Meaning>> = {
  InvalidAccessKeyId: WRONG_KEY, InvalidToken: EXPIRED, SignatureDoesNotMatch: WRONG_SECRET, AuthorizationHeaderMalformed: WRONG_SECRET, ExpiredToken: EXPIRED, ExpiredTokenException: EXPIRED,
  AccessDenied: DENIED, AllAccessDisabled: DENIED, AccountProblem: DENIED, NoSuchBucket: NO_BUCKET, PermanentRedirect: ELSEWHERE, IllegalLocationConstraintException: ELSEWHERE,
  InsufficientStorage: FULL, XMinioStorageFull: FULL, QuotaExceeded: FULL,
  SlowDown: BUSY, ServiceUnavailable: BUSY, InternalError: BUSY, RequestTimeout: BUSY, OperationAborted: BUSY, ThrottlingException: BUSY, TooManyRequests: BUSY,
  RequestTimeTooSkewed: { code: 'S3_AUTH', say: ({ server }) => `The clock of this machine and that of ${server} are too far apart. Set the clock.` },
  InvalidBucketName: { code: 'S3_BUCKET', say: ({ bucket }) => `"${bucket}" can't be the name of a bucket.` },
  EntityTooSmall: { code: 'S3_REPLY', say: ({ server }) => `${server} wants larger parts. Set "part_size" higher.` },
  PreconditionFailed: { code: 'S3_CHANGED', say: (_place, _reply) => 'The object is another one than when it was listed.' },
  NoSuchKey: { code: 'S3_GONE', say: ({ server, bucket }) => `An object is gone from the bucket "${bucket}" at ${server}.` },
  NoSuchUpload: { code: 'S3_GONE', say: ({ server, bucket }) => `An upload to the bucket "${bucket}" is gone from ${server}: somebody aborted it, or a lifecycle rule did.` },
  CredentialsProviderError: { code: 'S3_AUTH', say: ({ server }) => `No credentials for ${server} were found: set "access_key" and "secret_key", AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "profile", or give the machine a role.` },
}
/** Replies to HEAD have no body, only a status. */
const STATUSES: Readonly<Record<number, string>> = { 301: 'PermanentRedirect', 403: 'AccessDenied', 412: 'PreconditionFailed', 408: 'RequestTimeout', 429: 'SlowDown', 500: 'InternalError', 502: 'InternalError', 503: 'SlowDown', 504: 'RequestTimeout', 507: 'InsufficientStorage' }

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there. Is it running, and is "endpoint" right?',
  ENOTFOUND: 'there is no host of that name. Check "endpoint" and "region"; for a server of your own, "path_style" must be on.',
  EAI_AGAIN: 'the name of the host could not be looked up just now.',
  EHOSTUNREACH: 'there is no way to that host.',
  ENETUNREACH: 'there is no way to that network.',
  ECONNRESET: 'the connection was cut.',
  EPIPE: 'the connection was cut.',
  TimeoutError: 'it did not answer in time. A firewall may be between.',
  ETIMEDOUT: 'it did not answer in time. A firewall may be between.',
}

function textOf(error: object, name: string): string {
  const value: unknown = Reflect.get(error, name)
  return typeof value === 'string' ? value : ''
}

/** The HTTP status of a reply; 0 where there was none. */
export function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return 0
  const { $metadata: about } = error
  return typeof about === 'object' && about !== null && 'httpStatusCode' in about && typeof about.httpStatusCode === 'number' ? about.httpStatusCode : 0
}

/** True where the reply says that an object or upload of that name is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && ['NoSuchUpload', 'NoSuchKey', 'NotFound'].includes(error.name)
}

/** An error of the client or of the server. */
export function s3Error(error: unknown, place: S3Place, doing: string): SluiceError {
  if (error instanceof SluiceError) return error
  const reason: Error = error instanceof Error ? error : new Error(String(error))
  const status = statusOf(reason)
  const name = REPLIES[reason.name] === undefined ? (STATUSES[status] ?? reason.name) : reason.name
  const known = REPLIES[name]
  // What S3 says in more words, where it does.
  const more = reason.message === '' || reason.message === 'UnknownError' || reason.message === reason.name ? '' : ` (${reason.message.replace(/\.$/, '').slice(0, 300)})`
  if (known !== undefined) return new SluiceError(known.code, `${upper(doing)}: ${known.say(place, more)}`, { cause: error, ...(known.retry === undefined ? {} : { retry: known.retry }) })
  if (status > 0) return new SluiceError('S3_REPLY', `${upper(doing)}: ${place.server} answered ${status} ${reason.name}${more}.`, { cause: error, retry: status >= 500 })
  const code = codeOf(reason)
  if (isTlsCode(code)) return new SluiceError('S3_TLS', `${upper(doing)}: the encrypted connection to ${place.server} could not be made: ${tlsWords(reason, { authority: 'name it in NODE_EXTRA_CA_CERTS', plain: 'http:// instead of https://' })}`, { cause: error })
  const why = NETWORK[code] ?? NETWORK[reason.name] ?? `${reason.message}.`
  const told = new SluiceError('S3_CONNECT', `${upper(doing)}: ${place.server} could not be reached: ${why}`, { cause: error, retry: true })
  return place.server.includes('://') ? withSchemeHint(told, place.server.includes('https://'), ['http://', 'https://']) : told
}

/** A name with two addresses that both refuse comes as several errors in one. */
function codeOf(error: Error): string {
  const own = textOf(error, 'code')
  if (own !== '' || !(error instanceof AggregateError)) return own
  const [first]: unknown[] = error.errors
  return typeof first === 'object' && first !== null ? textOf(first, 'code') : ''
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
