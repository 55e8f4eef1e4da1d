import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../../platform/index.ts'
import { SimulatedFiles } from '../../../platform/simulated-files.ts'
import { BatchWriter, records, sign } from '../../batch/index.ts'
import { openPartition } from './index.ts'
import type { PartitionStorage, StorageSettings } from './partition-port.ts'

const FOLDER = '/log/t-0'
const SETTINGS: StorageSettings = {
  durability: 'fsync', retentionMs: -1, retentionBytes: -1, cleanup: 'delete', segmentBytes: 400, segmentMs: 3_600_000, maxBatchBytes: 1 << 20, deleteRetentionMs: 1000,
  timestamps: 'create',
}

class Trial {
  readonly clock = new SimulatedClock()
  readonly files = new SimulatedFiles({ seed: 1, record: false })
  readonly warnings: string[] = []

  open(changes: Partial<StorageSettings> = {}): Promise<PartitionStorage> {
    return openPartition(FOLDER, { ...SETTINGS, ...changes }, { files: this.files, clock: this.clock, warn: message => void this.warnings.push(message) })
  }

  segments(): string[] {
    return this.files.paths().filter(path => path.endsWith('.log')).map(path => path.slice(FOLDER.length + 1))
  }
}

function batch(values: readonly (string | null)[], { time = 1000, keys }: { time?: number; keys?: readonly string[] } = {}): Uint8Array {
  const writer = new BatchWriter()
  values.forEach((value, at) => writer.add(keys === undefined ? null : Buffer.from(keys[at] ?? ''), value === null ? null : Buffer.from(value), undefined, time + at))
  return writer.finish()
}

async function all(storage: PartitionStorage, maxBytes = 300): Promise<{ offset: bigint; key: string; value: string | null }[]> {
  const found: { offset: bigint; key: string; value: string | null }[] = []
  for (let next = storage.start; next < storage.end;) {
    const read = await storage.read(next, maxBytes, storage.end)
    for (const { offset, key, value } of records(read.bytes)) {
      if (offset >= next) found.push({ offset, key: Buffer.from(key ?? []).toString(), value: value === null ? null : Buffer.from(value).toString() })
    }
    assert.ok(read.next > next, `reading stands still at ${next}`)
    next = read.next
  }
  return found
}

const values = async (storage: PartitionStorage): Promise<(string | null)[]> => (await all(storage)).map(({ value }) => value)

test('batches that are handed over together get offsets in a row and are read back, also after a restart', async () => {
  const trial = new Trial()
  let storage = await trial.open()
  const answers = await Promise.all([storage.append(batch(['a', 'b'])), storage.append(batch(['c'])), storage.append(batch(['d', 'e', 'f']))])
  assert.deepEqual(answers.map(({ offset }) => offset), [0n, 2n, 3n])
  assert.deepEqual(await values(storage), ['a', 'b', 'c', 'd', 'e', 'f'])
  await storage.close()
  storage = await trial.open()
  assert.deepEqual([storage.start, storage.end], [0n, 6n])
  assert.deepEqual(await values(storage), ['a', 'b', 'c', 'd', 'e', 'f'])
  assert.deepEqual(trial.warnings, [])
})

test('a full segment is followed by another, named after its first offset', async () => {
  const trial = new Trial()
  const storage = await trial.open()
  for (let n = 0; n < 12; n++) await storage.append(batch([`value ${n} ${'x'.repeat(50)}`]))
  assert.ok(trial.segments().length >= 3, trial.segments().join(' '))
  assert.equal(trial.segments()[0], '00000000000000000000.log')
  assert.equal((await values(storage)).length, 12)
})

test('what lies below an offset is given up at once and its segments go; the start survives a kill', async () => {
  const trial = new Trial()
  const storage = await trial.open()
  for (let n = 0; n < 12; n++) await storage.append(batch([`value ${n} ${'x'.repeat(50)}`]))
  const before = trial.segments().length
  assert.equal(await storage.deleteBefore(7n), 7n)
  assert.ok(trial.segments().length < before)
  await assert.rejects(storage.read(6n, 100, storage.end), { code: 'LOG_OFFSET_OUT_OF_RANGE' })
  const again = await openPartition(FOLDER, SETTINGS, { files: trial.files.afterKill(), clock: trial.clock, warn: message => assert.fail(message) })
  assert.deepEqual([again.start, again.end], [7n, 12n])
})

test('retention by time and by bytes takes whole segments, the last one only when it is old too', async () => {
  const trial = new Trial()
  const now = trial.clock.now()
  const storage = await trial.open({ retentionMs: 1000 })
  for (let n = 0; n < 6; n++) await storage.append(batch([`old ${'x'.repeat(100)}`], { time: now - 5000 }))
  for (let n = 0; n < 6; n++) await storage.append(batch([`new ${'x'.repeat(100)}`], { time: now }))
  const { deletedBytes } = await storage.clean(now)
  assert.ok(deletedBytes > 0)
  const left = await values(storage)
  assert.ok(left.filter(value => value?.startsWith('new')).length === 6, left.join())
  assert.ok(left.length < 12)
  storage.configure({ ...SETTINGS, retentionBytes: 500 })
  await storage.clean(now)
  assert.ok(storage.bytes < 1000, `${storage.bytes} bytes are left`)
  storage.configure({ ...SETTINGS, retentionMs: 1000 })
  await storage.clean(now + 10_000)
  assert.deepEqual(await values(storage), [])
  assert.deepEqual(await storage.append(batch(['next'])), { offset: 12n, duplicate: false })
})

test('the first record at or after a time is found in any segment', async () => {
  const trial = new Trial()
  let storage = await trial.open()
  for (let n = 0; n < 30; n++) await storage.append(batch([`${n} ${'x'.repeat(40)}`, 'second'], { time: 1000 + n * 10 }))
  for (const reopened of [false, true]) {
    if (reopened) {
      await storage.close()
      storage = await trial.open()
    }
    assert.equal(await storage.offsetAt(0), 0n)
    assert.equal(await storage.offsetAt(1000 + 17 * 10), 34n)
    assert.equal(await storage.offsetAt(1000 + 17 * 10 + 1), 35n)
    assert.equal(await storage.offsetAt(1000 + 17 * 10 + 2), 36n)
    assert.equal(await storage.offsetAt(99_999), undefined)
  }
})

test('compaction keeps the newest record of each key at its offset, against a naive model, across restarts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 }), kill: fc.boolean(), tombstone: fc.boolean() }), { minLength: 1, maxLength: 25 }),
      async steps => {
        const trial = new Trial()
        const ground = { files: trial.files, clock: trial.clock, warn: (message: string) => assert.fail(message) }
        const settings: StorageSettings = { ...SETTINGS, cleanup: 'compact', segmentBytes: 250 }
        let storage = await openPartition(FOLDER, settings, ground)
        const newest = new Map<string, { offset: bigint; value: string | null }>()
        let offset = 0n
        for (const { keys, kill, tombstone } of steps) {
          const made = keys.map(key => (tombstone ? null : `${key} at ${offset} ${'x'.repeat(30)}`))
          await storage.append(batch(made, { keys, time: trial.clock.now() }))
          keys.forEach((key, at) => newest.set(key, { offset: offset++, value: made[at] ?? null }))
          await storage.clean(trial.clock.now())
          if (kill) {
            await storage.close()
            storage = await openPartition(FOLDER, settings, ground)
          }
          const found = new Map((await all(storage)).map(record => [record.key, record]))
          assert.deepEqual([...found].map(([key, record]) => `${key} ${record.offset} ${record.value}`).toSorted(), [...newest].map(([key, record]) => `${key} ${record.offset} ${record.value}`).toSorted())
        }
        const before = storage.bytes
        await storage.clean(trial.clock.now() + 1_000_000)
        assert.ok(storage.bytes <= before)
        const alive = [...newest].filter(([, { value }]) => value !== null).map(([key]) => key)
        const left = new Set((await all(storage)).map(({ key }) => key))
        assert.deepEqual(alive.filter(key => !left.has(key)), [])
        await storage.close()
      },
    ),
    { numRuns: 60 },
  )
})

test('a producer that sends a batch again after a restart gets the offset of the first time, also when its segment is no longer the last', async () => {
  const trial = new Trial()
  let storage = await trial.open()
  const signed = (n: number): Uint8Array => {
    const made = batch([`${n} ${'x'.repeat(60)}`])
    sign(made, { producerId: 7n, epoch: 0, sequence: n, transactional: false })
    return made
  }
  for (let n = 0; n < 10; n++) await storage.append(signed(n))
  for (const kind of ['close', 'kill'] as const) {
    if (kind === 'close') await storage.close()
    const files = kind === 'close' ? trial.files : trial.files.afterKill()
    storage = await openPartition(FOLDER, SETTINGS, { files, clock: trial.clock, warn: message => assert.fail(message) })
    assert.deepEqual(await storage.append(signed(9)), { offset: 9n, duplicate: true })
    await assert.rejects(storage.append(signed(12)), { code: 'LOG_SEQUENCE' })
  }
})

test('a state file that is damaged is made anew from the records', async () => {
  const trial = new Trial()
  let storage = await trial.open()
  for (let n = 0; n < 12; n++) await storage.append(batch([`value ${n} ${'x'.repeat(50)}`]))
  await storage.close()
  trial.files.tamper(`${FOLDER}/state`, Buffer.from('not ours at all, but long enough'))
  storage = await trial.open()
  assert.equal((await values(storage)).length, 12)
  assert.equal(trial.warnings.length, 1)
})
