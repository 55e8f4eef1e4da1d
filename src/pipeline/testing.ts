/** A small set of components and files in memory, for the tests of this room. */
import { SluiceError } from '../base/index.ts'
import { defineCodec, defineSink, defineSource, defineStage, field } from '../engine/index.ts'
import type { Registry, Sink, SourceDeclaration } from '../engine/index.ts'
import { memoryCodec, testRegistry } from '../engine/testing.ts'
import { loadPipeline } from './load.ts'
import type { LoadOptions, LoadResult } from './load.ts'
import { stepsSource, takingSink } from './memory-components.ts'

type Source = ReturnType<SourceDeclaration['create']>

function nothing(): Source {
  return { live: false, format: { format: 'ndjson', options: {} }, open: () => Promise.resolve(), next: () => Promise.resolve(undefined), close: () => Promise.resolve() }
}

const PASS = { process: (events: readonly never[], out: { emit(event: never): void }) => events.forEach(event => out.emit(event)) }

const file = defineSource({
  type: 'file',
  summary: 'Reads files',
  config: field.object({
    path: field.path({ description: 'The file, or a pattern' }),
    format: field.choice(['ndjson', 'csv', 'lines'], { default: 'ndjson', description: 'How bytes become events' }),
    follow: field.boolean({ default: false, description: 'Wait for more at the end' }),
    line_max: field.size({ default: '1MiB', description: 'Longest line' }),
  }),
  create: nothing,
})

const http = defineSource({
  type: 'http_client',
  summary: 'Asks a server',
  config: field.object({
    url: field.string({ minLength: 1, pattern: '^https?://', description: 'Where to ask' }),
    token: field.optional(field.secret({ description: 'Sent as a bearer token' })),
    every: field.duration({ default: '1m', description: 'How often' }),
    paging: field.optional(field.either([field.object({ cursor: field.string() }), field.object({ page: field.integer({ minimum: 0 }), size: field.integer() })])),
  }),
  create: ({ url }) => {
    if (url.includes('@')) throw new SluiceError('CONFIG_VALUE', `The address ${url} holds a password; give it as "token".`)
    return nothing()
  },
})

const filter = defineStage({
  type: 'filter',
  summary: 'Keeps events',
  config: field.object({ condition: field.expression({ expect: 'bool', description: 'What must hold' }) }),
  shorthand: 'condition',
  create: ({ condition }) => ({
    process: (events, out) => {
      for (const event of events) {
        try {
          if (condition(event) === true) out.emit(event)
          else out.drop(event)
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
    columns: () => ({ step: 'keep', test: condition }),
  }),
})

const map = defineStage({
  type: 'map',
  summary: 'Makes new events',
  config: field.object({ fields: field.record(field.expression()), merge: field.boolean({ default: false }) }),
  shorthand: 'fields',
  create: () => PASS,
})

const validate = defineStage({
  type: 'validate',
  summary: 'Checks events',
  config: field.object({ schema: field.optional(field.schema()), rules: field.list(field.object({ check: field.expression({ expect: 'bool' }), message: field.string() }), { default: [] }) }),
  create: () => PASS,
})

const route = defineStage({
  type: 'route',
  summary: 'Sends events to outputs',
  config: field.record(field.either([field.expression({ expect: 'bool' }), field.boolean()])),
  outputs: config => Object.keys(config),
  create: () => PASS,
})

const enrich = defineStage({
  type: 'enrich',
  summary: 'Looks events up',
  waits: true,
  config: field.object({
    table: field.path({ description: 'A CSV file' }),
    key: field.expression({ expect: 'string', description: 'What to look up' }),
    cache: field.object({ entries: field.integer({ minimum: 1, maximum: 1_000_000, default: 1000 }), age: field.duration({ default: '1m' }) }),
    fields: field.list(field.string(), { minItems: 1, default: ['all'] }),
  }),
  create: () => PASS,
})

const dedupe = defineStage({
  type: 'dedupe',
  summary: 'Drops repeated events',
  memory: 'keyed',
  config: field.object({
    key: field.expression({ description: 'What makes two events the same' }),
    window: field.duration({ default: '10m', description: 'How long keys are remembered' }),
    keys_max: field.integer({ minimum: 1, default: 100_000, description: 'Most keys remembered' }),
  }),
  create: () => PASS,
})

const IDLE: Sink = { open: () => Promise.resolve(), write: () => Promise.resolve(), flush: () => Promise.resolve(undefined), close: () => Promise.resolve() }

const fileSink = defineSink({
  type: 'file',
  summary: 'Writes files',
  config: field.object({ path: field.template({ description: 'The file' }), mode: field.choice(['overwrite', 'append'], { default: 'overwrite' }) }),
  durable: 'flush',
  encoding: () => ({ format: 'ndjson', options: {} }),
  create: () => IDLE,
})

/** A format with options, of which the source sets one by itself. */
const table = defineCodec({
  type: 'table',
  summary: 'Rows of columns',
  config: field.object({
    width: field.integer({ minimum: 1, description: 'Most columns of a row' }),
    header: field.boolean({ default: true, description: 'The first row holds the names' }),
    columns: field.optional(field.list(field.string(), { description: 'Names of the columns' })),
    types: field.record(field.choice(['string', 'number']), { default: {}, description: 'Types of the columns' }),
  }),
  framer: ({ header, columns }) => {
    if (!header && columns === undefined) throw new SluiceError('CONFIG_VALUE', 'Without a header, "columns" must name the columns.')
    return { push: () => [], end: () => [], held: 0 }
  },
  decoder: () => ({ decode: () => undefined }),
  encoder: ({ columns, width }) => {
    if ((columns?.length ?? 0) > width) throw new SluiceError('CONFIG_VALUE', `There are more "columns" than ${width}.`)
    return { encode: () => '' }
  },
})

const FORMAT = { format: field.choice(['table', 'unheard_of'], { default: 'table' }), options: field.formatOptions(['table'], { description: 'Options of the format' }) }

const rows = defineSource({
  type: 'rows',
  summary: 'Reads rows',
  config: field.object({ width: field.integer({ default: 100 }), ...FORMAT }),
  create: ({ width, format, options }) => ({ ...nothing(), format: { format, options: { width, ...options } } }),
})

const rowsSink = defineSink({
  type: 'rows',
  summary: 'Writes rows',
  config: field.object({ path: field.string({ default: 'a' }), ...FORMAT }),
  shorthand: 'path',
  durable: 'flush',
  encoding: ({ format, options }) => ({ format, options }),
  create: ({ path }) => {
    if (path === '/') throw new SluiceError('CONFIG_VALUE', 'There are no rows in a folder.')
    return IDLE
  },
})

export const registry: Registry = testRegistry([
  file, http, filter, map, validate, route, enrich, dedupe, fileSink, rows, rowsSink, table, takingSink('discard', () => undefined), stepsSource('nothing', []), memoryCodec,
])

/** Folder of the pipelines of tests. */
export const FOLDER = '/pipelines'

const SCHEMA = JSON.stringify({
  type: 'object',
  properties: { id: { type: 'string' }, delay: { type: 'number' }, origin: { type: 'string' }, from: { type: 'object', properties: { city: { type: 'string' } } } },
})

export interface TestFiles {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

/** Loads a pipeline from text, as if it stood in `late.yaml`. */
export function load(yaml: string, { files = {}, env = {} }: TestFiles = {}, options: LoadOptions = {}): Promise<LoadResult> {
  const all: Readonly<Record<string, string>> = { 'late.yaml': yaml, 'flight.schema.json': SCHEMA, ...files }
  const readText = (path: string): string | undefined => {
    const name = path.startsWith(`${FOLDER}/`) ? path.slice(FOLDER.length + 1) : path
    return Object.hasOwn(all, name) ? all[name] : undefined
  }
  return loadPipeline('late.yaml', registry, { workingFolder: FOLDER, env, readText, ...options })
}
