import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stubIo } from '../testing.ts'
import { openJournal } from './journal.ts'

test('people get lines, without what the command shows by itself', async () => {
  const io = stubIo()
  const journal = await openJournal(io, { level: 'info', format: 'pretty' })
  journal.tell({ level: 'info', kind: 'running', text: 'All parts are open.' })
  journal.tell({ level: 'warn', kind: 'message', place: 'in', text: 'late \u001b[2J' })
  journal.tell({ level: 'debug', kind: 'checkpoint', text: 'Checkpoint 1.' })
  journal.tell({ level: 'info', kind: 'message', text: 'Stopping.' })
  assert.equal(io.stderr.text, 'warning  in: late \\x1b[2J\nStopping.\n')
})

test('a machine gets one record a line, with the level by its name and the time', async () => {
  const io = stubIo()
  const journal = await openJournal(io, { level: 'debug', format: 'json' })
  journal.tell({ level: 'info', kind: 'running', pipeline: 'orders', text: 'All parts are open.', fields: { workers: 2, state: undefined } })
  journal.tell({ level: 'warn', kind: 'message', place: 'in', text: 'two\nlines "quoted" \u2028' })
  journal.tell({ level: 'trace', kind: 'retry_begun', text: 'left out' })
  const records = io.stderr.text.trimEnd().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(records.map(({ time, ...rest }) => [typeof time === 'string' && Number.isFinite(Date.parse(time)), rest]), [
    [true, { level: 'info', pipeline: 'orders', event: 'running', workers: 2, msg: 'All parts are open.' }],
    [true, { level: 'warn', event: 'message', place: 'in', msg: 'two\nlines "quoted" \u2028' }],
  ])
})

test('what was held back is told at the end', async () => {
  const io = stubIo()
  const journal = await openJournal(io, { level: 'info', format: 'pretty' })
  for (let at = 0; at < 4; at++) journal.tell({ level: 'warn', kind: 'dead_letters', place: 'check', text: '2 events to the dead letters: X', count: 2, key: 'X' })
  journal.close()
  assert.equal(io.stderr.text, 'warning  check: 2 events to the dead letters: X\nwarning  check: 2 events to the dead letters: X (... 6 more of these in the last 10 s)\n')
})
