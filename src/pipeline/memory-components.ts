/**
 * A source and a sink in memory: they take the place of the real ones in config tests, and feed pipelines that a program runs by itself.
 *
 * The source comes back at a position, as any source that replays; the sink hands on each event once it was written.
 */
import { defineSink, defineSource, field } from '../engine/index.ts'
import type { FormatChoice, Piece, SinkDeclaration, SourceDeclaration } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'

/** The format in which events cross: JSON lines. */
export const MEMORY_FORMAT: FormatChoice = { format: 'ndjson', options: {} }

/** Bytes that a source hands out as one piece. */
export interface Step {
  readonly bytes: Uint8Array
  /** Milliseconds to wait before. */
  readonly after: number
  readonly key?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly time?: number | undefined
  /** What the codec needs beside the bytes. */
  readonly meta?: JsonValue | undefined
  readonly rejects?: Piece['rejects']
}

export function stepsSource(type: string, steps: readonly Step[], format: FormatChoice = MEMORY_FORMAT): SourceDeclaration {
  return defineSource({
    type,
    summary: 'Events out of memory',
    config: field.object({}),
    replays: true,
    create: (_config, context) => {
      let at = 0
      return {
        live: false,
        format,
        open: position => {
          at = typeof position === 'number' ? position : 0
          return Promise.resolve()
        },
        next: async (_bytes, signal) => {
          const step = steps[at]
          if (step === undefined) return undefined
          if (step.after > 0) await context.sleep(step.after, signal).catch(() => undefined)
          if (signal.aborted) return undefined
          at++
          return pieceOf(step, at)
        },
        close: () => Promise.resolve(),
      }
    },
  })
}

function pieceOf({ bytes, key, headers, time, meta, rejects }: Step, position: number): Piece {
  return {
    position,
    from: { input: position, offset: 0 },
    bytes: bytes.length,
    // The buffer is given away; the step may be handed out again after a restart.
    data: bytes.slice(),
    ...(key === undefined ? {} : { key }),
    ...(headers === undefined ? {} : { headers }),
    ...(time === undefined ? {} : { time }),
    ...(meta === undefined ? {} : { meta }),
    ...(rejects === undefined ? {} : { rejects }),
  }
}

/** Hands each event that is written to `take`, with the id of the sink. */
export function takingSink(type: string, take: (id: string, event: JsonValue) => void | Promise<void>): SinkDeclaration {
  return defineSink({
    type,
    summary: 'Hands events to a function',
    config: field.object({}),
    durable: 'write',
    encoding: () => MEMORY_FORMAT,
    create: (_config, { id }) => ({
      open: () => Promise.resolve(),
      write: async ({ bytes }) => {
        const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
        for (const line of text.split('\n')) if (line !== '') await take(id, JSON.parse(line) as JsonValue) // JSON.parse yields nothing else.
      },
      flush: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  })
}
