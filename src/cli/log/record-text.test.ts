import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatterOf } from './record-text.ts'
import type { LogRecord } from './record-text.ts'

const record: LogRecord = { offset: 7n, timestamp: 1_767_225_600_000, key: Buffer.from('k'), value: Buffer.from('{"n":1}'), headers: [['h', Buffer.from('x')], ['none', null]] }
const shown = (format: string, of: LogRecord = record): string => Buffer.concat(formatterOf(format)('t', 2, of)).toString()

test('a record is printed as its value, as JSON, or by a template', () => {
  assert.equal(shown('value'), '{"n":1}\n')
  assert.equal(shown('%t %p %o %T %k=%s [%h] 100%%\\n'), 't 2 7 1767225600000 k={"n":1} [h=x,none=NULL] 100%\n')
  assert.deepEqual(JSON.parse(shown('json')), { topic: 't', partition: 2, offset: 7, timestamp: '2026-01-01T00:00:00.000Z', key: 'k', value: { n: 1 }, headers: [{ name: 'h', value: 'x' }, { name: 'none', value: null }] })
})

test('what is no JSON is text, what is no text is base64, and what is not there is null', () => {
  assert.deepEqual(JSON.parse(shown('json', { ...record, key: null, value: Buffer.from('plain'), headers: [] })), { topic: 't', partition: 2, offset: 7, timestamp: '2026-01-01T00:00:00.000Z', key: null, value: 'plain' })
  assert.deepEqual(JSON.parse(shown('json', { ...record, key: Buffer.from([0xff]), value: null, headers: [] })), { topic: 't', partition: 2, offset: 7, timestamp: '2026-01-01T00:00:00.000Z', key_base64: '/w==', value: null })
})

test('a template without a field, or with one that means nothing, is refused', () => {
  assert.throws(() => formatterOf('jsn'), { code: 'CLI_USAGE' })
  assert.throws(() => formatterOf('%q'), { code: 'CLI_USAGE', message: /"%q" means nothing/ })
})
