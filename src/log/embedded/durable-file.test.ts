import assert from 'node:assert/strict'
import { mkdtemp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { systemFiles } from '../../platform/index.ts'
import { SimulatedFiles, failCall } from '../../platform/simulated-files.ts'
import { readDurable, removeFolder, writeDurable } from './durable-file.ts'

test('the file holds the content before or the one after, wherever the power goes', async () => {
  const files = new SimulatedFiles({ seed: 3 })
  await files.makeFolder('/meta')
  await files.syncFolder('/')
  await writeDurable(files, '/meta/f', 'before')
  const from = files.trace.length
  await writeDurable(files, '/meta/f', 'after')
  const seen = new Set<string>()
  for (let cut = from; cut <= files.trace.length; cut++) {
    for (let seed = 1; seed <= 10; seed++) {
      const content = await readDurable(files.cut(cut, seed), '/meta/f')
      if (cut === files.trace.length) assert.equal(content, 'after')
      seen.add(String(content))
    }
  }
  assert.deepEqual([...seen].sort(), ['after', 'before'])
})

test('a write that failed leaves the content, and the next one succeeds', async () => {
  for (let nth = 1; ; nth++) {
    const files = new SimulatedFiles({ seed: nth, record: false })
    await files.makeFolder('/meta')
    await writeDurable(files, '/meta/f', 'before')
    files.failures = failCall(nth, { code: 'ENOSPC' })
    const isDone = await writeDurable(files, '/meta/f', 'a longer text').then(() => true, (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && error.code === 'LOG_DISK_FULL')
      return false
    })
    files.failures = undefined
    if (isDone) break
    assert.match(String(await readDurable(files, '/meta/f')), /before|a longer text/)
    await writeDurable(files, '/meta/f', 'x')
    assert.equal(await readDurable(files, '/meta/f'), 'x')
  }
})

test('a folder is removed with all that is in it, and one that is not there is no error', async t => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-remove-'))
  t.after(() => removeFolder(systemFiles, root))
  await mkdir(join(root, 'a/b/c'), { recursive: true })
  await writeFile(join(root, 'a/b/file'), 'x')
  await writeFile(join(root, 'other'), 'x')
  await removeFolder(systemFiles, join(root, 'a'))
  await removeFolder(systemFiles, join(root, 'a'))
  assert.deepEqual(await readdir(root), ['other'])
})

test('a file that can\'t be removed is told with what the system said', async () => {
  const files = new SimulatedFiles({ record: false })
  await files.makeFolder('/a')
  await (await files.open('/a/f', true)).close()
  files.failures = failCall(1, { code: 'EACCES', kinds: ['remove'] })
  await assert.rejects(removeFolder(files, '/a'), { code: 'EACCES' })
  await removeFolder(files, '/a')
  assert.deepEqual(files.paths(), [])
})
