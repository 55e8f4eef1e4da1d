import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../base/index.ts'
import { UsageError, describeError, exitCodeOf } from './failure.ts'
import { paint } from './paint.ts'

const plain = paint(false)

test('an error tells what happened, where, why and what to do', () => {
  const error = new SluiceError('FILE_MISSING', '/srv/flights.ndjson is not there.', { place: 'flights', cause: new Error('ENOENT: no such file') })
  assert.equal(describeError(error, plain), [
    'error FILE_MISSING  /srv/flights.ndjson is not there.',
    '  where  flights',
    '  cause  ENOENT: no such file',
    '  cure   Check the path; it is resolved against the folder of the pipeline.',
    '',
  ].join('\n'))
})

test('a slip on the command line comes with what may have been meant', () => {
  const text = describeError(new UsageError('CLI_UNKNOWN_COMMAND', 'There is no command "rnu".', 'Did you mean "run"?'), plain)
  assert.match(text, /^ {2}hint {3}Did you mean "run"\?$/m)
})

test('only a fault of Sluice itself shows a stack', () => {
  assert.doesNotMatch(describeError(new SluiceError('FILE_READ', 'no'), plain), /stack|failure\.test/)
  assert.match(describeError(new TypeError('x is not a function'), plain), /error INTERNAL {2}x is not a function\n[^]*stack {2}at /)
})

test('an error that crossed a thread keeps its code', () => {
  const error = Object.assign(new Error('The worker ended.'), { code: 'WORKER_CRASHED' })
  assert.match(describeError(error, plain), /^error WORKER_CRASHED {2}The worker ended\./)
})

test('wrong use and wrong config exit with 2, a failed run with 1', () => {
  assert.equal(exitCodeOf(new UsageError('CLI_USAGE', '')), 2)
  assert.equal(exitCodeOf(new SluiceError('CONFIG_SYNTAX', '')), 2)
  assert.equal(exitCodeOf(new SluiceError('PLAN_CYCLE', '')), 2)
  assert.equal(exitCodeOf(new SluiceError('FILE_MISSING', '')), 1)
  assert.equal(exitCodeOf(new TypeError('')), 1)
  assert.equal(exitCodeOf('text'), 1)
})
