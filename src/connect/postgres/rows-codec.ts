/** Events as rows of a table: JSON objects, a line each, that have no fields which the table does not know. */
import { SluiceError, suggest } from '../../base/index.ts'
import { defineCodec, field } from '../../engine/index.ts'

export const postgresRows = defineCodec({
  type: 'postgres_rows',
  summary: 'Rows of a PostgreSQL table',
  config: field.object({
    columns: field.optional(field.list(field.string(), { description: 'Columns that are written; an event with another field is refused' })),
    others: field.choice(['reject', 'ignore'], { default: 'reject', description: 'What becomes of an event with fields that are no columns' }),
  }),
  encoder: ({ columns, others }) => {
    const known = columns === undefined || others === 'ignore' ? undefined : new Set(columns)
    return {
      encode: event => {
        const { value } = event
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SluiceError('FIELD_TYPE', 'A row is made of an object: its fields are the columns.')
        if (known !== undefined) for (const name of Object.keys(value)) if (!known.has(name)) throw new SluiceError('FIELD_TYPE', `The table has no column "${name}" to write.${hint(name, known)} Take the field out before, or set "others: ignore".`)
        return `${event.text}\n`
      },
    }
  },
})

function hint(name: string, known: Iterable<string>): string {
  const close = suggest(name, known)
  return close === undefined ? '' : ` Did you mean "${close}"?`
}
