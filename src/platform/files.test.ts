import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemFiles } from './files.ts'

test('the names of new folders are made durable in all the folders that hold them', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-folders-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const synced: string[] = []
  const files = {
    ...systemFiles,
    syncFolder: (path: string) => {
      synced.push(path)
      return Promise.resolve()
    },
  }
  await files.makeFolder(join(folder, 'a', 'b', 'c'))
  assert.deepEqual(synced, [join(folder, 'a', 'b'), join(folder, 'a'), folder])
  await files.makeFolder(join(folder, 'a', 'b', 'c'))
  assert.equal(synced.length, 3)
})
