/** Records of a log as columns and as events: whatever they hold, and however they are batched and packed, both ways give the same bytes, keys, headers, times and places. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { shareLog } from '../../src/connect/log/open-logs.ts'
import { runPipeline } from '../../src/engine/index.ts'
import { BatchWriter, compressBatch, openLog, recordsOf } from '../../src/log/index.ts'
import type { Compression } from '../../src/log/index.ts'
import { configOrThrow, loadPipeline } from '../../src/pipeline/index.ts'
import { registry } from '../../src/registry.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-record-columns-'))
const log = await openLog(join(folder, 'data'))
const unshare = shareLog(join(folder, 'data'), log)
after(async () => {
  unshare()
  await log.close()
  rmSync(folder, { recursive: true })
})

interface Sent {
  readonly key: string | null
  readonly value: string | Buffer | null
  readonly headers: readonly (readonly [string, string | null])[]
  readonly time: number
}

const text: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'é😀', '', 'key-1')
const plain = fc.tuple(fc.integer({ min: 0, max: 9 }), text, fc.nat({ max: 400 })).map(([n, t, fill]) => JSON.stringify({ n, t, o: { p: n }, fill: 'x'.repeat(fill) }))
const odd = fc.constantFrom<string | Buffer | null>(
  null, '', ' ', '{', '5', '[1]', '"x"', 'not json', '{}', ' {"n":3}', '{"n":3} ', '{"n":3}\n', '{"n":3}\r', '{\n"n": 4\n}', '{"n":1}\n{"n":2}', '{"n":"\\u0061"}', '{"n":5,"n":6}', '!', '\n', '{"n":12345678901234567890}',
  Buffer.from([123, 34, 110, 34, 58, 34, 255, 34, 125]), Buffer.from([10, 10, 10]), `{"n":7,"t":"${'y'.repeat(3000)}"}`,
)
const value: fc.Arbitrary<string | Buffer | null> = fc.oneof({ weight: 5, arbitrary: plain }, { weight: 2, arbitrary: odd })
const header: fc.Arbitrary<[string, string | null]> = fc.tuple(fc.constantFrom('h', 'other'), fc.option(text))
const sent: fc.Arbitrary<Sent> = fc.record({ key: fc.option(text), value, headers: fc.array(header, { maxLength: 2 }), time: fc.integer({ min: 0, max: 2_000_000_000_000 }) })
const stages = fc.constantFrom(
  '[]', `[{ filter: 'event.n > 2' }]`, `[{ filter: 'key == "a" || event.n > 4' }]`, `[{ filter: 'event.n >= 1' }, { set: { t: '"new"' } }]`,
  `[{ filter: 'has(event.n)' }, { map: { n: event.n, key: 'string(key)', from: position.offset, part: position.partition } }]`, `[{ map: { n: event.n, o: event.o.p } }]`,
  `[{ filter: 'time > timestamp("2001-01-01T00:00:00Z")' }]`,
)
const file = fc.constantFrom('out', '{has(.event.n)}', '{position.topic}-{event.n}', '{string(headers.h)}', '{time}', '{position.partition}', '{position.topic}-{position.partition}', '{position.offset}', '{format_time(time, "yyyy-MM")}', '{key}', '{headers.h}', '{event.n}-{event.o.p}', '{event.t}x{position.partition}', '{event.fill.size()}')
const batch = fc.record({ records: fc.array(sent, { minLength: 1, maxLength: 12 }), packed: fc.constantFrom<Compression>('none', 'none', 'gzip', 'snappy', 'lz4', 'zstd') })

let topics = 0

async function fill(batches: readonly { readonly records: readonly Sent[]; readonly packed: Compression }[]): Promise<string> {
  const topic = `t${++topics}`
  await log.admin.createTopics([{ name: topic, partitions: 2 }])
  const producer = log.producer()
  for (const [at, { records, packed }] of batches.entries()) {
    const writer = new BatchWriter()
    for (const { key, value, headers, time } of records) {
      writer.add(key === null ? null : Buffer.from(key), value === null ? null : Buffer.from(value), headers.map(([name, content]) => [name, content === null ? null : Buffer.from(content)]), time)
    }
    await producer.append(topic, at % 2, await compressBatch(writer.finish(), packed))
  }
  await producer.close()
  return topic
}

interface Came {
  /** Lines of each file. */
  readonly out: Readonly<Record<string, readonly string[]>>
  readonly letters: readonly unknown[]
  readonly counts: unknown
}

async function run(topic: string, chain: string, columns: boolean, file = 'out'): Promise<Came> {
  const name = `p${topics}-${columns}`
  mkdirSync(join(folder, name))
  const yaml = `pipeline: p\nsources: { in: { log: { log: ./data, topic: ${topic}, until: end } } }\nstages: ${chain}
sinks: { out: { file: { path: '${name}/${file}.ndjson' } }${chain === '[]' ? '' : `, second: { log: { log: ./data, topic: ${name}, create: { partitions: 1 } } }`} }
dead_letters: { file: { path: ${name}.dead.ndjson } }\nworkers: 0\ndelivery: at_least_once\n`
  const loaded = await loadPipeline(join(folder, `${name}.yaml`), registry, { readText: () => yaml, workingFolder: folder, env: {} })
  const { events_in, events_out, filtered, dead_lettered, in_flight } = await runPipeline(configOrThrow(loaded), registry, { columns })
  const lines = (path: string): string[] => readFileSync(join(folder, path), 'utf8').split('\n')
  const letters = lines(`${name}.dead.ndjson`).filter(line => line !== '').map(line => ({ ...(JSON.parse(line) as object), time: '' }))
  const out = Object.fromEntries(readdirSync(join(folder, name)).map(path => [path, lines(join(name, path))]))
  return { out, letters: [...letters, ...(await recordsIn(name))], counts: { events_in, events_out, filtered, dead_lettered, in_flight } }
}

/** Key, value, headers and time of each record. */
async function recordsIn(topic: string): Promise<unknown[]> {
  const [end] = await log.admin.offsets([{ topic, partition: 0, start: 'latest' }]).catch(() => [])
  const consumer = log.consumer()
  if (end === undefined || end.offset === 0n) return []
  await consumer.assign([{ topic, partition: 0, start: 'earliest' }])
  const found: unknown[] = []
  while ((consumer.position({ topic, partition: 0 }) ?? 0n) < end.offset) {
    for (const { bytes } of await consumer.fetch()) {
      for (const { key, value, headers, timestamp } of recordsOf(bytes)) found.push([key, value, headers].map(part => JSON.stringify(part)).concat(String(timestamp)))
    }
  }
  await consumer.close()
  return found
}

test('records give the same by columns and by events', async () => {
  const numRuns = Number(process.env['SLUICE_FUZZ_ROUNDS'] ?? 60)
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 4 }), stages, file, async (batches, chain, path) => {
      const topic = await fill(batches)
      assert.deepEqual(await run(topic, chain, true, path), await run(topic, chain, false, path))
    }),
    { numRuns },
  )
})

test('batches that unpack to more than the columns hold are run in parts, and keep their places', async () => {
  const records = Array.from({ length: 4000 }, (_, n): Sent => ({ key: `k${n}`, value: n % 97 === 0 ? 'not json' : JSON.stringify({ n, fill: 'z'.repeat(600) }), headers: [], time: 1000 + n }))
  const topic = await fill([{ records, packed: 'zstd' }])
  const chain = `[{ filter: 'event.n % 2 == 0' }, { map: { n: event.n, key: 'string(key)', at: position.offset } }]`
  const came = await run(topic, chain, true)
  assert.deepEqual(came, await run(topic, chain, false))
  assert.equal(came.out['out.ndjson']?.length, 4000 / 2 - 21 + 1)
})

// The filter's rows came as lines where the sink wanted batches with keys, and the run failed with LOG_CORRUPT.
test('a filter stands between a file and a topic with a key', async () => {
  writeFileSync(join(folder, 'keyed.ndjson'), '{"n":0}\n{"n":1}\n{"n":2}\n')
  const yaml = `pipeline: p\nsources: { in: { file: { path: keyed.ndjson } } }\nstages: [{ filter: event.n > 0 }]
sinks: { out: { log: { log: ./data, topic: keyed, key: 'string(event.n)', create: { partitions: 1 } } } }\nworkers: 0\n`
  const loaded = await loadPipeline(join(folder, 'keyed.yaml'), registry, { readText: () => yaml, workingFolder: folder, env: {} })
  const { events_out } = await runPipeline(configOrThrow(loaded), registry)
  assert.equal(events_out['out'], 2)
  const keys = (await recordsIn('keyed')) as readonly (readonly string[])[] // Made there.
  assert.deepEqual(keys.map(([key]) => key), ['1', '2'].map(key => JSON.stringify(new Uint8Array(Buffer.from(key)))))
})

// They came as lines where the topic takes batches, and the run failed with LOG_CORRUPT.
test('dead letters go to a topic from columns too', async () => {
  writeFileSync(join(folder, 'failing.ndjson'), '{"n":1}\n{"n":"two"}\nno json\n{"n":3}\n')
  const yaml = `pipeline: p\nsources: { in: { file: { path: failing.ndjson } } }\nstages: [{ filter: event.n > 1 }]
sinks: { out: { file: { path: passing.ndjson } } }\ndead_letters: { log: { log: ./data, topic: failing, create: { partitions: 1 } } }\nworkers: 0\n`
  const loaded = await loadPipeline(join(folder, 'failing.yaml'), registry, { readText: () => yaml, workingFolder: folder, env: {} })
  for (const columns of [true, false]) {
    const { dead_lettered } = await runPipeline(configOrThrow(loaded), registry, { columns })
    assert.equal(dead_lettered, 2)
  }
  const letters = (await recordsIn('failing')) as readonly (readonly string[])[] // Made there.
  const originals = letters.map(([, value = '']) => (JSON.parse(Buffer.from(Object.values(JSON.parse(value) as Record<string, number>)).toString()) as { readonly original: string }).original)
  assert.deepEqual(originals.toSorted(), ['no json', 'no json', '{"n":"two"}', '{"n":"two"}'])
})
