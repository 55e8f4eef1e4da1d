import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileKernel } from '../../../tools/build-kernel.ts'
import { KERNEL } from './binary.ts'

test('the committed kernel is what its sources compile to', async () => {
  const fresh = Buffer.from(await compileKernel()).toString('base64')
  assert.ok(fresh === KERNEL, 'Run node tools/build-kernel.ts and commit src/event/kernel/binary.ts.')
})
