/**
 * Writes rows to a table, many by one statement.
 *
 * A statement writes all of its rows or none. Where values of a row are to blame, the batch is cut in halves until the row stands alone: it is refused, and all others are written,
 * in order. On a database that the pipeline commits to (`delivery: exactly_once`), statements are part of its transaction, each behind a savepoint.
 * What fails there for now is tried again in the same transaction, as long as its connection stands.
 */
import { SluiceError } from '../../base/index.ts'
import { defineSink, field } from '../../engine/index.ts'
import type { Committer, RowAnswer, Sink, SinkChunk, ValueOf } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'
import { PostgresCommitter, placeOf } from './committer.ts'
import { POSTGRES_FIELDS, PostgresConnection } from './connection.ts'
import { isOfRow } from './errors.ts'
import { Table } from './table.ts'

const CONFIG = field.object({
  ...POSTGRES_FIELDS,
  table: field.string({ minLength: 1, description: 'Table to write to' }),
  schema: field.optional(field.string({ minLength: 1, description: 'Its schema; without it the search path of the user decides' })),
  columns: field.optional(field.list(field.string({ minLength: 1 }), { minItems: 1, description: 'Columns to write; without it all that the table has. The others are left as they are' })),
  key: field.list(field.string({ minLength: 1 }), { default: [], description: 'Columns by which a row is known; there must be a unique index over them' }),
  on_conflict: field.choice(['update', 'ignore', 'fail'], { default: 'update', description: 'With `key`: what becomes of a row that is there already' }),
  others: field.choice(['reject', 'ignore'], { default: 'reject', description: 'What becomes of an event with fields that are no columns' }),
  rows: field.integer({ default: 1000, minimum: 1, maximum: 100_000, description: 'Most rows in a statement' }),
})
type Config = ValueOf<typeof CONFIG>

/** Rows `from` up to `to`, as a JSON array. */
function arrayOf({ bytes, ends }: SinkChunk, from: number, to: number): string {
  const start = from === 0 ? 0 : (ends?.[from - 1] ?? 0)
  const rows = Buffer.from(bytes.subarray(start, ends?.[to - 1] ?? bytes.length))
  // Each row ends with a line feed, which no row holds.
  for (let row = from; row < to; row++) rows[(ends?.[row] ?? bytes.length) - start - 1] = row + 1 === to ? 0x5d : 0x2c
  return `[${rows.toString('utf8')}`
}

class PostgresSink implements Sink {
  readonly gathers = true
  readonly #config: Config
  readonly #connection: PostgresConnection
  #committer: PostgresCommitter | undefined
  #table: Table | undefined

  constructor(config: Config) {
    this.#config = config
    this.#connection = new PostgresConnection(config)
  }

  async open(_mark: JsonValue | undefined, committer?: Committer): Promise<void> {
    const { schema, table, columns, key, on_conflict: onConflict } = this.#config
    if (committer instanceof PostgresCommitter && committer.place === placeOf(this.#config)) this.#committer = committer
    this.#table = await Table.open(this.#connection, { schema, table, columns, key, onConflict })
  }

  facts(): JsonValue {
    return { columns: [...(this.#table?.columns ?? [])] }
  }

  async write(chunk: SinkChunk): Promise<readonly RowAnswer[]> {
    const answers: RowAnswer[] = []
    for (let from = 0; from < chunk.rows; from += this.#config.rows) {
      const failed = await this.#put(chunk, from, Math.min(chunk.rows, from + this.#config.rows), answers)
      if (failed === undefined) continue
      const { error, row: first } = failed
      if (first === 0 || error.stops) throw error
      // An error for all would write again what stands before.
      for (let row = first; row < chunk.rows; row++) answers.push({ row, answer: error.retry ? 'retry' : 'reject', code: error.code, reason: error.message })
      break
    }
    return answers
  }

  /** Writes rows, the refused ones left out. Answers what stopped it, and the first row that is not written. */
  async #put(chunk: SinkChunk, from: number, to: number, answers: RowAnswer[]): Promise<{ readonly error: SluiceError; readonly row: number } | undefined> {
    try {
      await this.#insert(arrayOf(chunk, from, to))
      return undefined
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      if (!isOfRow(error)) return { error, row: from }
      if (to - from === 1) {
        answers.push({ row: from, answer: 'reject', code: error.code, reason: error.message })
        return undefined
      }
      const middle = (from + to) >> 1
      return (await this.#put(chunk, from, middle, answers)) ?? this.#put(chunk, middle, to, answers)
    }
  }

  async #insert(rows: string): Promise<void> {
    const text = this.#table?.statement
    if (text === undefined) throw new SluiceError('INTERNAL', `the sink for ${this.#config.table} is not open`)
    const query = { text, values: [rows], name: `sluice ${this.#config.table}`.slice(0, 60) }
    if (this.#committer === undefined) return void (await this.#connection.query(query))
    const failed = await this.#committer.within(async session => {
      await session.query({ text: 'SAVEPOINT rows' })
      try {
        await session.query({ text, values: [rows] })
        await session.query({ text: 'RELEASE SAVEPOINT rows' })
        return undefined
      } catch (error) {
        // If the session is lost, so is the transaction, and this fails as well.
        await session.query({ text: 'ROLLBACK TO SAVEPOINT rows' })
        return error
      }
    })
    if (failed !== undefined) throw failed
  }

  flush(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}

export const postgresSink = defineSink({
  type: 'postgres',
  summary: 'Write rows to a table of PostgreSQL',
  description:
    'The fields of an event are the columns of its row; the server turns them into the types of the columns. A column that an event does not have gets its default. Rows whose values the server refuses go to the dead letters, each with the reason.\n\n' +
    'With `key`, a row that is there already is updated: writing the same event twice changes nothing. With `delivery: exactly_once` in the pipeline, rows and the positions of the sources are one transaction, in the tables `sluice_pipelines` and `sluice_cuts` of the same database; rows can be seen after each checkpoint.',
  config: CONFIG,
  durable: 'write',
  examples: [
    { title: 'One row for each order, the last one counts', config: { url: 'postgres://db.example/shop', username: 'sluice', password: '${DB_PASSWORD:}', table: 'orders', key: ['id'] } },
    { title: 'Some columns, over TLS', config: { url: 'postgres://db.example/shop', username: 'sluice', password: '${DB_PASSWORD:}', tls: true, schema: 'audit', table: 'logins', columns: ['user', 'at'], others: 'ignore' } },
  ],
  encoding: ({ others }, _context, facts) => {
    const columns = typeof facts === 'object' && facts !== null && 'columns' in facts ? facts['columns'] : undefined
    return { format: 'postgres_rows', options: { others, ...(columns === undefined ? {} : { columns }) }, rows: true }
  },
  ground: config => placeOf(config),
  committer: (ground, pipeline, context) => new PostgresCommitter(ground, pipeline, message => context.warn(message)),
  opensQuietly: true,
  create: config => new PostgresSink(config),
})
