/**
 * Asks a server for events: once, or again and again.
 *
 * Paging: `link` follows the Link header's rel="next" (RFC 8288), `cursor` puts a field of the answer into a parameter, `page` counts a parameter up until a page is empty, `offset`
 * counts it up by the events that came. An answer 304 to the ETag of the last one brings nothing, also after a restart. Pages stay on the origin of `url`.
 *
 * With `watermark`, a round asks for what is behind the greatest value that earlier rounds saw. All pages of a round ask with the same value: it moves when a round is over, so
 * that a restart in the middle misses nothing.
 *
 * What may succeed later is tried again, six times within two minutes. A source that asks again and again then warns and goes on with that page in the next round; one
 * that asks once fails.
 */
import { SluiceError } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import { Policy } from '../../base/index.ts'
import { JsonArrayCutter, rawAt } from '../../event/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { AUTH_FIELDS, authHeaders, bodyText, callBy, shown } from '../http.ts'
import { Egress } from '../web/egress.ts'
import { OAUTH2, Tokens } from '../web/oauth.ts'
import { Watermark, partsOf, valueAt } from './http-answers.ts'
import type { Mark } from './http-answers.ts'

const CONFIG = field.object({
  url: field.string({ description: 'Where to ask' }),
  headers: field.record(field.string(), { default: {}, description: 'Further headers' }),
  auth: field.optional(field.object({ ...AUTH_FIELDS, oauth2: field.optional(OAUTH2) })),
  items: field.optional(field.string({ description: 'Path of the list of events in the answer, such as data.items or $.data[0].items; the answer itself by default' })),
  paging: field.optional(
    field.object({
      by: field.choice(['link', 'cursor', 'page', 'offset']),
      parameter: field.string({ default: 'page', description: 'Parameter of the URL that takes the cursor or the number' }),
      field: field.string({ default: 'next', description: 'Path of the next cursor in the answer' }),
      first: field.optional(field.integer({ description: 'Number of the first page, 1 by default, or the first offset, 0 by default' })),
      pages_max: field.integer({ default: 10_000, minimum: 1, description: 'Most pages of one round' }),
    }),
  ),
  watermark: field.optional(
    field.object(
      {
        field: field.string({ description: 'Path in an event: a number, or a text that sorts by time, such as 2026-01-31T10:00:00Z' }),
        parameter: field.string({ description: 'Parameter of the URL that takes the greatest value so far' }),
        start: field.optional(field.string({ description: 'Its value in the first round; without it the first round asks for everything' })),
      },
      { description: 'Ask only for what is new. The value is part of the position, and kept with `state`' },
    ),
  ),
  rate: field.optional(field.object({ requests: field.integer({ minimum: 1, description: 'Requests' }), per: field.duration({ default: '1s', description: 'In so long' }) }, { description: 'Ask no more often than this' })),
  private_hosts: field.list(field.string(), { default: [], description: 'Hosts, addresses and subnets in private networks that may be asked. An address that `url` itself gives may always be asked' }),
  every: field.optional(field.duration({ description: 'Ask again so long after the last round' })),
  cron: field.optional(field.string({ description: 'Ask again by a schedule such as 0 * * * *, in the time zone of the machine; not together with `every`' })),
  timeout: field.duration({ default: '30s', description: 'Longest wait for an answer' }),
  answer_max: field.size({ default: '16MiB', description: 'Most bytes of an answer' }),
})
type Config = ValueOf<typeof CONFIG>

const RETRY = { attempts: 6, backoff: 250, factor: 2, backoffMax: 10_000, deadline: 120_000, budget: 0 }

/** The target of rel="next" in a Link header. */
export function nextLink(header: string | null, base: string): string | undefined {
  for (const [, target = '', parameters = ''] of (header ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[^,;=]+(?:=(?:"[^"]*"|[^,;"]*))?)*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)/i.test(parameters)) return new URL(target, base).href
  }
  return undefined
}

interface Page {
  readonly response: Response
  readonly text: string
}

/** Made by `next`. `url` null: the round is over. */
interface Position {
  readonly url?: string | null
  readonly page?: number
  readonly tag?: string
  /** What this round asks with, and the greatest value that it has seen. */
  readonly mark?: Mark
  readonly seen?: Mark
}

class HttpClientSource implements Source {
  readonly live: boolean
  readonly format = { format: 'ndjson', options: { record_max: 64 * 1024 * 1024 } }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #policy: Policy
  readonly #egress: Egress
  readonly #tokens: Tokens | undefined
  readonly #items: readonly string[]
  readonly #watermark: Watermark | undefined
  /** The next page; undefined where the round is over. */
  #url: string | undefined
  #page = 0
  /** Pages of this round so far. */
  #round = 0
  /** True where the next page is the first one, which the tag belongs to. */
  #first = true
  #tag: string | undefined
  #number = 0
  /** True while a run that asks once ends the round of the run before: its own comes after that. */
  #owesRound = false

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    const { rate } = config
    this.#policy = new Policy({ retry: RETRY, breaker: undefined, rateLimit: rate === undefined ? undefined : { events: rate.requests, bytes: undefined, per: rate.per } }, context)
    this.live = config.every !== undefined || config.cron !== undefined
    if (!URL.canParse(config.url)) throw new SluiceError('CONFIG_VALUE', 'http_client: "url" is no URL.')
    if (config.every !== undefined && config.cron !== undefined) throw new SluiceError('CONFIG_VALUE', 'http_client: give either "every" or "cron".')
    this.#egress = new Egress(config.private_hosts, new URL(config.url).hostname)
    this.#tokens = config.auth?.oauth2 === undefined ? undefined : new Tokens(config.auth.oauth2, new Egress(config.private_hosts, new URL(config.auth.oauth2.token_url).hostname), config.timeout, context)
    this.#items = config.items === undefined ? [] : partsOf(config.items)
    this.#watermark = config.watermark === undefined ? undefined : new Watermark(config.watermark)
  }

  async open(position: JsonValue | undefined): Promise<void> {
    await this.#checkCron()
    const { url, page, tag, mark, seen } = (position ?? {}) as Position
    this.#watermark?.restore(mark, seen)
    this.#begin()
    this.#tag = tag
    // A run that asks once and whose last round was whole begins another one, if it knows what is new.
    if (url === undefined || (url === null && !this.live && this.#watermark !== undefined)) return
    this.#owesRound = !this.live && this.#watermark !== undefined
    this.#url = url ?? undefined
    this.#first = false
    if (page !== undefined) this.#page = page
  }

  async #checkCron(): Promise<void> {
    const { cron } = this.#config
    if (cron === undefined) return
    const { Cron } = await import('croner')
    try {
      new Cron(cron).stop()
    } catch (error) {
      throw new SluiceError('CONFIG_VALUE', `http_client: ${JSON.stringify(cron)} is no schedule: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  #begin(): void {
    this.#round = 0
    this.#first = true
    const { paging } = this.#config
    this.#page = paging?.first ?? (paging?.by === 'page' ? 1 : 0)
    this.#url = this.#address(paging?.by === 'page' || paging?.by === 'offset' ? String(this.#page) : undefined)
  }

  #address(value: string | undefined): string {
    const url = new URL(this.#config.url)
    this.#watermark?.ask(url)
    if (value !== undefined) url.searchParams.set(this.#config.paging?.parameter ?? 'page', value)
    return url.href
  }

  async next(_bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    while (!signal.aborted) {
      const url = this.#url
      if (url === undefined) {
        this.#watermark?.roundOver()
        if (!this.#owesRound && !(await this.#wait(signal))) return undefined
        this.#owesRound = false
        this.#begin()
        continue
      }
      const page = await this.#tryPage(url, signal)
      if (page === undefined) continue
      const data = this.#take(url, page)
      if (data === undefined) continue
      const position: Position = { url: this.#url ?? null, page: this.#page, ...(this.#tag === undefined ? {} : { tag: this.#tag }), ...this.#watermark?.position(this.#url === undefined) }
      return { position: { ...position }, from: { url: shown(url), request: this.#number, offset: 0 }, bytes: data.length, data }
    }
    return undefined
  }

  /** A page; undefined where there is none now: nothing changed, the pipeline stops, or a server that is asked again and again can't be had this time. */
  async #tryPage(url: string, signal: AbortSignal): Promise<Page | undefined> {
    try {
      const page = await this.#ask(url, signal)
      if (page.response.status !== 304) return page
      this.#url = undefined
      return undefined
    } catch (error) {
      if (signal.aborted) return undefined
      if (!this.live || !(error instanceof SluiceError) || !error.retry) throw error
      this.#context.warn(`${error.message} It is asked again in the next round.`, 'server')
      // The page stays the next one.
      await this.#wait(signal)
      return undefined
    }
  }

  /** Waits for the next round; false where there is none. */
  async #wait(signal: AbortSignal): Promise<boolean> {
    const { every, cron } = this.#config
    const due = cron === undefined ? undefined : new (await import('croner')).Cron(cron).nextRun(new Date(this.#context.now()))
    const wait = every ?? (due === undefined || due === null ? undefined : due.getTime() - this.#context.now())
    if (wait === undefined) return false
    await this.#context.sleep(wait, signal).catch(() => undefined)
    return !signal.aborted
  }

  async #ask(url: string, signal: AbortSignal): Promise<Page> {
    const { headers, auth, timeout, answer_max } = this.#config
    this.#number++
    const tag = this.#first && this.#tag !== undefined ? { 'if-none-match': this.#tag } : {}
    const { trouble } = this.#context
    const attempt = async (): Promise<Page> => {
      const own = this.#tokens === undefined ? authHeaders(auth) : { authorization: `Bearer ${await this.#tokens.token(signal)}` }
      const response = await callBy(this.#egress, url, { headers: { accept: 'application/json', ...headers, ...own, ...tag }, signal }, timeout, this.#context).catch((error: unknown) => {
        throw this.#refusal(error)
      })
      this.#tokens?.served()
      return { response, text: await bodyText(response, answer_max, url) }
    }
    return (await this.#policy.call({ events: 1, bytes: 0 }, () => (trouble === undefined ? attempt() : trouble.watch(attempt)), signal)).value
  }

  /** A token may be taken back before its time: the next attempt asks for another one. */
  #refusal(error: unknown): unknown {
    if (this.#tokens === undefined || !(error instanceof SluiceError) || !('status' in error) || error.status !== 401) return error
    return this.#tokens.forget() ? new SluiceError('HTTP_STATUS', error.message, { cause: error, retry: true }) : error
  }

  /** The events of a page as lines; undefined where it has none. Goes on to the page behind it. */
  #take(url: string, { response, text }: Page): Uint8Array | undefined {
    let body: JsonValue
    try {
      body = JSON.parse(text) as JsonValue // JSON.parse yields nothing else.
    } catch {
      throw new SluiceError('HTTP_STATUS', `${shown(url)} did not answer with JSON: ${text.slice(0, 100)}`)
    }
    const list = valueAt(body, this.#items)
    const count = Array.isArray(list) ? list.length : list === undefined || list === null ? 0 : 1
    if (Array.isArray(list)) for (const item of list) this.#watermark?.see(item)
    else this.#watermark?.see(list)
    if (this.#first) this.#tag = response.headers.get('etag') ?? undefined
    this.#advance(url, response, body, count)
    if (count === 0) return undefined
    // The text and not the value is cut, so that numbers keep all their digits. It can't be found behind a list.
    const raw = this.#items.length === 0 ? text : (rawAt(text, this.#items) ?? JSON.stringify(list))
    return new JsonArrayCutter().push(Buffer.from(`${raw}\n`))
  }

  #advance(url: string, response: Response, body: unknown, count: number): void {
    const { paging } = this.#config
    this.#round++
    this.#first = false
    let next: string | undefined
    if (paging?.by === 'link') next = nextLink(response.headers.get('link'), url)
    else if (paging?.by === 'cursor') {
      const cursor = valueAt(body, partsOf(paging.field))
      // Many servers end with an empty text instead of null.
      next = (typeof cursor === 'string' && cursor !== '') || typeof cursor === 'number' ? this.#address(String(cursor)) : undefined
    } else if (paging?.by === 'page' && count > 0) next = this.#address(String(++this.#page))
    else if (paging?.by === 'offset' && count > 0) next = this.#address(String((this.#page += count)))
    if (next !== undefined && new URL(next).origin !== new URL(this.#config.url).origin) throw new SluiceError('HTTP_STATUS', `${shown(url)} sends on to ${shown(next)}, which is another server.`)
    if (next === url) throw new SluiceError('HTTP_STATUS', `${shown(url)} sends on to itself: its pages would never end.`)
    if (next !== undefined && this.#round >= (paging?.pages_max ?? 1)) throw new SluiceError('HTTP_STATUS', `${shown(this.#config.url)} has more than ${paging?.pages_max ?? 1} pages.`)
    this.#url = next
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Asks once, as a round would begin, and drops the answer. */
async function probe(config: Config, context: ComponentContext): Promise<void> {
  const { url, headers, auth, private_hosts: hosts, timeout } = config
  const tokens = auth?.oauth2 === undefined ? undefined : new Tokens(auth.oauth2, new Egress(hosts, new URL(auth.oauth2.token_url).hostname), timeout, context)
  const own = tokens === undefined ? authHeaders(auth) : { authorization: `Bearer ${await tokens.token(context.signal)}` }
  const response = await callBy(new Egress(hosts, new URL(url).hostname), url, { headers: { accept: 'application/json', ...headers, ...own }, signal: context.signal }, timeout, context)
  await response.body?.cancel()
}

export const httpClient = defineSource({
  type: 'http_client',
  summary: 'Ask a server for events, once or on a schedule',
  description:
    'An answer is a JSON list of events, a single event, or an object that holds them at `items`; events keep their bytes. An ETag is sent back with the first request of the next round, also after a restart; 304 brings nothing.\n\n' +
    'The source does not let itself be led into a private network: a name, a redirect or a link that means such an address is refused, unless `private_hosts` allows it or `url` itself is that address. ' +
    'Redirects are followed five times at most; another origin gets no credentials.\n\n' +
    'Servers that can\'t be reached and answers 408, 425, 429 and 5xx are tried again, six times within two minutes. With `every` or `cron` the source then warns and goes on in the next round, with the page that it could not get; without them the run fails. Any other answer that is no success fails it at once.',
  config: CONFIG,
  replays: true,
  examples: [
    { title: 'Pages by a Link header', config: { url: 'https://example.org/orders', paging: { by: 'link' }, every: '5m' } },
    { title: 'What changed since the last run, with a token', config: { url: 'https://example.org/orders', auth: { oauth2: { token_url: 'https://example.org/token', client_id: 'sluice', client_secret: '${ORDERS_SECRET}' } }, items: 'data', paging: { by: 'offset', parameter: 'offset' }, watermark: { field: 'updated_at', parameter: 'since' } } },
  ],
  probe,
  create: (config, context) => new HttpClientSource(config, context),
})
