/** A server that goes and comes back, at the source, at a stage that waits and at the sink: what is told of it, and that health can tell it from a pipeline that has nothing to do. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { RunControl } from '../../src/engine/index.ts'
import { healthOf } from '../../src/observe/index.ts'
import type { Notice } from '../../src/observe/index.ts'
import { runFile } from '../../src/runtime.ts'
import type { RunningFile } from '../../src/runtime.ts'
import { folderWith } from '../cli/sluice.ts'
import { Receiver } from './receiver.ts'
import { until } from './trial.ts'

/** A server that has a new event whenever it is asked. */
async function teller(t: TestContext, port = 0): Promise<{ readonly port: number; close(): Promise<void> }> {
  let n = 0
  const server = createServer((_request, response) => void response.end(JSON.stringify([{ n: n++ }])))
  const close = (): Promise<void> => new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
  t.after(close)
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close } // It listens on a port.
}

interface Going {
  readonly notices: readonly Notice[]
  condition(): string
  reason(): string
  end(): Promise<void>
}

function start(t: TestContext, pipeline: object): Going {
  const notices: Notice[] = []
  const control = new RunControl()
  const stop = new AbortController()
  const folder = folderWith(t, { 'p.yaml': stringify({ pipeline: 'p', workers: 0, ...pipeline }) })
  const run = runFile(join(folder, 'p.yaml'), { folder, control, signal: stop.signal, onNotice: notice => notices.push(notice) })
  return {
    notices,
    condition: () => healthOf(control.figures).condition,
    reason: () => healthOf(control.figures).reason,
    async end() {
      stop.abort()
      const { in_flight } = await run
      assert.equal(in_flight, 0)
    },
  }
}

const told = ({ notices }: Going, place: string): string[] => notices.filter(one => one.place === place && one.level !== 'trace').map(({ kind }) => kind)

test('a source whose server is gone is unreachable and not idle, and what is told says when it began and when it was over', async t => {
  const first = await teller(t)
  const going = start(t, { sources: { in: { http_client: { url: `http://127.0.0.1:${first.port}/`, every: '20ms' } } }, sinks: { out: { discard: {} } } })
  await until(() => going.condition() === 'idle')
  await first.close()
  await until(() => going.condition() === 'unreachable')
  assert.match(going.reason(), /^source "in" is tried again \(\d+ failed attempts? in \d+ s\): http:\/\/127\.0\.0\.1:\d+\/ can't be reached/)
  await teller(t, first.port)
  await until(() => going.condition() !== 'unreachable')
  assert.deepEqual(told(going, 'in').filter(kind => kind.startsWith('retry')), ['retry_begun', 'retry_ended'])
  await going.end()
})

test('a sink whose server is gone is told likewise, events wait for it, and its breaker is told', async t => {
  const source = await teller(t)
  const receiver = new Receiver()
  await receiver.listen()
  t.after(() => receiver.close())
  const going = start(t, {
    sources: { in: { http_client: { url: `http://127.0.0.1:${source.port}/`, every: '50ms' } } },
    sinks: { out: { http: { url: receiver.url }, retry: { attempts: 0, backoff: '10ms', backoff_max: '20ms' }, breaker: { failures: 3, cooldown: '20ms', successes: 1 } } },
  })
  await until(() => receiver.taken.size > 0)
  receiver.manner = () => 'refuse'
  await until(() => going.condition() === 'unreachable')
  assert.match(going.reason(), /^sink "out" is tried again/)
  receiver.manner = () => 'take'
  await until(() => going.condition() !== 'unreachable' && told(going, 'out').includes('retry_ended'))
  const kinds = told(going, 'out')
  assert.deepEqual([...new Set(kinds)].toSorted(), ['breaker', 'retry_begun', 'retry_ended'])
  assert.equal(kinds.filter(kind => kind === 'retry_begun').length, 1)
  await going.end()
})

for (const workers of [0, 2]) {
  test(`so is a stage whose server is gone, with ${workers} workers; that others are known from before does not end it`, async t => {
    const source = await teller(t)
    const receiver = new Receiver()
    await receiver.listen()
    t.after(() => receiver.close())
    const going = start(t, {
      workers,
      sources: { in: { http_client: { url: `http://127.0.0.1:${source.port}/`, every: '20ms' } } },
      // Every other event asks for what is known already.
      stages: [{ id: 'ask', enrich: { url: `${receiver.url}/{event.n % 2 == 0 ? 0 : event.n}`, as: 'found' }, concurrency: 4, retry: { attempts: 0, backoff: '10ms', backoff_max: '20ms' } }],
      sinks: { out: { discard: {} } },
    })
    await until(() => receiver.asked.length > 4)
    receiver.manner = () => 'refuse'
    await until(() => going.condition() === 'unreachable')
    assert.match(going.reason(), /^stage "ask" is tried again \(\d+ failed attempts in \d+ s\): http:\/\/127\.0\.0\.1:\d+ answered 503\./)
    assert.ok(!told(going, 'ask').includes('retry_ended'))
    receiver.manner = () => 'take'
    await until(() => going.condition() !== 'unreachable' && told(going, 'ask').includes('retry_ended'))
    await going.end()
  })
}

test('a reload that nothing can land for says what is gone', async t => {
  const source = await teller(t)
  const receiver = new Receiver()
  await receiver.listen()
  t.after(() => receiver.close())
  const control = new RunControl()
  const stop = new AbortController()
  const pipeline = {
    pipeline: 'p', workers: 1, stop_timeout: '3s',
    sources: { in: { http_client: { url: `http://127.0.0.1:${source.port}/`, every: '20ms' } } },
    stages: [{ id: 'ask', enrich: { url: `${receiver.url}/{event.n}`, as: 'found' }, retry: { attempts: 0, backoff: '10ms', backoff_max: '20ms' } }],
    sinks: { out: { discard: {} } },
  }
  const folder = folderWith(t, { 'p.yaml': stringify(pipeline) })
  const running = Promise.withResolvers<RunningFile>()
  const run = runFile(join(folder, 'p.yaml'), { folder, control, signal: stop.signal, onRunning: running.resolve })
  await until(() => receiver.asked.length > 4)
  receiver.manner = () => 'refuse'
  await until(() => healthOf(control.figures).condition === 'unreachable')
  const { outcome, error } = await (await running.promise).reload()
  assert.equal(outcome, 'late')
  assert.match(error?.message ?? '', /the config that ran goes on\. Until this works, only a stop and a start bring another config: stage "ask" is tried again/)
  receiver.manner = () => 'take'
  stop.abort()
  assert.equal((await run).in_flight, 0)
})
