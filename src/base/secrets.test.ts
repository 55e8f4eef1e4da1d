import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from './errors.ts'
import { isSecretName, withoutPasswords } from './secrets.ts'

test('logins and tokens in addresses are left out, the rest of the text stays', () => {
  assert.equal(withoutPasswords('can\'t reach postgres://me:p@ss@db:5432/shop (amqp://t0ken@mq)'), 'can\'t reach postgres://***@db:5432/shop (amqp://***@mq)')
  assert.equal(withoutPasswords('https://x.org/a?page=2&access_token=abc&sig=d%2Fe#f'), 'https://x.org/a?page=2&access_token=***&sig=***#f')
  assert.equal(withoutPasswords('redis://me:hunter2'), 'redis://me:***')
})

test('addresses without a login, ports and placeholders stay as they are', () => {
  for (const text of ['kafka://b1:9092,b2:9092', 'kafka://HOST:PORT', 'http://[::1]:80/a@b', 'http://h:${PORT}/x', 'mail me@example.org', 'a=b']) assert.equal(withoutPasswords(text), text)
})

test('no error quotes the login of an address', () => {
  assert.equal(new SluiceError('HTTP_FAILED', 'http://a:b@c failed').message, 'http://***@c failed')
})

test('names that mean a secret', () => {
  for (const name of ['password', 'sasl_password', 'X-Api-Key', 'client_secret', 'Authorization']) assert.ok(isSecretName(name), name)
  for (const name of ['key', 'token_url', 'user', 'secret_id', 'path']) assert.ok(!isSecretName(name), name)
})
