/**
 * Adds to events what a table or a server knows about them.
 *
 * `table`: a CSV or JSON file, read into memory and again when it changes. `url`: a template; the server's JSON answer, kept for `cache.age`. The row is put at `as` as an
 * object, or its `fields` are set by their names. Fields that are set anew stand at the end of the event, in the order of `fields`.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { CompiledTemplate, LookUpSet, Output, Stage, StageContext, StageDeclaration, ValueOf } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { Table } from './enrich-table.ts'
import { isObject, parsePath, setField } from './paths.ts'
import { keyOf } from './values.ts'

const CONFIG = field.object({
  table: field.optional(field.path({ description: 'CSV, TSV or JSON file (an array of objects)' })),
  url: field.optional(field.template({ description: 'URL of a JSON answer, with {key} or expressions in braces' })),
  key: field.expression({ description: 'What to look up' }),
  column: field.optional(field.string({ description: 'Column of the table that holds the key; the first by default' })),
  as: field.optional(field.string({ description: 'Field that takes the whole row' })),
  fields: field.optional(field.list(field.string(), { minItems: 1, description: 'Columns that become fields of the event' })),
  types: field.record(field.choice(['string', 'number', 'boolean']), { default: {}, description: 'Types of columns of a CSV table that are not text' }),
  on_missing: field.choice(['null', 'drop', 'reject', 'pass'], { default: 'reject', description: 'What to do where nothing is found: set null, drop or reject the event, or pass it on as it is' }),
  timeout: field.duration({ default: '5s', description: 'Longest wait for a server' }),
  cache: field.object({ entries: field.integer({ default: 10_000, minimum: 0 }), age: field.duration({ default: '60s' }) }),
})
type Config = ValueOf<typeof CONFIG>

/** Sets what was found; answers the event according to `on_missing` where nothing was. */
function apply(config: Config, event: Event, row: Readonly<Record<string, JsonValue>> | undefined, key: string, out: Output): void {
  if (row === undefined && config.on_missing !== 'null') {
    if (config.on_missing === 'drop') return out.drop(event)
    if (config.on_missing === 'pass') return out.emit(event)
    throw new SluiceError('ENRICH_MISSING', `Nothing is known about ${JSON.stringify(key)}.`)
  }
  if (config.as !== undefined) setField(event, parsePath(config.as), JSON.stringify(row ?? null))
  for (const name of config.fields ?? []) setField(event, [name], JSON.stringify(row !== undefined && Object.hasOwn(row, name) ? row[name] : null))
  out.emit(event)
}

function byTable(config: Config, path: string, context: StageContext): Stage {
  const table = new Table({ path, column: config.column, types: config.types }, context)
  const sets: LookUpSet[] = [...(config.as === undefined ? [] : [{ path: parsePath(config.as), column: undefined }]), ...(config.fields ?? []).map(name => ({ path: [name], column: name }))]
  return {
    open: async () => table.load(),
    process: (events, out) => {
      table.refresh()
      for (const event of events) {
        try {
          const key = keyOf(config.key, event)
          apply(config, event, table.get(key), key, out)
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
    columns: () => ({ step: 'look_up', key: config.key, table: refreshing(table), sets }),
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
  const cache = new Map<string, { readonly until: number; readonly row: Readonly<Record<string, JsonValue>> | undefined }>()
  const fetchRow = async (address: string): Promise<Readonly<Record<string, JsonValue>> | undefined> => {
    const known = cache.get(address)
    if (known !== undefined && known.until > context.now()) return known.row
    const row = await getJson(address, config.timeout, context)
    if (config.cache.entries > 0) {
      cache.delete(address)
      const oldest = cache.size >= config.cache.entries ? cache.keys().next() : undefined
      if (oldest?.done === false) cache.delete(oldest.value)
      cache.set(address, { until: context.now() + config.cache.age, row })
    }
    return row
  }
  return {
    process: async (events, out) => {
      for (const event of events) {
        const key = keyOf(config.key, event)
        apply(config, event, await fetchRow(url(event)), key, out)
      }
    },
  }
}

async function getJson(url: string, timeout: number, context: StageContext): Promise<Readonly<Record<string, JsonValue>> | undefined> {
  let response: Response
  try {
    response = await fetch(url, { redirect: 'error', signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]), headers: { accept: 'application/json' } })
  } catch (error) {
    throw new SluiceError('HTTP_FAILED', `${new URL(url).origin} could not be reached: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  if (response.status === 404) return undefined
  if (!response.ok) throw new SluiceError('HTTP_STATUS', `${new URL(url).origin} answered ${response.status}.`, { retry: response.status >= 500 || response.status === 429 || response.status === 408 })
  const value = (await response.json()) as JsonValue // JSON, whatever its shape.
  if (!isObject(value)) throw new SluiceError('HTTP_STATUS', `${new URL(url).origin} did not answer with a JSON object.`)
  return value as Readonly<Record<string, JsonValue>> // Parsed JSON has no undefined.
}

function create(config: Config, context: StageContext): Stage {
  if ((config.as === undefined) === (config.fields === undefined)) throw new SluiceError('CONFIG_VALUE', 'enrich: say where the row goes, with either "as" or "fields".')
  if ((config.table === undefined) === (config.url === undefined)) throw new SluiceError('CONFIG_VALUE', 'enrich: give either a "table" or a "url".')
  return config.table !== undefined ? byTable(config, config.table, context) : byUrl(config, config.url as CompiledTemplate, context) // One of both is there.
}

export const enrich: StageDeclaration = defineStage({
  type: 'enrich',
  summary: 'Add what a table knows about an event',
  config: CONFIG,
  examples: [{ title: 'City and state of an airport', config: { table: 'airports.csv', key: 'event.origin', fields: ['city', 'state'] } }],
  create,
}) as StageDeclaration // A stage of one config is a stage.

/** The same by a server: a stage of its own, because it waits. */
export const lookup: StageDeclaration = defineStage({
  type: 'lookup',
  summary: 'Add what a server knows about an event',
  description: 'Takes the fields of `enrich` with a `url`. It waits for the server, so it has `concurrency`, `retry`, `breaker` and `rate_limit`.',
  config: CONFIG,
  waits: true,
  examples: [{ title: 'The customer of an order', config: { url: 'http://localhost:8080/customers/{event.customer}', key: 'event.customer', as: 'customer' } }],
  create,
}) as StageDeclaration
