import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Policy, SluiceError } from '../base/index.ts'
import { SimulatedClock } from '../platform/index.ts'
import type { SinkChunk } from './component.ts'
import { Flight } from './flight.ts'
import type { SinkRows } from './sink-encoder.ts'
import { SinkRunner } from './sink-runner.ts'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** A runner over a sink whose calls end only when the test says so. */
function waitingSink(concurrency?: number) {
  const calls: { readonly name: string; readonly done: () => void; readonly fail: (error: Error) => void }[] = []
  const began: string[] = []
  const failures: unknown[] = []
  const call = (name: string): Promise<void> => {
    began.push(name)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    calls.push({ name, done: resolve, fail: reject })
    return promise
  }
  const sink = {
    ...(concurrency === undefined ? {} : { concurrency }),
    open: () => Promise.resolve(),
    write: (chunk: SinkChunk) => call(Buffer.from(chunk.bytes).toString()),
    flush: () => call('flush').then(() => began.length),
    close: () => Promise.resolve(),
  }
  const clock = new SimulatedClock()
  const policy = new Policy({ retry: undefined, breaker: undefined, rateLimit: undefined }, { now: () => clock.now(), random: () => 0, sleep: (ms, signal) => clock.sleep(ms, signal) })
  const runner = new SinkRunner('out', sink, policy, new AbortController().signal, () => undefined, error => failures.push(error))
  const take = async (name: string) => {
    await turn()
    const at = calls.findIndex(one => one.name === name)
    assert.ok(at >= 0, `${name} is not under way`)
    return calls.splice(at, 1)[0]
  }
  const finish = async (name: string): Promise<void> => {
    (await take(name))?.done()
    await turn()
  }
  const fail = async (name: string): Promise<void> => {
    (await take(name))?.fail(new Error('no room'))
    await turn()
  }
  return { runner, began, finish, fail, failures }
}

/** A runner over a sink that gathers; `writes` is what it was asked for, `refuses` the rows that it does not take. */
function gatheringSink({ refuses = [] }: { readonly refuses?: readonly string[] } = {}) {
  const writes: string[] = []
  const told: string[] = []
  const clock = new SimulatedClock()
  const sink = {
    gathers: true,
    open: () => Promise.resolve(),
    write: (chunk: SinkChunk) => {
      const lines = Buffer.from(chunk.bytes).toString().split('\n').slice(0, -1)
      writes.push(lines.join(' '))
      return Promise.resolve(lines.flatMap((line, row) => (refuses.includes(line) ? [{ row, answer: 'reject' as const, reason: 'no' }] : [])))
    },
    flush: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  }
  const policy = new Policy({ retry: undefined, breaker: undefined, rateLimit: undefined }, { now: () => clock.now(), random: () => 0, sleep: (ms, signal) => clock.sleep(ms, signal) })
  const runner = new SinkRunner('out', sink, policy, new AbortController().signal, (of, refused, flight) => told.push(`${flight.seq}: ${refused.map(({ row }) => Buffer.from(of.bytes).toString().split('\n')[row])}`), () => undefined, { batch: { bytes: 1000, events: 4, age: 10 }, clock })
  const give = (seq: number, ...lines: readonly string[]): ReturnType<typeof batch> => {
    const made = batch(seq)
    const bytes = new Uint8Array(Buffer.from(lines.map(line => `${line}\n`).join('')))
    let at = 0
    runner.write({ sink: 0, target: lines[0]?.startsWith('t') === true ? 't' : '', bytes, rows: lines.length, ends: Uint32Array.from(lines, line => (at += line.length + 1)), tickets: undefined, origins: [] }, made.flight)
    return made
  }
  return { runner, clock, writes, told, give }
}

test('a sink that gathers gets what came within the age of a batch in one write', async () => {
  const { clock, writes, give } = gatheringSink()
  const made = [give(0, 'a'), give(1, 'b')]
  await turn()
  assert.deepEqual([writes, made.map(({ landed }) => landed())], [[], [false, false]])
  await clock.advance(10)
  await turn()
  assert.deepEqual([writes, made.map(({ landed }) => landed())], [['a b'], [true, true]])
})

test('a full batch, another target and a flush do not wait', async () => {
  const { runner, writes, give } = gatheringSink()
  give(0, 'a', 'b', 'c')
  give(1, 'd')
  await turn()
  assert.deepEqual(writes, ['a b c d'])
  give(2, 'e', 'f', 'g')
  give(3, 'h', 'i')
  await turn()
  assert.deepEqual(writes, ['a b c d', 'e f g'])
  give(4, 't1')
  await turn()
  assert.deepEqual(writes.slice(2), ['h i'])
  await runner.flush()
  assert.deepEqual(writes.slice(2), ['h i', 't1'])
})

test('rows that are refused are told of by the batch that each came in', async () => {
  const { runner, told, give } = gatheringSink({ refuses: ['a', 'd'] })
  give(5, 'a', 'b')
  give(6, 'c')
  give(7, 'd')
  await runner.flush()
  assert.deepEqual(told, ['5: a', '7: d'])
})

const rows = (text: string): SinkRows => ({ sink: 0, target: '', bytes: new Uint8Array(Buffer.from(text)), rows: 1, ends: undefined, tickets: undefined, origins: [] })

/** What the sink was asked for, once all that can happen has happened. */
async function settled(began: readonly string[], expected: readonly string[]): Promise<void> {
  await turn()
  assert.deepEqual(began, expected)
}

/** A batch with one write; `landed` tells whether it is over. */
function batch(seq: number): { readonly flight: Flight; landed: () => boolean } {
  let landed = false
  return { flight: new Flight(seq, 0, 0, seq, 1, () => (landed = true)), landed: () => landed }
}

test('writes reach a sink one at a time, in their order', async () => {
  const { runner, began, finish } = waitingSink()
  for (const [seq, text] of ['a', 'b', 'c'].entries()) runner.write(rows(text), batch(seq).flight)
  await settled(began, ['a'])
  await finish('a')
  await settled(began, ['a', 'b'])
  await finish('b')
  await settled(began, ['a', 'b', 'c'])
})

test('a sink that allows several writes at once gets so many and no more', async () => {
  const { runner, began, finish } = waitingSink(2)
  for (const [seq, text] of ['a', 'b', 'c'].entries()) runner.write(rows(text), batch(seq).flight)
  await settled(began, ['a', 'b'])
  await finish('b')
  await settled(began, ['a', 'b', 'c'])
})

test('a flush waits for the writes before it, and the writes behind it wait for the flush', async () => {
  const { runner, began, finish } = waitingSink(4)
  runner.write(rows('a'), batch(0).flight)
  const flushed = runner.flush()
  runner.write(rows('b'), batch(1).flight)
  await settled(began, ['a'])
  await finish('a')
  await settled(began, ['a', 'flush'])
  runner.write(rows('c'), batch(2).flight)
  await settled(began, ['a', 'flush'])
  await finish('flush')
  await settled(began, ['a', 'flush', 'b', 'c'])
  await flushed
})

test('a batch lands when its write has been answered, not before', async () => {
  const { runner, finish } = waitingSink()
  const one = batch(0)
  runner.write(rows('a'), one.flight)
  await turn()
  assert.equal(one.landed(), false)
  await finish('a')
  assert.equal(one.landed(), true)
})

test('rows of batches behind the one that is held are kept back until they are let go', async () => {
  const { runner, began, finish } = waitingSink()
  runner.hold(1)
  for (const [text, seq] of [['later', 2], ['own', 1]] as const) runner.write(rows(text), batch(seq).flight)
  await settled(began, ['own'])
  assert.equal(runner.backlog, 2)
  await finish('own')
  await settled(began, ['own'])
  runner.hold(undefined)
  await settled(began, ['own', 'later'])
})

test('behind a write that failed for good nothing more is written, and no flush says that all is durable', async () => {
  const { runner, began, fail, failures } = waitingSink()
  const one = batch(0)
  runner.write(rows('a'), one.flight)
  runner.write(rows('b'), batch(1).flight)
  const waiting = assert.rejects(runner.flush(), /no room/)
  await fail('a')
  await settled(began, ['a'])
  assert.equal(failures.length, 1)
  assert.equal(one.landed(), false)
  await waiting
  await assert.rejects(runner.flush(), /no room/)
})

test('an error that ends the run gives up no event, also where single events could be told apart', async () => {
  const refused: unknown[] = []
  const failures: unknown[] = []
  const clock = new SimulatedClock()
  const policy = new Policy({ retry: undefined, breaker: undefined, rateLimit: undefined }, { now: () => clock.now(), random: () => 0, sleep: (ms, signal) => clock.sleep(ms, signal) })
  const lost = new SluiceError('LOG_CLOSED', 'all is lost', { stops: true })
  const sink = { open: () => Promise.resolve(), write: () => Promise.reject(lost), flush: () => Promise.resolve(undefined), close: () => Promise.resolve() }
  const runner = new SinkRunner('out', sink, policy, new AbortController().signal, (_rows, rows) => refused.push(...rows), error => failures.push(error))
  const rows: SinkRows = { sink: 0, target: '', bytes: new Uint8Array(1), rows: 1, ends: Uint32Array.of(1), tickets: undefined, origins: [new Uint8Array(1)] }
  runner.write(rows, new Flight(0, 0, 0, undefined, 1, () => undefined))
  await turn()
  assert.deepEqual(failures, [lost])
  assert.deepEqual(refused, [])
})

test('what a sink refuses because it is cut off is left to the next start, and is not given up', async () => {
  const stop = new AbortController()
  const [refused, failures]: [unknown[], unknown[]] = [[], []]
  const sink = {
    open: () => Promise.resolve(),
    write: () => {
      stop.abort(new SluiceError('STOP_TIMEOUT', 'late'))
      return Promise.resolve([{ row: 0, answer: 'reject' as const, reason: 'late' }])
    },
    flush: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  }
  const clock = new SimulatedClock()
  const policy = new Policy({ retry: undefined, breaker: undefined, rateLimit: undefined }, { now: () => clock.now(), random: () => 0, sleep: (ms, signal) => clock.sleep(ms, signal) })
  const runner = new SinkRunner('out', sink, policy, stop.signal, (_rows, rows) => refused.push(...rows), error => failures.push(error))
  const made = batch(0)
  runner.write({ sink: 0, target: '', bytes: new Uint8Array(Buffer.from('a\n')), rows: 1, ends: Uint32Array.of(2), tickets: undefined, origins: [] }, made.flight)
  await turn()
  await turn()
  assert.deepEqual([refused, made.landed(), failures.map(error => (error as SluiceError).code)], [[], false, ['STOP_TIMEOUT']])
})

test('a sink with concurrency auto gets one write at first, more while all are answered in time, and fewer once it refuses', async () => {
  const clock = new SimulatedClock()
  const limits: number[] = []
  let [open, most, refuses] = [0, 0, false]
  const sink = {
    concurrency: 'auto' as const,
    open: () => Promise.resolve(),
    write: async () => {
      most = Math.max(most, ++open)
      await clock.sleep(100)
      open--
      if (refuses) throw new SluiceError('HTTP_STATUS', 'busy', { retry: true })
    },
    flush: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  }
  const policy = new Policy({ retry: { attempts: 0, backoff: 10, factor: 1, backoffMax: 10, deadline: 0, budget: 0 }, breaker: undefined, rateLimit: undefined }, { now: () => clock.now(), random: () => 0.5, sleep: (ms, signal) => clock.sleep(ms, signal) })
  const gathering = { batch: { bytes: 1, events: 1, age: 0 }, clock }
  const runner = new SinkRunner('out', sink, policy, new AbortController().signal, () => undefined, error => assert.fail(String(error)), gathering, undefined, ({ limit }) => limits.push(limit))
  let landed = 0
  for (let seq = 0; seq < 200; seq++) {
    const flight = new Flight(seq, 0, 0, seq, 1, () => landed++)
    flight.open = 1
    runner.write(rows(String(seq)), flight)
  }
  await clock.advance(50)
  assert.deepEqual([open, runner.concurrency], [1, 1])
  await clock.advance(1000)
  assert.ok(runner.concurrency > 8 && most > 8, `${runner.concurrency} of ${most}`)
  const before = runner.concurrency
  refuses = true
  await clock.advance(400)
  assert.ok(runner.concurrency < before / 1.4, `${runner.concurrency} after ${before}`)
  refuses = false
  await clock.advance(20_000)
  assert.deepEqual([landed, runner.backlog], [200, 0], 'everything that was refused was written in the end')
  assert.equal(limits.at(-1), runner.concurrency, 'each change is told')
})
