/** What an S3 server refuses for reasons of its own: a disk that is full, and requests that it does not take. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Sink } from '../../src/engine/index.ts'
import { sinkFor } from './sink-for.ts'
import { startS3 } from './server.ts'

const server = await startS3()
if (typeof server === 'string') test('failures of S3', { skip: server }, () => undefined)
else {
  after(() => server.dispose())
  const { config, service } = server

  const write = (sink: Sink, target: string, text: string): Promise<unknown> => {
    const bytes = Buffer.from(text)
    return Promise.resolve(sink.write({ number: 0, target, bytes, rows: 1, ends: Uint32Array.of(bytes.length) }, new AbortController().signal))
  }

  test('while its disk is full the sink may try again, and what it had taken is there once there is room', async t => {
    const data = join(service.folder, 'data/small')
    mkdirSync(data)
    const mount = (size: string, ...more: readonly string[]) => spawnSync('mount', ['-t', 'tmpfs', '-o', [...more, `size=${size}`].join(','), 'tmpfs', data], { encoding: 'utf8' })
    const { status, stderr } = mount('64k')
    if (status !== 0) return t.skip(`a small volume can't be mounted here: ${stderr.trim()}`)
    t.after(() => spawnSync('umount', ['--lazy', data]))
    const sink = sinkFor({ ...config, bucket: 'small', key: 'a/rows.ndjson' })
    t.after(() => sink.close('done'))
    await sink.open(undefined)
    const row = `${JSON.stringify({ text: 'x'.repeat(200_000) })}\n`
    await write(sink, 'a/rows.ndjson', row)
    await assert.rejects(sink.flush(), { code: 'S3_BUSY', retry: true, message: /has no room left for the bucket "small" \(No space left on device\)\. Make room/ })
    mount('4m', 'remount')
    await sink.flush()
    await sink.committed?.()
    const keys = await server.keys('a/', 'small')
    assert.equal(keys.length, 1)
    assert.equal((await server.get(keys[0] ?? '', 'small')).toString(), row)
  })

  test('a request that the server does not take is told with its words', async t => {
    await server.put('parent', 'an object, and no folder')
    const sink = sinkFor({ ...config, key: 'parent/rows.ndjson' })
    t.after(() => sink.close('failed'))
    await assert.rejects((async () => {
      await sink.open(undefined)
      await write(sink, 'parent/rows.ndjson', '{}\n')
      await sink.flush()
      await sink.committed?.()
    })(), { code: 'S3_REPLY', retry: false, message: /answered 4\d\d \w+/ })
  })
}
