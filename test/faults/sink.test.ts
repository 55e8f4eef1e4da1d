/** Servers that refuse, hang and lie, and are slow or away for long: the account of a pipeline that writes to them, and what it says of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Receiver } from './receiver.ts'
import type { Manner } from './receiver.ts'
import { MINUTES, Trial, until, upTo } from './trial.ts'

const COUNT = 600

interface Options {
  readonly retry?: string
  readonly http?: string
  /** Milliseconds that the sink waits for an answer: so many that no busy machine meets them where nobody is to be late. */
  readonly timeout?: number
  readonly more?: string
}

async function bench(t: TestContext, { retry = '{ attempts: 0, deadline: 0s, backoff: 5ms, backoff_max: 20ms }', http = '', timeout = 10_000, more = '' }: Options = {}): Promise<{ readonly trial: Trial; readonly receiver: Receiver }> {
  const receiver = new Receiver()
  await receiver.listen()
  const trial = new Trial('sink')
  t.after(async () => {
    await receiver.close()
    trial.remove()
  })
  trial.numbers('in.ndjson', COUNT)
  trial.write('p.yaml', `pipeline: p
sources: { in: { file: { path: in.ndjson } } }
sinks:
  out:
    http: { url: '${receiver.url}', events: 20, timeout: ${timeout}ms${http} }
    retry: ${retry}
dead_letters: { file: { path: failed.ndjson } }
workers: 0
batch: { bytes: 1KiB }
${more}`)
  return { trial, receiver }
}

// Whether events may come twice: those that were taken by a server that did not say so. What comes behind the status of an answer changes nothing.
const MANNERS: readonly (readonly [Manner, 'once' | 'twice'])[] = [
  ['refuse', 'once'], ['later', 'once'], ['hang', 'once'], ['take and break off', 'once'], ['take and never end', 'once'],
  ['take and hang', 'twice'], ['take and deny', 'twice'],
]
for (const [manner, times] of MANNERS) {
  test(`a server that now and then chooses to ${manner} gets everything ${times === 'twice' ? 'and some of it twice' : 'once'}, and nothing is given up`, async t => {
    const { trial, receiver } = await bench(t, /hang|never/.test(manner) ? { timeout: 400 } : {})
    receiver.manner = request => (request % 12 === 7 ? manner : 'take')
    const { events_out, dead_lettered } = await trial.run()
    assert.deepEqual([events_out, dead_lettered, trial.letters()], [{ out: COUNT }, 0, []])
    assert.deepEqual(receiver.order, upTo(COUNT))
    assert.equal(receiver.doubled().length > 0, times === 'twice')
  })
}

for (const manner of ['take and break off', 'take and never end'] as const) {
  test(`results that a server chooses to ${manner} are asked for again`, async t => {
    const { trial, receiver } = await bench(t, { http: ', results: items', timeout: 400 })
    receiver.manner = request => (request % 12 === 7 ? manner : 'take')
    const { events_out, dead_lettered } = await trial.run()
    assert.deepEqual([events_out, dead_lettered, receiver.order.length], [{ out: COUNT }, 0, COUNT])
    assert.ok(receiver.doubled().length > 0)
  })
}

test('results that are not there are no reason to send again or to give up', async t => {
  const { trial, receiver } = await bench(t, { http: ', results: items' })
  receiver.manner = request => (request % 5 === 3 ? 'take and babble' : 'take')
  const { events_out, dead_lettered, retries } = await trial.run()
  assert.deepEqual([events_out, dead_lettered, retries, receiver.doubled()], [{ out: COUNT }, 0, 0, []])
})

test('what a server refuses until the attempts are used up is in the dead letters, and nowhere else', async t => {
  const { trial, receiver } = await bench(t, { retry: '{ attempts: 3, backoff: 2ms }' })
  receiver.manner = request => (request > 6 && request < 20 ? 'refuse' : 'take')
  const { events_out, dead_lettered } = await trial.run()
  const given = trial.letters().map(({ original }) => (JSON.parse(original) as { readonly n: number }).n)
  assert.ok(dead_lettered > 0)
  assert.deepEqual([events_out['out'], given.length, new Set(given).size], [COUNT - dead_lettered, dead_lettered, dead_lettered])
  assert.deepEqual(receiver.missing(COUNT), given.toSorted((a, b) => a - b))
  assert.deepEqual(receiver.doubled(), [])
  assert.ok(trial.letters().every(({ attempts, code }) => attempts === 3 && code !== ''))
})

test('what a server that hangs keeps from landing within the stop timeout is left to the next start, and not given up', async t => {
  const { trial, receiver } = await bench(t, { more: 'state: state\ncheckpoint_interval: 5ms\nstop_timeout: 300ms\n' })
  receiver.manner = request => (request <= 4 ? 'take' : 'hang')
  const run = trial.start()
  await until(() => receiver.asked.length >= 5, run)
  run.kill('SIGTERM')
  assert.equal((await run.ended).code, 1)
  assert.deepEqual(trial.letters(), [])
  receiver.manner = () => 'take'
  await trial.run()
  assert.deepEqual(receiver.missing(COUNT), [])
  assert.deepEqual(trial.letters(), [])
})

test('a server that is a hundred times slower holds the source back, and gets its full rate when it has recovered', async t => {
  const { trial, receiver } = await bench(t, { more: 'memory: 1MiB\n' })
  trial.numbers('in.ndjson', 2_000_000)
  const run = trial.start()
  const rate = async (ms: number): Promise<number> => {
    const before = receiver.taken.size
    await new Promise(done => setTimeout(done, ms))
    return (receiver.taken.size - before) / ms
  }
  await until(() => receiver.taken.size > 2000, run)
  const full = await rate(1000)
  // Requests of 20 events, one after the other.
  receiver.delay = Math.min(8000, (100 * 20) / full)
  const slow = await rate(MINUTES === undefined ? 3000 : MINUTES * 60_000)
  assert.ok(slow < full / 20, `${slow} and ${full} events/ms`)
  receiver.delay = 0
  const since = performance.now()
  let again = 0
  while (performance.now() - since < 10_000 && again < full * 0.8) again = await rate(500)
  assert.ok(again >= full * 0.8, `${again} and ${full} events/ms`)
  assert.ok(!run.isOver, 'it ended too early to be measured')
  run.kill('SIGTERM')
  const { code, err } = await run.ended
  assert.equal(code, 0, err)
  const { events_in, events_out, in_flight, peak_rss_bytes, bottleneck } = trial.account()
  assert.match(bottleneck ?? '', /out/)
  assert.deepEqual([events_out['out'], in_flight], [events_in, 0])
  assert.deepEqual(receiver.missing(events_in), [])
  assert.ok(peak_rss_bytes < 250 * 2 ** 20, `${peak_rss_bytes} bytes`)
})
