/** `split` and `flatten`: changes of an event's shape. */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import { each } from './each.ts'
import { define, isObject, kindOf, parsePath, valueAt, withValue } from './paths.ts'

export const split: StageDeclaration = defineStage({
  type: 'split',
  summary: 'Make an event of each item of a list',
  description: 'Without `field` the event itself must be a list. With `keep: true` each part is the whole event, with the item in the place of the list; otherwise it is the item alone. An empty list leaves nothing.',
  config: field.object({
    field: field.optional(field.string({ description: 'Path of the list' })),
    keep: field.boolean({ default: false, description: 'Keep the other fields' }),
    items_max: field.integer({ default: 100_000, minimum: 1, description: 'Most items; an event with more is rejected' }),
  }),
  shorthand: 'field',
  examples: [{ title: 'The items of an order', config: { field: 'items', keep: true }, input: [{ id: 1, items: ['a', 'b'] }], output: [{ id: 1, items: 'a' }, { id: 1, items: 'b' }] }],
  create: ({ field: name, keep, items_max }) => {
    const path = name === undefined ? [] : parsePath(name)
    return {
      process: each((event, out) => {
        const { value } = event
        const items = valueAt(value, path)
        if (!Array.isArray(items)) throw new SluiceError('FIELD_TYPE', `split: ${name ?? 'the event'} is ${kindOf(items)}, not a list.`)
        const list = items as readonly JsonValue[] // An array of JSON.
        if (list.length > items_max) throw new SluiceError('FIELD_TYPE', `split: ${name ?? 'the event'} has ${list.length} items; ${items_max} are the most.`)
        out.split(event, list.map(item => event.derive(keep && path.length > 0 ? (withValue(value, path, item) ?? item) : item)))
      }),
    }
  },
}) as StageDeclaration // A stage of one config is a stage; so for the others.

function flat(value: JsonValue, prefix: string, separator: string, depth: number, result: Record<string, JsonValue>): void {
  const entries: [string, JsonValue | undefined][] | undefined = isObject(value) ? Object.entries(value) : Array.isArray(value) ? value.map((item: JsonValue, at): [string, JsonValue] => [String(at), item]) : undefined
  if (entries === undefined || entries.length === 0 || depth === 0) return define(result, prefix, value)
  for (const [name, item] of entries) flat(item ?? null, prefix === '' ? name : prefix + separator + name, separator, depth - 1, result)
}

export const flatten: StageDeclaration = defineStage({
  type: 'flatten',
  summary: 'Turn nested objects and lists into one object with long names',
  config: field.object({
    separator: field.string({ default: '.', minLength: 1, description: 'Between the parts of a name' }),
    depth: field.integer({ default: 16, minimum: 1, maximum: 64, description: 'Levels to flatten; deeper ones stay as they are' }),
  }),
  examples: [{ title: 'Two levels', config: {}, input: [{ a: { b: 1, c: [2, 3] } }], output: [{ 'a.b': 1, 'a.c.0': 2, 'a.c.1': 3 }] }],
  create: ({ separator, depth }) => ({
    process: each((event, out) => {
      const { value } = event
      if (!isObject(value)) throw new SluiceError('FIELD_TYPE', `flatten: the event is ${kindOf(value)}, not an object.`)
      const result: Record<string, JsonValue> = {}
      for (const [name, item] of Object.entries(value)) flat(item ?? null, name, separator, depth, result)
      event.replace(result)
      out.emit(event)
    }),
  }),
}) as StageDeclaration
