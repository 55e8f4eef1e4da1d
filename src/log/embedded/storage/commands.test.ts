/**
 * Random commands against one partition and a model of it that is nothing but lists: appends, duplicates, transactions, reads at random offsets, lookups by time,
 * retention, compaction, and restarts after closing, after a kill, and after a power cut.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../../platform/index.ts'
import { SimulatedFiles } from '../../../platform/simulated-files.ts'
import { openPartition } from './index.ts'
import { PartitionModel, batchOf, readFrom } from './model.fixture.ts'
import type { ModelRecord, NewRecord, Signed } from './model.fixture.ts'
import type { AppendedBatch, PartitionStorage, StorageSettings } from './partition-port.ts'

const FOLDER = '/log/t-0'
const SETTINGS: StorageSettings = {
  durability: 'fsync', retentionMs: -1, retentionBytes: -1, cleanup: 'delete', segmentBytes: 700, segmentMs: 50_000, maxBatchBytes: 1 << 20, deleteRetentionMs: 20_000,
  timestamps: 'create',
}

class System {
  readonly model = new PartitionModel()
  readonly clock = new SimulatedClock()
  readonly settings: StorageSettings
  files: SimulatedFiles
  storage: PartitionStorage | undefined
  /** Offsets of records that compaction may have taken. */
  compactedUntil = 0n
  #seed: number

  constructor(seed: number, settings: StorageSettings) {
    this.#seed = seed
    this.settings = settings
    this.files = new SimulatedFiles({ seed })
  }

  get seed(): number {
    return ++this.#seed
  }

  get partition(): PartitionStorage {
    return this.storage ?? assert.fail('not open')
  }

  async open(): Promise<void> {
    const ground = { files: this.files, clock: this.clock, warn: (message: string) => assert.fail(message) }
    this.storage = await openPartition(FOLDER, this.settings, ground)
  }

  get compacts(): boolean {
    return this.settings.cleanup !== 'delete'
  }

  /** What every answer of the storage must agree with, whatever was done before. */
  async check(maxBytes: number): Promise<void> {
    const { model, partition } = this
    assert.ok(partition.start >= model.start, 'the start went back')
    if (partition.start > model.start) this.#moveStart(partition.start)
    assert.deepEqual([partition.end, partition.appended, partition.stable], [model.end, model.end, model.stable], 'end, appended, stable')
    assert.deepEqual(partition.transactions.map(({ producerId, first }) => `${producerId} ${first}`).toSorted(), model.open.map(({ id, first }) => `${id} ${first}`).toSorted())
    assert.deepEqual([partition.trouble, partition.quarantined], [undefined, []])
    await this.readAt(partition.start, maxBytes)
  }

  /** Retention is free in when it works, not in what it may take. */
  #moveStart(start: bigint): void {
    assert.ok(this.settings.retentionMs >= 0 && start <= this.model.stable, `the start is ${start} now`)
    const taken = this.model.records.filter(({ offset }) => offset >= this.model.start && offset < start)
    const limit = this.clock.now() - this.settings.retentionMs
    assert.ok(taken.every(({ time }) => time < limit), 'a record that was to be kept is gone')
    this.model.start = start
  }

  async readAt(from: bigint, maxBytes: number): Promise<void> {
    const { model, partition } = this
    const { seen, aborted } = await readFrom(partition, from, partition.end, maxBytes)
    const wanted = model.records.filter(({ offset }) => offset >= from)
    const found = new Map(seen.map(record => [record.offset, record]))
    assert.equal(found.size, seen.length, 'an offset was read twice')
    const markers = new Set<bigint>()
    for (let offset = from; offset < model.end; offset++) if (!model.records.some(record => record.offset === offset)) markers.add(offset)
    for (const { offset } of seen) assert.ok(markers.has(offset) || wanted.some(record => record.offset === offset), `${offset} was never written`)
    for (const record of wanted) {
      const now = found.get(record.offset)
      if (now === undefined) assert.ok(this.mayBeGone(record), `${record.offset} is gone`)
      else assert.deepEqual([now.key, now.value], [record.key, record.value], `${record.offset} holds something else`)
      if (now !== undefined && record.transaction?.state === 'aborted') {
        const { id, first, last } = record.transaction
        assert.ok(aborted.has(`${id} ${first} ${last}`), `the reader of ${record.offset} was not told that it was aborted: ${[...aborted].join(', ')}`)
      }
    }
    for (const one of aborted) assert.ok(model.transactions.some(({ id, first, last, state }) => state === 'aborted' && `${id} ${first} ${last}` === one), `${one} was not aborted`)
  }

  mayBeGone(record: ModelRecord): boolean {
    if (!this.compacts || record.offset >= this.compactedUntil) return false
    if (record.transaction?.state === 'aborted') return true
    if (record.key === null) return false
    const counts = this.model.records.filter(({ key, transaction, offset }) => key === record.key && transaction?.state !== 'aborted' && offset < this.compactedUntil)
    const newest = counts.at(-1)
    return newest !== record || record.value === null
  }
}

type Command = (system: System) => Promise<void>

const outcome = (work: Promise<AppendedBatch>): Promise<AppendedBatch | string> => work.catch((error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)))

const append = (groups: readonly (readonly NewRecord[])[]): Command => async ({ model, partition, clock }) => {
  const expected = groups.map(list => model.append(list, clock.now()))
  assert.deepEqual(await Promise.all(groups.map(list => outcome(partition.append(batchOf(list, clock.now()))))), expected)
}

/** `step` 0: the next sequence; below: one that was sent; above: one too early. */
const appendSigned = (id: bigint, step: number, raise: number, transactional: boolean, list: readonly NewRecord[]): Command => async ({ model, partition, clock }) => {
  const known = model.producer(id)
  const open = model.open.some(transaction => transaction.id === id)
  // Within a transaction the epoch stays; each end raises it.
  const epoch = open ? known.epoch : Math.max(0, known.epoch + raise)
  const earlier = known.recent.at(step)
  const again = step < 0 && earlier !== undefined && epoch === known.epoch
  const next = epoch > known.epoch ? 0 : known.next
  const signed: Signed = { id, epoch, sequence: again ? earlier.sequence : next + Math.max(step, 0), transactional: open || transactional }
  const sent = again ? Array.from({ length: earlier.count }, () => ({ key: 'again', value: 'again' })) : list
  const expected = model.append(sent, clock.now(), signed)
  assert.deepEqual(await outcome(partition.append(batchOf(sent, clock.now(), signed))), expected)
}

const mark = (id: bigint, raise: number, commit: boolean): Command => async ({ model, partition }) => {
  const epoch = Math.max(0, model.producer(id).epoch + raise)
  const expected = model.marker(id, epoch, commit)
  assert.deepEqual(await outcome(partition.appendMarker(id, epoch, commit)), expected)
}

const read = (share: number, maxBytes: number): Command => async system => {
  const { start, end } = system.partition
  await system.readAt(start + BigInt(Math.floor(Number(end - start) * share)), maxBytes)
}

const find = (share: number): Command => async ({ model, partition, clock, compacts }) => {
  const times = model.records.map(({ time }) => time)
  const least = times.reduce((a, b) => Math.min(a, b), clock.now())
  const time = Math.floor(least + (clock.now() + 2 - least) * share)
  const found = await partition.offsetAt(time)
  const first = model.offsetAt(time)
  if (!compacts) return assert.equal(found, first)
  // What compaction took is not found; what is found is no worse than the model's.
  assert.ok(found === undefined || (first !== undefined && found >= first && model.records.some(record => record.offset === found && record.time >= time)))
}

const trim = (share: number): Command => async ({ model, partition }) => {
  const { start, end } = partition
  const before = start + BigInt(Math.floor(Number(end - start) * share))
  model.start = await partition.deleteBefore(before)
  assert.equal(model.start, before)
}

const wait = (ms: number): Command => async ({ clock }) => {
  await clock.advance(ms)
}

const clean: Command = async system => {
  if (system.compacts) system.compactedUntil = system.partition.stable
  await system.partition.clean(system.clock.now())
}

const restart = (kind: 'close' | 'kill' | 'power'): Command => async system => {
  if (kind === 'close') await system.partition.close()
  else {
    const { files, seed } = system
    files.stop()
    system.files = kind === 'kill' ? files.afterKill(seed) : files.cut(files.trace.length, seed)
  }
  await system.open()
}

const named = (label: string, command: Command): Command => Object.assign((system: System) => command(system), { toString: () => label })

const record = fc.record({ key: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { freq: 8 }), value: fc.option(fc.string({ maxLength: 60 }), { freq: 6 }) })
const list = fc.array(record, { minLength: 1, maxLength: 4 })
const id = fc.constantFrom(1n, 2n, 3n)
const share = fc.double({ min: 0, max: 1, noNaN: true })
const maxBytes = fc.constantFrom(1, 200, 1000, 100_000)

const commands = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.array(list, { minLength: 1, maxLength: 4 }).map(groups => named(`append ${JSON.stringify(groups)}`, append(groups))) },
    {
      weight: 7,
      arbitrary: fc.tuple(id, fc.constantFrom(0, 0, 0, 0, -1, -3, -5, -6, 2), fc.constantFrom(0, 0, 0, 1, -1), fc.boolean(), list)
        .map(([i, step, raise, transactional, l]) => named(`signed ${i} step ${step} raise ${raise} ${transactional} ${JSON.stringify(l)}`, appendSigned(i, step, raise, transactional, l))),
    },
    { weight: 4, arbitrary: fc.tuple(id, fc.constantFrom(1, 1, 1, 0, -1), fc.boolean()).map(([i, raise, commit]) => named(`mark ${i} ${raise} ${commit}`, mark(i, raise, commit))) },
    { weight: 2, arbitrary: fc.tuple(share, maxBytes).map(([s, m]) => named(`read ${s} ${m}`, read(s, m))) },
    { weight: 2, arbitrary: share.map(s => named(`find ${s}`, find(s))) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 0.6, noNaN: true }).map(s => named(`trim ${s}`, trim(s))) },
    { weight: 2, arbitrary: fc.constantFrom(1, 1000, 30_000).map(ms => named(`wait ${ms}`, wait(ms))) },
    { weight: 2, arbitrary: fc.constant(named('clean', clean)) },
    { weight: 3, arbitrary: fc.constantFrom('close' as const, 'kill' as const, 'power' as const).map(kind => named(`restart ${kind}`, restart(kind))) },
  ),
  { minLength: 1, maxLength: 45 },
)

const RUNS = 150 * Number(process.env['SLUICE_SOAK'] ?? 1)

for (const [name, settings] of Object.entries({
  'kept for ever': SETTINGS,
  'with retention': { ...SETTINGS, retentionMs: 25_000 },
  'compacted': { ...SETTINGS, cleanup: 'compact' as const },
})) {
  test(`random commands do what the model says, and every restart finds what was there before: a partition ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), commands, maxBytes, async (seed, steps, bytes) => {
        const system = new System(seed, settings)
        await system.open()
        for (const step of steps) {
          await step(system)
          await system.check(bytes)
        }
        await system.partition.close()
        assert.equal(system.files.openFiles, 0, 'files were left open')
      }),
      { numRuns: RUNS },
    )
  })
}
