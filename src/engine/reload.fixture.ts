/** Components for tests of reloads: sources that are fed by hand, sinks that own a port, and what fails on purpose. */
import { SluiceError } from '../base/index.ts'
import type { JsonValue } from '../event/index.ts'
import { defineSink, defineSource } from './component.ts'
import type { Piece, SinkDeclaration, SourceDeclaration } from './component.ts'
import * as field from './fields.ts'
import type { Kept } from './testing.ts'

/** Lines that sources of one name read, at any time and by any generation: each once, in order, behind the position that it was opened at. */
export class Feed {
  readonly #lines = new Map<string, string[]>()
  readonly #closed = new Set<string>()
  #wake: (() => void)[] = []
  /** Names of resources that are in use, such as ports: two owners at once are a fault. */
  readonly owned = new Set<string>()
  /** Ids whose `open` was called: what fails to open is closed too. */
  readonly opened: string[] = []
  readonly closed: string[] = []

  push(name: string, ...lines: readonly string[]): void {
    const known = this.#lines.get(name)
    if (known === undefined) this.#lines.set(name, [...lines])
    else known.push(...lines)
    this.#look()
  }

  end(name: string): void {
    this.#closed.add(name)
    this.#look()
  }

  at(name: string, from: number): readonly string[] {
    return (this.#lines.get(name) ?? []).slice(from, from + 3)
  }

  isOver(name: string, at: number): boolean {
    return this.#closed.has(name) && at >= (this.#lines.get(name)?.length ?? 0)
  }

  /** Resolves when something was fed or the signal fires. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      this.#wake.push(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #look(): void {
    const wake = this.#wake
    this.#wake = []
    for (const each of wake) each()
  }

  own(name: string): void {
    if (this.owned.has(name)) throw new SluiceError('HTTP_FAILED', `${name} is in use.`)
    this.owned.add(name)
  }
}

const FAULTS = { fails: field.choice(['never', 'create', 'open', 'work', 'close'], { default: 'never' }), port: field.optional(field.string()), note: field.optional(field.string()) }

/** `type`: sources of several types are the same but for their name. */
export function fedSource(feed: Feed, type: string): SourceDeclaration {
  return defineSource({
    type,
    summary: 'Fed by a test',
    config: field.object({ ...FAULTS, feed: field.string() }),
    replays: true,
    acks: false,
    create: ({ fails, port, feed: name }, { id }) => {
      if (fails === 'create') throw new SluiceError('CONFIG_VALUE', 'This source can not be made, says the test.')
      let at = 0
      let owns: string | undefined
      return {
        live: true,
        format: { format: 'ndjson', options: {} },
        open: position => {
          feed.opened.push(id)
          if (fails === 'open') return Promise.reject(new SluiceError('FILE_READ', 'This source can not be opened, says the test.'))
          if (port !== undefined) feed.own(port)
          owns = port
          at = typeof position === 'number' ? position : 0
          return Promise.resolve()
        },
        next: async (_bytes, signal): Promise<Piece | undefined> => {
          if (fails === 'work') throw new SluiceError('FILE_READ', 'This source breaks off, says the test.')
          while (!signal.aborted) {
            const lines = feed.at(name, at)
            if (lines.length > 0) {
              const from = at
              at += lines.length
              const data = new Uint8Array(Buffer.from(`${lines.join('\n')}\n`))
              return { position: at, from: { line: from, offset: 0 }, bytes: data.length, data }
            }
            if (feed.isOver(name, at)) return undefined
            await feed.changed(signal)
          }
          return undefined
        },
        close: () => {
          feed.closed.push(id)
          if (owns !== undefined) feed.owned.delete(owns)
          return fails === 'close' ? Promise.reject(new Error('This can not be closed, says the test.')) : Promise.resolve()
        },
      }
    },
  }) as SourceDeclaration // A source of one config is a source.
}

export function keepingSink(feed: Feed, kept: Kept, type: string, gate: () => Promise<void> = () => Promise.resolve()): SinkDeclaration {
  return defineSink({
    type,
    summary: 'Keeps what it is given',
    config: field.object(FAULTS),
    durable: 'flush',
    marks: true,
    encoding: () => ({ format: 'ndjson', options: {} }),
    create: ({ fails, port }, { id }) => {
      if (fails === 'create') throw new SluiceError('CONFIG_VALUE', 'This sink can not be made, says the test.')
      let owns: string | undefined
      return {
        open: (mark: JsonValue | undefined) => {
          feed.opened.push(id)
          if (fails === 'open') return Promise.reject(new SluiceError('FILE_WRITE', 'This sink can not be opened, says the test.'))
          if (port !== undefined) feed.own(port)
          owns = port
          kept.chunks.set(id, (kept.chunks.get(id) ?? new Uint8Array(0)).slice(0, typeof mark === 'number' ? mark : 0))
          return Promise.resolve()
        },
        write: async chunk => {
          await gate()
          if (fails === 'work') throw new SluiceError('FILE_WRITE', 'This sink takes nothing, says the test.')
          kept.chunks.set(id, new Uint8Array(Buffer.concat([kept.chunks.get(id) ?? new Uint8Array(0), chunk.bytes])))
        },
        flush: () => Promise.resolve(kept.chunks.get(id)?.length ?? 0),
        close: () => {
          feed.closed.push(id)
          if (owns !== undefined) feed.owned.delete(owns)
          return fails === 'close' ? Promise.reject(new Error('This can not be closed, says the test.')) : Promise.resolve()
        },
      }
    },
  }) as SinkDeclaration // A sink of one config is a sink.
}
