/**
 * Makes a new event out of expressions.
 *
 * Bare fields replace the event by an object of these fields, in this order. A field whose expression is a plain path (`event.a.b`) keeps that field's bytes; others are
 * written as JSON.stringify writes them. With `merge: true` and `fields` the fields are set on the event instead; all of them see the event as it was.
 */
import { defineStage, field } from '../engine/index.ts'
import type { ColumnEdit, ColumnValue, CompiledExpression, Stage, StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { parsePath, setField } from './paths.ts'
import { jsonOf } from './values.ts'

const FIELDS = field.record(field.expression(), { description: 'Name of each field, with the expression that makes it' })
const CONFIG = field.either([
  field.object({ merge: field.boolean({ description: 'Set the fields on the event instead of making a new one' }), fields: FIELDS }),
  FIELDS,
])

type Fields = Readonly<Record<string, CompiledExpression>>

function replacing(fields: Fields): Stage {
  const parts = Object.entries(fields).map(([name, expression], at) => ({ start: `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`, value: jsonOf(expression) }))
  return {
    process: each((event, out) => {
      let text = parts.length === 0 ? '{' : ''
      for (const { start, value } of parts) text += start + value(event)
      event.edit(`${text}}`)
      out.emit(event)
    }),
    columns: () => ({ step: 'object', fields: Object.entries(fields).map(([name, expression]): readonly [string, ColumnValue] => [name, { value: 'expression', expression }]) }),
  }
}

/** Sets fields on events; shared with `set`. */
export function settingFields(fields: Fields): Stage {
  const parts = Object.entries(fields).map(([name, expression]) => ({ path: parsePath(name), value: jsonOf(expression), expression }))
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
    columns: () => ({ step: 'edit', edits: parts.map(({ path, expression }): ColumnEdit => ({ edit: 'set', path, value: { value: 'expression', expression } })) }),
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
  ],
  create: config => {
    const options = config as { readonly merge?: unknown; readonly fields?: unknown }
    // A field that happens to be called `merge` is an expression; only the options hold a bool there.
    if (typeof options.merge !== 'boolean') return replacing(config as Fields)
    const fields = options.fields as Fields
    return options.merge ? settingFields(fields) : replacing(fields)
  },
}) as StageDeclaration // A stage of one config is a stage.
