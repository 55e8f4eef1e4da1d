/**
 * Makes a new event out of expressions.
 *
 * Bare fields replace the event by an object of these fields, in this order. A field whose expression is a plain path (`event.a.b`) keeps that field's bytes; others are
 * written as JSON.stringify writes them. A map or a list of expressions makes an object or a list, by the same rules. With `merge: true` and `fields` the fields are set on
 * the event instead; all of them see the event as it was.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { ColumnEdit, ColumnValue, Stage, StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { VALUE, isExpression, nestedJson } from './nested.ts'
import type { NestedValue } from './nested.ts'
import { replacedBy, setTo } from './origins.ts'
import { parsePath, setField } from './paths.ts'

const FIELDS = field.record(VALUE, { description: 'Name of each field, with the expression that makes it, or with a map or list of expressions' })
const CONFIG = field.either([
  field.object({ merge: field.boolean({ description: 'Set the fields on the event instead of making a new one' }), fields: FIELDS }),
  FIELDS,
])

type Fields = Readonly<Record<string, NestedValue>>

/** What columns can say of a value; undefined for maps and lists, which are made by the object path. */
function columnValue(value: NestedValue): ColumnValue | undefined {
  return isExpression(value) ? { value: 'expression', expression: value } : undefined
}

function replacing(fields: Fields): Stage {
  const make = nestedJson(fields)
  return {
    process: each((event, out) => {
      event.edit(make(event))
      out.emit(event)
    }),
    columns: () => {
      const values = Object.entries(fields).flatMap(([name, value]) => {
        const made = columnValue(value)
        return made === undefined ? [] : [[name, made] as const]
      })
      return values.length < Object.keys(fields).length ? undefined : { step: 'object', fields: values }
    },
  }
}

/** Sets fields on events; shared with `set`. */
export function settingFields(fields: Fields): Stage {
  const parts = Object.entries(fields).map(([name, value]) => ({ path: parsePath(name), value: nestedJson(value), column: columnValue(value) }))
  return {
    process: each((event, out) => {
      const values = parts.map(({ value }) => value(event))
      const text = event.isText ? event.text : undefined
      // Text is not parsed for this.
      const before = text === undefined ? event.value : null
      try {
        parts.forEach(({ path }, at) => setField(event, path, values[at] ?? 'null'))
      } catch (error) {
        // A half-changed event must not reach anybody.
        if (text === undefined) event.replace(before)
        else event.edit(text)
        throw error
      }
      out.emit(event)
    }),
    columns: () => {
      const edits = parts.flatMap(({ path, column }): ColumnEdit[] => (column === undefined ? [] : [{ edit: 'set', path, value: column }]))
      return edits.length < parts.length ? undefined : { step: 'edit', edits }
    },
  }
}

export const map: StageDeclaration = defineStage({
  type: 'map',
  summary: 'Make a new event out of expressions',
  config: CONFIG,
  examples: [
    {
      title: 'A new event of two fields',
      config: { flight: 'event.id', hours: 'event.delay / 60' },
      input: [{ id: 'A1', delay: 90, gate: 7 }],
      output: [{ flight: 'A1', hours: 1.5 }],
    },
    { title: 'One more field', config: { merge: true, fields: { hours: 'event.delay / 60' } }, input: [{ id: 'A1', delay: 90 }], output: [{ id: 'A1', delay: 90, hours: 1.5 }] },
    {
      title: 'Fields inside of fields, and a list',
      config: { user: { id: 'event.user_id', tags: ['event.role', '"checked"'] }, total: 'event.price * event.count' },
      input: [{ user_id: 7, role: 'admin', price: 2.5, count: 2 }],
      output: [{ user: { id: 7, tags: ['admin', 'checked'] }, total: 5 }],
    },
  ],
  origins: (config, path) => {
    const { merge, fields } = config as { readonly merge?: unknown; readonly fields?: unknown }
    if (typeof merge !== 'boolean') return replacedBy(config as Fields, path) // As in create; so for the fields.
    return merge ? setTo(fields as Fields, path) : replacedBy(fields as Fields, path)
  },
  create: config => {
    const options = config as { readonly merge?: unknown; readonly fields?: unknown }
    // A field that happens to be called `merge` is an expression; only the options hold a bool there.
    if (typeof options.merge !== 'boolean') {
      const fields = config as Fields
      refuseSlip(fields)
      return replacing(fields)
    }
    const fields = options.fields as Fields
    return options.merge ? settingFields(fields) : replacing(fields)
  },
}) as StageDeclaration // A stage of one config is a stage.

/** `merge: true` beside anything but `fields` is a slip: the fields would be taken for those of a new event, and `merge` for one of them. */
function refuseSlip(fields: Fields): void {
  const { merge } = fields
  if (merge === undefined || !isExpression(merge) || !/^\s*(?:true|false)\s*$/.test(merge.expression.source)) return
  throw new SluiceError('CONFIG_VALUE', 'map: with "merge" the fields stand under "fields": { merge: true, fields: { ... } }. For a field of that name that is always true or false, use that form too.')
}
