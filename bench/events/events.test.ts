import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { digestOf } from './digest.ts'
import { DEFAULTS, deviceTable, eventBlocks } from './generate.ts'

const textOf = (options: Partial<typeof DEFAULTS>): string => [...eventBlocks({ ...DEFAULTS, ...options })].join('')

test('the same seed gives the same bytes for ever: committed results stand on them', () => {
  assert.equal(createHash('sha256').update(textOf({ events: 5000 })).digest('hex'), '866a7413365133f363dacb9355c22631b8352ba33e4c9b6ff704700d40f531ce')
})

test('a short run is the beginning of a long one', () => {
  assert.ok(textOf({ events: 9000 }).startsWith(textOf({ events: 300 })))
})

test('every line is JSON unless broken ones are asked for', () => {
  const broken = (text: string): number => text.trimEnd().split('\n').filter(line => !isJson(line)).length
  assert.equal(broken(textOf({ events: 2000 })), 0)
  const share = broken(textOf({ events: 5000, malformed: 0.1 })) / 5000
  assert.ok(share > 0.08 && share < 0.12, String(share))
})

test('events name devices of the table, except the bad ones', () => {
  const devices = new Set(deviceTable().split('\n').map(row => row.split(',')[0]))
  const lines = textOf({ events: 2000, bad: 0 }).trimEnd().split('\n')
  for (const line of lines) assert.ok(devices.has((JSON.parse(line) as { device: { id: string } }).device.id))
})

test('the digest is blind to the order of lines, keys and files, and to nothing else', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-digest-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const whole = await digestOf(file('whole', '{"a":1,"b":[1,{"c":2,"d":3}]}\n{"a":2}\n'))
  const turned = await digestOf(file('turned', '{"a":2}\n{"b":[1,{"d":3,"c":2}],"a":1.0}'))
  const parts = await digestOf(file('one', '{"a":2}\n'), file('two', '{"a":1,"b":[1,{"c":2,"d":3}]}\n'))
  assert.equal(whole.lines, 2)
  assert.equal(turned.digest, whole.digest)
  assert.equal(parts.digest, whole.digest)
  for (const other of ['{"a":2}\n{"a":1,"b":[{"c":2,"d":3},1]}\n', '{"a":2}\n', '{"a":3}\n{"a":1,"b":[1,{"c":2,"d":3}]}\n']) {
    assert.notEqual((await digestOf(file('other', other))).digest, whole.digest)
  }
  assert.equal((await digestOf(file('broken', '{"a":\n'))).broken, 1)
})

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}
