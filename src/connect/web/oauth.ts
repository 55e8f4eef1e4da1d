/** Tokens by the OAuth 2.0 client credentials grant (RFC 6749, section 4.4): asked for when needed, kept until shortly before they expire. */
import { SluiceError } from '../../base/index.ts'
import { field } from '../../engine/index.ts'
import type { ComponentContext, ValueOf } from '../../engine/index.ts'
import { bodyText, callBy, shown } from '../http.ts'
import type { Egress } from './egress.ts'

export const OAUTH2 = field.object(
  {
    token_url: field.string({ description: 'Where tokens are given out' }),
    client_id: field.string({ description: 'Who asks' }),
    client_secret: field.secret({ description: 'Its secret' }),
    scope: field.optional(field.string({ description: 'What the token is to allow' })),
    audience: field.optional(field.string({ description: 'Whom the token is for, where the server asks for it' })),
    in_body: field.boolean({ default: false, description: 'Send id and secret in the body; in the header by default' }),
  },
  { description: 'Tokens by the client credentials grant of OAuth 2.0' },
)
type OAuth2 = ValueOf<typeof OAUTH2>

const ANSWER_MAX = 1024 * 1024
/** Milliseconds that a token is used where the server does not say how long it holds. */
const LIFE = 300_000

export class Tokens {
  readonly #config: OAuth2
  readonly #egress: Egress
  readonly #context: ComponentContext
  readonly #timeout: number
  #token: string | undefined
  #until = 0
  #hasServed = false

  constructor(config: OAuth2, egress: Egress, timeout: number, context: ComponentContext) {
    if (!URL.canParse(config.token_url)) throw new SluiceError('CONFIG_VALUE', '"token_url" is no URL.')
    this.#config = config
    this.#egress = egress
    this.#timeout = timeout
    this.#context = context
  }

  async token(signal: AbortSignal): Promise<string> {
    if (this.#token !== undefined && this.#context.now() < this.#until) return this.#token
    const { token, life } = await this.#ask(signal)
    // A tenth before its end: clocks differ, and requests take time.
    this.#until = this.#context.now() + life * 0.9
    this.#token = token
    return token
  }

  /** The server did not take the token: the next request gets another one. False where it never took one: another would fare no better. */
  forget(): boolean {
    this.#token = undefined
    const hadServed = this.#hasServed
    this.#hasServed = false
    return hadServed
  }

  /** The server took the token. */
  served(): void {
    this.#hasServed = true
  }

  async #ask(signal: AbortSignal): Promise<{ token: string; life: number }> {
    const { token_url, client_id, client_secret, scope, audience, in_body } = this.#config
    const form = new URLSearchParams({ grant_type: 'client_credentials' })
    if (scope !== undefined) form.set('scope', scope)
    if (audience !== undefined) form.set('audience', audience)
    if (in_body) {
      form.set('client_id', client_id)
      form.set('client_secret', client_secret)
    }
    const basic = `Basic ${Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`).toString('base64')}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', ...(in_body ? {} : { authorization: basic }) }
    const response = await callBy(this.#egress, token_url, { method: 'POST', headers, body: form.toString(), signal }, this.#timeout, this.#context)
    const text = await bodyText(response, ANSWER_MAX, token_url)
    const answer = parsed(text)
    const token = answer['access_token']
    if (typeof token !== 'string' || token === '') throw new SluiceError('HTTP_STATUS', `${shown(token_url)} gave no access token.`)
    const type = answer['token_type']
    if (typeof type === 'string' && type.toLowerCase() !== 'bearer') throw new SluiceError('HTTP_STATUS', `${shown(token_url)} gave a token of the type ${JSON.stringify(type.slice(0, 40))}; only bearer tokens can be used.`)
    const seconds = Number(answer['expires_in'])
    return { token, life: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : LIFE }
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const answer: unknown = JSON.parse(text)
    return typeof answer === 'object' && answer !== null ? (answer as Readonly<Record<string, unknown>>) : {} // An object.
  } catch {
    return {}
  }
}
