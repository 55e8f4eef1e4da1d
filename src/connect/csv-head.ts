/** The line with the names of the columns that files and objects of CSV begin with, so that what was written can be read again without more being said. */
import { encodeCsv } from '../event/index.ts'
import type { JsonValue } from '../event/index.ts'

/** Empty for other formats, and where the options say that there is none. */
export function csvHead(format: string, { columns, header, delimiter, quote }: Readonly<Record<string, JsonValue | undefined>>): Uint8Array {
  if ((format !== 'csv' && format !== 'tsv') || header === false || !Array.isArray(columns)) return new Uint8Array()
  const names = columns.map(String)
  const row = Object.fromEntries(names.map(name => [name, name]))
  return Buffer.from(encodeCsv(row, names, { delimiter: typeof delimiter === 'string' ? delimiter : format === 'csv' ? ',' : '\t', quote: typeof quote === 'string' ? quote : '"' }))
}
