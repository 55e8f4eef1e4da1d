/**
 * Asks a server for events: once, or again and again.
 *
 * Paging: `link` follows the Link header's rel="next" (RFC 8288), `cursor` puts a field of the answer into a parameter, `page` counts a parameter up until a page is empty. An
 * answer 304 to the ETag of the last one brings nothing. Pages stay on the origin of `url`.
 */
import { SluiceError } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import { Policy } from '../../base/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { AUTH, authHeaders, bodyText, call, shown } from '../http.ts'

const CONFIG = field.object({
  url: field.string({ description: 'Where to ask' }),
  headers: field.record(field.string(), { default: {}, description: 'Further headers' }),
  auth: AUTH,
  items: field.optional(field.string({ description: 'Path of the list of events in the answer; the answer itself by default' })),
  paging: field.optional(
    field.object({
      by: field.choice(['link', 'cursor', 'page']),
      parameter: field.string({ default: 'page', description: 'Parameter of the URL that takes the cursor or the number' }),
      field: field.string({ default: 'next', description: 'Path of the next cursor in the answer' }),
      first: field.integer({ default: 1, description: 'Number of the first page' }),
      pages_max: field.integer({ default: 10_000, minimum: 1, description: 'Most pages of one round' }),
    }),
  ),
  every: field.optional(field.duration({ description: 'Ask again so long after the last round' })),
  cron: field.optional(field.string({ description: 'Ask again by a schedule such as 0 * * * *' })),
  timeout: field.duration({ default: '30s', description: 'Longest wait for an answer' }),
  answer_max: field.size({ default: '16MiB', description: 'Most bytes of an answer' }),
})
type Config = ValueOf<typeof CONFIG>

const RETRY = { attempts: 6, backoff: 250, factor: 2, backoffMax: 10_000, deadline: 120_000, budget: 0 }

function at(value: unknown, path: string): unknown {
  let found = value
  for (const part of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined
    found = (found as Readonly<Record<string, unknown>>)[part] // An own field of an object.
  }
  return found
}

/** The target of rel="next" in a Link header. */
export function nextLink(header: string | null, base: string): string | undefined {
  for (const [, target = '', parameters = ''] of (header ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[^,;=]+(?:=(?:"[^"]*"|[^,;"]*))?)*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)/i.test(parameters)) return new URL(target, base).href
  }
  return undefined
}

class HttpClientSource implements Source {
  readonly live: boolean
  readonly format = { format: 'ndjson', options: { record_max: 64 * 1024 * 1024 } }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #policy: Policy
  #url: string | undefined
  #page = 0
  #round = 0
  #tag: string | undefined
  #number = 0

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.#policy = new Policy({ retry: RETRY, breaker: undefined, rateLimit: undefined }, context)
    this.live = config.every !== undefined || config.cron !== undefined
    if (!URL.canParse(config.url)) throw new SluiceError('CONFIG_VALUE', 'http_client: "url" is no URL.')
  }

  open(position: JsonValue | undefined): Promise<void> {
    const known = position as { readonly url?: string | null; readonly page?: number } | undefined // Made by `next`.
    this.#begin()
    if (known?.url !== undefined) this.#url = known.url ?? undefined
    if (known?.page !== undefined) this.#page = known.page
    return Promise.resolve()
  }

  #begin(): void {
    this.#page = this.#config.paging?.first ?? 0
    this.#url = this.#address(this.#config.paging?.by === 'page' ? String(this.#page) : undefined)
  }

  #address(value: string | undefined): string {
    const url = new URL(this.#config.url)
    if (value !== undefined) url.searchParams.set(this.#config.paging?.parameter ?? 'page', value)
    return url.href
  }

  async next(_bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    while (!signal.aborted) {
      const url = this.#url
      if (url === undefined) {
        if (!(await this.#wait(signal))) return undefined
        this.#begin()
        continue
      }
      const items = await this.#ask(url, signal)
      if (items === undefined || items.length === 0) continue
      const data = new Uint8Array(Buffer.from(items.map(item => `${JSON.stringify(item)}\n`).join('')))
      return { position: { url: this.#url ?? null, page: this.#page }, from: { url: shown(url), request: this.#number, offset: 0 }, bytes: data.length, data }
    }
    return undefined
  }

  /** Waits for the next round; false where there is none. */
  async #wait(signal: AbortSignal): Promise<boolean> {
    const { every, cron } = this.#config
    this.#round = 0
    const due = cron === undefined ? undefined : new (await import('croner')).Cron(cron).nextRun(new Date(this.#context.now()))
    const wait = every ?? (due === undefined || due === null ? undefined : due.getTime() - this.#context.now())
    if (wait === undefined) return false
    await this.#context.sleep(wait, signal).catch(() => undefined)
    return !signal.aborted
  }

  async #ask(url: string, signal: AbortSignal): Promise<readonly unknown[] | undefined> {
    const { headers, auth, timeout, answer_max, items } = this.#config
    this.#number++
    const { value: response } = await this.#policy.call(
      { events: 1, bytes: 0 },
      () => call(url, { headers: { accept: 'application/json', ...headers, ...authHeaders(auth), ...(this.#tag === undefined || this.#round > 0 ? {} : { 'if-none-match': this.#tag }) } }, timeout, this.#context),
      signal,
    )
    if (response.status === 304) {
      this.#url = undefined
      return undefined
    }
    const tag = response.headers.get('etag')
    if (this.#round === 0 && tag !== null) this.#tag = tag
    const text = await bodyText(response, answer_max, url)
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      throw new SluiceError('HTTP_STATUS', `${shown(url)} did not answer with JSON: ${text.slice(0, 100)}`)
    }
    const list = items === undefined ? body : at(body, items)
    const found: readonly unknown[] = Array.isArray(list) ? list : list === undefined || list === null ? [] : [list]
    this.#advance(url, response, body, found.length)
    return found
  }

  #advance(url: string, response: Response, body: unknown, count: number): void {
    const { paging } = this.#config
    this.#round++
    let next: string | undefined
    if (paging?.by === 'link') next = nextLink(response.headers.get('link'), url)
    else if (paging?.by === 'cursor') {
      const cursor = at(body, paging.field)
      next = typeof cursor === 'string' || typeof cursor === 'number' ? this.#address(String(cursor)) : undefined
    } else if (paging?.by === 'page' && count > 0) next = this.#address(String(++this.#page))
    if (next !== undefined && new URL(next).origin !== new URL(this.#config.url).origin) throw new SluiceError('HTTP_STATUS', `${shown(url)} sends on to ${shown(next)}, which is another server.`)
    if (next !== undefined && this.#round >= (paging?.pages_max ?? 1)) throw new SluiceError('HTTP_STATUS', `${shown(this.#config.url)} has more than ${paging?.pages_max ?? 1} pages.`)
    this.#url = next
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

export const httpClient = defineSource({
  type: 'http_client',
  summary: 'Ask a server for events, once or on a schedule',
  config: CONFIG,
  replays: true,
  examples: [{ title: 'Pages by a Link header', config: { url: 'https://example.org/orders', paging: { by: 'link' }, every: '5m' } }],
  create: (config, context) => new HttpClientSource(config, context),
})
