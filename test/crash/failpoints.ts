/** Pipelines that are killed at every named step of their commits, and what must come out of it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import type { Failpoint } from '../../src/platform/index.ts'

const BIN = resolve(import.meta.dirname, '../../bin/sluice.js')

export const COMMIT: readonly Failpoint[] = ['commit.begin', 'commit.cut-sent', 'commit.offsets-sent', 'commit.done']
export const CHECKPOINT: readonly Failpoint[] = ['checkpoint.begin', 'checkpoint.written', 'checkpoint.synced']

/** Runs a pipeline, and ends it at a step when it comes there for the Nth time. Answers the exit code, null for a kill. Throws what a failed run says. */
function runTo(folder: string, file: string, workers: number, failpoint?: string): Promise<number | null> {
  const env = { ...process.env, ...(failpoint === undefined ? {} : { SLUICE_FAILPOINT: failpoint }) }
  const child = spawn(process.execPath, [BIN, 'run', join(folder, file), '--workers', String(workers), '--quiet'], { stdio: ['ignore', 'ignore', 'pipe'], env })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', code => (code === 0 || code === null ? done(code) : fail(new Error(`exit code ${code}: ${said}`))))
  })
}

/** Kills a pipeline at each of the steps, at the first and at a later time, each run with another number of workers; then lets it end. Answers how often it was killed. */
export async function killAtEach(folder: string, file: string, points: readonly Failpoint[]): Promise<number> {
  let kills = 0
  for (const [index, point] of points.entries()) {
    for (const time of [1, 3]) if ((await runTo(folder, file, (index + time) % 3, `${point}:${time}`)) === null) kills++
  }
  assert.equal(await runTo(folder, file, 2), 0)
  return kills
}
