/** What both scanners share: reading rows on the JavaScript side, and the check whether a program fits a row. */
import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../../base/index.ts'
import type { Field } from './columns.ts'
import { ARRAY, BAD, ESCAPED, FALSE, FIELDS_MAX, INEXACT, MISSING, NULL, NUMBER, OBJECT, STRING, TRUE } from './columns.ts'

/** Refuses lists of paths that can't be columns. */
export function checkPaths(paths: readonly (readonly string[])[]): void {
  if (paths.length > FIELDS_MAX) throw new SluiceError('INTERNAL', `${paths.length} paths are wanted as columns; ${FIELDS_MAX} is the most.`)
  const known = new Set<string>()
  for (const path of paths) {
    const name = JSON.stringify(path)
    if (path.length === 0 || path.length > 60) throw new SluiceError('INTERNAL', `The path ${name} can't be a column: it has ${path.length} keys.`)
    if (known.has(name)) throw new SluiceError('INTERNAL', `The path ${name} is wanted twice as a column.`)
    known.add(name)
  }
}

/** Marks the rows that are not UTF-8 as bad. Called only for a slab that is not UTF-8 as a whole. */
export function rejectInvalidUtf8(input: Uint8Array, lineStart: Int32Array, lineEnd: Int32Array, status: Uint8Array, fields: readonly Field[], rows: number): void {
  for (let row = 0; row < rows; row++) {
    if (isUtf8(input.subarray(lineStart[row], lineEnd[row]))) continue
    status[row] = BAD
    for (const field of fields) field.kind[row] = MISSING
  }
}

/** Converts the numbers that the scan left to the host. */
export function convertInexact(input: Buffer, fields: readonly Field[], rows: number): void {
  for (const { kind, number, start, end } of fields) {
    for (let row = kind.indexOf(INEXACT); row >= 0 && row < rows; row = kind.indexOf(INEXACT, row + 1)) {
      number[row] = Number(input.toString('latin1', start[row], end[row]))
    }
  }
}

/** The value of one field in one row. */
export function readValue(input: Buffer, field: Field, row: number): unknown {
  const start = field.start[row] ?? 0
  const end = field.end[row] ?? 0
  switch (field.kind[row]) {
    case NULL:
      return null
    case FALSE:
      return false
    case TRUE:
      return true
    case NUMBER:
    case INEXACT:
      return field.number[row]
    case STRING:
      return input.toString('utf8', start + 1, end - 1)
    case OBJECT:
    case ARRAY:
    case ESCAPED:
      return JSON.parse(input.toString('utf8', start, end)) as unknown
    default:
      return undefined
  }
}

/** Why a line is not an object in JSON, as a sentence. */
export function problemOf(line: Uint8Array): string {
  if (!isUtf8(line)) return 'The line is not UTF-8.'
  try {
    const value: unknown = JSON.parse(Buffer.from(line).toString('utf8'))
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? 'The line is an object.' : 'The line is JSON, but not an object.'
  } catch (error) {
    return `The line is not JSON: ${error instanceof Error ? error.message : String(error)}.`
  }
}

