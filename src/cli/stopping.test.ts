import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stopping } from './stopping.ts'
import { stubIo } from './testing.ts'

test('the first signal drains, the second stops at once, the third ends the process', () => {
  const io = stubIo()
  const said: string[] = []
  const stopping = new Stopping(io, text => said.push(text))
  assert.deepEqual([stopping.drain.aborted, stopping.now.aborted], [false, false])

  io.send('SIGTERM')
  assert.deepEqual([stopping.drain.aborted, stopping.now.aborted], [true, false])
  assert.match(said[0] ?? '', /^Stopping \(SIGTERM\): nothing more is read, what is under way is finished/)

  io.send('SIGINT')
  assert.deepEqual([stopping.drain.aborted, stopping.now.aborted], [true, true])
  assert.match(said[1] ?? '', /^Stopping at once/)
  assert.deepEqual(io.exits, [])

  io.send('SIGINT')
  assert.deepEqual(io.exits, [1])
})

test('after the run signals are not taken any more', () => {
  const io = stubIo()
  const stopping = new Stopping(io, () => assert.fail('nothing is said'))
  stopping.close()
  io.send('SIGINT')
  assert.equal(stopping.drain.aborted, false)
})
