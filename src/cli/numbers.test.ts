import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockTime, count, counted, short } from './numbers.ts'

test('thousands are set apart', () => {
  assert.deepEqual([0, 7, 999, 1000, 1234567, 1000000, 1234.5].map(count), ['0', '7', '999', '1,000', '1,234,567', '1,000,000', '1,234.5'])
})

test('one is not many', () => {
  assert.deepEqual([counted(0, 'event'), counted(1, 'event'), counted(1200, 'event')], ['0 events', '1 event', '1,200 events'])
  assert.equal(counted(2, 'entry', 'entries'), '2 entries')
})

test('short numbers have three digits that count', () => {
  assert.deepEqual([0, 1.24, 12.4, 999, 999.6, 1000, 9994, 9996, 12345, 99960, 123456, 999600, 1234567, 4.2e10].map(short), [
    '0', '1.2', '12', '999', '1.00k', '1.00k', '9.99k', '10.0k', '12.3k', '100k', '123k', '1.00M', '1.23M', '42.0G',
  ])
})

test('times are written as on a clock', () => {
  assert.deepEqual([0, 7.4, 83, 4000].map(clockTime), ['0:00', '0:07', '1:23', '1:06:40'])
})
