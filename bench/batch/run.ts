/**
 * Speed of record batches in memory, on one thread: checksums, writing, reading, packing.
 *
 *     node bench/batch/run.ts [--batch 65536] [--batches 40] [--rounds 9]
 *
 * The systems take turns, and the figures are medians over the rounds. Writing includes the checksum and handing over the finished batch; reading touches every
 * record's place and length, with the checksum looked at unless the line says otherwise. `--batch` is the size of a batch in bytes, about.
 */
import { parseArgs } from 'node:util'
import { crc32 } from 'node:zlib'
import { crc32c as crc32cOfPeer } from '@platformatic/wasm-utils/bundled'
import { portableCrc32c } from '../../src/log/batch/crc32c.ts'
import { BatchWriter, CODECS, RecordCursor, compressBatch, countOf, crc32c, decompressBatches, records } from '../../src/log/batch/index.ts'
import { murmur2, ringOf } from '../../src/log/partitioners/index.ts'
import { DEFAULTS, eventBlocks } from '../events/generate.ts'

const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: String(64 << 10) },
    batches: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '9' },
  },
})
const batchBytes = Number(values.batch)
const batches = Number(values.batches)
const NOW = 1_772_344_800_000

interface System {
  readonly unit: string
  /** Answers how much of the unit was done; what it promises is waited for. */
  readonly run: () => number | Promise<number>
}

const systems = new Map<string, System>()
let sink = 0

/** So many lines of `size` bytes and a line feed as fill a batch. */
function linesOf(size: number): { readonly bytes: Buffer; readonly ends: Int32Array; readonly count: number } {
  const count = Math.max(Math.floor(batchBytes / (size + 8)), 1)
  const bytes = Buffer.alloc(count * (size + 1))
  let seed = 1
  for (let at = 0; at < bytes.length; at++) bytes[at] = 97 + ((seed = (seed * 16_807) % 2_147_483_647) % 26)
  return { bytes, ends: Int32Array.from({ length: count }, (_, row) => (row + 1) * (size + 1)), count }
}

function addChecksums(): void {
  const all = linesOf(100).bytes
  for (const [name, sum] of Object.entries({
    'checksum, kernel': (bytes: Uint8Array) => crc32c(bytes),
    'checksum, plain JavaScript': (bytes: Uint8Array) => portableCrc32c(bytes, 0, bytes.length, 0),
    'checksum, @platformatic/wasm-utils': (bytes: Uint8Array) => crc32cOfPeer(bytes),
    'CRC-32 of node:zlib (another one)': (bytes: Uint8Array) => crc32(bytes),
  })) {
    for (const size of [1 << 10, 16 << 10, all.length]) {
      const bytes = all.subarray(0, size)
      const rounds = Math.ceil((batches * all.length) / size)
      systems.set(`${name}, ${(size / 1024).toFixed(0)} KiB`, { unit: 'GB/s', run: () => {
        for (let round = 0; round < rounds; round++) sink += sum(bytes)
        return (rounds * bytes.length) / 1e9
      } })
    }
  }
}

function addCodec(size: number): void {
  const { bytes, ends, count } = linesOf(size)
  const writer = new BatchWriter({ bytes: batchBytes * 2 })
  const slices = Array.from({ length: count }, (_, row) => bytes.subarray(row * (size + 1), (row + 1) * (size + 1) - 1))
  const keys = slices.map((_, row) => Buffer.from(`device-${row}`))
  const rows = (fill: () => void) => ({ unit: 'M records/s', run: () => {
    for (let batch = 0; batch < batches; batch++) {
      fill()
      sink += writer.finish().length
    }
    return (batches * count) / 1e6
  } })
  systems.set(`write ${size} B: addLines`, rows(() => writer.addLines(bytes, ends, count, NOW)))
  systems.set(`write ${size} B: addSlice`, rows(() => {
    for (let row = 0; row < count; row++) writer.addSlice(bytes, row * (size + 1), (row + 1) * (size + 1) - 1, NOW + row)
  }))
  systems.set(`write ${size} B: add`, rows(() => {
    for (const slice of slices) writer.add(null, slice, undefined, NOW)
  }))
  systems.set(`write ${size} B: add with key`, rows(() => {
    for (const [row, slice] of slices.entries()) writer.add(keys[row] ?? null, slice, undefined, NOW)
  }))

  writer.addLines(bytes, ends, count, NOW)
  const batch = writer.finish()
  const reads = (read: () => void) => ({ unit: 'M records/s', run: () => {
    for (let round = 0; round < batches; round++) read()
    return (batches * countOf(batch)) / 1e6
  } })
  const checked = new RecordCursor()
  const unchecked = new RecordCursor({ check: false })
  systems.set(`read ${size} B: cursor`, reads(() => {
    for (checked.open(batch); checked.next(); ) sink += checked.valueEnd - checked.valueStart
  }))
  systems.set(`read ${size} B: cursor, not checked`, reads(() => {
    for (unchecked.open(batch); unchecked.next(); ) sink += unchecked.valueEnd - unchecked.valueStart
  }))
  systems.set(`read ${size} B: objects`, reads(() => {
    for (const record of records(batch)) sink += record.value?.length ?? 0
  }))
}

/** Events of the generator, packed and unpacked with every codec. */
async function addPacking(): Promise<void> {
  const writer = new BatchWriter()
  const [block = ''] = eventBlocks({ ...DEFAULTS, events: Math.ceil(batchBytes / 250) })
  for (const line of block.trimEnd().split('\n')) writer.add(null, Buffer.from(line), undefined, NOW)
  const batch = writer.finish()
  for (const codec of CODECS.slice(1)) {
    const packed = await compressBatch(batch, codec)
    const ratio = (batch.length / packed.length).toFixed(1)
    const times = async (work: () => Promise<Uint8Array>): Promise<number> => {
      for (let round = 0; round < batches; round++) sink += (await work()).length
      return (batches * batch.length) / 1e6
    }
    systems.set(`pack ${codec} (to 1/${ratio})`, { unit: 'MB/s', run: () => times(() => compressBatch(batch, codec)) })
    systems.set(`unpack ${codec}`, { unit: 'MB/s', run: () => times(() => decompressBatches(packed)) })
  }
}

function addPartitioners(): void {
  const keys = Array.from({ length: 10_000 }, (_, index) => Buffer.from(`device-${index}`))
  const ring = ringOf(12)
  const over = (choose: (key: Uint8Array) => number) => ({ unit: 'M keys/s', run: () => {
    for (const key of keys) sink += choose(key)
    return keys.length / 1e6
  } })
  systems.set('partition by murmur2', over(key => (murmur2(key) & 0x7fff_ffff) % 12))
  systems.set('partition by the ring of 12', over(key => ring.partitionOf(key)))
}

addChecksums()
addCodec(100)
addCodec(1000)
await addPacking()
addPartitioners()

const rates = new Map<string, number[]>([...systems.keys()].map(name => [name, []]))
for (let round = -2; round < Number(values.rounds); round++) {
  for (const [name, { run }] of systems) {
    const start = process.hrtime.bigint()
    const done = await run()
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    // The first rounds warm up.
    if (round >= 0) rates.get(name)?.push(done / seconds)
  }
}
if (!Number.isFinite(sink)) throw new Error('Nothing was done.')
process.stdout.write(`batches of ${batchBytes} bytes, ${batches} a round, Node ${process.version}, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB\n`)
process.stdout.write(`${''.padEnd(52)} median  lowest highest\n`)
for (const [name, all] of rates) {
  const sorted = all.toSorted((a, b) => a - b)
  const figures = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)]
  process.stdout.write(`${name.padEnd(50)} ${figures.map(figure => (figure ?? 0).toFixed(2).padStart(8)).join('')} ${systems.get(name)?.unit}\n`)
}
