/**
 * Parses a text field into fields: JSON, CSV, logfmt, a regular expression with named groups, web server logs, syslog.
 *
 * The result replaces the event, or is put at `as`, or its fields are set beside the others (`merge: true`). A text that does not have the form rejects the event.
 */
import { SluiceError } from '../base/index.ts'
import { defineStage, field } from '../engine/index.ts'
import type { StageDeclaration } from '../engine/index.ts'
import { each } from './each.ts'
import { overlap } from './origins.ts'
import { jsonText, makeParser } from './parsers.ts'
import { isObject, kindOf, parsePath, setField, valueAt } from './paths.ts'

const CONFIG = field.object({
  format: field.choice(['json', 'csv', 'logfmt', 'regex', 'common_log', 'combined_log', 'syslog'], { description: 'Form of the text' }),
  field: field.string({ default: 'line', description: 'Path of the text' }),
  as: field.optional(field.string({ description: 'Path that takes the result' })),
  merge: field.boolean({ default: false, description: 'Set the result\'s fields beside the others' }),
  pattern: field.optional(field.string({ description: 'Regular expression (RE2) with named groups, for `regex`' })),
  columns: field.list(field.string(), { default: [], description: 'Names of the columns, for `csv`' }),
  delimiter: field.string({ default: ',', description: 'Between the columns, for `csv`' }),
})

export const parse: StageDeclaration = defineStage({
  type: 'parse',
  summary: 'Parse a text into fields',
  config: CONFIG,
  examples: [
    {
      title: 'A line of a web server\'s log',
      config: { format: 'common_log' },
      input: [{ line: '127.0.0.1 - ana [10/Oct/2026:13:55:36 +0000] "GET /a HTTP/1.1" 200 2326' }],
      output: [{ host: '127.0.0.1', user: 'ana', time: '2026-10-10T13:55:36.000Z', method: 'GET', path: '/a', protocol: 'HTTP/1.1', status: 200, bytes: 2326 }],
    },
    { title: 'Key and value pairs', config: { format: 'logfmt', field: 'msg', as: 'kv' }, input: [{ msg: 'level=info took=3' }], output: [{ msg: 'level=info took=3', kv: { level: 'info', took: '3' } }] },
  ],
  origins: ({ field, as, merge }, path) => {
    if (merge) return [parsePath(field), path]
    if (as === undefined) return [parsePath(field)]
    return overlap(parsePath(as), path) ? [parsePath(field), path] : [path]
  },
  create: config => {
    const path = parsePath(config.field)
    const target = config.as === undefined ? undefined : parsePath(config.as)
    const parser = makeParser(config)
    return {
      process: each((event, out) => {
        const text = valueAt(event.value, path)
        if (typeof text !== 'string') throw new SluiceError('FIELD_TYPE', `parse: ${config.field} is ${kindOf(text)}, not a text.`)
        if (config.format === 'json' && !config.merge) {
          // Text stays text, so that its numbers keep all their digits.
          const raw = jsonText(text)
          if (target === undefined) event.edit(raw)
          else setField(event, target, raw)
          return out.emit(event)
        }
        const made = parser(text)
        if (target !== undefined) setField(event, target, JSON.stringify(made))
        else if (!config.merge) event.replace(made)
        else if (isObject(made)) for (const [name, value] of Object.entries(made)) setField(event, [name], JSON.stringify(value ?? null))
        else throw new SluiceError('PARSE_FAILED', 'parse: only an object can be merged.')
        out.emit(event)
      }),
    }
  },
}) as StageDeclaration // A stage of one config is a stage.

