/** `http_client` against a server on this machine: rounds, tags, restarts, and answers that break off. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { TestContext } from 'node:test'
import { prepareConfig } from '../../engine/index.ts'
import type { Piece, Source } from '../../engine/index.ts'
import { testContext } from '../testing.ts'
import { httpClient } from './http-client.ts'

async function serve(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse, count: number) => void): Promise<string> {
  let count = 0
  const server = createServer((request, response) => answer(request, response, ++count))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // It listens on a port.
}

/** A source whose waits are over at once; `slept` are their lengths. */
function source(config: object, slept: number[] = [], warnings: string[] = []): Source {
  const context = testContext({ sleep: ms => Promise.resolve(void slept.push(ms)), now: () => 0, random: () => 0, warn: message => void warnings.push(message) })
  return httpClient.create(prepareConfig(httpClient.config, config, context), context)
}

const go = new AbortController().signal
const lines = (piece: Piece | undefined): string[] => Buffer.from(piece?.data ?? []).toString('utf8').split('\n').map(line => line.trim()).filter(line => line !== '')

test('events keep their bytes, wherever they stand in the answer', async t => {
  const list = '[ {"id":12345678901234567890, "n":1.0},\n {"s":"a\\u00e9]"} , 5, [1,2] ]'
  const url = await serve(t, (request, response) => void response.end(request.url === '/listed' ? '{"pages":[{"items":[1,2]}]}' : request.url === '/one' ? '{"id":1.50}' : request.url === '/deep' ? `{"x":[9],"data":{"items": ${list} }}` : list))
  const expected = ['{"id":12345678901234567890, "n":1.0}', '{"s":"a\\u00e9]"}', '5', '[1,2]']
  for (const [path, items, events] of [['/', undefined, expected], ['/deep', 'data.items', expected], ['/one', undefined, ['{"id":1.50}']], ['/one', 'id', ['1.50']], ['/one', 'none', []], ['/listed', 'pages.0.items', ['1', '2']]] as const) {
    const client = source({ url: `${url}${path}`, items })
    await client.open(undefined)
    assert.deepEqual(lines(await client.next(1, go)), events)
    assert.equal(await client.next(1, go), undefined)
  }
})

test('the tag of the first page is sent with the first page of the next round, also after a restart', async t => {
  const seen: string[] = []
  const url = await serve(t, (request, response) => {
    seen.push(`${request.url} ${request.headers['if-none-match'] ?? '-'}`)
    if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end()
    else if (request.url === '/') response.setHeader('etag', '"1"').setHeader('link', '</2>; rel=next').end('[1]')
    else response.setHeader('etag', '"2"').end('[2]')
  })
  const config = { url: `${url}/`, paging: { by: 'link' }, every: '1m' }
  const first = source(config)
  await first.open(undefined)
  const one = await first.next(1, go)
  // It stopped between the two pages: the second one has no tag yet.
  const second = source(config)
  await second.open(one?.position)
  const two = await second.next(1, go)
  assert.deepEqual([lines(one), lines(two)], [['1'], ['2']])
  const stop = new AbortController()
  const slept: number[] = []
  const context = testContext({ sleep: ms => (slept.push(ms) > 2 ? (stop.abort(), Promise.resolve()) : Promise.resolve()), now: () => 0 })
  const last = httpClient.create(prepareConfig(httpClient.config, config, context), context)
  await last.open(two?.position)
  assert.equal(await last.next(1, stop.signal), undefined)
  assert.deepEqual(seen, ['/ -', '/2 -', '/ "1"', '/ "1"'])
  assert.deepEqual(slept, [60_000, 60_000, 60_000])
})

test('an answer that breaks off, or a busy server, is tried again', async t => {
  const url = await serve(t, (_request, response, count) => {
    if (count === 1) response.writeHead(200, { 'content-length': '10' }).write('[1', () => response.destroy())
    else if (count === 2) response.writeHead(503, { 'retry-after': '7' }).end()
    else response.end('[1]')
  })
  const slept: number[] = []
  const client = source({ url }, slept)
  await client.open(undefined)
  assert.deepEqual(lines(await client.next(1, go)), ['1'])
  assert.deepEqual(slept, [0, 7000])
})

test('a server that stays away fails a source that asks once, and is asked in the next round by one that goes on', async t => {
  const url = await serve(t, (_request, response, count) => void (count <= 12 ? response.writeHead(500).end() : response.end('[1]')))
  const once = source({ url })
  await once.open(undefined)
  await assert.rejects(once.next(1, go), { code: 'HTTP_STATUS' })
  const slept: number[] = []
  const warnings: string[] = []
  const client = source({ url, every: '5m' }, slept, warnings)
  await client.open(undefined)
  assert.deepEqual(lines(await client.next(1, go)), ['1'])
  assert.deepEqual(slept, [0, 0, 0, 0, 0, 300_000])
  assert.match(warnings.join(), /answered 500\. It is asked again in the next round/)
})

test('a refusal fails the run, however often the server is to be asked', async t => {
  const url = await serve(t, (_request, response) => void response.writeHead(403).end('no'))
  const client = source({ url, every: '5m' })
  await client.open(undefined)
  await assert.rejects(client.next(1, go), { code: 'HTTP_STATUS', message: /answered 403: no/ })
})

test('a stop ends the wait for another attempt without a failure', async t => {
  const url = await serve(t, (_request, response) => void response.writeHead(503).end())
  const stop = new AbortController()
  const context = testContext({ now: () => 0, sleep: () => (stop.abort(), Promise.reject(new Error('aborted'))) })
  const client = httpClient.create(prepareConfig(httpClient.config, { url }, context), context)
  await client.open(undefined)
  assert.equal(await client.next(1, stop.signal), undefined)
})

test('an empty cursor is the end, and a page that leads to itself is told', async t => {
  const url = await serve(t, (request, response) => void response.end(`{"items":[1],"next":${request.url?.includes('again') === true ? '"again"' : '""'}}`))
  const config = { url, items: 'items', paging: { by: 'cursor', parameter: 'at' } }
  const client = source(config)
  await client.open(undefined)
  assert.deepEqual(lines(await client.next(1, go)), ['1'])
  assert.equal(await client.next(1, go), undefined)
  const round = source({ ...config, url: `${url}/?at=again` })
  await round.open(undefined)
  await assert.rejects(round.next(1, go), { code: 'HTTP_STATUS', message: /sends on to itself/ })
})

test('what is wrong with the config is told before anything is asked', async () => {
  assert.throws(() => source({ url: 'nowhere' }), { code: 'CONFIG_VALUE' })
  assert.throws(() => source({ url: 'http://h/', every: '1m', cron: '* * * * *' }), { code: 'CONFIG_VALUE', message: /either/ })
  await assert.rejects(source({ url: 'http://h/', cron: 'often' }).open(undefined), { code: 'CONFIG_VALUE', message: /"often" is no schedule/ })
})

test('offsets go up by the events that came', async t => {
  const seen: string[] = []
  const url = await serve(t, (request, response) => {
    const at = Number(new URL(request.url ?? '', 'http://h').searchParams.get('skip'))
    seen.push(String(at))
    response.end(JSON.stringify([1, 2, 3, 4, 5].slice(at, at + 2)))
  })
  const client = source({ url, paging: { by: 'offset', parameter: 'skip' } })
  await client.open(undefined)
  assert.deepEqual([lines(await client.next(1, go)), lines(await client.next(1, go)), lines(await client.next(1, go)), await client.next(1, go)], [['1', '2'], ['3', '4'], ['5'], undefined])
  assert.deepEqual(seen, ['0', '2', '4', '5'])
})

test('a round asks for what is behind the greatest value of the rounds before, and a restart in its middle asks with the same', async t => {
  const rows = [3, 1, 2].map(n => ({ n, at: `2026-01-0${n}` }))
  const seen: string[] = []
  const url = await serve(t, (request, response) => {
    const asked = new URL(request.url ?? '', 'http://h').searchParams
    seen.push(`${asked.get('since') ?? '-'} ${asked.get('page')}`)
    response.end(JSON.stringify(rows.filter(({ at }) => at > (asked.get('since') ?? '')).slice((Number(asked.get('page')) - 1) * 2).slice(0, 2)))
  })
  const config = { url, paging: { by: 'page' }, watermark: { field: 'at', parameter: 'since' } }
  const first = source(config)
  await first.open(undefined)
  const one = await first.next(1, go)
  // It stopped in the middle of the first round.
  const second = source(config)
  await second.open(one?.position)
  const two = await second.next(1, go)
  assert.deepEqual([lines(one), lines(two)].flat(), rows.map(row => JSON.stringify(row)))
  assert.equal(await second.next(1, go), undefined)
  rows.push({ n: 4, at: '2026-01-04' })
  // The last page that brought something is the position: what was behind it is asked for again, and then what is new.
  const third = source(config)
  await third.open(two?.position)
  const three = await third.next(1, go)
  assert.deepEqual([lines(three), await third.next(1, go)], [['{"n":4,"at":"2026-01-04"}'], undefined])
  const fourth = source(config)
  await fourth.open(three?.position)
  assert.equal(await fourth.next(1, go), undefined)
  assert.deepEqual(seen, ['- 1', '- 2', '- 3', '2026-01-03 1', '- 3', '2026-01-03 1', '2026-01-03 2', '2026-01-03 2', '2026-01-04 1'])
})

test('tokens are asked for once, asked for again where one was taken back, and not for ever', async t => {
  let [given, isOpen] = [0, true]
  const url = await serve(t, (request, response) => {
    if (request.url === '/token') {
      assert.equal(request.headers.authorization, `Basic ${Buffer.from('me:s%3Acret').toString('base64')}`)
      response.end(JSON.stringify({ access_token: `t${++given}`, token_type: 'Bearer', expires_in: 3600 }))
    } else if (isOpen && request.headers.authorization === `Bearer t${given}` && !(request.url === '/?page=2' && given === 1)) response.end(request.url === '/?page=3' ? '[]' : '[1]')
    else response.writeHead(401).end()
  })
  const auth = { oauth2: { token_url: `${url}/token`, client_id: 'me', client_secret: 's:cret' } }
  const client = source({ url, paging: { by: 'page' }, auth })
  await client.open(undefined)
  assert.deepEqual([lines(await client.next(1, go)), lines(await client.next(1, go)), await client.next(1, go)], [['1'], ['1'], undefined])
  assert.equal(given, 2)
  isOpen = false
  const refused = source({ url, auth })
  await refused.open(undefined)
  await assert.rejects(refused.next(1, go), { code: 'HTTP_STATUS', message: /answered 401/ })
  assert.equal(given, 3)
})

test('a packed answer is read, and one that unpacks to more than is allowed is not', async t => {
  const url = await serve(t, (_request, response) => void response.setHeader('content-encoding', 'gzip').end(gzipSync(`[1${' '.repeat(100_000)}]`)))
  const client = source({ url })
  await client.open(undefined)
  assert.deepEqual(lines(await client.next(1, go)), ['1'])
  const small = source({ url, answer_max: '10KiB' })
  await small.open(undefined)
  await assert.rejects(small.next(1, go), { code: 'HTTP_STATUS', message: /more than 10240 bytes/ })
})

test('a JSONPath to one place leads to the events; one that may lead to several is refused', async t => {
  const url = await serve(t, (_request, response) => void response.end('{"a b":[{"list":[{"x":1.0}]}]}'))
  const client = source({ url, items: '$["a b"][0].list[*]' })
  await client.open(undefined)
  assert.deepEqual(lines(await client.next(1, go)), ['{"x":1}'])
  assert.throws(() => source({ url, items: '$..list' }), { code: 'CONFIG_VALUE', message: /from "\.\.list" on/ })
})
