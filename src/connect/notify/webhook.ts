/**
 * Tells a server by requests that it can check: signed as Standard Webhooks 1.0 says (https://www.standardwebhooks.com), with a shared secret.
 *
 *     webhook-id: the notice's id     webhook-timestamp: seconds since 1970 of this attempt
 *     webhook-signature: "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body", one for each secret, with blanks between
 *
 * Any answer of 200 to 299 takes the message.
 */
import { createHmac } from 'node:crypto'
import { SluiceError } from '../../base/index.ts'
import type { ComponentContext } from '../../engine/index.ts'
import { bodyText, call, shown } from '../http.ts'
import type { Notice } from './notice.ts'
import type { NoticeTarget } from './notifier.ts'

export interface WebhookOptions {
  readonly url: string
  readonly secret: string | undefined
  readonly oldSecret: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly timeout: number
  /** True where something was said that is for a topic. */
  readonly isForTopic: boolean
}

const ANSWER_MAX = 64 * 1024
const SECRET_MIN = 24
const SECRET_MAX = 64
const BEGINNING = 'whsec_'
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** The bytes of a secret. Throws CONFIG_VALUE, without any of it in the message. */
export function secretKey(name: string, secret: string): Buffer {
  const text = secret.startsWith(BEGINNING) ? secret.slice(BEGINNING.length) : secret
  const key = Buffer.from(text, 'base64')
  if (!BASE64.test(text) || key.length < SECRET_MIN || key.length > SECRET_MAX) {
    throw new SluiceError('CONFIG_VALUE', `notify: "${name}" must be ${SECRET_MIN} to ${SECRET_MAX} bytes in base64, with ${BEGINNING} before them. One is made by: echo "${BEGINNING}$(openssl rand -base64 32)"`)
  }
  return key
}

/** The value of `webhook-signature`. */
export function signatureOf(keys: readonly Buffer[], id: string, seconds: number, body: string): string {
  return keys.map(key => `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`).join(' ')
}

export class WebhookTarget implements NoticeTarget {
  readonly name: string
  readonly #options: WebhookOptions
  readonly #keys: readonly Buffer[]
  readonly #context: ComponentContext

  constructor(options: WebhookOptions, context: ComponentContext) {
    const { url, secret, oldSecret, isForTopic } = options
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new SluiceError('CONFIG_VALUE', 'notify: "url" must begin with https:// or http://.')
    if (secret === undefined) throw new SluiceError('CONFIG_VALUE', 'notify: "url" needs a "secret", which the messages are signed with, such as ${WEBHOOK_SECRET}.')
    if (isForTopic) throw new SluiceError('CONFIG_VALUE', 'notify: "log", "sasl" and "tls" are for a "topic".')
    this.#keys = [secretKey('secret', secret), ...(oldSecret === undefined ? [] : [secretKey('old_secret', oldSecret)])]
    this.#options = options
    this.#context = context
    this.name = shown(url)
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  async tell({ id, body }: Notice, signal: AbortSignal): Promise<void> {
    const { url, headers, timeout } = this.#options
    const seconds = Math.floor(this.#context.now() / 1000)
    const signed = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signatureOf(this.#keys, id, seconds, body) }
    const response = await call(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json', ...signed }, body }, timeout, { ...this.#context, signal })
    // The status has taken the message. The answer is read so that the connection can be used again.
    await bodyText(response, ANSWER_MAX, url).catch(() => undefined)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
