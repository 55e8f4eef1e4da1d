import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { copy } from './testing.ts'
import { nextLink } from './sources/http-client.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-http-'))
})
after(() => rmSync(folder, { recursive: true }))

const out = (): unknown[] => readFileSync(join(folder, 'out.ndjson'), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
const letters = (): Record<string, unknown>[] => readFileSync(join(folder, 'dead.ndjson'), 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)

async function withServer(handle: (request: IncomingMessage, body: Buffer, response: ServerResponse) => void, work: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => handle(request, Buffer.concat(parts), response))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`) // A server that listens at a port has one.
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}

const input = (count: number): void => writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: count }, (_, n) => `{"n":${n}}\n`).join(''))
const source = { type: 'file', config: { path: 'in.ndjson' } }

test('events reach a server in order, in batches, compressed, with a token', async () => {
  input(25)
  const seen: unknown[] = []
  await withServer(
    (request, body, response) => {
      assert.equal(request.headers.authorization, 'Bearer secret')
      seen.push(...(JSON.parse(gunzipSync(body).toString()) as unknown[]))
      response.end()
    },
    async url => {
      const report = await copy(folder, source, { type: 'http', config: { url, body: 'array', events: 10, compression: 'gzip', auth: { bearer: 'secret' } } })
      assert.equal(report.events_out['out'], 25)
    },
  )
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, n) => ({ n })))
})

test('a server that is busy is asked again; one that refuses gets the events into the dead letters', async () => {
  input(3)
  let calls = 0
  await withServer(
    (_request, _body, response) => {
      calls++
      response.statusCode = calls < 3 ? 503 : 200
      response.end()
    },
    async url => {
      const report = await copy(folder, source, { type: 'http', config: { url } })
      assert.deepEqual([report.events_out['out'], report.dead_lettered, calls], [3, 0, 3])
    },
  )
  await withServer(
    (_request, _body, response) => {
      response.statusCode = 400
      response.end('no such field')
    },
    async url => {
      const report = await copy(folder, source, { type: 'http', config: { url: `${url}/?key=secret` } })
      assert.deepEqual([report.events_out['out'], report.dead_lettered, report.in_flight], [0, 3, 0])
      assert.match(String(letters()[0]?.['reason']), /no such field/)
      assert.doesNotMatch(String(letters()[0]?.['reason']), /secret/)
      assert.equal(letters()[0]?.['original'], '{"n":0}')
    },
  )
})

test('with concurrency auto a server gets as much at once as it takes, and each event once', async () => {
  input(4000)
  const seen: number[] = []
  let [open, most, refused] = [0, 0, 0]
  await withServer(
    (_request, body, response) => {
      most = Math.max(most, ++open)
      const isRefused = open > 6
      // An answer that takes some turns of the event loop, so that requests meet.
      const answer = (turns: number): void => {
        if (turns > 0) return void setImmediate(() => answer(turns - 1))
        open--
        response.statusCode = isRefused ? 503 : 200
        if (isRefused) refused++
        else seen.push(...body.toString().trim().split('\n').map(line => (JSON.parse(line) as { readonly n: number }).n))
        response.end()
      }
      answer(20)
    },
    async url => {
      const sink = { type: 'http', config: { url, concurrency: 'auto' }, retry: { attempts: 0, backoff: 1, factor: 1, backoffMax: 1, deadline: 0, budget: 0 } }
      const report = await copy(folder, source, sink, { batch: { bytes: 512, events: 1, age: 0 } })
      assert.deepEqual([report.events_out['out'], report.dead_lettered, report.in_flight], [4000, 0, 0])
      assert.ok(report.decisions.some(({ what, of, to }) => what === 'in_flight' && of === 'out' && to > 1), JSON.stringify(report.decisions))
    },
  )
  assert.ok(most > 2, `${most} at once, ${refused} refused`)
  assert.deepEqual(seen.toSorted((a, b) => a - b), Array.from({ length: 4000 }, (_, n) => n))
})

test('a server that answers for single events gets only what it could not take, again', async () => {
  input(6)
  const taken: number[] = []
  let first = true
  await withServer(
    (_request, body, response) => {
      const ids = body.toString().trim().split('\n').map(line => (JSON.parse(line) as { n: number }).n)
      const results = ids.map(n => {
        if (n === 2) return { status: 422, error: 'two is wrong' }
        if (n === 4 && first) return { status: 503 }
        taken.push(n)
        return { status: 200 }
      })
      first = false
      response.end(JSON.stringify({ results }))
    },
    async url => {
      const report = await copy(folder, source, { type: 'http', config: { url, results: 'results' } })
      assert.deepEqual([report.events_out['out'], report.dead_lettered], [5, 1])
    },
  )
  assert.deepEqual(taken, [0, 1, 3, 5, 4])
  assert.match(String(letters()[0]?.['reason']), /two is wrong/)
})

test('pages are followed by Link header, cursor and number, on one server only', async () => {
  await withServer(
    (request, _body, response) => {
      const url = new URL(request.url ?? '/', 'http://x')
      const at = Number(url.searchParams.get('at') ?? url.searchParams.get('page') ?? 1)
      const items = at <= 3 ? [{ at }] : []
      if (url.pathname === '/link' && at < 3) response.setHeader('link', `</other>; rel="prev", </link?at=${at + 1}>; rel="next"`)
      if (url.pathname === '/away') response.setHeader('link', '<http://127.0.0.2:1/>; rel=next')
      response.end(JSON.stringify({ items, next: at < 3 ? at + 1 : null }))
    },
    async url => {
      const expected = [{ at: 1 }, { at: 2 }, { at: 3 }]
      await copy(folder, { type: 'http_client', config: { url: `${url}/link`, items: 'items', paging: { by: 'link' } } })
      assert.deepEqual(out(), expected)
      await copy(folder, { type: 'http_client', config: { url: `${url}/cursor`, items: 'items', paging: { by: 'cursor', parameter: 'at' } } })
      assert.deepEqual(out(), expected)
      await copy(folder, { type: 'http_client', config: { url: `${url}/page`, items: 'items', paging: { by: 'page' } } })
      assert.deepEqual(out(), expected)
      await assert.rejects(copy(folder, { type: 'http_client', config: { url: `${url}/away`, items: 'items', paging: { by: 'link' } } }), /another server/)
    },
  )
})

test('a Link header in any form is understood', () => {
  assert.equal(nextLink('<a?x=1,2>; rel="next"', 'http://h/p/'), 'http://h/p/a?x=1,2')
  assert.equal(nextLink('<a>; title="x, y"; rel="prev next"', 'http://h/'), 'http://h/a')
  assert.equal(nextLink('<a>; rel=nextish', 'http://h/'), undefined)
  assert.equal(nextLink(null, 'http://h/'), undefined)
})

/** Runs an http_server pipeline while `work` talks to it. */
async function serving(config: object, work: (url: string) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  let tell: (url: string) => void = () => undefined
  const address = new Promise<string>(resolve => {
    tell = resolve
  })
  const running = copy(folder, { type: 'http_server', config: { port: 0, path: '/in', ...config } }, undefined, {
    options: { signal: stop.signal, onWarning: (_place, message) => tell(`http://${/listens at (\S+)/.exec(message)?.[1] ?? ''}`) },
  })
  try {
    await work(await Promise.race([address, running.then(() => '')]))
  } finally {
    stop.abort()
    await running
  }
}

test('a client gets its answer when its events are durable; single events, lists and lines are taken', async () => {
  await serving({ token: 'open' }, async url => {
    const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>): Promise<Response> => fetch(`${url}/in`, { method: 'POST', body, headers: { authorization: 'Bearer open', ...headers } })
    const one = await post('{"a": 1}', { 'content-type': 'application/json' })
    assert.deepEqual([one.status, await one.json()], [200, { durable: true }])
    assert.deepEqual(out(), [{ a: 1 }])
    await post('[{"a":2},\n{"a":3}]', { 'content-type': 'application/json' })
    await post(new Uint8Array(gzipSync('{"a":4}\n{"a":5}\n')), { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' })
    assert.deepEqual(out(), [1, 2, 3, 4, 5].map(a => ({ a })))
    assert.equal((await post('[{"a":', { 'content-type': 'application/json' })).status, 400)
    assert.equal((await fetch(`${url}/in`, { method: 'POST', body: '{}' })).status, 401)
    assert.equal((await fetch(`${url}/else`, { method: 'POST', body: '{}' })).status, 404)
    assert.equal((await fetch(`${url}/in`)).status, 405)
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
  })
})

test('a server that does not answer is given up after the timeout', async () => {
  input(1)
  await withServer(
    () => undefined,
    async url => {
      const report = await copy(folder, source, { type: 'http', config: { url, timeout: '20ms' } })
      assert.deepEqual([report.dead_lettered, report.retries], [1, 2])
    },
  )
  assert.match(String(letters()[0]?.['reason']), /did not answer within 20 ms/)
})

test('a body over the limit is refused, packed or not', async () => {
  await serving({ body_max: 100 }, async url => {
    const big = Buffer.from(JSON.stringify({ a: 'x'.repeat(5000) }))
    assert.equal((await fetch(`${url}/in`, { method: 'POST', body: new Uint8Array(big) }).catch(() => ({ status: 413 }))).status, 413)
    assert.equal((await fetch(`${url}/in`, { method: 'POST', body: new Uint8Array(gzipSync(big)), headers: { 'content-encoding': 'gzip' } }).catch(() => ({ status: 413 }))).status, 413)
  })
})

test('with too much waiting, clients are told to come back', async () => {
  await serving({ waiting_max: 0, answer: 'accepted' }, async url => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/in`, { method: 'POST', body: '{"a":1}' })))
    for (const answer of answers) {
      assert.ok([202, 429].includes(answer.status))
      if (answer.status === 429) assert.equal(answer.headers.get('retry-after'), '1')
    }
  })
})
