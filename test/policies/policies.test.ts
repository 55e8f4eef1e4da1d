/** Retry, breaker and rate limit as a pipeline meets them: real servers on this machine that are busy, fall and come back. Nothing vanishes, whatever they do. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Report } from '../../src/engine/index.ts'
import { runFile } from '../../src/runtime.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, body: string, count: number) => void

async function serve(t: TestContext, answer: Answer): Promise<string> {
  let count = 0
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text)).on('end', () => answer(request, response, body, ++count))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // It listens on a port.
}

class Trial {
  readonly folder: string

  constructor(t: TestContext, events: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-policies-'))
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
    writeFileSync(join(this.folder, 'in.ndjson'), Array.from({ length: events }, (_, n) => `{"n":${n}}\n`).join(''))
  }

  async run(stages: string, sink: string, more = ''): Promise<Report> {
    const yaml = `pipeline: p\nsources: { in: { file: { path: in.ndjson } } }\n${stages === '' ? '' : `stages:\n${stages}`}sinks:\n  out:\n${sink}dead_letters: { file: { path: failed.ndjson } }\nworkers: 0\n${more}`
    writeFileSync(join(this.folder, 'p.yaml'), yaml)
    const report = await runFile(join(this.folder, 'p.yaml'), { folder: this.folder })
    assert.equal(report.events_in + report.created, Object.values(report.events_out).reduce((sum, count) => sum + count, 0) + report.filtered + report.dead_lettered)
    return report
  }

  lines(name: string): { readonly n: number; readonly code?: string; readonly attempts?: number; readonly original?: string }[] {
    return readFileSync(join(this.folder, name), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as { n: number })
  }
}

const numbersIn = (body: string): number[] => body.split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { n: number }).n)
const FILE = '    file: { path: out.ndjson }\n'

test('a sink that is busy is tried again, after as long as it asks for, and gets every event once and in order', async t => {
  const got: number[] = []
  const times: number[] = []
  const url = await serve(t, (_request, response, body, count) => {
    times.push(performance.now())
    if (count === 2) return void response.writeHead(429, { 'retry-after': '1' }).end()
    if (count === 5) return void response.writeHead(503).end()
    got.push(...numbersIn(body))
    response.end()
  })
  const report = await new Trial(t, 50).run('', `    http: { url: '${url}', events: 10 }\n    retry: { attempts: 3, backoff: 1ms }\n`)
  assert.deepEqual(got, Array.from({ length: 50 }, (_, n) => n))
  assert.ok(report.retries >= 1)
  assert.ok((times[2] ?? 0) - (times[1] ?? 0) >= 990, 'Retry-After was kept to')
})

test('what a sink can not get rid of goes to the dead letters once its attempts are used up', async t => {
  let asked = 0
  const url = await serve(t, (_request, response) => void (asked++, response.writeHead(500).end('out of order')))
  const trial = new Trial(t, 5)
  const report = await trial.run('', `    http: { url: '${url}' }\n    retry: { attempts: 2, backoff: 1ms }\n`)
  assert.deepEqual([asked, report.dead_lettered, report.events_out['out']], [2, 5, 0])
  assert.deepEqual(trial.lines('failed.ndjson').map(({ attempts, original }) => [attempts, original]), [0, 1, 2, 3, 4].map(n => [2, `{"n":${n}}`]))
})

test('a breaker leaves a fallen server alone, asks it once in a while, and goes on when it is back', async t => {
  const asked: number[] = []
  const got: number[] = []
  const url = await serve(t, (_request, response, body, count) => {
    asked.push(performance.now())
    if (count > 2 && count <= 7) return void response.writeHead(500).end()
    got.push(...numbersIn(body))
    response.end()
  })
  await new Trial(t, 40).run('', `    http: { url: '${url}', events: 10 }\n    retry: { attempts: 0, backoff: 1ms, backoff_max: 5ms, deadline: 0s }\n    breaker: { failures: 3, cooldown: 100ms }\n`)
  assert.deepEqual(got, Array.from({ length: 40 }, (_, n) => n))
  // Three failures open it; each later one comes after the whole pause, though the retries want to come sooner.
  const pauses = asked.map((at, index) => at - (asked[index - 1] ?? at))
  for (const index of [5, 6, 7]) assert.ok((pauses[index] ?? 0) >= 90, `request ${index} came after ${pauses[index]} ms`)
})

test('a rate limit holds back events of a sink, and calls of a stage', async t => {
  const got: number[] = []
  const url = await serve(t, (_request, response, body) => {
    got.push(...numbersIn(body))
    response.end('{"name":"x"}')
  })
  let started = performance.now()
  // A batch is what passes at once: small ones make the rate smooth.
  await new Trial(t, 400).run('', `    http: { url: '${url}' }\n    rate_limit: { events: 100, per: 100ms }\n`, 'batch: { bytes: 1KiB }\n')
  assert.ok(performance.now() - started >= 290)
  assert.equal(got.length, 400)
  started = performance.now()
  const report = await new Trial(t, 9).run(`  - enrich: { url: '${url}/{event.n}', as: found }\n    rate_limit: { events: 3, per: 100ms }\n`, FILE)
  assert.ok(performance.now() - started >= 190)
  assert.equal(report.events_out['out'], 9)
})

test('a stage that waits is tried again, and only what fails for good is given up', async t => {
  const calls = new Map<string, number>()
  const url = await serve(t, (request, response) => {
    const path = request.url ?? ''
    const count = (calls.get(path) ?? 0) + 1
    calls.set(path, count)
    if (path === '/3') return void response.writeHead(500).end()
    if (count < 3) return void response.writeHead(503).end()
    response.end(JSON.stringify({ of: path }))
  })
  const trial = new Trial(t, 6)
  const report = await trial.run(`  - enrich: { url: '${url}/{event.n}', as: found }\n    concurrency: 3\n    retry: { attempts: 4, backoff: 1ms }\n`, FILE)
  assert.deepEqual([report.events_out['out'], report.dead_lettered], [5, 1])
  assert.deepEqual(trial.lines('out.ndjson').map(({ n }) => n), [0, 1, 2, 4, 5])
  assert.deepEqual(trial.lines('failed.ndjson').map(({ attempts, original }) => [attempts, original]), [[4, '{"n":3}']])
  assert.deepEqual([calls.get('/3'), calls.get('/0')], [4, 3])
})

for (const onError of ['dead_letter', 'drop', 'pass', 'stop'] as const) {
  test(`a waiting stage uses up its attempts before on_error says what becomes of the event: ${onError}`, async t => {
    // What had another on_error than dead_letter was given up at its first failure, without another attempt.
    const calls: string[] = []
    const url = await serve(t, (request, response) => {
      calls.push(request.url ?? '')
      const isGone = request.url === '/1' && onError !== 'stop'
      if (isGone || calls.filter(path => path === request.url).length < 3) response.writeHead(503).end()
      else response.end('{}')
    })
    const trial = new Trial(t, 3)
    const report = await trial.run(`  - enrich: { url: '${url}/{event.n}', as: found }\n    on_error: ${onError}\n    retry: { attempts: 3, backoff: 1ms }\n`, FILE)
    assert.deepEqual(calls.toSorted(), ['/0', '/0', '/0', '/1', '/1', '/1', '/2', '/2', '/2'])
    assert.deepEqual(trial.lines('out.ndjson').map(({ n }) => n), onError === 'pass' || onError === 'stop' ? [0, 1, 2] : [0, 2])
    assert.equal(report.dead_lettered, onError === 'dead_letter' ? 1 : 0)
  })
}

for (const [onError, out, dead] of [['dead_letter', [0, 2], 1], ['drop', [0, 2], 0], ['pass', [0, 1, 2], 0]] as const) {
  test(`what a waiting stage fails on for good: on_error ${onError}`, async t => {
    const url = await serve(t, (request, response) => void (request.url === '/1' ? response.writeHead(400).end() : response.end('{}')))
    const trial = new Trial(t, 3)
    const report = await trial.run(`  - enrich: { url: '${url}/{event.n}', as: found }\n    on_error: ${onError}\n`, FILE)
    assert.deepEqual(trial.lines('out.ndjson').map(({ n }) => n), out)
    assert.equal(report.dead_lettered, dead)
  })
}

test('what a waiting stage fails on for good: on_error stop', async t => {
  const url = await serve(t, (request, response) => void (request.url === '/1' ? response.writeHead(400).end() : response.end('{}')))
  await assert.rejects(new Trial(t, 3).run(`  - enrich: { url: '${url}/{event.n}', as: found }\n    on_error: stop\n`, FILE), { code: 'STAGE_STOPPED' })
})

test('results for each event: what the server refuses goes to the dead letters, what it asks for again is sent again, the rest once', async t => {
  const got: number[] = []
  let asked = 0
  const url = await serve(t, (_request, response, body) => {
    asked++
    const numbers = numbersIn(body)
    const items = numbers.map(n => (n === 1 ? { status: 400, error: 'never' } : n === 2 && asked === 1 ? { status: 503 } : { status: 200 }))
    numbers.forEach((n, index) => items[index]?.status === 200 && got.push(n))
    response.end(JSON.stringify({ items }))
  })
  const trial = new Trial(t, 4)
  const report = await trial.run('', `    http: { url: '${url}', results: items }\n    retry: { attempts: 3, backoff: 1ms }\n`)
  assert.deepEqual([report.events_out['out'], report.dead_lettered], [3, 1])
  assert.deepEqual(got, [0, 3, 2])
  assert.deepEqual(trial.lines('failed.ndjson').map(({ original }) => original), ['{"n":1}'])
})
