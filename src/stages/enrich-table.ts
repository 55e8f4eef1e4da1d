/** A table of a CSV or JSON file, by key; read again when the file has changed. */
import { SluiceError, suggest } from '../base/index.ts'
import type { ComponentContext, LookUpTable } from '../engine/index.ts'
import { parseRecord } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'
import { readTextNow, stampOf } from '../platform/index.ts'
import { define, isObject } from './paths.ts'

/** Milliseconds between two looks at the file. */
const LOOK_EVERY = 1000
const ROWS_MAX = 5_000_000

export interface TableOptions {
  readonly path: string
  /** Column that holds the key; undefined: the first. */
  readonly column: string | undefined
  readonly types: Readonly<Record<string, 'string' | 'number' | 'boolean'>>
  /** Columns that must be there. */
  readonly needs: readonly string[]
}

export class Table implements LookUpTable {
  version = 0
  readonly #options: TableOptions
  readonly #context: ComponentContext
  #rows = new Map<string, Readonly<Record<string, JsonValue>>>()
  #stamp = ''
  #looked = 0

  constructor(options: TableOptions, context: ComponentContext) {
    this.#options = options
    this.#context = context
  }

  /** Reads the file. Throws FILE_MISSING or CSV_SYNTAX. */
  load(): void {
    const { path } = this.#options
    let text: string
    try {
      this.#stamp = stampOf(path)
      text = readTextNow(path) ?? ''
    } catch (error) {
      throw new SluiceError('FILE_MISSING', `The table ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    this.#rows = path.endsWith('.json') ? this.#fromJson(text) : this.#fromCsv(text)
    this.version++
    this.#looked = this.#context.now()
  }

  get(key: string): Readonly<Record<string, JsonValue>> | undefined {
    return this.#rows.get(key)
  }

  /** Reads the file again if it has changed; a file that can't be read keeps the old rows. */
  refresh(): void {
    const now = this.#context.now()
    if (now - this.#looked < LOOK_EVERY) return
    this.#looked = now
    try {
      if (stampOf(this.#options.path) !== this.#stamp) this.load()
    } catch (error) {
      this.#context.warn(`The table ${this.#options.path} can't be read again; its old rows stay. ${error instanceof Error ? error.message : String(error)}`, 'table')
    }
  }

  *entries(): Iterable<readonly [string, Readonly<Record<string, string>>]> {
    for (const [key, row] of this.#rows) yield [key, Object.fromEntries(Object.entries(row).map(([name, value]) => [name, JSON.stringify(value)]))]
  }

  #fromCsv(text: string): Map<string, Readonly<Record<string, JsonValue>>> {
    const { path, types } = this.#options
    const options = { delimiter: path.endsWith('.tsv') ? '\t' : ',', quote: '"' }
    const rows = new Map<string, Readonly<Record<string, JsonValue>>>()
    let header: readonly string[] | undefined
    let line = 0
    for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length; ) {
      const { fields, end } = this.#record(text, at, options, line + 1)
      at = end
      line++
      if (header === undefined) {
        header = fields
        continue
      }
      if (fields.length === 1 && fields[0] === '') continue
      if (fields.length !== header.length) throw new SluiceError('CSV_SYNTAX', `${path}: record ${line} has ${fields.length} fields; the header has ${header.length}.`)
      const row: Record<string, JsonValue> = {}
      header.forEach((name, column) => define(row, name, convert(fields[column] ?? '', Object.hasOwn(types, name) ? types[name] : undefined, `${path}: record ${line}, column "${name}"`)))
      this.#add(rows, row, this.#options.column ?? header[0] ?? '')
    }
    this.#check(header ?? [])
    return rows
  }

  #record(text: string, at: number, options: { readonly delimiter: string; readonly quote: string }, line: number): ReturnType<typeof parseRecord> {
    try {
      return parseRecord(text, at, options)
    } catch (error) {
      throw new SluiceError('CSV_SYNTAX', `${this.#options.path}: record ${line}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  #fromJson(text: string): Map<string, Readonly<Record<string, JsonValue>>> {
    const { path } = this.#options
    let parsed: JsonValue
    try {
      parsed = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) as JsonValue // JSON.parse yields nothing else.
    } catch (error) {
      throw new SluiceError('CONFIG_VALUE', `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    const items = Array.isArray(parsed) ? (parsed as readonly JsonValue[]) : []
    if (!Array.isArray(parsed)) throw new SluiceError('CONFIG_VALUE', `${path} must hold an array of objects.`)
    const rows = new Map<string, Readonly<Record<string, JsonValue>>>()
    const columns = new Set<string>()
    for (const item of items) {
      if (!isObject(item)) throw new SluiceError('CONFIG_VALUE', `${path} must hold an array of objects.`)
      for (const name of Object.keys(item)) columns.add(name)
      this.#add(rows, item as Readonly<Record<string, JsonValue>>, this.#options.column ?? Object.keys(item)[0] ?? '') // Parsed JSON has no undefined.
    }
    if (items.length > 0) this.#check([...columns])
    return rows
  }

  /** A slip in the name of a column must not become a null in each event. */
  #check(columns: readonly string[]): void {
    const { path, column, types, needs } = this.#options
    for (const name of [...(column === undefined ? [] : [column]), ...needs, ...Object.keys(types)]) {
      if (columns.includes(name)) continue
      const near = suggest(name, columns)
      throw new SluiceError('CONFIG_VALUE', `${path} has no column "${name}". ${near === undefined ? `It has: ${columns.slice(0, 20).join(', ')}.` : `Did you mean "${near}"?`}`)
    }
  }

  #add(rows: Map<string, Readonly<Record<string, JsonValue>>>, row: Readonly<Record<string, JsonValue>>, column: string): void {
    const key = Object.hasOwn(row, column) ? row[column] : undefined
    if (key === undefined) throw new SluiceError('CONFIG_VALUE', `${this.#options.path} has no column "${column}".`)
    if (rows.size >= ROWS_MAX) throw new SluiceError('CONFIG_VALUE', `${this.#options.path} has more than ${ROWS_MAX} rows.`)
    rows.set(typeof key === 'string' ? key : JSON.stringify(key), row)
  }
}

/** An empty text is null unless the column holds texts. */
function convert(text: string, type: 'string' | 'number' | 'boolean' | undefined, place: string): JsonValue {
  if (type === undefined || type === 'string') return text
  if (text.trim() === '') return null
  if (type === 'boolean') {
    if (/^(?:true|yes|1)$/i.test(text)) return true
    if (/^(?:false|no|0)$/i.test(text)) return false
  } else if (Number.isFinite(Number(text))) return Number(text)
  throw new SluiceError('CSV_SYNTAX', `${place}: ${JSON.stringify(text.slice(0, 100))} is no ${type}.`)
}
