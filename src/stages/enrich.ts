/**
 * Adds to events what a table or a server knows about them.
 *
 * `table`: a CSV or JSON file, read into memory and again when it changes. `url`: a template; the server's JSON answer, kept for `cache.age`. The row is put at `as` as an
 * object, or its `fields` are set by their names. Fields that are set anew stand at the end of the event, in the order of `fields`.
 */
import { SluiceError } from '../base/index.ts'
import { compileFor, defineStage, field, templateParts } from '../engine/index.ts'
import type { CompiledTemplate, LookUpSet, Output, Stage, StageContext, StageDeclaration, ValueOf } from '../engine/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { Table } from './enrich-table.ts'
import { isObject, parsePath, setField } from './paths.ts'
import { keyOf } from './values.ts'

const CONFIG = field.object({
  table: field.optional(field.path({ description: 'CSV, TSV or JSON file (an array of objects)' })),
  url: field.optional(field.template({ description: 'URL of a JSON answer, with expressions in braces; what they yield is escaped' })),
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
  const table = new Table({ path, column: config.column, types: config.types, needs: config.fields ?? [] }, context)
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
  const addressOf = escapedAddress(url.source, context)
  const cache = new Map<string, { readonly until: number; readonly row: Readonly<Record<string, JsonValue>> | undefined; readonly size: number }>()
  let held = 0
  const forget = (address: string): void => {
    held -= cache.get(address)?.size ?? 0
    cache.delete(address)
  }
  const fetchRow = async (address: string): Promise<Readonly<Record<string, JsonValue>> | undefined> => {
    const known = cache.get(address)
    if (known !== undefined && known.until > context.now()) return known.row
    const row = await getJson(address, config.timeout, context)
    if (config.cache.entries > 0) {
      const size = address.length + JSON.stringify(row ?? null).length
      forget(address)
      for (const oldest of cache.keys()) {
        if (cache.size < config.cache.entries && held + size <= CACHE_MAX) break
        forget(oldest)
      }
      cache.set(address, { until: context.now() + config.cache.age, row, size })
      held += size
    }
    return row
  }
  return {
    process: async (events, out) => {
      for (const event of events) {
        try {
          const key = keyOf(config.key, event)
          apply(config, event, await fetchRow(addressOf(event)), key, out)
        } catch (error) {
          out.reject(event, error)
        }
      }
    },
  }
}

/** Characters that the cache of a stage holds at most, and an answer. */
const CACHE_MAX = 64 * 1024 * 1024
const ANSWER_MAX = 1024 * 1024

/** The address for an event. What comes from the event is escaped, so that it can choose neither another server nor another path. */
function escapedAddress(source: string, context: StageContext): (event: Event) => string {
  if (!/^https?:\/\/[^/{?#]+\//.test(source)) throw new SluiceError('CONFIG_VALUE', `enrich: the url must begin with a fixed server, such as http://localhost:8080/; it is ${JSON.stringify(source)}.`)
  const parts = templateParts(source).map(part => (typeof part === 'string' ? part : compileFor(part.source, 'any', context)))
  return event => parts.map(part => (typeof part === 'string' ? part : escaped(keyOf(part, event)))).join('')
}

function escaped(text: string): string {
  if (text === '.' || text === '..' || !text.isWellFormed()) throw new SluiceError('FIELD_TYPE', `${JSON.stringify(text.slice(0, 100))} can't be a part of an address.`)
  return encodeURIComponent(text)
}

/** The text of an answer of bounded length. */
async function bodyOf(response: Response, origin: string): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > ANSWER_MAX) throw new SluiceError('HTTP_STATUS', `${origin} answered with more than ${ANSWER_MAX} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

async function getJson(url: string, timeout: number, context: StageContext): Promise<Readonly<Record<string, JsonValue>> | undefined> {
  let response: Response
  try {
    response = await fetch(url, { redirect: 'error', signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]), headers: { accept: 'application/json' } })
  } catch (error) {
    throw new SluiceError('HTTP_FAILED', `${new URL(url).origin} could not be reached: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  if (!response.ok) await response.body?.cancel()
  if (response.status === 404) return undefined
  if (!response.ok) throw new SluiceError('HTTP_STATUS', `${new URL(url).origin} answered ${response.status}.`, { retry: response.status >= 500 || response.status === 429 || response.status === 408 })
  const { origin } = new URL(url)
  const text = await bodyOf(response, origin)
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue // JSON, whatever its shape.
  } catch (error) {
    throw new SluiceError('HTTP_STATUS', `${origin} did not answer with JSON.`, { cause: error })
  }
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
