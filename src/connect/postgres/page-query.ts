/** The statement that asks for one page of rows behind a value. */
import { SluiceError } from '../../base/index.ts'
import type { PostgresConnection, Query } from './connection.ts'
import { quoted } from './connection.ts'
import { nameOf } from './table.ts'

export interface PageOptions {
  readonly table: string | undefined
  readonly schema: string | undefined
  readonly query: string | undefined
  readonly watermark: { readonly column: string; readonly delay: number | undefined }
  readonly key: string | undefined
}

const TIMES = /^(timestamp|date)/

export class PageQuery {
  readonly #options: PageOptions
  readonly #from: string
  /** Types of the watermark and the key, as the server names them. */
  readonly #type: string
  readonly #keyType: string | undefined

  private constructor(options: PageOptions, from: string, type: string, keyType: string | undefined) {
    this.#options = options
    this.#from = from
    this.#type = type
    this.#keyType = keyType
  }

  /** Asks the server for the types. Throws POSTGRES_MISSING for a table or a column that is not there. */
  static async open(connection: PostgresConnection, options: PageOptions): Promise<PageQuery> {
    const { table, schema, query, watermark, key } = options
    const from = query === undefined ? nameOf({ schema, table: table ?? '' }) : `(${query.trim().replace(/;$/, '')}\n)`
    // Asked for beside a row that is always there, the types are told of an empty table too.
    const typeOf = (column: string): string => `format_type(pg_typeof((SELECT q.${quoted(column)} FROM ${from} q WHERE false))::oid, NULL)`
    const [row] = await connection.query({ text: `SELECT ${typeOf(watermark.column)} AS type${key === undefined ? '' : `, ${typeOf(key)} AS key`}` })
    const type = row?.['type'] ?? 'text'
    if (watermark.delay !== undefined && !TIMES.test(type)) throw new SluiceError('CONFIG_VALUE', `"watermark.delay" is for times, and the column "${watermark.column}" is of the type ${type}.`)
    return new PageQuery(options, from, type, row?.['key'] ?? undefined)
  }

  /** Throws CONFIG_VALUE for a value that is none of the watermark's. */
  async check(connection: PostgresConnection, value: string): Promise<void> {
    try {
      await connection.query({ text: `SELECT $1::${this.#type}`, values: [value] })
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'POSTGRES_ROW') throw error
      throw new SluiceError('CONFIG_VALUE', `${JSON.stringify(value)} is no value of the column "${this.#options.watermark.column}", whose type is ${this.#type}.`, { cause: error })
    }
  }

  /** The next rows behind `value`; with a key, behind `key` among those of that value. */
  page(value: string | undefined, key: string | undefined, count: number): Query {
    const { watermark, key: keyColumn } = this.#options
    const column = `q.${quoted(watermark.column)}`
    const own = keyColumn === undefined ? undefined : `q.${quoted(keyColumn)}`
    const values: (string | number)[] = [count]
    const place = (one: string | number): string => `$${values.push(one)}`
    const conditions = [`${column} IS NOT NULL`]
    if (value !== undefined && own !== undefined && key !== undefined) conditions.push(`(${column}, ${own}) > (${place(value)}::${this.#type}, ${place(key)}::${this.#keyType ?? 'text'})`)
    else if (value !== undefined) conditions.push(`${column} > ${place(value)}::${this.#type}`)
    if (watermark.delay !== undefined) conditions.push(`${column} <= now() - make_interval(secs => ${place(watermark.delay / 1000)})`)
    const text = `SELECT row_to_json(q)::text AS event, ${column}::text AS value${own === undefined ? '' : `, ${own}::text AS key`} FROM ${this.#from} q WHERE ${conditions.join(' AND ')} ` +
      `ORDER BY ${own === undefined ? column : `${column}, ${own}`} ${own === undefined ? 'FETCH FIRST $1 ROWS WITH TIES' : 'LIMIT $1'}`
    return { text, values, name: `sluice page ${conditions.length} ${value === undefined ? 'first' : key === undefined ? 'value' : 'key'}` }
  }
}
