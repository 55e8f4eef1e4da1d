/**
 * Adds to events what a table or a server knows about them.
 *
 * `table`: a CSV or JSON file, read into memory and again when it changes. `url`: a template; the server's JSON answer, kept for `cache.age`. The row is put at `as` as an
 * object, or its `fields` are set by their names. Fields that are set anew stand at the end of the event, in the order of `fields`.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { CompiledExpression, CompiledTemplate, LookUpSet, Output, Stage, StageContext, StageDeclaration, ValueOf } from '../engine/index.ts'
import type { Event } from '../event/index.ts'
import { Table } from './enrich-table.ts'
import { Server } from './enrich-url.ts'
import type { Row } from './enrich-url.ts'
import { sameFields } from './origins.ts'
import { parsePath, setField } from './paths.ts'
import { keyOf } from './values.ts'

const CONFIG = field.object({
  table: field.optional(field.path({ description: 'CSV, TSV or JSON file (an array of objects)' })),
  url: field.optional(field.template({ description: 'URL of a JSON object, with expressions in braces' })),
  headers: field.record(field.secret(), { default: {}, description: 'Further headers for the server, such as authorization' }),
  key: field.optional(field.expression({ description: 'What to look up in the table. With `url` it is only told where nothing is found' })),
  column: field.optional(field.string({ description: 'Column of the table that holds the key; the first by default' })),
  as: field.optional(field.string({ description: 'Field that takes the whole row' })),
  fields: field.optional(field.list(field.string(), { minItems: 1, description: 'Columns that become fields of the event' })),
  types: field.record(field.choice(['string', 'number', 'boolean']), { default: {}, description: 'Types of columns of a CSV table that are not text' }),
  on_missing: field.choice(['null', 'drop', 'reject', 'pass'], { default: 'reject', description: 'What to do where nothing is found: set null, drop or reject the event, or pass it on as it is' }),
  timeout: field.duration({ default: '5s', description: 'Longest wait for a server' }),
  cache: field.object({ entries: field.integer({ default: 10_000, minimum: 0, description: 'Most answers kept; 0 keeps none' }), age: field.duration({ default: '60s', description: 'How long an answer is kept' }) }),
})
type Config = ValueOf<typeof CONFIG>

/** Sets what was found; answers the event according to `on_missing` where nothing was. */
function apply(config: Config, event: Event, row: Row | undefined, key: string, out: Output): void {
  if (row === undefined && config.on_missing !== 'null') {
    if (config.on_missing === 'drop') return out.drop(event)
    if (config.on_missing === 'pass') return out.emit(event)
    throw new SluiceError('ENRICH_MISSING', `Nothing is known about ${JSON.stringify(key)}.`)
  }
  if (config.as !== undefined) setField(event, parsePath(config.as), JSON.stringify(row ?? null))
  for (const name of config.fields ?? []) setField(event, [name], JSON.stringify(row !== undefined && Object.hasOwn(row, name) ? row[name] : null))
  out.emit(event)
}

function byTable(config: Config, keyed: CompiledExpression, path: string, context: StageContext): Stage {
  const table = new Table({ path, column: config.column, types: config.types, needs: config.fields ?? [] }, context)
  const sets: LookUpSet[] = [...(config.as === undefined ? [] : [{ path: parsePath(config.as), column: undefined }]), ...(config.fields ?? []).map(name => ({ path: [name], column: name }))]
  return {
    open: async () => table.load(),
    process: (events, out) => {
      table.refresh()
      for (const event of events) {
        try {
          const key = keyOf(keyed, event)
          apply(config, event, table.get(key), key, out)
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
    columns: () => ({ step: 'look_up', key: keyed, table: refreshing(table), sets }),
  }
}

/** The table as columns ask for it: looking at its version looks at the file. */
function refreshing(table: Table): Table {
  return new Proxy(table, {
    get: (target, name) => {
      if (name === 'version') target.refresh()
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function byUrl(config: Config, url: CompiledTemplate, context: StageContext): Stage {
  const server = new Server({ url: url.source, headers: config.headers, timeout: config.timeout, cache: config.cache }, context)
  return {
    process: async (events, out) => {
      for (const event of events) {
        try {
          const address = server.addressOf(event)
          apply(config, event, await server.get(address), config.key === undefined ? withoutQuery(address) : keyOf(config.key, event), out)
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
  }
}

/** An address for messages: what stands in a query may be secret. */
function withoutQuery(address: string): string {
  return address.replace(/[?#].*$/s, '')
}

function create(config: Config, context: StageContext): Stage {
  if ((config.as === undefined) === (config.fields === undefined)) throw new SluiceError('CONFIG_VALUE', 'enrich: say where the row goes, with either "as" or "fields".')
  if ((config.table === undefined) === (config.url === undefined)) throw new SluiceError('CONFIG_VALUE', 'enrich: give either a "table" or a "url".')
  if (config.url !== undefined) return byUrl(config, config.url, context)
  const { key, table } = config
  if (key === undefined) throw new SluiceError('CONFIG_VALUE', 'enrich: a "table" needs a "key", what to look up in it.')
  return byTable(config, key, table ?? '', context) // One of both is there.
}

export const enrich: StageDeclaration = defineStage({
  type: 'enrich',
  summary: 'Add what a table or a server knows about an event',
  description:
    'With `table`, rows come from a file, which is read again within a second after it has changed. With `url`, they come from a server, one call for each address as long as `cache` keeps the answer; 404 means that nothing is known. ' +
    'What an expression in the `url` yields is escaped, so that an event can choose neither the server nor another path.\n\n' +
    'A stage with a `url` waits for the outside, so it takes `concurrency` (calls under way at once, 1 by default), `retry`, `breaker` and `rate_limit` as every such stage does. Without `retry` a call that fails is made three times. ' +
    'Answers 408, 425, 429 and 5xx, and servers that can\'t be reached, are tried again, not before the time that `Retry-After` asks for.',
  config: CONFIG,
  waits: ({ url }) => url !== undefined,
  examples: [
    { title: 'City and state of an airport', config: { table: 'airports.csv', key: 'event.origin', fields: ['city', 'state'] } },
    { title: 'The customer of an order', config: { url: 'http://localhost:8080/customers/{event.customer}', as: 'customer', cache: { age: '10m' } } },
  ],
  // What a table or a server knows did not lie in the event before.
  origins: sameFields,
  create,
}) as StageDeclaration // A stage of one config is a stage.

/** An older name for `enrich` with a `url`. */
export const lookup: StageDeclaration = defineStage({
  type: 'lookup',
  summary: 'Add what a server knows about an event',
  description: 'The same as `enrich` with a `url`, which see.',
  config: CONFIG,
  waits: true,
  examples: [{ title: 'The customer of an order', config: { url: 'http://localhost:8080/customers/{event.customer}', key: 'event.customer', as: 'customer' } }],
  origins: sameFields,
  create: (config, context) => {
    if (config.url === undefined) throw new SluiceError('CONFIG_VALUE', 'lookup: it needs a "url"; for a table there is "enrich".')
    return create(config, context)
  },
}) as StageDeclaration
