import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { prepareConfig } from '../../engine/index.ts'
import { testContext } from '../testing.ts'
import { NOTIFY, notifierOf } from './fields.ts'
import { noticeOf } from './notice.ts'
import { WebhookTarget, secretKey, signatureOf } from './webhook.ts'

const secretOf = (bytes: Uint8Array): string => `whsec_${Buffer.from(bytes).toString('base64')}`
const SECRET = secretOf(Buffer.alloc(32, 7))
const OLD = secretOf(Buffer.alloc(24, 9))

test('whatever is signed, the library of Standard Webhooks signs the same', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), fc.string(), fc.json(), fc.integer({ min: 1, max: 4_000_000_000 }), (bytes, id, body, seconds) => {
    const secret = secretOf(bytes)
    assert.equal(signatureOf([secretKey('secret', secret)], id, seconds, body), new Webhook(secret).sign(id, new Date(seconds * 1000), body))
  }))
})

test('a receiver that checks takes the message, with the new secret and with the old one, and no other', async () => {
  const requests: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      requests.push({ headers: request.headers, body })
      response.writeHead(requests.length === 1 ? 204 : requests.length === 2 ? 503 : 302, requests.length === 2 ? { 'retry-after': '7' } : {}).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // A server that listens at a port has one.
  const target = new WebhookTarget({ url: `http://127.0.0.1:${port}/hook?token=hidden`, secret: SECRET, oldSecret: OLD, headers: { 'x-team': 'data' }, timeout: 10_000, isForTopic: false }, testContext())
  const notice = noticeOf('bucket', { key: 'Köln/"1".ndjson', events: 3, bytes: 4, sha256: 'x', time: 5, input: [] })
  const { signal } = new AbortController()
  try {
    await target.tell(notice, signal)
    await assert.rejects(target.tell(notice, signal), { code: 'HTTP_STATUS', retryAfter: 7000 })
    // Followed, it would tell what is signed to somebody else.
    await assert.rejects(target.tell(notice, signal), { code: 'HTTP_FAILED' })
  } finally {
    server.closeAllConnections()
    server.close()
  }
  assert.equal(target.name, `http://127.0.0.1:${port}/hook`)
  const [first, second] = requests
  assert.equal(first?.headers['x-team'], 'data')
  assert.equal(first?.headers['content-type'], 'application/json')
  assert.equal(second?.headers['webhook-id'], first?.headers['webhook-id'])
  assert.equal(second?.body, first?.body)
  for (const secret of [SECRET, OLD]) assert.deepEqual(new Webhook(secret).verify(first?.body ?? '', first?.headers as Record<string, string>), JSON.parse(notice.body)) // Its headers come once each.
  assert.throws(() => new Webhook(secretOf(Buffer.alloc(32, 8))).verify(first?.body ?? '', first?.headers as Record<string, string>), /No matching signature/)
  assert.throws(() => new Webhook(SECRET).verify(`${first?.body} `, first?.headers as Record<string, string>), /No matching signature/)
})

test('what does not go together is told at the start, and a secret never', () => {
  const wrong = (config: Readonly<Record<string, unknown>>, message: RegExp): void => {
    const context = testContext()
    assert.throws(() => notifierOf(prepareConfig(NOTIFY, config, context), 'bucket', 'rows/', context), (error: unknown) => error instanceof Error && message.test(error.message) && !error.message.includes('canary'))
  }
  wrong({}, /give "topic", with the "log" that it is in, or "url", and not both/)
  wrong({ topic: 'a', url: 'https://example.org' }, /not both/)
  wrong({ url: 'https://example.org' }, /needs a "secret"/)
  wrong({ url: 'ftp://example.org', secret: SECRET }, /must begin with https/)
  wrong({ url: 'https://example.org', secret: SECRET, log: './data' }, /are for a "topic"/)
  for (const secret of ['canary', 'whsec_canary', secretOf(Buffer.alloc(23)), secretOf(Buffer.alloc(65)), `${SECRET} canary`]) wrong({ url: 'https://example.org', secret }, /"secret" must be 24 to 64 bytes in base64/)
  wrong({ url: 'https://example.org', secret: SECRET, old_secret: 'canary' }, /"old_secret" must be/)
})
