/**
 * The power goes after every single storage operation of a recorded run, and each time the disk keeps another legal part of what was not synced. The log is opened
 * on what is left: what was acknowledged must be there, nothing else may be, and work must go on.
 *
 * SLUICE_SOAK=n tries n outcomes per operation instead of one, and n runs.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { SOAK, evidence } from './evidence.ts'
import { checkAfterCut, checkGoesOn } from './inspect.ts'
import { open } from './open.ts'
import { Recording } from './record.ts'
import { Workload } from './workload.ts'

const OPERATIONS = 2000

async function record(seed: number): Promise<{ files: SimulatedFiles; recording: Recording }> {
  const files = new SimulatedFiles({ seed })
  const recording = new Recording(() => files.trace.length)
  const { log } = await open(files, { seed })
  const work = new Workload({ log, recording, seed, life: 'a' })
  await work.createTopics()
  await work.run(() => files.trace.length >= OPERATIONS)
  files.stop()
  return { files, recording }
}

/** Opens what a power cut left, checks it, and lets it work on. */
async function recover(left: SimulatedFiles, recording: Recording, cut: number, where: string, goesOn: boolean): Promise<void> {
  const { log } = await open(left).catch((error: unknown) => assert.fail(`The log does not open (${where}): ${String(error)}`))
  await checkAfterCut(log, recording, cut, where)
  if (goesOn) await checkGoesOn(log, where)
  await log.close()
  assert.equal(left.openFiles, 0, `files that were left open (${where})`)
}

test('after a power cut at any operation everything acknowledged is there, and nothing else', async () => {
  for (let run = 1; run <= SOAK; run++) {
    const { files, recording } = await record(run)
    for (let cut = 0; cut <= files.trace.length; cut++) {
      for (let outcome = 0; outcome < SOAK; outcome++) {
        // Seed 0 loses all that was not synced; the others keep parts of it.
        const seed = cut % 4 === 0 && outcome === 0 ? 0 : run * 1_000_003 + cut * 1009 + outcome
        await recover(files.cut(cut, seed), recording, cut, `run ${run}, cut behind operation ${cut} of ${files.trace.length}, seed ${seed}`, cut % 5 === 0)
      }
    }
    evidence(`R03-power-cut-${run}`, { run, operations: files.trace.length, 'outcomes per operation': SOAK, 'sends': recording.sends.length, transactions: recording.transactions.length })
  }
})

test('the power may go again at any operation of the recovery', async () => {
  const { files, recording } = await record(100)
  const cuts = Array.from({ length: 20 * SOAK }, (_, index) => Math.floor((index + 0.5) * files.trace.length / (20 * SOAK)))
  for (const cut of cuts) {
    const left = files.cut(cut, cut)
    const { log } = await open(left)
    left.stop()
    await log.close({ timeout: 1 }).catch(() => undefined)
    for (let again = 0; again <= left.trace.length; again++) {
      await recover(left.cut(again, cut + again), recording, cut, `cut behind operation ${cut}, seed ${cut}, then behind operation ${again} of the recovery, seed ${cut + again}`, false)
    }
  }
})
