/** Files of the log that were cut short or changed behind its back: it says so, serves what is whole, and never serves what is not. */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { SluiceError } from '../../src/base/index.ts'
import { baseOffsetOf, checkBatch, isControl, lastOffsetOf, records } from '../../src/log/batch/index.ts'
import { record } from '../../src/log/conformance/trial.testing.ts'
import type { Log } from '../../src/log/index.ts'
import { seededRandom } from '../../src/platform/index.ts'
import { SimulatedFiles } from '../../src/platform/simulated-files.ts'
import { SOAK, evidence } from './evidence.ts'
import { readAll } from './inspect.ts'
import type { Found } from './inspect.ts'
import { open } from './open.ts'
import type { Opened } from './open.ts'
import { Recording } from './record.ts'
import { GROUP, MOVED, PARTITIONS, PLAIN, Workload } from './workload.ts'

/** A log that worked for a while, and what it held. */
async function worked(seed: number, operations: number, close: boolean): Promise<{ files: SimulatedFiles; held: Map<string, Found[]> }> {
  const files = new SimulatedFiles({ seed })
  const { log } = await open(files, { seed })
  const work = new Workload({ log, recording: new Recording(() => files.trace.length), seed, life: 'a' })
  await work.createTopics()
  await work.run(() => files.trace.length >= operations)
  const producer = log.producer()
  while (batchStarts(files.peek(lastSegment(files, `${PLAIN}-0`))).length < 4) await producer.send(record(PLAIN, 'one more batch'))
  await producer.close()
  const held = await readAllPartitions(log)
  if (close) await log.close()
  return { files: files.afterKill(), held }
}

async function readAllPartitions(log: Log): Promise<Map<string, Found[]>> {
  const held = new Map<string, Found[]>()
  for (const [topic, partition] of PARTITIONS) held.set(`${topic}/${partition}`, await readAll(log, { topic, partition }))
  return held
}

/** The newest segment of a partition. */
function lastSegment(files: SimulatedFiles, partition: string): string {
  const path = files.paths().filter(path => path.startsWith(`/log/${partition}/`) && path.endsWith('.log')).at(-1)
  return path ?? assert.fail(`no segment of ${partition}`)
}

/** Where each batch of a segment begins. */
function batchStarts(segment: Uint8Array): number[] {
  const starts: number[] = []
  for (let at = 0; at < segment.length;) {
    const check = checkBatch(segment, at)
    if (!check.ok) break
    starts.push(at)
    at += check.length
  }
  return starts
}

test('a segment that was cut at any byte of its last three batches is recovered up to the last whole batch, and says what it gave up', async () => {
  let lengths = 0
  for (const close of [false, true]) {
    const { files, held } = await worked(close ? 5 : 6, 500, close)
    const path = lastSegment(files, `${PLAIN}-0`)
    const segment = files.peek(path)
    const starts = batchStarts(segment)
    assert.ok(starts.length >= 3, `${starts.length} batches in ${path}`)
    for (let length = starts.at(-3) ?? 0; length < segment.length; length++, lengths++) {
      const left = files.afterKill()
      left.tamper(path, segment.subarray(0, length))
      const where = `${path} cut to ${length} of ${segment.length} bytes`
      const { log, warnings } = await open(left).catch((error: unknown) => assert.fail(`${where}: ${String(error)}`))
      const whole = starts.filter((start, index) => (starts[index + 1] ?? segment.length) <= length && start < length)
      const end = whole.length
      const gone = new Set(starts.slice(end).flatMap(start => (isControl(segment, start) ? [] : [...records(segment.subarray(start, start + lengthAt(segment, start)))].map(({ offset }) => offset))))
      const expected = (held.get(`${PLAIN}/0`) ?? []).filter(({ offset }) => !gone.has(offset))
      assert.deepEqual(await readAll(log, { topic: PLAIN, partition: 0 }), expected, where)
      if (!starts.includes(length)) assert.ok(warnings.some(warning => /cut off|damaged|gone/.test(warning) && warning.includes('plain')), `${where}: nothing was said, but ${warnings.join('; ')}`)
      const { offset } = await log.producer().send(record(PLAIN, 'new'))
      assert.deepEqual((await readAll(log, { topic: PLAIN, partition: 0 })).at(-1), { offset, value: 'new' }, where)
      await log.close()
      const again = await open(left)
      assert.deepEqual(again.warnings, [], `${where}: after the second opening`)
      assert.deepEqual((await readAll(again.log, { topic: PLAIN, partition: 0 })).at(-1), { offset, value: 'new' }, where)
      await again.log.close()
    }
  }
  evidence('R04-truncation', { 'lengths tried': lengths })
})

function lengthAt(segment: Uint8Array, at: number): number {
  const check = checkBatch(segment, at)
  return check.ok ? check.length : assert.fail(check.reason)
}

/** Bytes to be changed: all of a small file, a sample of a larger one. */
function sample(length: number, random: () => number): number[] {
  const most = 16 * SOAK
  if (length <= most) return Array.from({ length }, (_, index) => index)
  return Array.from({ length: most }, (_, index) => Math.floor((index + random()) * length / most))
}

test('a changed byte in any file is never served, hides no more than its batch, and makes the log delete nothing', async () => {
  const random = seededRandom(8)
  let flips = 0
  let refusals = 0
  for (const close of [false, true]) {
    const { files, held } = await worked(close ? 7 : 8, 700, close)
    for (const path of files.paths()) {
      const bytes = files.peek(path)
      for (const position of sample(bytes.length, random)) {
        const left = files.afterKill()
        const changed = bytes.slice()
        const bit = 1 << Math.floor(random() * 8)
        changed[position] = (changed[position] ?? 0) ^ bit
        left.tamper(path, changed)
        const where = `${path}, byte ${position} of ${bytes.length}, bit ${bit}`
        const opened = await openOrRefuse(left, where)
        flips++
        if (opened === undefined) {
          refusals++
          continue
        }
        await checkDamaged(opened, held, { path, batch: batchAround(bytes, position) }, where)
        for (const before of files.paths()) assert.ok(keeps(before) === false || left.paths().includes(before), `${before} was deleted (${where})`)
        await opened.log.close()
      }
    }
  }
  evidence('R05-flips', { 'bits flipped': flips, 'refused to open': refusals })
})

/** Files that hold records or names: everything but what is rebuilt from them. */
const keeps = (path: string): boolean => /\.log$|\/meta\//.test(path) && !path.endsWith('.new')

/** Undefined where the log refused to open, as it may for its own small files; then nothing may have changed. */
async function openOrRefuse(left: SimulatedFiles, where: string): Promise<Opened | undefined> {
  const before = left.paths().map(path => [path, Buffer.from(left.peek(path)).toString('latin1')])
  try {
    return await open(left)
  } catch (error) {
    assert.ok(error instanceof SluiceError, `${where}: ${String(error)}`)
    assert.ok(error.code === 'LOG_CORRUPT' || error.code === 'LOG_FORMAT', `${where}: ${error.code}: ${error.message}`)
    assert.doesNotMatch(where, /\.log,/, `${where}: the log refused to open: ${error.message}`)
    assert.deepEqual(left.paths().map(path => [path, Buffer.from(left.peek(path)).toString('latin1')]), before, where)
    return undefined
  }
}

test('a damaged marker never brings back what was aborted', async () => {
  let markers = 0
  for (const seed of [21, 22, 23]) {
    const { files, held } = await worked(seed, 700, false)
    // The state is a cache: without it, all that is known of transactions comes from the segments.
    for (const withState of [true, false]) {
      for (const path of files.paths().filter(path => path.startsWith(`/log/${MOVED}-`) && path.endsWith('.log'))) {
        const segment = files.peek(path)
        for (const at of batchStarts(segment)) {
          if (!isControl(segment, at)) continue
          const left = files.afterKill()
          if (!withState) for (const state of left.paths().filter(path => path.endsWith('/state'))) await left.remove(state)
          const changed = segment.slice()
          changed[at + 20] = (changed[at + 20] ?? 0) ^ 1
          left.tamper(path, changed)
          markers++
          const where = `seed ${seed}, ${path}, the marker at byte ${at}, ${withState ? 'with' : 'without'} state`
          const opened = await open(left).catch((error: unknown) => assert.fail(`${where}: ${String(error)}`))
          await checkDamaged(opened, held, { path, batch: batchAround(changed, at) }, where)
          await opened.log.close()
        }
      }
    }
  }
  evidence('R05-markers', { 'markers damaged': markers })
})

interface Damage {
  readonly path: string
  /** Offsets of the batch that was hit; undefined where the file holds no batches. */
  readonly batch: { readonly base: bigint; readonly last: bigint; readonly isTail: boolean } | undefined
}

/** The batch that holds a byte of a segment. */
function batchAround(segment: Uint8Array, position: number): Damage['batch'] {
  const starts = batchStarts(segment)
  const index = starts.findLastIndex(start => start <= position)
  const at = starts[index]
  return at === undefined ? undefined : { base: baseOffsetOf(segment, at), last: lastOffsetOf(segment, at), isTail: index === starts.length - 1 }
}

async function checkDamaged({ log, warnings }: Opened, held: ReadonlyMap<string, readonly Found[]>, { path, batch }: Damage, where: string): Promise<void> {
  for (const [topic, partition] of PARTITIONS) {
    const at = `${topic}/${partition}`
    const found = new Map((await readAll(log, { topic, partition })).map(({ offset, value }) => [offset, value]))
    // Asked afterwards: damage in older segments is found when they are read.
    const [description] = await log.admin.describeTopics([topic])
    const { quarantined = [], end = 0n } = description?.partitions[partition] ?? {}
    const original = held.get(at) ?? []
    for (const { offset, value } of original) {
      const now = found.get(offset)
      found.delete(offset)
      if (now === value) continue
      assert.equal(now, undefined, `${at}@${offset} holds something else (${where})`)
      // Where a marker was damaged nobody knows what became of the transaction: its records are not served either.
      const isFenced = quarantined.some(({ from, to }) => (offset >= from || topic === MOVED) && offset <= to)
      const isUnknown = topic === MOVED && warnings.length > 0
      assert.ok(isFenced || isUnknown || offset >= end, `${at}@${offset} is missing without a word (${where})`)
      assert.ok(path.startsWith(`/log/${topic}-${partition}/`), `${at}@${offset} is missing, though another file was damaged (${where})`)
      const isHit = batch !== undefined && offset >= batch.base && offset <= batch.last
      assert.ok(isHit || isUnknown, `${at}@${offset} is missing, though its batch is whole (${where})`)
      if (!isFenced) assert.ok(isUnknown || batch?.isTail, `${at}@${offset} was cut off, though other batches come behind it (${where})`)
      if (!isFenced) assert.ok(warnings.length > 0, `${at}@${offset} was cut away in silence (${where})`)
    }
    assert.deepEqual([...found], [], `records that were not there before (${where})`)
  }
  const { offsets } = await log.admin.describeGroup(GROUP)
  if (!path.startsWith('/log/__')) assert.equal(offsets.length, 2, where)
}
