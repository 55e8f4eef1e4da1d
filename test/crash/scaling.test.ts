/**
 * The number of workers is changed at random moments, on real files and logs, also while the file is reloaded and up to a kill: the output is that of a run with one worker that
 * was left alone. `SLUICE_SCALINGS=200` for so many changes of each.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { RunControl } from '../../src/engine/index.ts'
import { seededRandom } from '../../src/platform/index.ts'
import { runFile } from '../../src/runtime.ts'
import type { RunningFile } from '../../src/runtime.ts'
import { linesOf, runKilled } from './killing.ts'

const LINES = 40_000
const most = Number(process.env['SLUICE_SCALINGS'] ?? 5)
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)
let folder = ''

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-scalings-'))
  const random = seededRandom(7)
  writeFileSync(join(folder, 'in.ndjson'), Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ n, key: `k${Math.floor(random() * 50)}`, value: Math.round(random() * 1000) / 10 })}\n`).join(''))
})
after(() => rmSync(folder, { recursive: true, force: true }))

interface Scaled {
  readonly changes: number
  readonly reloads: number
  readonly report: Awaited<ReturnType<typeof runFile>>
}

/** Runs a pipeline while its number of workers is changed again and again, and its file reloaded now and then. */
async function scaleAllTheTime(file: string, text: (mark: number) => string): Promise<Scaled> {
  const random = seededRandom(seed)
  const control = new RunControl()
  let [changes, reloads, isOver] = [0, 0, false]
  const untilOver = async (work: () => Promise<void>): Promise<void> => {
    while (!isOver && changes < most) {
      try {
        await work()
      } catch (error) {
        if ((error as { code?: string }).code === 'SCALE_BUSY') continue
        // The run has not begun to read yet, or ends.
        assert.equal((error as { code?: string }).code, 'RELOAD_OVER')
      }
      await new Promise(resolve => setTimeout(resolve, random() * 20))
    }
  }
  const scale = async (): Promise<void> => {
    const { outcome, error } = await control.scale(random() < 0.1 ? 'auto' : Math.floor(random() * 4))
    assert.ok(outcome === 'changed' || outcome === 'unchanged', `${outcome} ${String(error)}`)
    if (outcome === 'changed') changes++
  }
  const reload = (running: RunningFile) => async (): Promise<void> => {
    await new Promise(resolve => setTimeout(resolve, random() * 300))
    if (isOver) return
    writeFileSync(file, text(++reloads))
    const { outcome, error } = await running.reload()
    assert.equal(outcome, 'switched', String(error))
  }
  writeFileSync(file, text(0))
  const going: Promise<void>[] = []
  const report = await runFile(file, { folder, control, cores: 3, onRunning: running => void going.push(untilOver(scale), untilOver(reload(running))) }).finally(() => (isOver = true))
  await Promise.all(going)
  return { changes, reloads, report }
}

const chain = (mark: number): string => `stages:
  - filter: event.value > 5 && ${mark} >= 0
  - partition_by: event.key
  - score: { field: event.value, key: event.key, as: score }
`

/** So slow that there is time for the changes, whatever the machine. */
const SLOW = 'batch: { bytes: 4KiB }\nmemory: 16KiB\n'

test(`from file to file with memory by key, in one piece with checkpoints (seed ${seed})`, async t => {
  const text = (name: string) => (mark: number): string => `pipeline: ${name}\nsources: { in: { file: { path: in.ndjson } } }\n${chain(mark)}sinks: { out: { file: { path: ${name}.ndjson } } }\nstate: ${name}-state\ncheckpoint_interval: 15ms\nworkers: auto\n${SLOW}`
  writeFileSync(join(folder, 'whole.yaml'), text('whole')(0))
  await runFile(join(folder, 'whole.yaml'), { folder, workers: 1 })
  const { changes, reloads, report } = await scaleAllTheTime(join(folder, 'scaled.yaml'), text('scaled'))
  t.diagnostic(`${changes} changes, ${reloads} reloads`)
  assert.ok(changes >= Math.min(most, 3), `${changes} changes`)
  assert.deepEqual([report.events_in, report.in_flight], [LINES, 0])
  assert.ok(readFileSync(join(folder, 'scaled.ndjson')).equals(readFileSync(join(folder, 'whole.ndjson'))))
})

test(`from log to log with memory by key, exactly once by one transaction (seed ${seed})`, async t => {
  writeFileSync(join(folder, 'fill.yaml'), 'pipeline: fill\nsources: { in: { file: { path: in.ndjson } } }\nsinks: { out: { log: { log: ./data, topic: in, key: event.key, create: { partitions: 3 } } } }\nbatch: { bytes: 1KiB }\n')
  await runFile(join(folder, 'fill.yaml'), { folder, workers: 0 })
  const text = (mark: number): string => `pipeline: move\nsources: { in: { log: { log: ./data, topic: in, until: end, group: g } } }\n${chain(mark)}sinks: { out: { log: { log: ./data, topic: out, key: event.key, create: { partitions: 3 } } } }\ncheckpoint_interval: 15ms\nworkers: auto\n${SLOW}`
  const { changes, reloads, report } = await scaleAllTheTime(join(folder, 'move.yaml'), text)
  t.diagnostic(`${changes} changes, ${reloads} reloads`)
  assert.ok(changes >= 2, `${changes} changes`)
  assert.deepEqual([report.events_in, report.in_flight], [LINES, 0])
  writeFileSync(join(folder, 'read.yaml'), 'pipeline: read\nsources: { in: { log: { log: ./data, topic: out, until: end } } }\nsinks: { out: { file: { path: moved.ndjson } } }\n')
  await runFile(join(folder, 'read.yaml'), { folder, workers: 0 })
  // Partitions are read side by side: the lines are the same, and those of a key are in their order.
  const [moved, whole] = [linesOf(join(folder, 'moved.ndjson')), linesOf(join(folder, 'whole.ndjson'))]
  assert.deepEqual(moved.toSorted(), whole.toSorted())
  const byKey = (lines: readonly string[]): Map<string, string[]> => Map.groupBy(lines, line => (JSON.parse(line) as { readonly key: string }).key)
  const expected = byKey(whole)
  for (const [key, lines] of byKey(moved)) assert.deepEqual(lines, expected.get(key))
})

test(`killed while workers come and go, the output is that of one run (seed ${seed})`, async () => {
  const file = join(folder, 'killed.yaml')
  writeFileSync(file, `pipeline: killed\nsources: { in: { file: { path: in.ndjson } } }\n${chain(0)}sinks: { out: { file: { path: killed.ndjson } } }\nstate: killed-state\ncheckpoint_interval: 15ms\nbatch: { bytes: 4KiB }\nmemory: 16KiB\n`)
  const random = seededRandom(seed)
  const total = readFileSync(join(folder, 'whole.ndjson')).length
  let [kills, changes] = [0, 0]
  for (const share of [0.2, 0.6]) {
    let isOver = false
    let scaling: Promise<void> | undefined
    const scaleAt = async (url: string): Promise<void> => {
      while (!isOver) {
        const answer = await fetch(`${url}/v1/pipelines/killed/scale`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ workers: Math.floor(random() * 4) }) }).then(response => response.text(), () => '')
        if (answer.includes('"changed"')) changes++
        await new Promise(resolve => setTimeout(resolve, random() * 300))
      }
    }
    const said = (text: string): void => {
      const url = /Admin: (http:\S+)/.exec(text)?.[1]
      if (url !== undefined) scaling = scaleAt(url)
    }
    const ended = await runKilled(file, { workers: 1, args: ['--admin', '127.0.0.1:0'], at: { path: join(folder, 'killed.ndjson'), bytes: Math.floor(total * share) }, said, started: (child: ChildProcess) => void child.on('exit', () => (isOver = true)) })
    if (ended === null) kills++
    await scaling
  }
  await runKilled(file, { workers: 2 })
  assert.ok(kills >= 1 && changes >= 1, `${kills} kills, ${changes} changes`)
  assert.ok(readFileSync(join(folder, 'killed.ndjson')).equals(readFileSync(join(folder, 'whole.ndjson'))))
})
