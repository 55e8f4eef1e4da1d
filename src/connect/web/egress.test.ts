/** Requests to servers on this machine, under names that a made-up resolver knows. */
import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Egress, isPrivate } from './egress.ts'

const signal = new AbortController().signal

async function serve(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port // It listens on a port.
}

/** Answers from a list, one after the other for each name; the last one stays. */
function names(known: Readonly<Record<string, readonly string[]>>): ConstructorParameters<typeof Egress>[2] {
  const asked = new Map<string, number>()
  return (host, _options, done) => {
    const answers = known[host] ?? []
    const turn = asked.get(host) ?? 0
    asked.set(host, turn + 1)
    const address = answers[Math.min(turn, answers.length - 1)] ?? ''
    const found: LookupAddress[] = address.split(' ').map(each => ({ address: each, family: each.includes(':') ? 6 : 4 }))
    done(null, found)
  }
}

test('private addresses are known in every form that they have', () => {
  const inside = ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'fd00:ec2::254', '::ffff:127.0.0.1', '::ffff:a00:1', '64:ff9b::7f00:1', '2002:7f00:1::']
  const outside = ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '1.1.1.1']
  assert.deepEqual(inside.filter(each => !isPrivate(each)), [])
  assert.deepEqual(outside.filter(isPrivate), [])
})

test('a name that means a private address is refused, unless it is allowed by name, address or subnet', async t => {
  const port = await serve(t, (_request, response) => void response.end('in'))
  const resolve = names({ 'api.example': ['127.0.0.1'], 'two.example': ['8.8.8.8 127.0.0.1'] })
  const url = `http://api.example:${port}/`
  await assert.rejects(new Egress([], 'api.example', resolve).request(url, { signal }), { code: 'HTTP_PRIVATE', message: /api\.example is 127\.0\.0\.1, which lies in a private network/ })
  await assert.rejects(new Egress([], 'two.example', resolve).request(`http://two.example:${port}/`, { signal }), { code: 'HTTP_PRIVATE' })
  for (const allowed of ['api.example', 'API.example', '127.0.0.1', '127.0.0.0/8']) {
    assert.equal(await (await new Egress([allowed], 'api.example', resolve).request(url, { signal })).text(), 'in')
  }
  assert.throws(() => new Egress(['10.0.0.0/33'], 'h'), { code: 'CONFIG_VALUE', message: /no host, address or subnet/ })
})

test('an address is refused however it is written, unless the config itself names it', async () => {
  const egress = new Egress([], 'api.example', names({}))
  for (const host of ['127.0.0.1', '0x7f.1', '2130706433', '0177.0.0.1', '127.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '169.254.169.254', '0', '%31%32%37.0.0.1', '１２７.0.0.1']) {
    await assert.rejects(egress.request(`http://${host}:9/`, { signal }), { code: 'HTTP_PRIVATE' }, host)
  }
  await assert.rejects(egress.request('file:///etc/passwd', { signal }), { code: 'HTTP_PRIVATE', message: /neither http nor https/ })
  await assert.rejects(new Egress([], '127.0.0.1').request('http://127.0.0.1:9/', { signal }), { code: /ECONNREFUSED/ })
})

test('a name is looked up once for a connection: what it means a moment later gains nothing', async t => {
  const port = await serve(t, (_request, response) => void response.setHeader('connection', 'close').end('in'))
  // First it is allowed by its address, then it means another one.
  const egress = new Egress(['127.0.0.1'], 'api.example', names({ 'api.example': ['127.0.0.1', '127.0.0.2'] }))
  assert.equal(await (await egress.request(`http://api.example:${port}/`, { signal })).text(), 'in')
  await assert.rejects(egress.request(`http://api.example:${port}/`, { signal }), { code: 'HTTP_PRIVATE', message: /127\.0\.0\.2/ })
})

test('a redirect is looked at anew, and another origin gets no credentials', async t => {
  const seen: (string | undefined)[] = []
  const far = await serve(t, (request, response) => void (seen.push(`far ${request.headers.authorization ?? '-'}`), response.end('far')))
  const port = await serve(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? '-'}`)
    if (request.url === '/near') response.writeHead(302, { location: '/end' }).end()
    else if (request.url === '/far') response.writeHead(307, { location: `http://127.0.0.1:${far}/` }).end()
    else if (request.url === '/inside') response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end()
    else if (request.url === '/round') response.writeHead(302, { location: '/round' }).end()
    else response.end('end')
  })
  const egress = new Egress([], '127.0.0.1')
  const ask = async (path: string, method = 'GET') => (await egress.request(`http://127.0.0.1:${port}${path}`, { method, headers: { authorization: 'secret' }, signal, ...(method === 'POST' ? { body: 'x' } : {}) })).text()
  assert.equal(await ask('/near', 'POST'), 'end')
  assert.equal(await ask('/far'), 'far')
  assert.deepEqual(seen, ['POST /near secret', 'GET /end secret', 'GET /far secret', 'far -'])
  await assert.rejects(ask('/inside'), { code: 'HTTP_PRIVATE', message: /169\.254\.169\.254 lies in a private network/ })
  await assert.rejects(ask('/round'), { code: 'HTTP_STATUS', message: /more than 5 times/ })
})
