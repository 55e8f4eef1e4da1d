import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRORS } from '../../base/index.ts'
import { runProgram } from '../program.ts'
import { stubIo } from '../testing.ts'

test('a code is explained with why, cure and whether trying again helps', async () => {
  const io = stubIo()
  assert.equal(await runProgram(['explain', 'timed_out'], io, ''), 0)
  assert.equal(io.stdout.text, [
    'TIMED_OUT',
    '  A call took longer than its deadline.',
    '',
    '  why    The other side is slow, overloaded or gone.',
    '  cure   Check the other side; raise the deadline if it is merely slow.',
    '  again  The same call may succeed later; Sluice tries it again.',
    '',
  ].join('\n'))
})

test('without a code all of them are listed', async () => {
  const io = stubIo()
  await runProgram(['explain'], io, '')
  assert.equal(io.stdout.text.trimEnd().split('\n').length, Object.keys(ERRORS).length)
})

test('a code that does not exist is answered with the nearest one', async () => {
  const io = stubIo()
  assert.equal(await runProgram(['explain', 'FILE_MISING'], io, ''), 2)
  assert.match(io.stderr.text, /There is no error code "FILE_MISING"\.\n {2}hint {3}Did you mean FILE_MISSING\?/)
  assert.equal(io.stdout.text, '')
})
