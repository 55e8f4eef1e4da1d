import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { systemFiles } from '../../platform/index.ts'
import { SimulatedFiles } from '../../platform/simulated-files.ts'
import type { Files } from '../../platform/index.ts'
import type { GroupState } from '../messages.ts'
import { CheckpointLog } from './log.ts'
import type { Cut } from './record.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-checkpoint-'))
})
after(() => rmSync(folder, { recursive: true }))

const group = (number: number, text: string): GroupState => ({ stage: 's', table: 't', group: number, bytes: new Uint8Array(Buffer.from(text)) })
const cut = (position: number, groups: readonly GroupState[] = []): Cut => ({ time: position, positions: { in: position }, marks: { out: { length: position * 10 } }, counters: null, groups })

/** What a log in the folder recovers to. */
async function recover(path: string, files: Files = systemFiles): Promise<{ position: unknown; groups: string[]; torn: number }> {
  const log = await CheckpointLog.open(path, 'p', files)
  const { last } = log
  await log.close()
  return { position: last?.positions['in'], groups: (last?.groups ?? []).map(({ group: number, bytes }) => `${number}=${Buffer.from(bytes).toString()}`).sort(), torn: log.torn }
}

async function threeCuts(path: string): Promise<number[]> {
  const log = await CheckpointLog.open(path, 'p', systemFiles)
  const ends: number[] = []
  for (const one of [cut(1, [group(1, 'a'), group(2, 'b')]), cut(2, [group(1, 'aa')]), cut(3, [group(3, 'c')])]) {
    await log.append(one)
    ends.push(readFileSync(join(path, 'checkpoints.log')).length)
  }
  await log.close()
  return ends
}

test('a log that was cut at any byte recovers to the last whole cut', async () => {
  const path = join(folder, 'cut')
  const ends = await threeCuts(path)
  const file = join(path, 'checkpoints.log')
  const bytes = readFileSync(file)
  const states = [
    { position: undefined, groups: [] as string[] },
    { position: 1, groups: ['1=a', '2=b'] },
    { position: 2, groups: ['1=aa', '2=b'] },
    { position: 3, groups: ['1=aa', '2=b', '3=c'] },
  ]
  for (let length = 0; length <= bytes.length; length++) {
    writeFileSync(file, bytes.subarray(0, length))
    const whole = ends.filter(end => end <= length).length
    const { position, groups, torn } = await recover(path)
    assert.deepEqual({ position, groups }, states[whole])
    assert.equal(torn, length - (ends[whole - 1] ?? 0))
    assert.equal(readFileSync(file).length, ends[whole - 1] ?? 0)
  }
})

test('a log goes on behind a torn tail', async () => {
  const path = join(folder, 'tail')
  await threeCuts(path)
  const file = join(path, 'checkpoints.log')
  writeFileSync(file, readFileSync(file).subarray(0, -3))
  const log = await CheckpointLog.open(path, 'p', systemFiles)
  await log.append(cut(9, [group(2, 'new')]))
  await log.close()
  assert.deepEqual(await recover(path), { position: 9, groups: ['1=aa', '2=new'], torn: 0 })
})

test('a damaged byte in front of a whole cut is an error, and nothing is changed', async () => {
  const path = join(folder, 'damage')
  const ends = await threeCuts(path)
  const file = join(path, 'checkpoints.log')
  const bytes = readFileSync(file)
  for (let at = 0; at < (ends[1] ?? 0); at += 7) {
    const broken = Buffer.from(bytes)
    broken[at] = (broken[at] ?? 0) ^ 0xff
    writeFileSync(file, broken)
    await assert.rejects(recover(path), { code: 'STATE_CORRUPT' })
    assert.ok(readFileSync(file).equals(broken))
  }
})

test('a failed write or sync is final for the run, and what was committed before stays', async () => {
  for (const call of ['write', 'sync'] as const) {
    const path = join(folder, `fault-${call}`)
    let left = 2
    const files: Files = {
      ...systemFiles,
      open: async (name, create) => {
        const file = await systemFiles.open(name, create)
        return { ...file, [call]: (...args: [Uint8Array, number]) => (left-- > 0 ? file[call](...args) : Promise.reject(new Error('EIO'))) }
      },
    }
    const log = await CheckpointLog.open(path, 'p', files)
    await log.append(cut(1))
    await log.append(cut(2))
    await assert.rejects(log.append(cut(3)), { code: 'STATE_FAILED' })
    await assert.rejects(log.append(cut(4)), { code: 'STATE_FAILED' })
    await log.close()
    const { position } = await recover(path)
    assert.ok(position === 2 || (call === 'sync' && position === 3))
  }
})

test('a log that is mostly outdated is written anew, and says the same', async () => {
  const path = join(folder, 'compact')
  const log = await CheckpointLog.open(path, 'p', systemFiles)
  const big = 'x'.repeat(200_000)
  for (let n = 1; n <= 30; n++) await log.append(cut(n, [group(n % 3, `${n}${big}`)]))
  await log.close()
  assert.ok(readFileSync(join(path, 'checkpoints.log')).length < 3_000_000)
  const { position, groups } = await recover(path)
  assert.equal(position, 30)
  assert.deepEqual(groups.map(text => text.slice(0, 4)), ['0=30', '1=28', '2=29'])
})

test('a folder belongs to one pipeline and one process at a time', async () => {
  const path = join(folder, 'one')
  const log = await CheckpointLog.open(path, 'p', systemFiles)
  await log.append(cut(1))
  await assert.rejects(CheckpointLog.open(path, 'p', systemFiles), { code: 'STATE_LOCKED' })
  await log.close()
  await assert.rejects(CheckpointLog.open(path, 'other', systemFiles), { code: 'STATE_OTHER_PIPELINE' })
  // A lock whose process is gone is taken over.
  writeFileSync(join(path, 'lock'), '999999999 1')
  await (await CheckpointLog.open(path, 'p', systemFiles)).close()
})

test('a cut that was committed is there after a power cut at any moment behind it, also where the log was written anew', async () => {
  const path = join(folder, 'power')
  mkdirSync(path) // For the lock, which is a file of the system.
  const files = new SimulatedFiles({ seed: 3 })
  await files.makeFolder(folder)
  for (let above = folder; above !== dirname(above); above = dirname(above)) await files.syncFolder(dirname(above))
  const log = await CheckpointLog.open(path, 'p', files)
  // After the n-th entry of the trace, so many cuts had been committed.
  const committed: number[] = []
  const big = 'x'.repeat(200_000)
  for (let n = 1; n <= 10; n++) {
    await log.append(cut(n, [group(n % 2, `${n}${big}`)]))
    committed[files.trace.length] = n
  }
  await log.close()
  assert.ok(files.trace.some(({ kind }) => kind === 'rename'), 'the log was written anew')
  let least = 0
  for (let after = 0; after <= files.trace.length; after++) {
    least = committed[after] ?? least
    for (let seed = 0; seed < 3; seed++) {
      const { position } = await recover(path, files.cut(after, seed))
      assert.ok(Number(position ?? 0) >= least, `a power cut after call ${after} leaves cut ${String(position)}; ${least} had been committed`)
    }
  }
})

test('a log goes on behind a torn tail, however long it was', async () => {
  const path = join(folder, 'long-tail')
  await threeCuts(path)
  const file = join(path, 'checkpoints.log')
  const whole = readFileSync(file)
  const long = await CheckpointLog.open(path, 'p', systemFiles)
  await long.append(cut(4, [group(9, 'y'.repeat(5000))]))
  await long.close()
  writeFileSync(file, readFileSync(file).subarray(0, -3))
  const log = await CheckpointLog.open(path, 'p', systemFiles)
  assert.equal(readFileSync(file).length, whole.length)
  await log.append(cut(5))
  await log.close()
  assert.deepEqual(await recover(path), { position: 5, groups: ['1=aa', '2=b', '3=c'], torn: 0 })
})

test('a rewrite that was cut off before does not show in the next', async () => {
  const path = join(folder, 'rewrite')
  const log = await CheckpointLog.open(path, 'p', systemFiles)
  writeFileSync(join(path, 'checkpoints.log.new'), 'left over'.repeat(400_000))
  const big = 'x'.repeat(300_000)
  for (let n = 1; n <= 5; n++) await log.append(cut(n, [group(1, `${n}${big}`)]))
  await log.close()
  assert.ok(readFileSync(join(path, 'checkpoints.log')).length < 1_000_000, 'the log was written anew')
  const { position, torn } = await recover(path)
  assert.deepEqual([position, torn], [5, 0])
})
