/**
 * `GET /v1/pipelines/{id}/tap`: events on their way, as lines of JSON, until the watcher goes, has seen enough, or the run ends.
 *
 * A line with `tap` tells of the tap itself: what it looks at, once a second what it has counted, what a reload did to it, and why it ended. All others are events.
 * What a watcher has not fetched is kept up to a limit; beyond it events are dropped and counted, and the pipeline goes on as if nobody looked.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { SluiceError } from '../../base/index.ts'
import { RATE_DEFAULT, RATE_MAX } from '../../engine/index.ts'
import type { RunControl, Tap, TapSide } from '../../engine/index.ts'

/** Bytes that wait for a watcher, at most. */
const WAITING_MAX = 256 * 1024
const TOLD_EVERY_MS = 1000

interface TapQuery {
  readonly component: string
  readonly side?: TapSide
  readonly filter?: string
  readonly limit?: number
  readonly rate?: number
}

const SCHEMA = {
  description:
    'Samples of the events that go through one place, as they come: lines of JSON. Lines with `tap` tell of the tap itself: what it looks at, once a second how many events were looked at, shown, and dropped because the watcher was slow. ' +
    'Fields that a `mask` stage of the pipeline names are masked everywhere.',
  tags: ['pipelines'],
  params: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  querystring: {
    type: 'object',
    properties: {
      component: { type: 'string', description: 'Id of a source, a stage or a sink; `sinks.ID` where a stage has the same; `dead_letters` for the events that are given up, with their reasons' },
      side: { type: 'string', enum: ['before', 'after'], description: 'What it is given, or what it hands on; `after` by default, `before` for sinks' },
      filter: { type: 'string', maxLength: 10_000, description: 'Expression over the event as it is shown' },
      limit: { type: 'integer', minimum: 1, description: 'End after so many events' },
      rate: { type: 'number', exclusiveMinimum: 0, maximum: RATE_MAX, default: RATE_DEFAULT, description: 'Events a second, at most' },
    },
    required: ['component'],
    additionalProperties: false,
  },
  response: { 200: { description: 'Until the watcher goes, the limit is reached or the run ends.', content: { 'application/x-ndjson': { schema: { type: 'string' } } } } },
}

/** `controlOf` answers the run of a pipeline, if it is open. */
export function tapRoute(app: FastifyInstance, controlOf: (id: string) => RunControl | undefined, unknown: (reply: FastifyReply, id: string) => FastifyReply): void {
  app.get<{ Params: { id: string }; Querystring: TapQuery }>('/v1/pipelines/:id/tap', { schema: SCHEMA }, (request, reply) => {
    const control = controlOf(request.params.id)
    if (control === undefined) return unknown(reply, request.params.id)
    try {
      return reply.type('application/x-ndjson').send(tapped(control, request.query))
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      return reply.type('application/json').status(error.code === 'TAP_TOO_MANY' ? 429 : 400).send({ error: { code: error.code, message: error.message } })
    }
  })
}

/** A stream of what a tap sees; the tap ends with it. Throws what opening the tap throws. */
function tapped(control: RunControl, { limit = Infinity, ...request }: TapQuery): Readable {
  const stream = new Readable({ read: () => undefined })
  const tell = (what: object): void => void stream.push(`${JSON.stringify({ tap: what })}\n`)
  const opened: { tap?: Tap } = {}
  const end = (why: 'limit' | 'over'): void => {
    if (stream.readableEnded || stream.destroyed || timer === undefined) return
    clearInterval(timer)
    timer = undefined
    tell({ ended: why, ...opened.tap?.counts })
    stream.push(null)
    opened.tap?.close()
  }
  let left = limit
  let timer: NodeJS.Timeout | undefined
  const tap = control.taps.open(request, {
    sample: line => {
      if (stream.readableLength + line.length > WAITING_MAX) return false
      stream.push(`${line}\n`)
      if (--left > 0) return true
      opened.tap?.close()
      // Not within the call: this event has yet to be counted.
      setImmediate(() => end('limit'))
      return true
    },
    moved: isThere => tell({ reloaded: control.figures?.generation ?? null, is_there: isThere }),
    end: () => end('over'),
  })
  opened.tap = tap
  const { order: { component, side, rate }, counts } = tap
  tell({ component, side, rate })
  timer = setInterval(() => {
    // One that does not even fetch this has gone, or will see it later.
    if (stream.readableLength < WAITING_MAX) tell(counts)
  }, TOLD_EVERY_MS)
  timer.unref()
  stream.on('close', () => {
    clearInterval(timer)
    tap.close()
  })
  return stream
}
