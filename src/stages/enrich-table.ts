/** A table of a CSV or JSON file, by key; read again when the file has changed. */
import { SluiceError } from '../base/index.ts'
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
      const { fields, end } = parseRecord(text, at, options)
      at = end
      line++
      if (header === undefined) {
        header = fields
        continue
      }
      if (fields.length === 1 && fields[0] === '') continue
      if (fields.length !== header.length) throw new SluiceError('CSV_SYNTAX', `${path}: record ${line} has ${fields.length} fields; the header has ${header.length}.`)
      const row: Record<string, JsonValue> = {}
      header.forEach((name, column) => define(row, name, convert(fields[column] ?? '', Object.hasOwn(types, name) ? types[name] : undefined)))
      this.#add(rows, row, this.#options.column ?? header[0] ?? '')
    }
    return rows
  }

  #fromJson(text: string): Map<string, Readonly<Record<string, JsonValue>>> {
    const { path } = this.#options
    const parsed = JSON.parse(text) as JsonValue // JSON.parse yields nothing else.
    const items = Array.isArray(parsed) ? (parsed as readonly JsonValue[]) : []
    if (!Array.isArray(parsed)) throw new SluiceError('CONFIG_VALUE', `${path} must hold an array of objects.`)
    const rows = new Map<string, Readonly<Record<string, JsonValue>>>()
    for (const item of items) {
      if (!isObject(item)) throw new SluiceError('CONFIG_VALUE', `${path} must hold an array of objects.`)
      this.#add(rows, item as Readonly<Record<string, JsonValue>>, this.#options.column ?? Object.keys(item)[0] ?? '') // Parsed JSON has no undefined.
    }
    return rows
  }

  #add(rows: Map<string, Readonly<Record<string, JsonValue>>>, row: Readonly<Record<string, JsonValue>>, column: string): void {
    const key = Object.hasOwn(row, column) ? row[column] : undefined
    if (key === undefined) throw new SluiceError('CONFIG_VALUE', `${this.#options.path} has no column "${column}".`)
    if (rows.size >= ROWS_MAX) throw new SluiceError('CONFIG_VALUE', `${this.#options.path} has more than ${ROWS_MAX} rows.`)
    rows.set(typeof key === 'string' ? key : JSON.stringify(key), row)
  }
}

function convert(text: string, type: 'string' | 'number' | 'boolean' | undefined): JsonValue {
  if (type === 'boolean') return /^(?:true|yes|1)$/i.test(text)
  if (type !== 'number') return text
  const number = Number(text)
  return text.trim() === '' || !Number.isFinite(number) ? null : number
}
