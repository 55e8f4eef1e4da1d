/**
 * The other end of a component under test: a source that delivers given lines, a sink that keeps what it gets, and stages that show and set what events carry.
 *
 * Worker threads load this file as a plug-in; there it only makes formats and stages. The lines themselves live on the main thread, in `feeds` and `collections`, by the id
 * of the run.
 */
import { SluiceError } from '../base/index.ts'
import { defineSink, defineSource, defineStage, field } from '../engine/index.ts'
import type { Piece } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'

export interface Feed {
  readonly lines: readonly string[]
  /** How many lines the next piece has. */
  piece(): number
  readonly live: boolean
}
export const feeds = new Map<string, Feed>()

/** What arrived at a collecting sink, and what it is told to do. */
export class Collection {
  lines: string[] = []
  /** How many of the lines were flushed. */
  durable = 0
  /** Set: the first write waits for it. */
  gate: (() => Promise<void>) | undefined
  /** Asked before each write and flush; what it throws is thrown. */
  fault: (call: 'write' | 'flush') => void = () => undefined
  #waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = []

  add(lines: readonly string[]): void {
    this.lines.push(...lines)
    this.look()
  }

  look(): void {
    const open = this.#waiting.filter(({ holds }) => !holds())
    for (const waiter of this.#waiting) if (!open.includes(waiter)) waiter.resolve()
    this.#waiting = open
  }

  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ holds, resolve }))
  }

  get values(): JsonValue[] {
    return this.lines.map(line => JSON.parse(line) as JsonValue) // Each line is the JSON of an event.
  }
}
export const collections = new Map<string, Collection>()

const RUN = field.object({ run: field.string() })

export const feed = defineSource({
  type: 'conformance_feed',
  summary: 'Delivers the lines of a test',
  config: RUN,
  replays: true,
  create: ({ run }) => {
    const given = feeds.get(run) ?? { lines: [], piece: () => 1, live: false }
    let at = 0
    return {
      live: given.live,
      format: { format: 'ndjson', options: {} },
      open: position => {
        at = typeof position === 'number' ? position : 0
        return Promise.resolve()
      },
      next: (_bytes, signal): Promise<Piece | undefined> => {
        if (at < given.lines.length) {
          const from = at
          at = Math.min(given.lines.length, at + given.piece())
          const data = new Uint8Array(Buffer.from(given.lines.slice(from, at).map(line => `${line}\n`).join('')))
          return Promise.resolve({ position: at, from: { line: from, offset: 0 }, bytes: data.length, data })
        }
        if (!given.live || signal.aborted) return Promise.resolve(undefined)
        return new Promise(resolve => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
      },
      close: () => Promise.resolve(),
    }
  },
})

export const collect = defineSink({
  type: 'conformance_collect',
  summary: 'Keeps the lines of a test',
  config: RUN,
  durable: 'flush',
  marks: true,
  encoding: () => ({ format: 'ndjson', options: {} }),
  create: ({ run }) => {
    const kept = collections.get(run) ?? new Collection()
    return {
      open: mark => {
        kept.lines = kept.lines.slice(0, typeof mark === 'number' ? mark : 0)
        return Promise.resolve()
      },
      write: async chunk => {
        const { gate } = kept
        kept.gate = undefined
        await gate?.()
        kept.fault('write')
        kept.add(Buffer.from(chunk.bytes).toString('utf8').split('\n').filter(line => line !== ''))
      },
      flush: () => {
        try {
          kept.fault('flush')
        } catch (error) {
          return Promise.reject(error instanceof Error ? error : new SluiceError('INTERNAL', String(error)))
        }
        kept.durable = kept.lines.length
        return Promise.resolve(kept.durable)
      },
      close: () => Promise.resolve(),
    }
  },
})

/** Puts what an event carries into its value. */
export const show = defineStage({
  type: 'conformance_show',
  summary: 'Shows what an event carries',
  config: field.object({}),
  create: () => ({
    process: (events, out) => {
      for (const event of events) {
        event.replace({ value: event.value, ...(event.key === undefined ? {} : { key: event.key }), headers: { ...event.headers } })
        out.emit(event)
      }
    },
  }),
})

/** The reverse: an event of `{ value, key, headers }` becomes the value that carries key and headers. */
export const give = defineStage({
  type: 'conformance_give',
  summary: 'Gives an event what its value says',
  config: field.object({}),
  create: () => ({
    process: (events, out) => {
      for (const event of events) {
        const { value, key, headers } = event.value as { readonly value: JsonValue; readonly key?: string; readonly headers?: Record<string, string> } // Written by the kit.
        event.replace(value)
        event.key = key
        if (headers !== undefined) event.headers = headers
        out.emit(event)
      }
    },
  }),
})
