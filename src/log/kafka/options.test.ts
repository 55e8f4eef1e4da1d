import assert from 'node:assert/strict'
import test from 'node:test'
import { SluiceError } from '../../base/index.ts'
import { nameOfEndpoint, parseAddress } from './options.ts'

test('an address names brokers, the port is 9092 where none is given', () => {
  assert.deepEqual(parseAddress('kafka://one:9093,two, [::1]:9094/'), [{ host: 'one', port: 9093 }, { host: 'two', port: 9092 }, { host: '::1', port: 9094 }])
  assert.deepEqual(parseAddress('kafka://one:9093,[::1]').map(nameOfEndpoint), ['one:9093', '[::1]:9092'])
})

test('what is no address is refused, and a password in it is not repeated', () => {
  for (const address of ['one:9092', 'kafka://', 'kafka://one:0', 'kafka://one:99999', 'kafka://one,,two', 'kafka://one:9092/topic', 'kafka://user:hunter2@one:9092']) {
    assert.throws(() => parseAddress(address), (error: unknown) => {
      assert.ok(error instanceof SluiceError && error.code === 'LOG_CONNECT' && !error.retry)
      assert.ok(!error.message.includes('hunter2'))
      return true
    }, address)
  }
})
