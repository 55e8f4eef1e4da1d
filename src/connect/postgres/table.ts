/** A table that rows are written to: what the catalog says of it, and the statement that writes a batch of JSON objects. */
import { SluiceError } from '../../base/index.ts'
import { suggest } from '../../base/index.ts'
import type { PostgresConnection } from './connection.ts'
import { quoted } from './connection.ts'

export interface TableOptions {
  readonly schema: string | undefined
  readonly table: string
  readonly columns: readonly string[] | undefined
  readonly key: readonly string[]
  readonly onConflict: 'update' | 'ignore' | 'fail'
}

interface Column {
  readonly name: string
  /** What the server puts in where a row does not say: SQL of the catalog. */
  readonly preset: string | undefined
}

/** Identity and computed columns that only the server may fill are left out. */
const COLUMNS = `
  SELECT a.attname AS name, CASE
    WHEN a.attidentity = 'd' THEN format('nextval(%L::regclass)', pg_get_serial_sequence(c.oid::regclass::text, a.attname))
    ELSE pg_get_expr(d.adbin, d.adrelid) END AS preset
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.oid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum`

export class Table {
  /** Columns that are written. */
  readonly columns: readonly string[]
  readonly statement: string

  constructor(columns: readonly Column[], options: TableOptions) {
    this.columns = columns.map(({ name }) => name)
    this.statement = statementOf(columns, options)
  }

  /** Asks the catalog. Throws POSTGRES_MISSING for a table or a column that is not there. */
  static async open(connection: PostgresConnection, options: TableOptions): Promise<Table> {
    const name = nameOf(options)
    const found = (await connection.query({ text: COLUMNS, values: [name] })).map((row): Column => ({ name: row['name'] ?? '', preset: row['preset'] ?? undefined }))
    if (found.length === 0) throw new SluiceError('POSTGRES_MISSING', `There is no table ${name} at PostgreSQL ${connection.server}, or it has no columns to write. Check "table" and "schema"; capital letters count.`)
    const names = found.map(column => column.name)
    for (const [where, wanted] of [['columns', options.columns ?? []], ['key', options.key]] as const) {
      for (const one of wanted) if (!names.includes(one)) throw new SluiceError('POSTGRES_MISSING', `"${where}" names "${one}", but the table ${name} at PostgreSQL ${connection.server} has no such column to write.${hint(one, names)}`)
    }
    const missing = options.columns === undefined ? undefined : options.key.find(one => !options.columns?.includes(one))
    if (missing !== undefined) throw new SluiceError('CONFIG_VALUE', `"key" names "${missing}", which is not among "columns".`)
    const table = new Table(options.columns === undefined ? found : found.filter(column => options.columns?.includes(column.name)), options)
    // The server checks the whole statement, so that a key that is none and a missing permission are told before anything is read.
    await connection.query({ text: `EXPLAIN ${table.statement}`, values: ['[]'] })
    return table
  }
}

function hint(name: string, names: readonly string[]): string {
  const close = suggest(name, names)
  return close === undefined ? '' : ` Did you mean "${close}"?`
}

export function nameOf({ schema, table }: Pick<TableOptions, 'schema' | 'table'>): string {
  return schema === undefined ? quoted(table) : `${quoted(schema)}.${quoted(table)}`
}

/**
 * One statement for any number of rows, which are one value: a JSON array. The server turns the members of an object into the types of the columns.
 *
 * A column that an object does not have gets the column's default. Of rows with the same key in one batch the last one counts, as if they had come one by one; rows whose key
 * holds a null are all different, as in a unique index.
 */
function statementOf(columns: readonly Column[], options: TableOptions): string {
  const { key, onConflict } = options
  const name = nameOf(options)
  const names = columns.map(column => quoted(column.name)).join(', ')
  const values = columns.map(({ name: own, preset }) => (preset === undefined ? `r.${quoted(own)}` : `CASE WHEN (e.j -> ${literal(own)}) IS NULL THEN ${preset} ELSE r.${quoted(own)} END AS ${quoted(own)}`)).join(', ')
  const rows = `SELECT ${values}, e.n AS "n of batch" FROM json_array_elements($1::json) WITH ORDINALITY e(j, n), json_populate_record(NULL::${name}, e.j) r`
  if (key.length === 0) return `INSERT INTO ${name} (${names}) SELECT ${names} FROM (${rows}) b ORDER BY "n of batch"`
  const keys = key.map(quoted)
  const others = columns.filter(column => !key.includes(column.name)).map(column => quoted(column.name))
  if (onConflict === 'fail') return `INSERT INTO ${name} (${names}) SELECT ${names} FROM (${rows}) b ORDER BY "n of batch"`
  if (onConflict === 'ignore' || others.length === 0) return `INSERT INTO ${name} (${names}) SELECT ${names} FROM (${rows}) b ORDER BY "n of batch" ON CONFLICT (${keys.join(', ')}) DO NOTHING`
  const same = [...keys, `CASE WHEN ${keys.map(one => `${one} IS NULL`).join(' OR ')} THEN "n of batch" END`].join(', ')
  const last = `SELECT DISTINCT ON (${same}) * FROM (${rows}) b ORDER BY ${same}, "n of batch" DESC`
  const sets = others.map(one => `${one} = EXCLUDED.${one}`).join(', ')
  return `INSERT INTO ${name} (${names}) SELECT ${names} FROM (${last}) d ORDER BY "n of batch" ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${sets}`
}

function literal(text: string): string {
  return text.includes('\\') ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`
}
