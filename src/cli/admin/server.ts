/**
 * The admin server of a running pipeline: health, metrics, and an interface to look at it and to change it. OpenAPI: `/v1/openapi.json`.
 *
 * Without a token it listens on this machine alone, and answers only who asks for this machine by name, so that no page in a browser can reach it by another name or
 * send it on its way. With a token, everything but health wants it.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { SluiceError } from '../../base/index.ts'
import type { ReloadOutcome, RunControl } from '../../engine/index.ts'
import { Metrics, bottleneckOf, bottleneckText, healthOf } from '../../observe/index.ts'
import type { Figures } from '../../observe/index.ts'
import { isLoopback } from './address.ts'
import type { Address } from './address.ts'
import { tapRoute } from './tap.ts'

export interface Administered {
  readonly control: RunControl
  /** Reads the pipeline's file again. */
  reload(): Promise<ReloadOutcome>
  /** Begins a drain. */
  drain(): void
}

export interface AdminOptions extends Address {
  readonly token: string | undefined
  readonly version: string
}

/** How far back the bottleneck is looked for, and how often figures are kept for it. */
const WINDOW_MS = 10_000
const EVERY_MS = 2000
const CLOSE_MS = 1000

export class AdminServer {
  readonly #options: AdminOptions
  readonly #kept: { readonly at: number; readonly figures: Figures }[] = []
  #of: Administered | undefined
  #app: FastifyInstance | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: AdminOptions) {
    this.#options = options
  }

  /** Listens; answers the address. Throws ADMIN_LISTEN where it can't. */
  async open(): Promise<string> {
    const [{ fastify }, { default: swagger }] = await Promise.all([import('fastify'), import('@fastify/swagger')])
    const app = fastify({ logger: false, bodyLimit: 64 * 1024, requestTimeout: 10_000 })
    this.#app = app
    await app.register(swagger, { openapi: { info: { title: 'Sluice', description: 'A running pipeline.', version: this.#options.version } } })
    app.addHook('onRequest', async (request, reply) => this.#guard(request, reply))
    app.setErrorHandler((error, _request, reply) => {
      const status = error instanceof SluiceError ? 409 : ((error as { readonly statusCode?: number }).statusCode ?? 500) // The library's own errors have one.
      return reply.status(status).send({ error: { code: error instanceof SluiceError ? error.code : 'HTTP', message: error instanceof Error ? error.message : String(error) } })
    })
    const metrics = await Metrics.make(() => this.#of?.control.figures)
    app.get('/metrics', { schema: { description: 'Metrics for Prometheus.', tags: ['metrics'] } }, async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
    this.#health(app)
    this.#pipelines(app)
    tapRoute(app, id => (this.#figuresOf(id) === undefined ? undefined : this.#of?.control), unknown)
    this.#scale(app)
    const { host, port } = this.#options
    try {
      const address = await app.listen({ host, port })
      this.#timer = setInterval(() => this.#keep(), EVERY_MS)
      this.#timer.unref()
      return address
    } catch (error) {
      throw new SluiceError('ADMIN_LISTEN', `The admin server can't listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  begin(of: Administered): void {
    this.#of = of
  }

  /** Whoever is still being answered has a second to take it: one that takes nothing must not keep the process. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    const late = setTimeout(() => this.#app?.server.closeAllConnections(), CLOSE_MS)
    await this.#app?.close()
    clearTimeout(late)
  }

  #keep(): void {
    const figures = this.#of?.control.figures
    if (figures === undefined) return
    const at = performance.now()
    this.#kept.push({ at, figures })
    while ((this.#kept[1]?.at ?? at) < at - WINDOW_MS) this.#kept.shift()
  }

  #guard({ url, headers, hostname }: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    if (/^\/(livez|readyz|startupz|healthz)(\?|$)/.test(url)) return undefined
    const { token } = this.#options
    if (token !== undefined && token !== '') {
      const given = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
      if (timingSafeEqual(digest(given), digest(token))) return undefined
      return reply.status(401).header('www-authenticate', 'Bearer').send({ error: { code: 'HTTP', message: given === '' ? 'A token is needed: authorization: Bearer TOKEN.' : 'That is not the token of this server.' } })
    }
    const origin = headers.origin === undefined ? undefined : URL.parse(headers.origin)?.hostname
    if (isLoopback(hostname.replaceAll(/[[\]]/g, '')) && (headers.origin === undefined || (origin !== undefined && isLoopback(origin)))) return undefined
    return reply.status(403).send({ error: { code: 'HTTP', message: 'Without a token only this machine is answered, by its own name.' } })
  }

  #health(app: FastifyInstance): void {
    const health = () => healthOf(this.#of?.control.figures)
    const route = (path: string, description: string, isWell: (is: ReturnType<typeof health>) => boolean): void => {
      app.get(path, { schema: { description, tags: ['health'] } }, async (_request, reply) => {
        const is = health()
        return reply.status(isWell(is) ? 200 : 503).send({ status: is.condition, reason: is.reason })
      })
    }
    route('/livez', '200 while the process answers.', ({ live }) => live)
    route('/readyz', '200 while the pipeline takes events.', ({ ready }) => ready)
    route('/startupz', '200 once all components are open.', ({ started }) => started)
    app.get<{ Querystring: { verbose?: string } }>('/healthz', { schema: { description: 'All of it; with ?verbose, each component.', tags: ['health'] } }, async ({ query }, reply) => {
      const figures = this.#of?.control.figures
      const is = health()
      const components = figures === undefined ? {} : {
        sources: figures.sources.map(({ id, lag, trouble }) => ({ id, state: stateOf(trouble), lag, trouble })),
        stages: figures.stages.filter(({ waits }) => waits).map(({ id, retries, trouble }) => ({ id, state: stateOf(trouble), retries, trouble })),
        sinks: figures.sinks.map(({ id, backlog, retries, trouble }) => ({ id, state: stateOf(trouble), backlog, retries, trouble })),
        workers: figures.workers.length,
      }
      return reply.status(is.live && is.ready ? 200 : 503).send({ ...is, ...(query.verbose === undefined ? {} : components) })
    })
  }

  #pipelines(app: FastifyInstance): void {
    const schema = (description: string): object => ({ schema: { description, tags: ['pipelines'] } })
    const withId = (description: string): object => ({ schema: { description, tags: ['pipelines'], params: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] } } })
    app.get('/v1/openapi.json', { schema: { hide: true } }, async () => app.swagger())
    app.get('/v1/pipelines', schema('The pipelines of this process.'), async () => {
      const figures = this.#of?.control.figures
      return figures === undefined ? [] : [{ id: figures.pipeline, state: figures.state, generation: figures.generation, condition: healthOf(figures).condition, bottleneck: this.#sentence(figures) }]
    })
    app.get<{ Params: { id: string } }>('/v1/pipelines/:id', withId('All figures of a pipeline.'), async ({ params }, reply) => {
      const figures = this.#figuresOf(params.id)
      if (figures === undefined) return unknown(reply, params.id)
      return { ...figures, health: healthOf(figures), bottleneck: { sentence: this.#sentence(figures), ...bottleneckOf(figures, this.#kept[0]?.figures) } }
    })
    const action = (name: string, description: string, act: (of: Administered) => unknown): void => {
      app.post<{ Params: { id: string } }>(`/v1/pipelines/:id/${name}`, withId(description), async ({ params }, reply) => {
        const of = this.#of
        if (of === undefined || this.#figuresOf(params.id) === undefined) return unknown(reply, params.id)
        return (await act(of)) ?? { id: params.id, state: of.control.figures?.state }
      })
    }
    action('pause', 'Sources rest; what was read goes on to the sinks, connections stay open.', ({ control }) => control.pause())
    action('resume', 'Sources are asked again.', ({ control }) => control.resume())
    action('drain', 'Nothing more is read; what is under way lands, then the process ends.', of => of.drain())
    action('reload', 'Reads the pipeline\'s file again and puts it in place of what runs. Answers the outcome, the difference and the generation.', async of => {
      const { outcome, generation, difference, error } = await of.reload()
      return { outcome, generation, difference, ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }) }
    })
  }

  /** The number of workers: the one way to change something that takes a value. */
  #scale(app: FastifyInstance): void {
    const workers = { anyOf: [{ type: 'integer', minimum: 0, maximum: 256 }, { type: 'string', enum: ['auto'] }], description: 'So many worker threads for good, or auto: as many as the load needs' }
    const schema = {
      description: 'Changes the number of workers while everything goes on. Answers what became of it: changed, unchanged, late (not everything landed in time) or failed.', tags: ['pipelines'],
      params: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      body: { type: 'object', properties: { workers }, required: ['workers'], additionalProperties: false },
    }
    // The schema would take null for 0, which stops all threads.
    const preValidation = async ({ body }: { readonly body: { readonly workers?: unknown } | null }, reply: FastifyReply): Promise<void> => {
      const given = body?.workers
      if (typeof given !== 'number' && given !== 'auto') await reply.status(400).send({ error: { code: 'HTTP', message: '"workers" must be a whole number from 0 to 256, or "auto".' } })
    }
    app.post<{ Params: { id: string }; Body: { workers: number | 'auto' } }>('/v1/pipelines/:id/scale', { schema, preValidation }, async ({ params, body }, reply) => {
      const of = this.#of
      if (of === undefined || this.#figuresOf(params.id) === undefined) return unknown(reply, params.id)
      const { error, ...outcome } = await of.control.scale(body.workers)
      return { ...outcome, ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }) }
    })
  }

  #sentence(figures: Figures): string {
    return bottleneckText(figures, this.#kept[0]?.figures)
  }

  #figuresOf(id: string): Figures | undefined {
    const figures = this.#of?.control.figures
    return figures?.pipeline === id ? figures : undefined
  }
}

/** One that fails and is tried again differs from one that has nothing to do. */
const stateOf = (trouble: unknown): string => (trouble === undefined ? 'ok' : 'unreachable')

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const unknown = (reply: FastifyReply, id: string): FastifyReply => reply.status(404).send({ error: { code: 'HTTP', message: `There is no pipeline "${id}" here, or it is not open yet.` } })
