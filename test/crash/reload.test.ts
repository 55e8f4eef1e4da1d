/** Real sources that go on open through one reload after another: a command's output, and a log. Nothing is lost, nothing doubled, nothing out of order. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { runFile } from '../../src/runtime.ts'
import type { RunningFile } from '../../src/runtime.ts'

const COUNT = 30_000
const numbersIn = (path: string): number[] => readFileSync(path, 'utf8').split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { n: number }).n)

/** Runs `yaml` with a mark that differs from reload to reload, asked for again and again until it ends. Answers how many reloads there were. */
async function reloadAllTheTime(folder: string, yaml: (mark: number) => string): Promise<number> {
  let reloads = 0
  const write = (): void => writeFileSync(join(folder, 'p.yaml'), yaml(reloads))
  write()
  const keepReloading = async (running: RunningFile): Promise<void> => {
    for (;;) {
      write()
      try {
        const { outcome, error } = await running.reload()
        assert.equal(outcome, 'switched', String(error))
        reloads++
      } catch (error) {
        // The run is over.
        assert.equal((error as { code?: string }).code, 'RELOAD_OVER')
        return
      }
    }
  }
  let reloading: Promise<void> | undefined
  await runFile(join(folder, 'p.yaml'), { folder, workers: 0, onRunning: running => void (reloading = keepReloading(running)) })
  await reloading
  return reloads
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-reloads-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const stages = (mark: number): string => `stages:\n  - filter: event.n >= 0 && ${mark} >= 0\n`

test('a command goes on through reloads, and every line of it comes out once and in order', async t => {
  const folder = folderFor(t)
  const script = `for (let n = 0; n < ${COUNT}; n += 100) { for (let m = n; m < n + 100; m++) console.log(JSON.stringify({ n: m })); await new Promise(done => setTimeout(done, 1)) }`
  writeFileSync(join(folder, 'lines.mjs'), script)
  const reloads = await reloadAllTheTime(folder, mark => `pipeline: p\nsources: { in: { exec: { command: ['${process.execPath}', lines.mjs] } } }\n${stages(mark)}sinks: { out: { file: { path: out.ndjson } } }\n`)
  assert.ok(reloads >= 5, `${reloads} reloads`)
  assert.deepEqual(numbersIn(join(folder, 'out.ndjson')), Array.from({ length: COUNT }, (_, n) => n))
})

for (const [name, group] of [['without a group', ''], ['as a member of a group', ', group: g']] as const) {
  test(`a log is read on through reloads ${name}`, async t => {
    const folder = folderFor(t)
    writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: COUNT }, (_, n) => `{"n":${n}}\n`).join(''))
    writeFileSync(join(folder, 'fill.yaml'), 'pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { log: { log: ./data, topic: t, create: { partitions: 2 } } } }\nbatch: { bytes: 1KiB }\n')
    await runFile(join(folder, 'fill.yaml'), { folder, workers: 0 })
    const reloads = await reloadAllTheTime(folder, mark => `pipeline: p\nsources: { in: { log: { log: ./data, topic: t, until: end${group} } } }\n${stages(mark)}sinks: { out: { file: { path: out.ndjson } } }\nmemory: 32KiB\n`)
    assert.ok(reloads >= 1, `${reloads} reloads`)
    assert.deepEqual(numbersIn(join(folder, 'out.ndjson')).toSorted((a, b) => a - b), Array.from({ length: COUNT }, (_, n) => n))
  })
}
