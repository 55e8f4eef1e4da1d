import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../base/index.ts'
import { SimulatedClock } from '../platform/index.ts'
import { Trouble } from './trouble.ts'

const away = (): SluiceError => new SluiceError('HTTP_FAILED', 'http://example can\'t be reached')

function bench() {
  const clock = new SimulatedClock()
  const told: string[] = []
  return { clock, told, trouble: new Trouble('out', () => clock.monotonic(), ({ level, kind, place, text }) => told.push(`${level} ${kind} ${place}: ${text}`)) }
}

test('a trouble is told when it begins and when it is over, its attempts only to who traces them', async () => {
  const { clock, told, trouble } = bench()
  trouble.failed(away())
  await clock.advance(2500)
  trouble.failed(away())
  assert.deepEqual(trouble.figures, { seconds: 2.5, attempts: 2, code: 'HTTP_FAILED', message: 'http://example can\'t be reached' })
  trouble.worked()
  assert.equal(trouble.figures, undefined)
  assert.deepEqual(told, [
    'warn retry_begun out: http://example can\'t be reached. It is tried again.',
    'trace retry_begun out: is tried again after attempt 2: HTTP_FAILED',
    'info retry_ended out: works again, after 2 failed attempts in 2.5 s.',
  ])
})

test('what is refused for good is no trouble of the other side, and neither is a stop', () => {
  const { told, trouble } = bench()
  trouble.failed(new SluiceError('SINK_REJECTED', 'no'))
  trouble.failed(new SluiceError('ABORTED', 'stopped'))
  trouble.failed(new Error('a bug'))
  trouble.worked()
  assert.deepEqual(told, [])
})

test('an error that several calls fail by is one failed attempt', () => {
  const { trouble } = bench()
  const error = away()
  for (let call = 0; call < 3; call++) trouble.failed(error)
  trouble.failed(away())
  assert.equal(trouble.figures?.attempts, 2)
})

test('another thread is told of each failure, and once a second at most that work of this kind is well', async () => {
  const clock = new SimulatedClock()
  const said: string[] = []
  const trouble = new Trouble('ask', () => clock.monotonic(), () => undefined, ({ id, work, failing }) => said.push(`${id} ${work} ${failing === undefined ? 'well' : failing.attempts}`))
  for (let call = 0; call < 3; call++) trouble.worked('server')
  trouble.worked('disk')
  trouble.failed(away(), 'server')
  trouble.failed(away(), 'server')
  trouble.worked('disk')
  trouble.worked('server')
  trouble.worked('server')
  await clock.advance(1000)
  trouble.worked('server')
  assert.deepEqual(said, ['ask server well', 'ask disk well', 'ask server 1', 'ask server 2', 'ask server well', 'ask server well'])
})

test('a flush without anything to do does not end the trouble of writes', async () => {
  const { trouble } = bench()
  await assert.rejects(trouble.watch(() => Promise.reject(away()), 'write'), { code: 'HTTP_FAILED' })
  await trouble.watch(() => Promise.resolve(), 'flush')
  assert.equal(trouble.figures?.attempts, 1)
  await trouble.watch(() => Promise.resolve(), 'write')
  assert.equal(trouble.figures, undefined)
})
