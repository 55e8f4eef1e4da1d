/**
 * Hides texts.
 *
 * `redact`: the whole text becomes `fill`. `hash`: HMAC-SHA-256 with `key`, as hex; equal texts stay equal. `keep_last: n` and `keep_first: n` keep that many
 * characters, the rest becomes `fill`. `email` keeps the first character and what begins at the `@`: `a***@example.com`.
 * A text of at most as many characters as are kept is hidden whole. Numbers, true and false are hidden as they are written, and become texts. A missing field and null
 * are left alone: there is nothing to hide. An object or a list rejects the event.
 */
import { createHmac } from 'node:crypto'
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { ColumnEdit, StageDeclaration } from '../engine/index.ts'
import type { JsonValue } from '../event/index.ts'
import { each } from './each.ts'
import { sameFields } from './origins.ts'
import { kindOf, parsePath, rawField, setField } from './paths.ts'

const CONFIG = field.object({
  fields: field.either([field.string(), field.list(field.string(), { minItems: 1 })], { description: 'Path of the field, or paths of several' }),
  how: field.choice(['redact', 'hash', 'keep_last', 'keep_first', 'email'], { default: 'redact', description: 'What to do with the text' }),
  keep: field.integer({ default: 4, minimum: 0, maximum: 1000, description: 'Characters that keep_last and keep_first keep' }),
  fill: field.string({ default: '***', description: 'What stands for what is hidden' }),
  key: field.optional(field.secret({ description: 'Secret key of `hash`' })),
})

/** Code points of a text kept at both ends, as the columns' mask does it. */
function cut(text: string, first: number, last: number, from: string | undefined, fill: string): string {
  const letters = [...text]
  if (letters.length <= first + last) return fill
  const at = from === undefined ? letters.length - last : letters.indexOf(from, first)
  return letters.slice(0, first).join('') + fill + (at < 0 ? '' : letters.slice(at).join(''))
}

export const mask: StageDeclaration = defineStage({
  type: 'mask',
  summary: 'Hide texts: redact, hash, or keep a part',
  description:
    'Numbers, `true` and `false` are masked as they are written in the event (`4111111111111111` becomes `"***1111"`), so the result is always a text. A missing field stays missing and `null` stays `null`. ' +
    'An object or a list can\'t be masked: name the fields inside of it. One field that can\'t be masked rejects the event, of which then nothing is masked.',
  config: CONFIG,
  examples: [
    { title: 'An e-mail address', config: { fields: 'email', how: 'email' }, input: [{ email: 'ana@example.com' }], output: [{ email: 'a***@example.com' }] },
    { title: 'The last four digits', config: { fields: ['card'], how: 'keep_last' }, input: [{ card: '4111111111111111' }], output: [{ card: '***1111' }] },
    { title: 'A number becomes a text, null stays null', config: { fields: ['pin', 'phone'] }, input: [{ pin: 4711, phone: null }], output: [{ pin: '***', phone: null }] },
  ],
  hides: ({ fields }) => (typeof fields === 'string' ? [fields] : fields).map(parsePath),
  origins: sameFields,
  create: ({ fields, how, keep, fill, key }) => {
    if (how === 'hash' && key === undefined) throw new SluiceError('CONFIG_VALUE', 'mask: "hash" needs a "key".')
    // A path that stands twice is one field, masked once.
    const paths = [...new Map((typeof fields === 'string' ? [fields] : fields).map(path => [JSON.stringify(parsePath(path)), parsePath(path)])).values()]
    const first = how === 'keep_first' ? keep : how === 'email' ? 1 : 0
    const last = how === 'keep_last' ? keep : 0
    const from = how === 'email' ? '@' : undefined
    const hide = (text: string): string => {
      if (how === 'hash') return createHmac('sha256', key ?? '').update(text).digest('hex')
      return how === 'redact' ? fill : cut(text, first, last, from, fill)
    }
    return {
      process: each((event, out) => {
        // All of them or none: what `on_error: pass` lets through must not be masked by half.
        const masked = paths.flatMap(path => {
          const raw = rawField(event, path)
          if (raw === undefined) return []
          const value = JSON.parse(raw) as JsonValue // The field's own JSON text.
          if (value === null) return []
          if (typeof value === 'object') throw new SluiceError('FIELD_TYPE', `mask: ${path.join('.')} is ${kindOf(value)}, which can't be masked. Name the fields inside of it.`)
          return [{ path, raw: JSON.stringify(hide(typeof value === 'string' ? value : raw)) }]
        })
        for (const { path, raw } of masked) setField(event, path, raw)
        out.emit(event)
      }),
      columns: () => {
        if (how === 'hash' || how === 'redact') return undefined
        const edits = paths.map((path): ColumnEdit => ({ edit: 'set', path, value: { value: 'mask', path, fill, first, ...(from === undefined ? { last } : { from }) } }))
        return { step: 'edit', edits }
      },
    }
  },
}) as StageDeclaration // A stage of one config is a stage.
