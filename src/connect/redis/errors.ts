/** What Redis and the way to it say, in plain words. No message holds a password: addresses are shown without the login. */
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { WAYS, isTlsCode, tlsCures, tlsWords } from '../network.ts'

interface Meaning {
  readonly code: ErrorCode
  readonly retry?: boolean
  /** True where it is wrong for all entries: they are not given up one by one. */
  readonly stops?: boolean
  readonly say: (server: string, reply: string) => string
}

/** By the first word of an error reply. */
const REPLIES: Readonly<Record<string, Meaning>> = {
  WRONGPASS: { code: 'REDIS_AUTH', stops: true, say: server => `Redis at ${server} refused the login: the user or the password is wrong, or the user is switched off. Check "username" and "password".` },
  NOAUTH: { code: 'REDIS_AUTH', stops: true, say: server => `Redis at ${server} wants a login. Set "password", and "username" unless it is the default user.` },
  NOPERM: { code: 'REDIS_DENIED', stops: true, say: (server, reply) => `Redis at ${server} does not allow that to this user: ${reply}. Give it the command and the key by ACL SETUSER.` },
  WRONGTYPE: { code: 'REDIS_TYPE', say: server => `The key at Redis ${server} holds something that is no stream. Take another name, or remove the key.` },
  NOGROUP: { code: 'REDIS_GROUP', retry: true, say: (server, reply) => `The consumer group is gone from Redis at ${server}: ${reply}.` },
  OOM: { code: 'REDIS_BUSY', say: server => `Redis at ${server} has used up its memory ("maxmemory"). Give it more, or shorten its streams ("max_length").` },
  MISCONF: { code: 'REDIS_BUSY', say: (server, reply) => `Redis at ${server} takes no writes, because it can't save them to disk: ${reply}. Make room there if it is full; it goes on by itself then.` },
  READONLY: { code: 'REDIS_BUSY', say: server => `Redis at ${server} is a replica, which takes no writes. Name the primary, or wait for the failover to end.` },
  NOREPLICAS: { code: 'REDIS_BUSY', say: server => `Redis at ${server} takes no writes, because it has too few replicas ("min-replicas-to-write").` },
  LOADING: { code: 'REDIS_BUSY', say: server => `Redis at ${server} is starting and loads its data.` },
  MASTERDOWN: { code: 'REDIS_BUSY', say: server => `Redis at ${server} is a replica that has lost its primary.` },
  BUSY: { code: 'REDIS_BUSY', say: server => `Redis at ${server} is held up by a script.` },
  UNBLOCKED: { code: 'REDIS_BUSY', say: server => `Redis at ${server} ended the wait for entries: the stream was removed, or it became a replica.` },
  MOVED: { code: 'REDIS_REPLY', say: server => `Redis at ${server} is a cluster, and the stream lies on another node. Name that node in "url".` },
}

const NETWORK: Readonly<Record<string, string>> = { ...WAYS, ENOTFOUND: `${WAYS['ENOTFOUND']} Check "url".` }

/** An error of the client or of the server. `server` is its address without the login. */
export function redisError(error: unknown, server: string, doing: string): SluiceError {
  if (error instanceof SluiceError && error.code !== 'TIMED_OUT') return error
  if (isReply(error)) return fromReply(error, server, doing)
  const reason: Error = error instanceof Error ? error : new Error(String(error))
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : ''
  if (isTlsCode(code)) return new SluiceError('REDIS_TLS', `The encrypted connection to Redis at ${server} could not be made: ${tlsWords(reason, tlsCures('redis:// instead of rediss://'))}`, { cause: error, stops: true })
  const why = NETWORK[code] ?? (reason instanceof SluiceError ? `${reason.message} It may be overloaded or stand still; else raise "timeout".` : /timeout/i.test(`${reason.name} ${reason.message}`) ? NETWORK['ETIMEDOUT'] : `the connection was cut (${reason.message}).`)
  return new SluiceError('REDIS_CONNECT', `Redis at ${server} could not be reached for ${doing}: ${why}`, { cause: error, retry: true })
}

/** The client has a class for error replies that it does not show in its types; all of them say so in their name. */
export function isReply(error: unknown): error is Error {
  for (let type: unknown = error; type !== null && typeof type === 'object'; type = Object.getPrototypeOf(type)) if (type.constructor.name === 'ErrorReply') return true
  return false
}

function fromReply(reply: Error, server: string, doing: string): SluiceError {
  const word = reply.message.split(' ', 1)[0] ?? ''
  const known = REPLIES[word]
  if (known !== undefined) return new SluiceError(known.code, known.say(server, reply.message.replace(/\.$/, '')), { cause: reply, stops: known.stops ?? false, ...(known.retry === undefined ? {} : { retry: known.retry }) })
  return new SluiceError('REDIS_REPLY', `Redis at ${server} answered to ${doing}: ${reply.message}`, { cause: reply })
}
