/**
 * Reads the rows of a table, or of a query, in the order of a column that grows: its watermark.
 *
 * A page asks for what lies behind the greatest value read so far. Where `key` names a unique column, pages end anywhere, because value and key together tell rows apart. Without one, a
 * page takes all rows of its last value along, and pieces are cut between values only: what stands behind a position is then never in front of it too.
 *
 * Position: the server's own texts of value and key, so that no digit of either is lost.
 */
import { SluiceError, untilAborted } from '../../base/index.ts'
import { defineSource, field } from '../../engine/index.ts'
import type { ComponentContext, Piece, Source, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { Patience } from '../patience.ts'
import { POSTGRES_FIELDS, PostgresConnection } from './connection.ts'
import type { Row } from './connection.ts'
import { PageQuery } from './page-query.ts'

const CONFIG = field.object({
  ...POSTGRES_FIELDS,
  table: field.optional(field.string({ minLength: 1, description: 'Table or view to read' })),
  schema: field.optional(field.string({ minLength: 1, description: 'Its schema; without it the search path of the user decides' })),
  query: field.optional(field.string({ minLength: 1, description: 'A SELECT instead of a table, without ORDER BY' })),
  watermark: field.object(
    {
      column: field.string({ minLength: 1, description: 'Column that grows with each change: a number, a time. Rows where it is null are not read' }),
      start: field.optional(field.string({ description: 'Value behind which the first run begins; without it with the least' })),
      delay: field.optional(field.duration({ description: 'For times: leave rows alone until they are so old, because transactions that end late may still add some before them' })),
    },
    { description: 'What is new. The value is part of the position, and kept with `state`' },
  ),
  key: field.optional(field.string({ minLength: 1, description: 'Unique column that tells rows of one value apart, so that many of them need not be one page' })),
  every: field.optional(field.duration({ description: 'Ask again so long after everything was read; without it the source ends there' })),
})
type Config = ValueOf<typeof CONFIG>

interface Position {
  readonly value?: string
  readonly key?: string
}

/** Rows of a page at most, and where to begin while their size is not known. */
const ROWS_MAX = 20_000
const ROWS_FIRST = 100

class PostgresSource implements Source {
  readonly live: boolean
  readonly format = { format: 'ndjson', options: { record_max: 64 * 1024 * 1024 } }
  readonly #config: Config
  readonly #context: ComponentContext
  readonly #connection: PostgresConnection
  readonly #patience: Patience
  readonly #name: string
  #query: PageQuery | undefined
  /** Behind what was handed out, and behind what was read. */
  #at: Position = {}
  #read: Position = {}
  #rows: readonly Row[] = []
  #rowBytes = 0
  /** True where the last page brought all there was. */
  #drained = false
  #asking: Promise<void> | undefined

  constructor(config: Config, context: ComponentContext) {
    this.#config = config
    this.#context = context
    this.live = config.every !== undefined
    if ((config.table === undefined) === (config.query === undefined)) throw new SluiceError('CONFIG_VALUE', 'postgres: give either "table" or "query".')
    if (config.query !== undefined && config.schema !== undefined) throw new SluiceError('CONFIG_VALUE', 'postgres: "schema" goes with "table".')
    // Whatever a query calls, it changes nothing.
    this.#connection = new PostgresConnection(config, 'SET default_transaction_read_only = on')
    this.#patience = new Patience(this.live, context)
    this.#name = config.table ?? 'query'
  }

  async open(position: JsonValue | undefined): Promise<void> {
    const { value = this.#config.watermark.start, key } = (position ?? {}) as Position // Made by `next`.
    this.#at = this.#read = { ...(value === undefined ? {} : { value }), ...(key === undefined ? {} : { key }) }
    this.#query = await PageQuery.open(this.#connection, this.#config)
    if (value !== undefined) await this.#query.check(this.#connection, value)
  }

  async next(bytes: number, signal: AbortSignal): Promise<Piece | undefined> {
    while (!signal.aborted) {
      if (this.#rows.length > 0) return this.#piece(bytes)
      if (this.#drained && !(await this.#wait(signal))) return undefined
      // A page that outlives a wait is taken up by the next one.
      this.#asking ??= this.#ask(bytes).finally(() => (this.#asking = undefined))
      try {
        await untilAborted(this.#asking, signal)
        this.#patience.succeeded()
      } catch (error) {
        await this.#patience.failed(error, signal)
      }
    }
    return undefined
  }

  /** Until the next round; false where there is none. */
  async #wait(signal: AbortSignal): Promise<boolean> {
    const { every } = this.#config
    if (every === undefined) return false
    await this.#context.sleep(every, signal).catch(() => undefined)
    this.#drained = signal.aborted
    return !signal.aborted
  }

  async #ask(bytes: number): Promise<void> {
    if (this.#query === undefined) throw new SluiceError('INTERNAL', 'the source is not open')
    const count = this.#rowBytes === 0 ? ROWS_FIRST : Math.max(1, Math.min(ROWS_MAX, Math.ceil(bytes / this.#rowBytes)))
    const rows = await this.#connection.query(this.#query.page(this.#read.value, this.#read.key, count))
    this.#rows = rows
    this.#drained = rows.length < count
    const last = rows.at(-1)
    if (last !== undefined) this.#read = positionOf(last)
  }

  #piece(bytes: number): Piece {
    const lines: string[] = []
    let length = 0
    let taken = 0
    for (let at = 0; at < this.#rows.length; at++) {
      const { event = '', value } = this.#rows[at] ?? {}
      // A line feed in JSON is white space: texts hold it as an escape.
      const line = `${(event ?? '').replaceAll('\n', ' ')}\n`
      const isBorder = this.#config.key !== undefined || this.#rows[at - 1]?.['value'] !== value
      if (isBorder && taken > 0 && length + line.length > bytes) break
      lines.push(line)
      length += line.length
      taken = at + 1
    }
    const data = Buffer.from(lines.join(''))
    const last = this.#rows[taken - 1]
    const from = { table: this.#name, after: this.#at.value ?? null, offset: 0 }
    if (last !== undefined) this.#at = positionOf(last)
    this.#rows = this.#rows.slice(taken)
    this.#rowBytes = data.length / taken
    return { position: { ...this.#at }, from, bytes: data.length, data }
  }

  async close(): Promise<void> {
    await this.#connection.close()
    await this.#asking?.catch(() => undefined)
  }
}

function positionOf({ value, key }: Row): Position {
  return { ...(typeof value === 'string' ? { value } : {}), ...(typeof key === 'string' ? { key } : {}) }
}

export const postgresSource = defineSource({
  type: 'postgres',
  summary: 'Read what is new in a table or a query of PostgreSQL',
  description:
    'Rows come in the order of the watermark, as objects with a field for each column. With `state` the next run goes on behind the last row that is durable at every sink; without it each run begins at `start`.\n\n' +
    'Rows that are deleted are not seen, and of several changes of a row between two rounds only the last. A transaction that ends late may add rows behind which the source has read already: give `delay` more time than transactions take.',
  config: CONFIG,
  replays: true,
  examples: [
    { title: 'What changed, every ten seconds', config: { url: 'postgres://db.example/shop', username: 'sluice', password: '${DB_PASSWORD:}', table: 'orders', watermark: { column: 'updated_at', delay: '5s' }, key: 'id', every: '10s' } },
    { title: 'A query, once', config: { url: 'postgres://db.example/shop', username: 'sluice', password: '${DB_PASSWORD:}', query: 'SELECT o.id, c.city FROM orders o JOIN customers c ON c.id = o.customer', watermark: { column: 'id' } } },
  ],
  opensQuietly: true,
  create: (config, context) => new PostgresSource(config, context),
})
