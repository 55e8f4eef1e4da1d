/** `enrich` by a server on this machine, with the engine and its policies around it. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { runPipeline } from '../engine/index.ts'
import type { Report, StageConfig } from '../engine/index.ts'
import { Kept, memoryCodec, memorySink, memorySource, sinkConfig, stageConfig, testPipeline, testRegistry } from '../engine/testing.ts'
import { loadPipeline } from '../pipeline/index.ts'
import { SimulatedClock } from '../platform/index.ts'
import { stages } from './index.ts'
import { StageTest, run, textEvent } from './testing.ts'

/** No waits between attempts: who needs some says so. */
const RETRY = { attempts: 4, backoff: 0, factor: 1, backoffMax: 0, deadline: 0, budget: 0 }

/** A server that keeps the paths that it was asked for. */
async function serve(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse, times: number) => void): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    answer(request, response, asked.filter(path => path === request.url).length)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // It listens on a port.
  return { url: `http://127.0.0.1:${port}/of/{event.id}`, asked }
}

/** Runs events through one stage; answers what came out, why others failed, and the report. */
async function through(config: object, ids: readonly unknown[], more: Partial<StageConfig> = {}, type = 'enrich', clock?: SimulatedClock): Promise<{ readonly out: unknown[]; readonly failed: { readonly code: string; readonly attempts: number }[]; readonly report: Report }> {
  const kept = new Kept()
  const registry = testRegistry([memorySource(ids.map(id => JSON.stringify({ id })), 1000), memorySink(kept), memoryCodec, ...stages])
  const stage = stageConfig('ask', type, 'in', { config, retry: RETRY, ...more })
  const report = await runPipeline(testPipeline([stage], [sinkConfig('out', 'ask')]), registry, clock === undefined ? {} : { clock })
  const rows = (sink: string): unknown[] => kept.lines(sink).map(line => JSON.parse(line) as unknown)
  return { out: rows('out'), failed: (rows('dead_letters') as { readonly code: string; readonly attempts: number }[]).map(({ code, attempts }) => ({ code, attempts })), report } // Written by the engine.
}

for (const type of ['enrich', 'lookup']) {
  test(`${type} tries again what may succeed later, and tells in the dead letters how often`, async t => {
    const { url, asked } = await serve(t, (request, response, times) => {
      if (request.url === '/of/busy' && times < 3) response.writeHead(503).end()
      else if (request.url === '/of/down') response.writeHead(500).end()
      else if (request.url === '/of/refused') response.writeHead(403).end()
      else if (request.url === '/of/cut' && times < 2) response.writeHead(200, { 'content-length': '10' }).write('{"v"', () => response.destroy())
      else response.end(`{"v":${times}}`)
    })
    const { out, failed } = await through({ url, key: 'event.id', as: 'r' }, ['busy', 'down', 'refused', 'cut', 'fine'], {}, type)
    assert.deepEqual(out, [{ id: 'busy', r: { v: 3 } }, { id: 'cut', r: { v: 2 } }, { id: 'fine', r: { v: 1 } }])
    assert.deepEqual(failed, [{ code: 'HTTP_STATUS', attempts: 4 }, { code: 'HTTP_STATUS', attempts: 1 }])
    assert.deepEqual(asked, ['/of/busy', '/of/busy', '/of/busy', '/of/down', '/of/down', '/of/down', '/of/down', '/of/refused', '/of/cut', '/of/cut', '/of/fine'])
  })
}

test('so many calls are under way at once as concurrency says, events come out in order, and equal addresses share a call', async t => {
  const open: ServerResponse[] = []
  let most = 0
  const { url, asked } = await serve(t, (_request, response) => {
    open.push(response)
    most = Math.max(most, open.length)
    // All that may come at once have come: they are answered from the last to the first.
    if (open.length === 3) for (const one of open.splice(0).reverse()) one.end('{"v":1}')
  })
  const { out, failed } = await through({ url, as: 'r', cache: { entries: 0 } }, ['a', 'b', 'c', 'd', 'e', 'f'], { concurrency: 3 })
  assert.deepEqual([out.map(one => (one as { readonly id: string }).id), failed, most, asked.length], [['a', 'b', 'c', 'd', 'e', 'f'], [], 3, 6]) // Rows of the stage.
  const shared = await serve(t, (_request, response) => void response.end('{"v":1}'))
  const twice = await through({ url: shared.url, as: 'r', cache: { entries: 0 } }, ['a', 'a', 'a', 'a'], { concurrency: 4 })
  assert.deepEqual([twice.out.length, shared.asked.length], [4, 1])
})

test('answers are kept for cache.age, those that nothing is known among them, the oldest going first', async t => {
  const { url, asked } = await serve(t, (request, response) => void (request.url === '/of/none' ? response.writeHead(404).end() : response.end('{"v":1}')))
  const stage = new StageTest('enrich', { url, as: 'r', on_missing: 'null', cache: { entries: 2, age: '10s' } })
  const ask = async (...ids: string[]): Promise<void> => {
    assert.deepEqual((await stage.process(ids.map(id => textEvent(JSON.stringify({ id }))))).rejected, [])
  }
  await ask('a', 'none', 'a', 'none')
  assert.deepEqual(asked.splice(0), ['/of/a', '/of/none'])
  await ask('b', 'none', 'a')
  assert.deepEqual(asked.splice(0), ['/of/b', '/of/a'])
  await stage.clock.advance(10_000)
  await ask('a')
  assert.deepEqual(asked, ['/of/a'])
})

test('an open breaker calls a failing server no more until its cooldown is over', async t => {
  const clock = new SimulatedClock()
  const times: number[] = []
  const { url } = await serve(t, (_request, response) => {
    times.push(clock.now())
    response.writeHead(500).end()
  })
  let done = false
  const running = through({ url, as: 'r' }, ['a', 'b', 'c'], { retry: { ...RETRY, attempts: 1 }, breaker: { failures: 2, cooldown: 3_600_000, successes: 1 } }, 'enrich', clock).finally(() => (done = true))
  while (!done) {
    await new Promise(resolve => setImmediate(resolve))
    await clock.advance(60_000)
  }
  assert.deepEqual([(await running).failed.length, times.length], [3, 3])
  assert.ok((times[2] ?? 0) - (times[1] ?? 0) >= 3_600_000)
})

test('headers are sent, and the address holds nothing that an event did not bring escaped', async t => {
  const seen: (string | undefined)[] = []
  const { url, asked } = await serve(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.end('{"v":1}')
  })
  await through({ url, as: 'r', headers: { authorization: 'Bearer secret' } }, ['a/b?c'])
  assert.deepEqual([seen, asked], [['Bearer secret'], ['/of/a%2Fb%3Fc']])
  assert.throws(() => new StageTest('enrich', { url, as: 'r', headers: { 'x y': 'hush' } }), (error: Error) => /"x y"/.test(error.message) && !error.message.includes('hush'))
})

test('what nothing is known about is told without the query of its address, unless a key says it', async t => {
  const { url } = await serve(t, (_request, response) => void response.writeHead(404).end())
  assert.match((await run('enrich', { url: `${url}?token=hush`, as: 'r' }, [{ id: 'a' }])).rejected[0] ?? '', /^ENRICH_MISSING: Nothing is known about "http:\/\/127\.0\.0\.1:\d+\/of\/a"\.$/)
  assert.match((await run('enrich', { url, key: 'event.id', as: 'r' }, [{ id: 'a' }])).rejected[0] ?? '', /^ENRICH_MISSING: Nothing is known about "a"\.$/)
})

test('the time that a server asks for is waited for', async t => {
  const { url } = await serve(t, (_request, response, times) => void (times === 1 ? response.writeHead(429, { 'retry-after': '7' }).end() : response.end('{}')))
  const answers = new StageTest('enrich', { url, as: 'r' })
  const errors: unknown[] = []
  await answers.stage.process([textEvent('{"id":1}')], { emit: () => undefined, to: () => undefined, split: () => undefined, absorb: () => undefined, produce: () => undefined, drop: () => undefined, reject: (_event, error) => void errors.push(error) })
  assert.deepEqual(errors.map(error => [(error as { readonly retry: boolean }).retry, (error as { readonly retryAfter: number }).retryAfter]), [[true, 7000]]) // As the retry policy reads it.
})

test('an event on its way when the pipeline stops at once is not taken for a failed one', async t => {
  const asking = Promise.withResolvers<void>()
  const { url } = await serve(t, () => asking.resolve())
  const stage = new StageTest('enrich', { url, as: 'r' })
  const done = stage.process([textEvent('{"id":1}')])
  await asking.promise
  stage.stop.abort()
  assert.deepEqual((await done).rejected, ['ABORTED: The pipeline stops.'])
})

test('options for calls to the outside mean something with a url, and nothing with a table', async () => {
  const registry = testRegistry([memorySource([], 1), memorySink(new Kept()), memoryCodec, ...stages])
  const load = async (stage: string): Promise<[string[], StageConfig | undefined]> => {
    const text = `sources: { in: memory }\nstages:\n  - ${stage}\nsinks: { out: memory }\n`
    const { diagnostics, config } = await loadPipeline('/p/a.yaml', registry, { readText: path => (path === '/p/a.yaml' ? text : undefined), env: {} })
    return [diagnostics.filter(one => one.severity === 'error').map(one => one.message), config?.stages[0]]
  }
  const [none, stage] = await load('{ enrich: { url: "http://localhost/{event.id}", as: r }, concurrency: 4, retry: { attempts: 2 } }')
  assert.deepEqual([none, stage?.concurrency, stage?.retry?.attempts], [[], 4, 2])
  assert.equal((await load('{ enrich: { url: "http://localhost/{event.id}", as: r } }'))[1]?.retry?.attempts, 3)
  assert.deepEqual((await load('{ enrich: { table: t.csv, key: event.id, as: r }, concurrency: 4 }'))[0], ['"concurrency" means nothing for "enrich", which does not wait for the outside with this config.'])
  assert.match((await load('enrich: { table: t.csv, as: r }'))[0][0] ?? '', /a "table" needs a "key"/)
})
