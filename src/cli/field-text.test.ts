import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field } from '../engine/index.ts'
import { fieldRows, kindText } from './field-text.ts'

test('each kind of field has its words', () => {
  const kinds = [
    field.string(), field.integer(), field.choice(['a', 'b']), field.list(field.string()), field.record(field.expression()), field.duration(), field.size(),
    field.either([field.string(), field.list(field.string())]), field.either([field.string(), field.string()]), field.anything(), field.schema(), field.object({ a: field.string() }),
  ]
  assert.deepEqual(kinds.map(kindText), [
    'string', 'integer', 'a | b', 'list of string', 'map of expression', 'duration such as 10s', 'size such as 64MiB', 'string or list of string', 'string', 'any value',
    'JSON Schema or its path', 'object',
  ])
})

test('rows open groups and tell what must be given', () => {
  const rows = fieldRows(field.object({
    path: field.path({ description: 'Where' }),
    cache: field.object({ entries: field.integer({ default: 10 }) }),
    note: field.optional(field.string()),
  }))
  assert.deepEqual(rows.map(({ name, needed, description }) => [name, needed, description]), [
    ['path', 'required', 'Where'], ['cache', 'optional', ''], ['cache.entries', 'default 10', ''], ['note', 'optional', ''],
  ])
})
