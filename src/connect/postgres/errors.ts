/**
 * What PostgreSQL and the way to it say, in plain words. What the server says of itself is told by its SQLSTATE (PostgreSQL documentation, appendix A). No message holds a
 * password.
 */
import { SluiceError } from '../../base/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { isTlsCode, tlsCures, tlsWords } from '../network.ts'

/** What an error of the server carries. */
interface ServerError extends Error {
  readonly code: string
  readonly detail?: string
  readonly hint?: string
}

type Say = (server: string, message: string) => string
type Meaning = readonly [code: ErrorCode, say: Say]

const wait = (why: string): Meaning => ['POSTGRES_BUSY', (server, message) => `PostgreSQL at ${server} ${why} (${message}).`]

const STATES: Readonly<Record<string, Meaning>> = {
  '28P01': ['POSTGRES_AUTH', server => `PostgreSQL at ${server} refused the login: the user or the password is wrong. Check "username" and "password".`],
  '28000': ['POSTGRES_AUTH', (server, message) => `PostgreSQL at ${server} refused the login: ${message}. If it asks for encryption, set "tls: true"; else its pg_hba.conf must let this user in.`],
  '3D000': ['POSTGRES_MISSING', (server, message) => `PostgreSQL at ${server}: ${message}. Check the name behind the host in "url", or make it: CREATE DATABASE.`],
  '3F000': ['POSTGRES_MISSING', (server, message) => `PostgreSQL at ${server}: ${message}. Check "schema".`],
  '42P01': ['POSTGRES_MISSING', (server, message) => `PostgreSQL at ${server}: ${message}. Check "table" and "schema"; capital letters count.`],
  '42703': ['POSTGRES_MISSING', (server, message) => `PostgreSQL at ${server}: ${message}. Check the names of the columns; capital letters count.`],
  '42501': ['POSTGRES_DENIED', (server, message) => `PostgreSQL at ${server} does not allow that to this user: ${message}. Give it the right by GRANT.`],
  '42P10': ['POSTGRES_KEY', server => `The table at PostgreSQL ${server} has no unique key over the columns of "key". Make one: CREATE UNIQUE INDEX ON table (columns).`],
  '40001': wait('let another transaction go first'),
  '40P01': wait('ended a deadlock by giving up this transaction'),
  '55P03': wait('has the table locked'),
  '57014': wait('took longer than "timeout"'),
  '57P01': wait('is being stopped, or cut this connection'),
  '57P02': wait('crashed and starts anew'),
  '57P03': wait('is starting or stopping'),
  '53100': wait('has no room on its disk'),
  '53200': wait('has no memory left'),
  '53300': wait('has no connection left'),
  '25006': wait('takes no writes: it is a replica, or set to read only'),
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there. Is it running, and is the port right?',
  ENOTFOUND: 'there is no host of that name. Check "url".',
  EAI_AGAIN: 'the name of the host could not be looked up just now.',
  ETIMEDOUT: 'it did not answer in time. A firewall may be between.',
  EHOSTUNREACH: 'there is no way to that host.',
  ENETUNREACH: 'there is no way to that network.',
}

/** True where the values of a row are to blame: they don't fit (class 22), break a constraint (23), are too large (54), or a trigger refuses them (P0001). */
export function isOfRow(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'POSTGRES_ROW'
}

/** An error of the client or of the server. `server` is its address without the login. */
export function postgresError(error: unknown, server: string, doing: string): SluiceError {
  if (error instanceof SluiceError && error.code !== 'TIMED_OUT') return error
  const reason: Error = error instanceof Error ? error : new Error(String(error))
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : ''
  if (/^[0-9A-Z]{5}$/.test(code) && 'severity' in reason) return fromServer(Object.assign(reason, { code }), server, doing) // Errors of the server have a severity and a state.
  if (isTlsCode(code)) return new SluiceError('POSTGRES_TLS', `The encrypted connection to PostgreSQL at ${server} could not be made: ${tlsWords(reason, tlsCures())}`, { cause: error, stops: true })
  if (reason.message.includes('does not support SSL')) return new SluiceError('POSTGRES_TLS', `PostgreSQL at ${server} takes no encrypted connections. Switch that on there ("ssl = on"), or leave out "tls".`, { cause: error, stops: true })
  if (/password must be/.test(reason.message)) return new SluiceError('POSTGRES_AUTH', `PostgreSQL at ${server} wants a password. Set "password".`, { cause: error, stops: true })
  const why = NETWORK[code] ?? (reason instanceof SluiceError ? `${reason.message} It may be overloaded or stand still; else raise "timeout".` : /timeout/i.test(reason.message) ? NETWORK['ETIMEDOUT'] : `the connection was cut (${reason.message}).`)
  return new SluiceError('POSTGRES_CONNECT', `PostgreSQL at ${server} could not be reached for ${doing}: ${why}`, { cause: error, retry: true })
}

function fromServer(error: ServerError, server: string, doing: string): SluiceError {
  const { code, message, detail } = error
  const known = STATES[code]
  // What is wrong for all rows ends the run: they are not given up one by one.
  if (known !== undefined) return new SluiceError(known[0], known[1](server, message), { cause: error, stops: known[0] !== 'POSTGRES_BUSY' })
  const full = `${message}${detail === undefined ? '' : ` (${detail.replace(/\.$/, '')})`}`
  if (/^(2[23]|54|P0001)/.test(code)) return new SluiceError('POSTGRES_ROW', `PostgreSQL refused the row: ${full}.`, { cause: error })
  if (/^(08|53|57P)/.test(code)) return new SluiceError('POSTGRES_BUSY', `PostgreSQL at ${server} can't do that now: ${full}.`, { cause: error })
  return new SluiceError('POSTGRES_REPLY', `PostgreSQL at ${server} answered to ${doing}: ${full} (SQLSTATE ${code}).`, { cause: error })
}
