import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../../base/index.ts'
import { SimulatedClock, seededRandom } from '../../platform/index.ts'
import { testContext } from '../testing.ts'
import { Notifier } from './notifier.ts'
import { noticeOf } from './notice.ts'
import type { Notice, Written } from './notice.ts'

const result = (n: number): Written => ({ key: `rows/${n}.ndjson`, events: n, bytes: 10, sha256: 'x', time: 0, input: [{ source: 'in', offset: n }] })

/** A notifier whose target says what `answer` does, and what the target was told. */
function notifier(answer: (notice: Notice, attempt: number) => Promise<void>, { pending = 10, deadline = 60_000, clock = new SimulatedClock(), keeps = true } = {}) {
  const told: string[] = []
  const warnings: string[] = []
  const stop = new AbortController()
  let attempts = 0
  const context = testContext({ now: () => clock.now(), sleep: (ms, signal) => clock.sleep(ms, signal ?? stop.signal), random: seededRandom(3), signal: stop.signal, keeps, warn: message => void warnings.push(message) })
  const target = {
    name: 'the target',
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
    async tell(notice: Notice): Promise<void> {
      await answer(notice, ++attempts)
      told.push((JSON.parse(notice.body) as { data: { key: string } }).data.key)
    },
  }
  return { told, warnings, clock, stop, subject: new Notifier(target, 'bucket', { pending, deadline }, context) }
}
const down = (): Promise<never> => Promise.reject(new SluiceError('HTTP_FAILED', 'It is down.'))
const isFailed = (error: unknown): boolean => error instanceof SluiceError && error.code === 'NOTIFY_FAILED' && error.stops && !error.retry

test('whatever fails in between, all are told in the order in which they were added', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 30 }), fc.array(fc.nat(3), { maxLength: 8 }), async (fails, groups) => {
    const { subject, told, clock } = notifier((_, attempt) => (fails[attempt] === true ? down() : Promise.resolve()), { deadline: 3_600_000 })
    const all: string[] = []
    for (const size of groups) {
      const results = Array.from({ length: size }, (_, n) => result(all.length + n))
      all.push(...results.map(({ key }) => key))
      subject.add(results)
      await clock.advance(100)
    }
    await clock.advance(1_200_000)
    assert.deepEqual(told, all)
    assert.deepEqual(subject.untold, [])
    await subject.close(true)
  }))
})

test('what could not be told is there for the next run, from the one that failed on', async () => {
  const { subject, told, clock, warnings } = notifier(({ body }) => (body.includes('rows/2') ? down() : Promise.resolve()))
  subject.add([1, 2, 3].map(result))
  await clock.advance(1000)
  assert.deepEqual(told, ['rows/1.ndjson'])
  assert.deepEqual(subject.untold, [result(2), result(3)])
  assert.match(warnings[0] ?? '', /^It is down\. 2 results are not told yet/)
  await subject.close(false)
})

test('a checkpoint waits for a target that is well, not for one that fails, and not long for a slow one', async () => {
  const slow = Promise.withResolvers<void>()
  const well = notifier(() => Promise.resolve())
  well.subject.add([result(1)])
  await well.subject.settle()
  assert.equal(well.told.length, 1)

  const broken = notifier(down)
  broken.subject.add([result(1)])
  await broken.subject.settle()
  assert.equal(broken.subject.untold.length, 1)

  const late = notifier(() => slow.promise)
  late.subject.add([result(1)])
  const settled = late.subject.settle()
  await late.clock.advance(5000)
  await settled
  assert.equal(late.subject.untold.length, 1)
  slow.resolve()
  for (const { subject } of [well, broken, late]) await subject.close(false)
})

test('who adds waits once too many are not told, and goes on when they are', async () => {
  let isDown = true
  const { subject, clock } = notifier(() => (isDown ? down() : Promise.resolve()), { pending: 2 })
  subject.add([1, 2].map(result))
  await subject.room()
  subject.add([result(3)])
  let hasRoom = false
  const room = subject.room().then(() => (hasRoom = true))
  await clock.advance(10_000)
  assert.equal(hasRoom, false)
  isDown = false
  await clock.advance(30_000)
  await room
  await subject.close(true)
})

test('after the deadline the run must end; a target that comes back later is told everything all the same', async () => {
  let isDown = true
  const { subject, clock, told } = notifier(() => (isDown ? down() : Promise.resolve()), { deadline: 60_000 })
  subject.add([1, 2].map(result))
  await clock.advance(59_000)
  await subject.room()
  await clock.advance(2000)
  await assert.rejects(subject.room(), isFailed)
  await assert.rejects(subject.told(), isFailed)
  isDown = false
  await clock.advance(60_000)
  assert.equal(told.length, 2)
  await subject.told()
  await subject.close(true)
})

test('a run that ends with results that nobody can be told of fails, and says whether the next one tells them', async () => {
  for (const keeps of [true, false]) {
    const { subject, clock } = notifier(down, { deadline: 1000, keeps })
    subject.add([result(1)])
    const closed = assert.rejects(subject.close(true), keeps ? /1 results could not be told to the target for 1 s\. The next run tells them/ : /Without a `state` nothing tells them again/)
    await clock.advance(120_000)
    await closed
  }
})

test('a stop ends every wait', async () => {
  const { subject, stop } = notifier(() => new Promise(() => undefined), { pending: 1 })
  subject.add([1, 2].map(result))
  const waits = [assert.rejects(subject.room(), { code: 'ABORTED' }), assert.rejects(subject.told(), { code: 'ABORTED' }), subject.settle()]
  stop.abort()
  await Promise.all(waits)
  assert.equal(subject.untold.length, 2)
})

test('a notice follows from its result alone, and others have other ids', () => {
  const one = noticeOf('bucket', result(1))
  assert.deepEqual(noticeOf('bucket', { ...result(1) }), one)
  const ids = [one, noticeOf('other', result(1)), noticeOf('bucket', result(2)), noticeOf('bucket', { ...result(1), input: [] })].map(({ id }) => id)
  assert.equal(new Set(ids).size, 4)
  assert.match(one.id, /^obj_[0-9a-f]{32}$/)
})

test('a notice names first and last offset where the records came from one partition, and the parts of the input always', () => {
  const partition = (n: number) => ({ source: 'in', topic: 't', partition: n, first: 10 * n, last: 10 * n + 9 })
  const data = (input: Written['input']): unknown => (JSON.parse(noticeOf('b', { ...result(1), input }).body) as { data: unknown }).data
  const rest = { bucket: 'b', key: 'rows/1.ndjson', records: 1, bytes: 10, sha256: 'x', time: '1970-01-01T00:00:00.000Z' }
  assert.deepEqual(data([partition(3)]), { ...rest, first_offset: 30, last_offset: 39, input: [partition(3)] })
  assert.deepEqual(data([partition(1), partition(2)]), { ...rest, input: [partition(1), partition(2)] })
})
