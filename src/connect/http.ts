/** What the HTTP components share: credentials, and calls with clear errors. */
import { SluiceError } from '../base/index.ts'
import { field } from '../engine/index.ts'
import type { ComponentContext, ValueOf } from '../engine/index.ts'

export const AUTH = field.optional(
  field.object({
    bearer: field.optional(field.secret({ description: 'Token of `authorization: Bearer`' })),
    user: field.optional(field.string({ description: 'User of basic authentication' })),
    password: field.optional(field.secret({ description: 'Password of basic authentication' })),
    header: field.optional(field.string({ description: 'Name of a header that takes `key`' })),
    key: field.optional(field.secret({ description: 'API key' })),
  }),
)
type Auth = ValueOf<typeof AUTH>

export function authHeaders(auth: Auth): Record<string, string> {
  if (auth?.bearer !== undefined) return { authorization: `Bearer ${auth.bearer}` }
  if (auth?.user !== undefined) return { authorization: `Basic ${Buffer.from(`${auth.user}:${auth.password ?? ''}`).toString('base64')}` }
  return auth?.header !== undefined && auth.key !== undefined ? { [auth.header]: auth.key } : {}
}

/** An address for messages: without user, password and query, which may be secret. */
export function shown(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url)
    return `${protocol}//${host}${pathname}`
  } catch {
    return 'the address'
  }
}

/** Milliseconds that `Retry-After` asks for: a number of seconds, or a date. */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const seconds = Number(value)
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now
  return Number.isFinite(wait) && wait > 0 ? Math.min(wait, 3_600_000) : undefined
}

const WORTH_RETRYING: ReadonlySet<number> = new Set([408, 425, 429])

/** Calls a server. Throws HTTP_FAILED where it can't be reached and HTTP_STATUS where it refuses; `retry` and `retryAfter` say whether and when to try again. */
export async function call(url: string, init: RequestInit, timeout: number, context: ComponentContext): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]) })
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const late = error instanceof Error && error.name === 'TimeoutError'
    throw new SluiceError('HTTP_FAILED', late ? `${shown(url)} did not answer within ${timeout} ms.` : `${shown(url)} can't be reached: ${cause instanceof Error ? cause.message : String(cause)}`, { cause: error })
  }
  if (response.ok || response.status === 304) return response
  const text = (await response.text().catch(() => '')).slice(0, 300)
  const error = new SluiceError('HTTP_STATUS', `${shown(url)} answered ${response.status}${text === '' ? '.' : `: ${text}`}`, {
    retry: response.status >= 500 || WORTH_RETRYING.has(response.status),
  })
  const wait = retryAfter(response.headers.get('retry-after'), context.now())
  throw wait === undefined ? error : Object.assign(error, { retryAfter: wait })
}

/** The text of a body, which may have so many bytes. Throws HTTP_STATUS. */
export async function bodyText(response: Response, most: number, url: string): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > most) throw new SluiceError('HTTP_STATUS', `${shown(url)} answered with more than ${most} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
