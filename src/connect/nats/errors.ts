/** What NATS and the way to it say, in plain words. No message holds a password: addresses are shown without the login. */
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { WAYS, isTlsCode, tlsCures, tlsWords } from '../network.ts'

const NETWORK: Readonly<Record<string, string>> = { ...WAYS, ENOTFOUND: `${WAYS['ENOTFOUND']} Check "servers".` }

interface Meaning {
  readonly code: ErrorCode
  readonly retry?: boolean
  readonly say: (server: string, reason: string) => string
}

/** By the number that JetStream gives its errors. */
const ANSWERS: Readonly<Record<number, Meaning>> = {
  10014: { code: 'NATS_CONSUMER', say: server => `The consumer is not at NATS ${server}: somebody deleted it. Start the pipeline again, and it is made anew where "start" says.` },
  10023: { code: 'NATS_FULL', say: (server, reason) => `NATS at ${server} has no room for more: ${reason}. Raise the limits of JetStream, or let the stream keep less.` },
  10028: { code: 'NATS_FULL', say: (server, reason) => `NATS at ${server} has no room for more: ${reason}. Raise the limits of JetStream, or let the stream keep less.` },
  10039: { code: 'NATS_JETSTREAM', say: server => `JetStream is not switched on for this account of NATS at ${server}. Switch it on in the server's config ("jetstream").` },
  10047: { code: 'NATS_FULL', say: (server, reason) => `NATS at ${server} has no room for more: ${reason}. Raise the limits of JetStream, or let the stream keep less.` },
  10059: { code: 'NATS_STREAM', say: server => `There is no such stream at NATS ${server}. Check "stream", or make it.` },
  10076: { code: 'NATS_JETSTREAM', say: server => `JetStream is not switched on at NATS ${server}. Switch it on in the server's config ("jetstream").` },
  10077: { code: 'NATS_FULL', say: (server, reason) => `The stream at NATS ${server} takes no more: ${reason}. Raise its limits, or let it discard its oldest messages.` },
}

/** An error of the client or of the server. What is wrong for all messages, such as the login, ends the run: they are not given up one by one. `server` is its address without the login, `doing` what was asked for. */
export function natsError(error: unknown, server: string, doing: string): SluiceError {
  if (error instanceof SluiceError) return error
  const reason = causeOf(error)
  const code = 'code' in reason ? reason.code : undefined
  if (reason.name === 'AuthorizationError' || reason.name === 'UserAuthenticationExpiredError') return new SluiceError('NATS_AUTH', `NATS at ${server} refused the login: it is wrong, has run out, or none was given. Check "user" and "password", "token" or "credentials".`, { cause: error, stops: true })
  if (reason.name === 'PermissionViolationError') return new SluiceError('NATS_DENIED', `NATS at ${server} does not allow that to this user: ${reason.message}. Give the user that permission at the server.`, { cause: error })
  if (reason.name === 'JetStreamNotEnabled' || reason.name === 'NoResponders') return new SluiceError('NATS_STREAM', `Nobody at NATS ${server} takes ${doing}. No stream has that subject, its stream has no leader just now, or JetStream is off: it was not switched on, or found its disk full.`, { cause: error, retry: true })
  if (typeof code === 'number') return fromAnswer(code, reason, server, doing)
  if (isTlsCode(code)) return new SluiceError('NATS_TLS', `The encrypted connection to NATS at ${server} could not be made: ${tlsWords(reason, tlsCures())}`, { cause: error, stops: true })
  if (/'tls'|secure TLS|not available on this server/i.test(reason.message)) return new SluiceError('NATS_TLS', `The encrypted connection to NATS at ${server} could not be made: the server does not speak TLS there. Write nats:// without "tls", or switch TLS on at the server.`, { cause: error, stops: true })
  if (reason.name === 'InvalidArgumentError') return new SluiceError('INTERNAL', `The client of NATS was asked for what it does not do: ${reason.message}`, { cause: error })
  if (reason.name === 'InvalidSubjectError') return new SluiceError('NATS_SUBJECT', `${doing} can't be sent to NATS: ${reason.message}.`, { cause: error })
  return new SluiceError('NATS_CONNECT', `NATS at ${server} could not be reached for ${doing}: ${wayOf(code, reason)}`, { cause: error })
}

/** Whether nothing came back within the time for an answer. */
export const isLate = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError'

/** A server whose disk is full says so in its log and nowhere else: who sent the message hears nothing. */
export function silentError(error: unknown, server: string, subject: string, timeout: number): SluiceError {
  return new SluiceError('NATS_SILENT', `NATS at ${server} is there, but did not say within ${timeout} ms that its stream keeps a message for "${subject}": its disk is full, its stream has failed, or it has too much to do. Its log tells which. Once there is room on the disk, start the server again: it does not go on by itself.`, { cause: error })
}

function wayOf(code: unknown, reason: Error): string {
  const known = typeof code === 'string' ? NETWORK[code] : undefined
  if (known !== undefined) return known
  if (/timeout/i.test(`${reason.name} ${reason.message}`)) return 'it did not answer in time.'
  const named = Object.keys(NETWORK).find(each => reason.message.includes(each))
  return (named === undefined ? undefined : NETWORK[named]) ?? (/closed connection|connection closed|disconnect/i.test(reason.message) ? 'the connection was cut.' : `${reason.message}.`)
}

/** What the client wraps is looked at, where it says more. */
function causeOf(error: unknown): Error {
  const outer = error instanceof Error ? error : new Error(String(error))
  for (let inner: unknown = outer; inner instanceof Error; inner = inner.cause) {
    if (['AuthorizationError', 'UserAuthenticationExpiredError', 'PermissionViolationError'].includes(inner.name)) return inner
    if ('code' in inner && (typeof inner.code === 'number' || (typeof inner.code === 'string' && (isTlsCode(inner.code) || NETWORK[inner.code] !== undefined)))) return inner
  }
  return outer
}

function fromAnswer(code: number, reason: Error, server: string, doing: string): SluiceError {
  const known = ANSWERS[code]
  if (known !== undefined) return new SluiceError(known.code, known.say(server, reason.message), { cause: reason, ...(known.retry === undefined ? {} : { retry: known.retry }) })
  const status = 'status' in reason && typeof reason.status === 'number' ? reason.status : code
  return new SluiceError('NATS_REPLY', `NATS at ${server} answered to ${doing}: ${reason.message} (${code})`, { cause: reason, retry: status >= 500 && status < 600 })
}
