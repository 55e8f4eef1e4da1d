/** `split` and `flatten`: changes of an event's shape. */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { setRaw } from '../event/index.ts'
import type { Event, JsonValue } from '../event/index.ts'
import { each } from './each.ts'
import { kindOf, parsePath, rawField } from './paths.ts'
import { firstOf, rawParts } from './raw-parts.ts'

/** Most characters that may become of one event. */
const GROWTH_MAX = 64 * 1024 * 1024

function kindOfText(raw: string | undefined): string {
  return kindOf(raw === undefined ? undefined : (JSON.parse(raw) as JsonValue)) // JSON text parses to JSON.
}

function tooLarge(what: string): never {
  throw new SluiceError('FIELD_TYPE', `${what} would become more than ${GROWTH_MAX} characters.`)
}

/** What stands before and behind the value at a path. No text of JSON holds the character that marks the place. */
function around(event: Event, path: readonly string[]): readonly [string, string] {
  const [before = '', behind = ''] = (setRaw(event.text, path, '\0') ?? '').split('\0')
  return [before, behind]
}

function withText(event: Event, text: string): Event {
  const part = event.copy()
  part.edit(text)
  return part
}

export const split: StageDeclaration = defineStage({
  type: 'split',
  summary: 'Make an event of each item of a list',
  description: 'Without `field` the event itself must be a list. With `keep: true` each part is the whole event, with the item in the place of the list; otherwise it is the item alone. Fields and items keep their bytes. An empty list leaves nothing.',
  config: field.object({
    field: field.optional(field.string({ description: 'Path of the list' })),
    keep: field.boolean({ default: false, description: 'Keep the other fields' }),
    items_max: field.integer({ default: 100_000, minimum: 1, description: 'Most items; an event with more is rejected' }),
  }),
  shorthand: 'field',
  examples: [{ title: 'The items of an order', config: { field: 'items', keep: true }, input: [{ id: 1, items: ['a', 'b'] }], output: [{ id: 1, items: 'a' }, { id: 1, items: 'b' }] }],
  // The items lie where the list lay, or are the events.
  origins: ({ field: name, keep }, path) => (keep || name === undefined ? [path] : [[...parsePath(name), ...path]]),
  create: ({ field: name, keep, items_max }) => {
    const path = name === undefined ? [] : parsePath(name)
    return {
      process: each((event, out) => {
        const raw = path.length === 0 ? event.text : rawField(event, path)
        const list = raw !== undefined && firstOf(raw) === '[' ? rawParts(raw) : undefined
        if (raw === undefined || list === undefined) throw new SluiceError('FIELD_TYPE', `split: ${name ?? 'the event'} is ${kindOfText(raw)}, not a list.`)
        if (list.length > items_max) throw new SluiceError('FIELD_TYPE', `split: ${name ?? 'the event'} has ${list.length} items; ${items_max} are the most.`)
        const [before, behind] = keep && path.length > 0 ? around(event, path) : ['', '']
        if ((before.length + behind.length) * list.length + raw.length > GROWTH_MAX) tooLarge(`split: ${name ?? 'the event'}`)
        out.split(event, list.map(item => withText(event, before + item.raw + behind)))
      }),
    }
  },
}) as StageDeclaration // A stage of one config is a stage; so for the others.

/** Adds the leaves of a value, each with its bytes; answers how many characters they have. */
function flat(raw: string, name: string, separator: string, depth: number, result: Map<string, string>): number {
  const parts = depth === 0 ? undefined : rawParts(raw)
  if (parts === undefined || parts.length === 0) {
    if (result.has(name)) throw new SluiceError('FIELD_TYPE', `flatten: two fields become ${JSON.stringify(name.slice(0, 100))}.`)
    result.set(name, raw)
    return name.length + raw.length
  }
  let grown = 0
  for (const part of parts) {
    grown += flat(part.raw, name + separator + part.name, separator, depth - 1, result)
    if (grown > GROWTH_MAX) tooLarge('flatten: the event')
  }
  return grown
}

export const flatten: StageDeclaration = defineStage({
  type: 'flatten',
  summary: 'Turn nested objects and lists into one object with long names',
  description: 'Values keep their bytes; empty objects and lists stay as they are. An event of which two fields would get one name is rejected.',
  config: field.object({
    separator: field.string({ default: '.', minLength: 1, description: 'Between the parts of a name' }),
    depth: field.integer({ default: 16, minimum: 1, maximum: 64, description: 'Levels to flatten; deeper ones stay as they are' }),
  }),
  examples: [{ title: 'Two levels', config: {}, input: [{ a: { b: 1, c: [2, 3] } }], output: [{ 'a.b': 1, 'a.c.0': 2, 'a.c.1': 3 }] }],
  origins: ({ separator }, [name = '', ...rest]) => {
    const parts = [...name.split(separator), ...rest]
    // Items of lists have numbers for names; where a path goes through a list it names none.
    return [parts, parts.filter(part => !/^\d+$/.test(part)), [name, ...rest]]
  },
  create: ({ separator, depth }) => ({
    process: each((event, out) => {
      const fields = firstOf(event.text) === '{' ? rawParts(event.text) : undefined
      if (fields === undefined) throw new SluiceError('FIELD_TYPE', `flatten: the event is ${kindOfText(event.text)}, not an object.`)
      const result = new Map<string, string>()
      let grown = 0
      for (const { name, raw } of fields) {
        grown += flat(raw, name, separator, depth, result)
        if (grown > GROWTH_MAX) tooLarge('flatten: the event')
      }
      event.edit(`{${[...result].map(([name, raw]) => `${JSON.stringify(name)}:${raw}`).join(',')}}`)
      out.emit(event)
    }),
  }),
}) as StageDeclaration
