/**
 * Components that live in memory, for tests of the engine and of whatever runs on it: a source of lines, a sink that keeps what it is given.
 *
 * They keep every promise of the real ones: the source comes back at a position, the sink goes back to a mark and forgets what was never flushed.
 */
import { SluiceError } from '../base/index.ts'
import { Event } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { defineCodec, defineSink, defineSource, defineStage } from './component.ts'
import type { CodecDeclaration, Piece, SinkDeclaration, SourceDeclaration, Stage, StageContext, StageDeclaration } from './component.ts'
import type { PipelineConfig, Registry, SinkConfig, StageConfig } from './config.ts'
import * as field from './fields.ts'

/** What a memory sink holds, by its id. Survives a run that fails, as a disk would. */
export class Kept {
  readonly chunks = new Map<string, Uint8Array>()
  /** How many bytes of each were flushed: a crash keeps these. */
  readonly durable = new Map<string, number>()
  /** Set by a test to make the next writes fail. */
  /** True: every flush fails. */
  failFlushes = false
  failWrites = 0

  lines(sink: string): string[] {
    return Buffer.from(this.chunks.get(sink) ?? new Uint8Array(0)).toString('utf8').split('\n').filter(line => line !== '')
  }

  /** Lines of each target of a sink by targets, in the order in which targets came. */
  targets(sink: string): [target: string, lines: string[]][] {
    return [...this.chunks.keys()].filter(name => name.startsWith(`${sink} `)).map(name => [name.slice(sink.length + 1), this.lines(name)])
  }

  /** What a power cut leaves. */
  crash(): void {
    for (const [sink, bytes] of this.chunks) this.chunks.set(sink, bytes.slice(0, this.durable.get(sink) ?? 0))
  }
}

/** A source of JSON lines out of memory; `piece` lines at a time, whatever the engine asks for. */
export function memorySource(lines: readonly string[], piece: number | (() => number), committed: number[] = []): SourceDeclaration {
  return defineSource({
    type: 'memory',
    summary: 'Lines out of memory',
    config: field.object({}),
    replays: true,
    acks: false,
    create: () => {
      let at = 0
      return {
        live: false,
        format: { format: 'ndjson', options: {} },
        open: position => {
          at = typeof position === 'number' ? position : 0
          return Promise.resolve()
        },
        next: (): Promise<Piece | undefined> => {
          if (at >= lines.length) return Promise.resolve(undefined)
          const from = at
          at = Math.min(lines.length, at + (typeof piece === 'number' ? piece : piece()))
          const data = new Uint8Array(Buffer.from(`${lines.slice(from, at).join('\n')}\n`))
          return Promise.resolve({ position: at, from: { line: from, offset: 0 }, bytes: data.length, data })
        },
        commit: position => void committed.push(Number(position)),
        close: () => Promise.resolve(),
      }
    },
  })
}

export function memorySink(kept: Kept): SinkDeclaration {
  return defineSink({
    type: 'memory',
    summary: 'Keeps what it is given in memory',
    config: field.object({}),
    durable: 'flush',
    marks: true,
    encoding: () => ({ format: 'ndjson', options: {} }),
    create: (_config, { id }) => ({
      open: mark => {
        const bytes = kept.chunks.get(id) ?? new Uint8Array(0)
        const length = typeof mark === 'number' ? mark : 0
        if (bytes.length < length) throw new SluiceError('FILE_MARK', `${id} holds ${bytes.length} bytes; the mark says ${length}.`)
        kept.chunks.set(id, bytes.slice(0, length))
        return Promise.resolve()
      },
      write: chunk => {
        if (kept.failWrites > 0) {
          kept.failWrites--
          return Promise.reject(new SluiceError('FILE_WRITE', 'No room, says the test.'))
        }
        kept.chunks.set(id, new Uint8Array(Buffer.concat([kept.chunks.get(id) ?? new Uint8Array(0), chunk.bytes])))
        return Promise.resolve()
      },
      flush: () => {
        if (kept.failFlushes) return Promise.reject(new SluiceError('FILE_WRITE', 'The disk is gone, says the test.', { retry: false }))
        const { length } = kept.chunks.get(id) ?? new Uint8Array(0)
        kept.durable.set(id, length)
        return Promise.resolve(length)
      },
      close: () => Promise.resolve(),
    }),
  })
}

/** Keeps the lines of each target apart. */
export function targetSink(kept: Kept): SinkDeclaration {
  return defineSink({
    type: 'by_target',
    summary: 'Keeps lines in memory, by targets',
    config: field.object({ path: field.template() }),
    durable: 'write',
    encoding: ({ path }) => ({ format: 'ndjson', options: {}, target: event => path(event), template: path }),
    create: (_config, { id }) => ({
      open: () => Promise.resolve(),
      write: ({ target, bytes, rows }) => {
        const name = `${id} ${target}`
        if (Buffer.from(bytes).toString().split('\n').length !== rows + 1) throw new SluiceError('INTERNAL', `a chunk says that it has ${rows} rows`)
        kept.chunks.set(name, new Uint8Array(Buffer.concat([kept.chunks.get(name) ?? new Uint8Array(0), bytes])))
        return Promise.resolve()
      },
      flush: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  })
}

/** JSON lines, the plain way. */
export const memoryCodec: CodecDeclaration = defineCodec({
  type: 'ndjson',
  summary: 'JSON lines',
  config: field.object({}),
  decoder: () => ({
    decode: (slab, from, to, _meta, out) => {
      const text = Buffer.from(slab.bytes.buffer, slab.bytes.byteOffset, slab.bytes.byteLength).toString('latin1', from, to)
      let start = from
      for (const line of text.split('\n')) {
        const decoded = Buffer.from(line, 'latin1').toString('utf8')
        if (line !== '') {
          try {
            JSON.parse(decoded)
            out.event(new Event(slab, start, start + line.length, decoded))
          } catch (error) {
            out.reject(start, start + line.length, new SluiceError('JSON_SYNTAX', String(error)))
          }
        }
        start += line.length + 1
      }
    },
  }),
  encoder: () => ({ encode: event => `${event.text}\n` }),
})

/** A stage made of a function. */
export function testStage(type: string, create: (context: StageContext) => Stage, memory: 'none' | 'keyed' = 'none', waits = false): StageDeclaration {
  return defineStage({ type, summary: 'A stage of a test', config: field.object({}), memory, waits, create: (_config, context) => create(context) })
}

export function stageConfig(id: string, type: string, from: string | readonly string[], more: Partial<StageConfig> = {}): StageConfig {
  return {
    id, type, config: {}, from: typeof from === 'string' ? [from] : from, onError: 'dead_letter', concurrency: 1,
    retry: undefined, breaker: undefined, rateLimit: undefined, ...more,
  }
}

export const ONE_TRY = { attempts: 1, backoff: 0, factor: 1, backoffMax: 0, deadline: 0, budget: 0 } as const

export function sinkConfig(id: string, from: string | readonly string[], more: Partial<SinkConfig> = {}): SinkConfig {
  return { id, type: 'memory', config: {}, from: typeof from === 'string' ? [from] : from, retry: ONE_TRY, breaker: undefined, rateLimit: undefined, ...more }
}

/** A pipeline from the source `in` through the given stages. */
export function testPipeline(stages: readonly StageConfig[], sinks: readonly SinkConfig[], more: Partial<PipelineConfig> = {}): PipelineConfig {
  return {
    name: 'test', folder: '/', sources: [{ id: 'in', type: 'memory', config: {} }], stages, sinks, deadLetters: sinkConfig('dead_letters', []),
    workers: 0, memory: 1 << 20, state: undefined, checkpointInterval: 1000, ordered: true, batch: { bytes: 65536, events: 65536, age: 10 }, stopTimeout: 5000, ...more,
  }
}

/** A registry of the given components. */
export function testRegistry(parts: readonly (SourceDeclaration | StageDeclaration | SinkDeclaration | CodecDeclaration)[]): Registry {
  const all = [memoryCodec, ...parts]
  const find = (kind: string, type: string) => all.find(one => one.kind === kind && one.type === type)
  return {
    source: type => find('source', type) as SourceDeclaration | undefined, // The kind says which; so for the others.
    stage: type => find('stage', type) as StageDeclaration | undefined,
    sink: type => find('sink', type) as SinkDeclaration | undefined,
    codec: type => find('codec', type) as CodecDeclaration | undefined,
    all: kind => all.filter(one => one.kind === kind),
  }
}

/** The value of an event as an object, for stages of tests. */
export function objectOf(event: Event): Record<string, JsonValue> {
  return { ...(event.value as Record<string, JsonValue>) } // Tests feed objects.
}
