import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ended, mqttError } from './errors.ts'

const withCode = (code: number | string, message = 'said so'): Error => Object.assign(new Error(message), { code })

test('reasons that a broker gives are told by what they mean, at the login and later', () => {
  const told = (code: number, doing: string): string => mqttError(withCode(code), 'broker:1883', doing).code
  for (const code of [4, 5, 134, 135]) assert.equal(told(code, 'the login'), 'MQTT_AUTH')
  for (const code of [128, 135]) assert.equal(told(code, 'a message for "a"'), 'MQTT_DENIED')
  assert.equal(told(142, 'messages'), 'MQTT_TAKEN')
  assert.equal(told(144, 'a message for "a"'), 'MQTT_TOPIC')
  assert.match(mqttError(withCode(132), 'broker:1883', 'the login').message, /does not speak this version of MQTT/)
  assert.match(mqttError(withCode(133), 'broker:1883', 'the login').message, /Take another "client_id"/)
})

test('what passes by itself is worth another attempt, what does not is not', () => {
  for (const code of [137, 139, 151]) assert.equal(mqttError(withCode(code), 'broker:1883', 'a message').retry, true)
  for (const code of [135, 142, 153]) assert.equal(mqttError(withCode(code), 'broker:1883', 'a message').retry, false)
  assert.equal(mqttError(withCode('ECONNREFUSED'), 'broker:1883', 'the login').retry, true)
})

test('a connection that the broker ends without a reason says nothing of the message: it is tried again', () => {
  for (const code of [128, 131]) {
    const { code: told, retry, message } = mqttError(new Ended(code), 'broker:1883', 'the connection')
    assert.deepEqual([told, retry], ['MQTT_REPLY', true])
    assert.match(message, /did not say why \(\d+\): its memory may be used up/)
  }
  assert.equal(mqttError(new Ended(142), 'broker:1883', 'the connection').code, 'MQTT_TAKEN')
  assert.equal(mqttError(new Ended(135), 'broker:1883', 'the connection').code, 'MQTT_DENIED')
})
