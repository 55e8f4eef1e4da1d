import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../../platform/index.ts'
import type { Files, OpenFile } from '../../../platform/index.ts'
import { SimulatedFiles } from '../../../platform/simulated-files.ts'
import { BatchWriter, crc32c, records } from '../../batch/index.ts'
import { openPartition } from './index.ts'
import type { PartitionStorage, StorageSettings } from './partition-port.ts'

const FOLDER = '/log/t-0'
const FIRST = `${FOLDER}/00000000000000000000.log`
const PLACES = `${FOLDER}/00000000000000000000.places`
const SETTINGS: StorageSettings = {
  durability: 'fsync', retentionMs: -1, retentionBytes: -1, cleanup: 'delete', segmentBytes: 30_000, segmentMs: 3_600_000, maxBatchBytes: 1 << 20, deleteRetentionMs: 1000,
  timestamps: 'create',
}

function batch(value: string, time: number, key?: string): Uint8Array {
  const writer = new BatchWriter()
  writer.add(key === undefined ? null : Buffer.from(key), Buffer.from(value), undefined, time)
  return writer.finish()
}

interface Ground {
  readonly files: Files
  readonly warnings?: string[]
  readonly settings?: Partial<StorageSettings>
}

const open = ({ files, warnings = [], settings = {} }: Ground): Promise<PartitionStorage> =>
  openPartition(FOLDER, { ...SETTINGS, ...settings }, { files, clock: new SimulatedClock(), warn: message => void warnings.push(message) })

/** Files with a partition of 100 batches of about 1 KB, ten milliseconds apart, in four segments. */
async function written(settings: Partial<StorageSettings> = {}): Promise<SimulatedFiles> {
  const files = new SimulatedFiles({ seed: 1, record: false })
  const storage = await open({ files, settings })
  for (let n = 0; n < 100; n++) await storage.append(batch(`${n} ${'x'.repeat(1000)}`, n * 10, `k${n % 7}`))
  await storage.close()
  return files
}

async function change(files: Files, path: string, change: (bytes: Uint8Array) => void): Promise<void> {
  const bytes = new Uint8Array((await files.readFile(path)) ?? assert.fail(`${path} is not there`))
  change(bytes)
  const file = await files.open(path, false)
  await file.truncate(bytes.length)
  await file.write(bytes, 0)
  await file.close()
}

/** The same files, where each opening (0 bytes) and each read is seen, and may be held up. */
function watched(files: Files, seen: (path: string, bytes: number) => void | Promise<void>): Files {
  return {
    readFile: path => files.readFile(path), rename: (from, to) => files.rename(from, to), remove: path => files.remove(path), removeFolder: path => files.removeFolder(path),
    list: path => files.list(path), makeFolder: path => files.makeFolder(path), syncFolder: path => files.syncFolder(path),
    async open(path, create): Promise<OpenFile> {
      const file = await files.open(path, create)
      await seen(path, 0)
      return {
        write: (bytes, position) => file.write(bytes, position), truncate: length => file.truncate(length), sync: () => file.sync(), size: () => file.size(), close: () => file.close(),
        async read(bytes, offset, length, position) {
          await seen(path, length)
          return file.read(bytes, offset, length, position)
        },
      }
    },
  }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns++) {
    assert.ok(turns < 10_000, 'it does not happen')
    await turn()
  }
}

const valuesFrom = async (storage: PartitionStorage, from: bigint): Promise<string[]> => [...records((await storage.read(from, 1, storage.end)).bytes)].map(({ value }) => Buffer.from(value ?? []).toString().split(' ')[0] ?? '')

test('what is looked for in an old segment is found by its file of places, without reading the segment', async () => {
  const files = await written()
  let bytes = 0
  const storage = await open({ files: watched(files, (path, length) => void (bytes += path === FIRST ? length : 0)) })
  assert.equal(await storage.offsetAt(255), 26n)
  assert.ok(bytes > 0 && bytes < 20_000, `${bytes} bytes of the segment were read`)
  bytes = 0
  assert.deepEqual((await valuesFrom(storage, 20n))[0], '20')
  assert.ok(bytes < 25_000, `${bytes} bytes were read`)
  bytes = 0
  assert.equal(await storage.offsetAt(999_999), undefined)
  assert.equal(bytes, 0, 'the file tells that the segment is too old')
  await storage.close()
})

test('a file of places that is gone, damaged or about another length changes no answer, and is made anew', async () => {
  const files = await written()
  const good = await files.readFile(PLACES)
  const ways: Record<string, () => Promise<void>> = {
    gone: () => files.remove(PLACES),
    torn: () => change(files, PLACES, bytes => bytes.fill(0, 100)),
    'of a longer segment': () => change(files, PLACES, bytes => void (bytes[31] = 1)),
    'of another segment of the same length': async () => {
      await change(files, PLACES, bytes => {
        // The same places, each 10 offsets further, with the checksum that belongs to them.
        const other = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        for (let at = 40; at < other.length; at += 24) other.writeBigInt64BE(other.readBigInt64BE(at) + 10n, at)
        other.writeUInt32BE(crc32c(other, 12, other.length), 8)
      })
    },
  }
  for (const [way, spoil] of Object.entries(ways)) {
    await spoil()
    const warnings: string[] = []
    const storage = await open({ files, warnings })
    for (const n of [0, 7, 20, 27, 50]) {
      assert.equal((await valuesFrom(storage, BigInt(n)))[0], `${n}`, way)
      assert.equal(await storage.offsetAt(n * 10 - 5), BigInt(n), way)
    }
    await storage.clean(0)
    assert.deepEqual(await files.readFile(PLACES), good, way)
    assert.deepEqual(warnings, [], way)
    await storage.close()
  }
})

test('records behind a damaged header are found by their time, and are not given up with the older ones before it', async () => {
  const files = await written()
  await files.remove(PLACES)
  // Nothing says any more how long the second batch is.
  await change(files, FIRST, bytes => {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const second = 12 + view.readInt32BE(8)
    bytes[second + 16] = 9
  })
  const storage = await open({ files, settings: { retentionMs: 1000 } })
  assert.equal(await storage.offsetAt(205), 21n)
  // All in the first segment is older than 290, which only the records behind the damage tell.
  await storage.clean(1000 + 100)
  assert.equal(storage.start, 0n)
  assert.deepEqual((await valuesFrom(storage, 25n))[0], '25')
  await storage.clean(1000 + 560)
  assert.ok(storage.start > 0n, 'it goes with the segment that follows it')
  await storage.close()
})

test('a segment whose newest record is damaged is not given up before the one that follows it', async () => {
  const files = await written()
  await files.remove(PLACES)
  let newest = 0
  await change(files, FIRST, bytes => {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let last = 0
    for (let at = 0; at < bytes.length; at += 12 + view.readInt32BE(at + 8)) last = at
    newest = Number(view.readBigInt64BE(last + 35))
    bytes[last + 16] = 9
  })
  const storage = await open({ files, settings: { retentionMs: 1000 } })
  // All that can be read in it is older than this; what can't be read is not.
  await storage.clean(1000 + newest)
  assert.equal(storage.start, 0n)
  await storage.close()
})

test('compaction leaves a damaged segment as it is, byte for byte, whether or not the damage was met before', async () => {
  for (const [what, at] of [['a header', 16], ['a record', 200]] as const) {
    const files = await written({ cleanup: 'compact' })
    await change(files, FIRST, bytes => {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      const second = 12 + view.readInt32BE(8)
      bytes[second + at] = (bytes[second + at] ?? 0) ^ 1
    })
    const before = await files.readFile(FIRST)
    const storage = await open({ files, settings: { cleanup: 'compact' } })
    const { compactedBytes } = await storage.clean(0)
    assert.ok(compactedBytes > 10_000, `${what}: the other segments are compacted`)
    assert.deepEqual(await files.readFile(FIRST), before, what)
    assert.deepEqual(files.paths().filter(path => path.endsWith('.cleaned')), [], what)
    await storage.close()
  }
})

test('a read that begins while compaction replaces its segment ends well', async () => {
  const files = await written({ cleanup: 'compact' })
  const held: (() => void)[] = []
  let reading: Promise<string[]> | undefined
  const seen = (path: string, bytes: number): void | Promise<void> => {
    if (path === `${FIRST}.cleaned`) reading ??= valuesFrom(storage, 3n)
    else if (path === FIRST && reading !== undefined && held.length === 0 && bytes > 0) return new Promise<void>(resolve => void held.push(resolve))
  }
  const storage = await open({ files: watched(files, seen), settings: { cleanup: 'compact' } })
  await valuesFrom(storage, 3n)
  const cleaning = storage.clean(0)
  await until(() => held.length > 0 && !files.paths().some(path => path.endsWith('.cleaned')))
  // Time enough to close what was replaced.
  for (let turns = 0; turns < 100; turns++) await turn()
  for (const go of held) go()
  const [found] = (await reading) ?? []
  assert.ok(Number(found) >= 3, `found ${found}`)
  assert.ok((await cleaning).compactedBytes > 0)
  assert.deepEqual(await valuesFrom(storage, 3n), [], 'the old value is gone')
  await storage.close()
})
