/** What goes wrong between a pipeline and a real HTTP server: told in plain words, with what to do. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TestContext } from 'node:test'
import { httpClient, httpServer, httpSink } from '../../src/connect/index.ts'
import type { Sink, Source } from '../../src/engine/index.ts'
import { folderWith, sluice } from '../cli/sluice.ts'
import { refusal, silentPort, sinkOf, sourceOf } from '../servers/broker.testing.ts'
import { expire, makeCertificates } from '../servers/certificates.ts'
import { freePorts } from '../servers/ports.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-http-'))
after(() => rmSync(folder, { recursive: true }))
await makeCertificates(folder)
await expire(folder)

async function listening(t: TestContext, server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port // It listens on a port.
}
const plain = async (t: TestContext, answer: RequestListener): Promise<string> => `http://127.0.0.1:${await listening(t, createServer(answer))}`
const file = (name: string): Buffer => readFileSync(join(folder, name))
const secure = (t: TestContext, cert: string): Promise<number> => listening(t, createSecureServer({ key: file('server.key'), cert: file(cert) }, (_request, response) => response.end('[]')))

const source = (config: object): Source => sourceOf(httpClient, config)
const post = async (config: object): Promise<unknown> => {
  const sink: Sink = sinkOf(httpSink, config)
  await sink.open(undefined)
  const bytes = Buffer.from('{"n":1}\n')
  return sink.write({ number: 0, target: '', bytes, rows: 1, ends: Uint32Array.of(bytes.length) }, new AbortController().signal)
}
const ask = async (config: object): Promise<unknown> => {
  const asking = source(config)
  try {
    await asking.open(undefined)
    return await asking.next(65_536, new AbortController().signal)
  } finally {
    await asking.close()
  }
}

test('a status that refuses is told with the words of the server, and whether it may pass', async t => {
  for (const [status, retry] of [[401, false], [404, false], [429, true], [503, true]] as const) {
    const url = await plain(t, (_request, response) => response.writeHead(status).end('see the manual'))
    const told = { code: 'HTTP_STATUS', message: new RegExp(`answered ${status}: see the manual`) }
    await assert.rejects(ask({ url }), { ...told, retry })
    // What a server refuses of one event may be fine in the next one; a login is wrong for all of them.
    if (status === 404) assert.match(JSON.stringify(await post({ url })), /"answer":"reject","code":"HTTP_STATUS","reason":"http:[^ ]* answered 404: see the manual"/)
    else await assert.rejects(post({ url }), { ...told, retry, stops: status === 401 })
  }
})

test('a port where nobody listens, a host that is not there, and a server that says nothing, are told apart', async t => {
  const gone = await freePorts(1)
  for (const work of [post, ask]) {
    await assert.rejects(work({ url: `http://127.0.0.1:${gone}/` }), { code: 'HTTP_FAILED', retry: true, message: /can't be reached: nobody listens there\. Is it running, and is the port right\?/ })
    await assert.rejects(work({ url: 'http://api.invalid/' }), { code: 'HTTP_FAILED', message: /there is no host of that name|could not be looked up/ })
    await assert.rejects(work({ url: `http://127.0.0.1:${await silentPort(t)}/`, timeout: '300ms' }), { code: 'HTTP_FAILED', message: /did not answer within 300 ms/ })
  }
})

test('a way into a private network is shut, unless it is named', async t => {
  const url = await plain(t, (_request, response) => response.writeHead(302, { location: 'http://127.0.0.2:9/secret' }).end())
  await assert.rejects(ask({ url }), { code: 'HTTP_PRIVATE', message: /127\.0\.0\.2 lies in a private network\. If that is meant, name it under "private_hosts"/ })
})

test('a certificate of a stranger, and a port without TLS, do not pass by waiting', async t => {
  const [stranger, open] = [await secure(t, 'server.pem'), await plain(t, (_request, response) => response.end('[]'))]
  for (const work of [post, ask]) {
    await assert.rejects(work({ url: `https://localhost:${stranger}/` }), { code: 'HTTP_FAILED', stops: true, message: /encrypted connection could not be made.*name it in NODE_EXTRA_CA_CERTS/ })
    await assert.rejects(work({ url: open.replace('http:', 'https:') }), { code: 'HTTP_FAILED', stops: true, message: /Does that port speak TLS\? If not, write http:/ })
  }
})

test('a certificate of an authority that is trusted is looked at too: its name, and its time', async t => {
  const [good, expired] = [await secure(t, 'server.pem'), await secure(t, 'expired.pem')]
  const pipeline = folderWith(t, { 'p.yaml': `pipeline: p
sources:
  good: { http_client: { url: 'https://localhost:${good}/' } }
  name: { http_client: { url: 'https://127.0.0.1:${good}/' } }
  expired: { http_client: { url: 'https://localhost:${expired}/' } }
sinks: { post: { http: { url: 'https://localhost:${expired}/' } } }
` })
  const { out } = await sluice(['probe', 'p.yaml'], { folder: pipeline, env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } })
  assert.match(out, /^good +source http_client +ok$/m)
  assert.match(out, /^name .*failed\n +HTTP_FAILED .*certificate is for localhost, not for "127\.0\.0\.1"/m)
  for (const id of ['expired', 'post']) assert.match(out, new RegExp(`^${id} .*failed\\n +HTTP_FAILED .*The certificate has to be renewed`, 'm'))
})

test('a port that is taken is told at the start', async t => {
  const port = await listening(t, createServer())
  assert.equal((await refusal(sourceOf(httpServer, { port }))).code, 'HTTP_FAILED')
})
