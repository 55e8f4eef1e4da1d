import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Messages } from './messages.ts'

test('messages below the least level are left out', () => {
  const said: string[] = []
  const messages = new Messages((level, text) => said.push(`${level}: ${text}`), 'warn')
  messages.debug('a')
  messages.info('b')
  messages.warn('c')
  messages.error('d')
  assert.deepEqual(said, ['warn: c', 'error: d'])
})

test('control characters of foreign text become visible and steer no terminal', () => {
  const said: string[] = []
  new Messages((_, text) => said.push(text)).info('file \u001b[2Jname\r\u009b1m\ttab\nline')
  assert.deepEqual(said, ['file \\x1b[2Jname\\x0d\\x9b1m\ttab\nline'])
})
