import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wantsColors } from './io.ts'

test('colours are for terminals, and what the environment says goes before', () => {
  assert.equal(wantsColors({}, true), true)
  assert.equal(wantsColors({}, false), false)
  assert.equal(wantsColors({ FORCE_COLOR: '1' }, false), true)
  assert.equal(wantsColors({ FORCE_COLOR: '0' }, true), false)
  assert.equal(wantsColors({ NO_COLOR: '1' }, true), false)
  assert.equal(wantsColors({ NO_COLOR: '1', FORCE_COLOR: '1' }, false), false)
  assert.equal(wantsColors({ NO_COLOR: '' }, true), true)
})
