import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secretPlaces } from './secret-places.ts'

const found = (text: string, unclear = false): string[] => secretPlaces(text, unclear ? { start: 0, end: text.length } : undefined).map(({ start, end }) => text.slice(start, end))

test('what stands behind a name that means a secret is found, whatever the style', () => {
  assert.deepEqual(found('password: hunter2 # mine\nuser: me\n'), ['hunter2'])
  assert.deepEqual(found('{ user: me, Password: "a, b", token: it\'s me, next: 1 }'), ['"a, b"', 'it\'s me'])
  assert.deepEqual(found('secret_key: \'a\'\'b: c\'\nx: 1'), ['\'a\'\'b: c\''])
  assert.deepEqual(found('tls:\n  passphrase: |\n    one\n    two\n  cert: x\n'), ['|\n    one\n    two'])
  assert.deepEqual(found('"db_password": x\nsinks.out.http.auth.bearer=abc'), ['x', 'abc'])
})

test('one that is not closed goes on to the end', () => {
  assert.deepEqual(found('password: "hunter2\nuser: me'), ['"hunter2\nuser: me'])
})

test('what only names the place of a secret may be seen, a default in it may not', () => {
  assert.deepEqual(found('password: ${DB_PASSWORD}\ntoken: "${file:token.txt}"'), [])
  assert.deepEqual(found('{ password: "${DB_PASSWORD:hunter2}", token: ${T:abc}, x: 1 }'), ['"${DB_PASSWORD:hunter2}"', '${T:abc}'])
})

test('names that only tell of a secret, and maps, are left alone', () => {
  assert.deepEqual(found('token_url: https://example.org\npassword_file: x\ncredentials: { user: me }\nkey: event.id'), [])
})

test('where nothing is clear, each key may be one', () => {
  assert.deepEqual(found('auth: { header: x, key: abc }', true), ['abc'])
})
