/** What the HTTP components share: credentials, and calls with clear errors. */
import { SluiceError } from '../base/index.ts'
import { field } from '../engine/index.ts'
import type { ComponentContext, ValueOf } from '../engine/index.ts'
import { wayTrouble } from './network.ts'
import type { Egress, Request } from './web/egress.ts'

export const AUTH_FIELDS = {
  bearer: field.optional(field.secret({ description: 'Token of `authorization: Bearer`' })),
  user: field.optional(field.string({ description: 'User of basic authentication' })),
  password: field.optional(field.secret({ description: 'Password of basic authentication' })),
  header: field.optional(field.string({ description: 'Name of a header that takes `key`' })),
  key: field.optional(field.secret({ description: 'API key' })),
}
export const AUTH = field.optional(field.object(AUTH_FIELDS))
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
  return answered(url, () => fetch(url, { ...init, redirect: 'error', signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]) }), timeout, context)
}

/** The same, guarded against private networks, and with redirects. */
export async function callBy(egress: Egress, url: string, request: Request, timeout: number, context: ComponentContext): Promise<Response> {
  return answered(url, () => egress.request(url, { ...request, signal: AbortSignal.any([request.signal, context.signal, AbortSignal.timeout(timeout)]) }), timeout, context)
}

async function answered(url: string, ask: () => Promise<Response>, timeout: number, context: ComponentContext): Promise<Response> {
  let response: Response
  try {
    response = await ask()
  } catch (error) {
    if (error instanceof SluiceError) throw error
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const late = [error, cause].some(each => each instanceof Error && each.name === 'TimeoutError')
    if (late) throw new SluiceError('HTTP_FAILED', `${shown(url)} did not answer within ${timeout} ms.`, { cause: error })
    const { reason, lasts } = wayTrouble(cause)
    throw new SluiceError('HTTP_FAILED', `${shown(url)} can't be reached: ${reason}`, { cause: error, retry: !lasts, stops: lasts })
  }
  if (response.ok || response.status === 304) return response
  const text = (await response.text().catch(() => '')).slice(0, 300)
  const error = new SluiceError('HTTP_STATUS', `${shown(url)} answered ${response.status}${text === '' ? '.' : `: ${text}`}`, {
    retry: response.status >= 500 || WORTH_RETRYING.has(response.status),
    // The login is wrong for all events alike.
    stops: response.status === 401,
  })
  const wait = retryAfter(response.headers.get('retry-after'), context.now())
  throw Object.assign(error, { status: response.status }, wait === undefined ? {} : { retryAfter: wait })
}

/** The text of a body, which may have so many bytes. Throws HTTP_STATUS where it has more, and HTTP_FAILED where it breaks off or does not end in time. */
export async function bodyText(response: Response, most: number, url: string): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for await (const part of response.body ?? []) {
      length += part.length
      if (length > most) throw new SluiceError('HTTP_STATUS', `${shown(url)} answered with more than ${most} bytes.`)
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('HTTP_FAILED', `The answer of ${shown(url)} broke off: ${wayTrouble(error).reason}`, { cause: error })
  }
  return Buffer.concat(parts).toString('utf8')
}
