/** `--watch` on real files, with a pipeline that only counts how often it was taken up. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Reloading } from './reloading.ts'
import { stubIo } from './testing.ts'

function bench(t: TestContext, during: (reloads: number) => Promise<void> = () => Promise.resolve()) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-watch-'))
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('p.yaml'), 'first')
  const files = [path('p.yaml')]
  const seen = { reloads: 0 }
  const io = stubIo()
  const reloading = new Reloading(io, true)
  t.after(() => {
    reloading.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const reload = async (): Promise<never> => {
    await during(++seen.reloads)
    throw new Error('a reload whose answer nobody needs')
  }
  reloading.begin({ files, reload })
  return { files, path, seen, io, reloads: async (count: number) => { while (seen.reloads < count) await sleep(20) } }
}

/** Long enough for some looks. */
const LOOKS = 1000

test('an edit is taken up, once', async t => {
  const { path, seen, reloads } = bench(t)
  await sleep(LOOKS)
  assert.equal(seen.reloads, 0)
  writeFileSync(path('p.yaml'), 'second, and longer')
  await reloads(1)
  await sleep(LOOKS)
  assert.equal(seen.reloads, 1)
})

test('an edit that is made while another is taken up is taken up too', async t => {
  // It was taken for what had been read: the pipeline went on with an older file than the one on the disk.
  const { path, reloads } = bench(t, async count => {
    if (count > 1) return
    writeFileSync(path('p.yaml'), 'third, which is longer still')
    await sleep(50)
  })
  await sleep(LOOKS / 2)
  writeFileSync(path('p.yaml'), 'second, and longer')
  await reloads(2)
})

test('a file that a reload brought is watched from then on, and is no edit itself', async t => {
  const { files, path, seen, reloads } = bench(t, count => {
    if (count === 1) files.push(path('more.yaml'))
    return Promise.resolve()
  })
  writeFileSync(path('more.yaml'), 'more')
  await sleep(LOOKS / 2)
  writeFileSync(path('p.yaml'), 'second, and longer')
  await reloads(1)
  await sleep(LOOKS)
  assert.equal(seen.reloads, 1)
  writeFileSync(path('more.yaml'), 'and more')
  await reloads(2)
})
