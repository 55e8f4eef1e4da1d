/**
 * The operations of `emit`: how output lines are built from rows.
 *
 * A program is a list of operations; their bytes are put one after another, and a newline ends the row. Rows are not changed by it.
 *
 * Job J2 (keep hot sensors, project four fields), with the paths `type`, `temperature`, `id`, `loc.site`:
 *
 *     const columns = createScanner([['type'], ['temperature'], ['id'], ['loc', 'site']])
 *     const isSensor = columns.newMask(), rows = columns.newRows(), rest = columns.newRows()
 *     const fahrenheit = columns.newNumbers(), output = columns.newOutput(1 << 20)
 *     const program = columns.compile([
 *       { op: 'literal', text: '{"id":' }, { op: 'raw', field: 2 }, { op: 'literal', text: ',"site":' }, { op: 'raw', field: 3 },
 *       { op: 'literal', text: ',"temperature":' }, { op: 'raw', field: 1 },
 *       { op: 'literal', text: ',"temp_f":' }, { op: 'number', values: fahrenheit }, { op: 'literal', text: '}' },
 *     ])
 *     // for each slab: copy its bytes to columns.input, then
 *     for (let n = columns.scan(length); n > 0; n = columns.resume()) {
 *       const { kind, number } = columns.field(1)
 *       columns.equals(0, 'sensor', n, isSensor)
 *       let count = 0
 *       for (let row = 0; row < n; row++) {
 *         if (columns.status[row] !== OK) continue                // to the object path
 *         if (!isSensor[row] || kind[row] !== NUMBER || number[row] <= 25) continue
 *         fahrenheit[row] = number[row] * 1.8 + 32
 *         rows[count++] = row
 *       }
 *       const fit = columns.split(program, rows, count, rows, rest)  // `rest`, count - fit rows, to the object path
 *       for (let at = 0; at < fit; ) {
 *         at = columns.emit(program, rows, at, fit, output)
 *         flush(output.bytes.subarray(0, output.length))
 *         output.length = 0
 *       }
 *     }
 *
 * A row that does not even fit in an empty output comes back with `at` unchanged: leave it to the object path.
 *
 * Job J3 (check, enrich by a table, mask) keeps the line and edits it, with the paths `email`, `device.id`, `owner`, `region` among others:
 *
 *     const owners = columns.newDictionary(), regions = columns.newDictionary(), ids = columns.newRows()
 *     for (const row of table) { owners.add(row.id, JSON.stringify(row.owner)); regions.add(row.id, JSON.stringify(row.region)) }
 *     // after each scan; `enrich` with `as` takes one dictionary whose values are whole objects
 *     columns.lookup(DEVICE_ID, owners, n, ids)
 *     columns.compile([{ op: 'edit', edits: [
 *       { edit: 'set', field: EMAIL, value: [{ op: 'mask', field: EMAIL, first: 1, fill: '***', from: '@' }] },
 *       { edit: 'set', field: OWNER, value: [{ op: 'entry', ids, dictionary: owners }] },
 *       { edit: 'set', field: REGION, value: [{ op: 'entry', ids, dictionary: regions }] },
 *     ] }])
 *
 * Equal keys added in the same order have equal numbers, so one `lookup` serves both dictionaries.
 *
 * What makes a row unfit for a program (`Columns.split`): its status is not OK; a `raw` field is missing; a `number` is not finite; an `entry` has no id;
 * a `mask` field is not a STRING; the object around a field that is to be set is not an OBJECT.
 */
import type { Dictionary } from './columns.ts'

/** Puts out a JSON value, or a part of the line. */
export type ValueOp =
  /** These characters. */
  | { readonly op: 'literal'; readonly text: string }
  /** The field's bytes as they stand in the line. */
  | { readonly op: 'raw'; readonly field: number }
  /** A number by row, as JSON.stringify writes it. */
  | { readonly op: 'number'; readonly values: Float64Array }
  /** The value stored with a dictionary's key, by number per row (see `lookup`). */
  | { readonly op: 'entry'; readonly ids: Int32Array; readonly dictionary: Dictionary }
  | MaskOp

/**
 * A string with its middle hidden, quotes included: the first `first` characters, then `fill`, then the tail.
 *
 * The tail is the last `last` characters, or, with `from`, what begins with the first such character behind those kept in front (nothing where there is none).
 * Characters are Unicode code points. A string of at most `first + last` characters keeps none of them, so that a short secret is not shown whole.
 * With `each`, `fill` is put once per hidden character. `fill` is text, escaped here where JSON needs it.
 */
export interface MaskOp {
  readonly op: 'mask'
  readonly field: number
  readonly fill: string
  readonly first?: number
  readonly last?: number
  /** One ASCII character; not together with `last`. */
  readonly from?: string
  readonly each?: boolean
}

/**
 * One change of a line. The edits of one `edit` operation give the bytes that the functions of json/edit.ts give when run in the list's order.
 *
 * No two edits may concern the same field, nor one field and another inside of it; a field that is set must have the path of the object around it among the
 * paths of the columns, and a rename must have the path that the field gets. Several appended fields come in the order of the list.
 */
export type Edit =
  /** Replaces the value in its place, or appends the field at the end of the object around it. */
  | { readonly edit: 'set'; readonly field: number; readonly value: readonly ValueOp[] }
  | { readonly edit: 'remove'; readonly field: number }
  /** Gives the field another key in its place; a field that has that key is removed. Nothing happens where the field is missing. */
  | { readonly edit: 'rename'; readonly field: number; readonly key: string }

export type EmitOp =
  | ValueOp
  /** The whole line as it is. */
  | { readonly op: 'line' }
  /** The whole line with changes. */
  | { readonly op: 'edit'; readonly edits: readonly Edit[] }
