/**
 * Records a run of storage operations and cuts the power after each of them. Arguments: `once` or `again`, the seed of the run, outcomes per operation, which share
 * of the operations, of how many.
 */
import assert from 'node:assert/strict'
import { SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { checkAfterCut, checkGoesOn } from './inspect.ts'
import { open } from './open.ts'
import { Recording } from './record.ts'
import { Workload } from './workload.ts'

const OPERATIONS = 2000
const LIVES = ['a', 'b', 'c']

async function record(seed: number): Promise<{ files: SimulatedFiles; recording: Recording }> {
  const files = new SimulatedFiles({ seed })
  const recording = new Recording(() => files.trace.length)
  // The log is closed and opened again now and then: what was noted at a closing must not be believed of what came later.
  for (const [index, life] of LIVES.entries()) {
    const { log } = await open(files, { seed: seed + index })
    const work = new Workload({ log, recording, seed: seed + index, life })
    if (index === 0) await work.createTopics()
    await work.run(() => files.trace.length >= OPERATIONS * (index + 1) / LIVES.length)
    if (index < LIVES.length - 1) await log.close()
  }
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

async function once(run: number, outcomes: number, share: number, shares: number): Promise<Record<string, number>> {
  const { files, recording } = await record(run)
  let cuts = 0
  for (let cut = share; cut <= files.trace.length; cut += shares) {
    for (let outcome = 0; outcome < outcomes; outcome++, cuts++) {
      // Seed 0 loses all that was not synced; the others keep parts of it.
      const seed = outcome === 0 && cut % 4 === 0 ? 0 : run * 1_000_003 + cut * 1009 + outcome
      await recover(files.cut(cut, seed), recording, cut, `run ${run}, cut behind operation ${cut} of ${files.trace.length}, seed ${seed}`, cut % 5 === 0)
    }
  }
  const first = share === 0 ? 1 : 0
  return { operations: first * files.trace.length, cuts, records: first * recording.sends.length, transactions: first * recording.transactions.length }
}

async function again(run: number, outcomes: number, share: number, shares: number): Promise<Record<string, number>> {
  const { files, recording } = await record(run)
  const count = 80 * outcomes
  let cuts = 0
  for (let index = share; index < count; index += shares) {
    const cut = Math.floor((index + 0.5) * files.trace.length / count)
    const left = files.cut(cut, cut)
    await open(left)
    left.stop()
    for (let operation = 0; operation <= left.trace.length; operation++, cuts++) {
      const where = `run ${run}, cut behind operation ${cut}, seed ${cut}, then behind operation ${operation} of the recovery, seed ${cut + operation}`
      await recover(left.cut(operation, cut + operation), recording, cut, where, false)
    }
  }
  return { cuts }
}

const [mode, run = 1, outcomes = 1, share = 0, shares = 1] = process.argv.slice(2).map((arg, index) => (index === 0 ? arg : Number(arg)))
console.log(JSON.stringify(await (mode === 'again' ? again : once)(Number(run), Number(outcomes), Number(share), Number(shares))))
process.exit()
