/** Events as rows of given columns: checked where they are encoded, so that one that does not fit goes to the dead letters and not into a file. */
import { SluiceError } from '../../base/index.ts'
import { defineCodec, field } from '../../engine/index.ts'
import type { JsonValue } from '../../event/index.ts'

export const COLUMN_TYPES = ['string', 'integer', 'number', 'boolean', 'timestamp', 'json'] as const
export type ColumnType = (typeof COLUMN_TYPES)[number]

/** The value as a column of this type takes it; undefined where it does not fit. */
export function fitting(type: ColumnType, value: JsonValue): JsonValue | undefined {
  if (value === null || type === 'json') return value
  if (type === 'integer') return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
  if (type !== 'timestamp') return typeof value === type ? value : undefined
  const ms = typeof value === 'string' ? Date.parse(value) : value
  return typeof ms === 'number' && Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? Math.floor(ms) : undefined
}

export const parquetRows = defineCodec({
  type: 'parquet_rows',
  summary: 'Rows for a Parquet file of given columns; what the sink `s3` writes with `format: parquet`',
  config: field.object({ columns: field.record(field.choice(COLUMN_TYPES), { description: 'Types of the columns by their names, in their order' }) }),
  encoder: ({ columns }) => {
    const wanted = Object.entries(columns)
    if (wanted.length === 0) throw new SluiceError('CONFIG_VALUE', 'A Parquet file needs a column: name one in "columns", or leave that out.')
    return {
      encode: ({ value }) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SluiceError('FIELD_TYPE', 'The event is no object, so it has no columns.')
        const event = value as Readonly<Record<string, JsonValue>> // An object that is no array.
        const row: Record<string, JsonValue> = {}
        for (const [name, type] of wanted) {
          if (!Object.hasOwn(event, name)) continue
          const given = event[name] ?? null
          const fits = fitting(type, given)
          if (fits === undefined) throw new SluiceError('FIELD_TYPE', `The field "${name}" is ${JSON.stringify(given).slice(0, 100)}, which is no ${type}.`)
          row[name] = fits
        }
        return `${JSON.stringify(row)}\n`
      },
    }
  },
})
