import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'node:test'

const entry = join(import.meta.dirname, '../../bin/sluice.js')

test('a Node.js that is too old gets one clear line and exit code 2', () => {
  const pretend = 'data:text/javascript,Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } })'
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', pretend, entry, '--version'], { encoding: 'utf8' })
  assert.equal(status, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^sluice needs Node\.js 24 or newer; this is 20\.1\.0 \(.*\)\.\n$/)
})

test('the command keeps working where the compile cache has no place', () => {
  const env = { ...process.env, NODE_COMPILE_CACHE: '/dev/null/nowhere' }
  const { status, stdout } = spawnSync(process.execPath, [entry, '--version'], { encoding: 'utf8', env })
  assert.equal(status, 0)
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
})
