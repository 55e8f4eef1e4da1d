import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { encodeCsv, parseRecord } from './csv.ts'

const field = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('', 'a,b', 'say "hi"', 'two\nlines', 'é😀', ' padded ', "it's"))
const options = { delimiter: ',', quote: '"' }

test('what is written reads back, with this reader and with another one', () => {
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 6 }).filter(fields => fields.length > 1 || fields[0] !== ''), fields => {
      const columns = fields.map((_, at) => `c${at}`)
      const text = encodeCsv(Object.fromEntries(fields.map((value, at) => [`c${at}`, value])), columns, options)
      assert.deepEqual(parseRecord(text, 0, options).fields, fields)
      assert.deepEqual(parse(text, { relax_column_count: true }), [fields])
    }),
    { numRuns: 500 },
  )
})

test('records of other writers are read as another reader reads them', () => {
  for (const text of ['a,b,c\n', 'a,,\n', '"a","b ""c""",d\r\n', ',\n', '"x\ny",z\n', 'a b , c\n']) {
    assert.deepEqual([parseRecord(text, 0, options).fields], parse(text), text)
  }
})

test('a quoted field that is not closed, or goes on behind its quote, is told', () => {
  assert.throws(() => parseRecord('"a', 0, options), { code: 'CSV_SYNTAX' })
  assert.throws(() => parseRecord('"a"b,c', 0, options), { code: 'CSV_SYNTAX' })
})
