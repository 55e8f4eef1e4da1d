import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../base/index.ts'
import { SimulatedClock } from '../platform/index.ts'
import { Troubles } from './troubles.ts'

const failing = (attempts: number, message = 'gone') => ({ attempts, code: 'HTTP_FAILED', message })

function bench() {
  const clock = new SimulatedClock()
  return { clock, troubles: new Troubles(clock, () => undefined) }
}

test('what fails on workers is one trouble, as old as the oldest, with the attempts of all', async () => {
  const { clock, troubles } = bench()
  troubles.heard(0, { id: 'ask', work: '', failing: failing(1, 'first') })
  await clock.advance(1000)
  troubles.heard(1, { id: 'ask', work: '', failing: failing(1, 'second') })
  await clock.advance(2000)
  troubles.heard(0, { id: 'ask', work: '', failing: failing(5, 'first again') })
  assert.deepEqual(troubles.figures('ask'), { seconds: 3, attempts: 6, code: 'HTTP_FAILED', message: 'first again' })
  assert.equal(troubles.figures('other'), undefined)
})

test('a component that works on one worker is in no trouble, as long as it is work of the same kind', () => {
  const { troubles } = bench()
  troubles.heard(0, { id: 'ask', work: 'server', failing: failing(3) })
  troubles.heard(1, { id: 'ask', work: '', failing: undefined })
  assert.equal(troubles.figures('ask')?.attempts, 3)
  troubles.heard(1, { id: 'ask', work: 'server', failing: undefined })
  assert.equal(troubles.figures('ask'), undefined)
})

test('what a worker said is forgotten with it, and with the component', () => {
  const { troubles } = bench()
  troubles.heard(0, { id: 'ask', work: '', failing: failing(3) })
  troubles.heard(1, { id: 'ask', work: '', failing: failing(4) })
  troubles.ended(0)
  assert.equal(troubles.figures('ask')?.attempts, 4)
  troubles.forget('ask')
  assert.equal(troubles.figures('ask'), undefined)
})

test('what fails on this thread itself is told as it is', () => {
  const { troubles } = bench()
  troubles.of('out').failed(new SluiceError('HTTP_FAILED', 'gone'))
  assert.deepEqual(troubles.figures('out'), { seconds: 0, ...failing(1) })
})
