/** `set`, `remove`, `rename`: changes of single fields. What they do not touch keeps its bytes. */
import { defineStage, field } from '../engine/index.ts'
import type { ColumnEdit, StageDeclaration } from '../engine/index.ts'
import { SluiceError } from '../base/index.ts'
import { each } from './each.ts'
import { settingFields } from './map.ts'
import { VALUE } from './nested.ts'
import { renamedFrom, sameFields, setTo } from './origins.ts'
import { isObject, parsePath, removeField, renameField } from './paths.ts'
import type { Event } from '../event/index.ts'

function needObject(event: Event, stage: string): void {
  // Text is not parsed for this.
  if (event.isText ? !/^[ \t\r\n]*\{/.test(event.text) : !isObject(event.value)) throw new SluiceError('FIELD_TYPE', `${stage} needs an object; the event is ${JSON.stringify(event.value).slice(0, 80)}`)
}

export const set: StageDeclaration = defineStage({
  type: 'set',
  summary: 'Set fields to the values of expressions',
  config: field.record(VALUE, { description: 'Path of each field, with the expression that makes its value, or a map or list of expressions; all see the event as it was' }),
  examples: [{ title: 'Set one field', config: { 'loc.country': '"DE"' }, input: [{ id: 1, loc: { city: 'Bonn' } }], output: [{ id: 1, loc: { city: 'Bonn', country: 'DE' } }] }],
  origins: setTo,
  create: config => settingFields(config),
}) as StageDeclaration // A stage of one config is a stage; so for the others.

export const remove: StageDeclaration = defineStage({
  type: 'remove',
  summary: 'Remove fields',
  config: field.object({ fields: field.list(field.string(), { minItems: 1, description: 'Paths of the fields; a missing one is no error' }) }),
  shorthand: 'fields',
  examples: [{ title: 'Remove two fields', config: ['password', 'card.number'], input: [{ id: 1, password: 'x', card: { number: 4, name: 'A' } }], output: [{ id: 1, card: { name: 'A' } }] }],
  origins: sameFields,
  create: ({ fields }) => {
    const paths = fields.map(parsePath)
    return {
      process: each((event, out) => {
        needObject(event, 'remove')
        for (const path of paths) removeField(event, path)
        out.emit(event)
      }),
      columns: () => ({ step: 'edit', edits: paths.map((path): ColumnEdit => ({ edit: 'remove', path })) }),
    }
  },
}) as StageDeclaration

export const rename: StageDeclaration = defineStage({
  type: 'rename',
  summary: 'Give fields other names, in their places',
  config: field.record(field.string(), { description: 'Path of each field, with its new name (the last part of the path only)' }),
  examples: [{ title: 'A shorter name', config: { temperature: 'temp' }, input: [{ id: 1, temperature: 20 }], output: [{ id: 1, temp: 20 }] }],
  origins: renamedFrom,
  create: config => {
    // A field that keeps its name is left alone.
    const renames = Object.entries(config).map(([from, key]) => ({ path: parsePath(from), key })).filter(({ path, key }) => path.at(-1) !== key)
    // One after the other they would lose a value: a to b, then b to a.
    const concerned = renames.flatMap(({ path, key }) => [path, [...path.slice(0, -1), key]].map(one => JSON.stringify(one)))
    if (new Set(concerned).size < concerned.length) throw new SluiceError('CONFIG_VALUE', 'rename: two renames concern one field, by its old or its new name. Use a second stage, or `set` to exchange two fields.')
    return {
      process: each((event, out) => {
        needObject(event, 'rename')
        for (const { path, key } of renames) renameField(event, path, key)
        out.emit(event)
      }),
      columns: () => ({ step: 'edit', edits: renames.map(({ path, key }): ColumnEdit => ({ edit: 'rename', path, key })) }),
    }
  },
}) as StageDeclaration
