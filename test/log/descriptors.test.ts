/** A process that may hold few files: what is open goes on, what can't be opened is told, and it recovers. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ERRORS } from '../../src/base/index.ts'
import { evidence } from './evidence.ts'
import { readAll } from './inspect.ts'
import { openReal } from './open.ts'

const LIMIT = 96

test('a process at its limit of open files refuses new topics with an error, and serves those that it has', { skip: process.platform === 'win32' && 'no such limit here' }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-descriptors-'))
  try {
    const script = `ulimit -n ${LIMIT}; exec "$0" "$1" "$2"`
    const out = execFileSync('sh', ['-c', script, process.execPath, join(import.meta.dirname, 'descriptors-child.ts'), folder], { encoding: 'utf8' })
    const { code, topics, acks, seen } = JSON.parse(out) as { code: string | undefined; topics: number; acks: number; seen: number }
    // A log that opens files only while it uses them never meets the limit.
    if (code !== undefined) assert.ok(code in ERRORS, code)
    assert.deepEqual([acks, seen], [50, 51])
    const { log } = await openReal(folder)
    assert.equal((await log.admin.listTopics()).length, topics)
    assert.equal((await readAll(log, { topic: 'first', partition: 1 })).length, 25)
    await log.close()
    evidence('R08-descriptors', { 'open files allowed': LIMIT, 'topics made': topics, 'refused with': code ?? 'nothing' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
