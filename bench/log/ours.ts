/**
 * One measurement of a log in a process of its own, printed as JSON.
 *
 *     node bench/log/ours.ts CASE LOG RECORDS BYTES [--durability fsync|os] [--codec none|lz4]
 *
 *     append   whole batches of 64 KiB, at most 64 of them waiting for their acks
 *     send     record by record
 *     read     from the beginning
 *     paced    50,000 records a second, one by one; the time from the call to the ack of each
 *     end      the same, with a consumer in the process: the time from the call until the record is read
 *     first    one record; the time from the start of the process to its ack, then ten seconds of nothing
 *
 * LOG is a folder or kafka://HOST:PORT: the same program with the same settings, whatever is behind the port. Values are random letters, as those of Kafka's own tool.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openLog } from '../../src/log/index.ts'
import type { Compression, Log } from '../../src/log/index.ts'
import { BatchWriter, RecordCursor, compressBatch } from '../../src/log/batch/index.ts'
import { processFigures } from '../../src/observe/index.ts'

const { positionals: [name = '', place = '', records = '0', bytes = '0'], values } = parseArgs({ allowPositionals: true, options: { durability: { type: 'string', default: 'fsync' }, codec: { type: 'string', default: 'none' } } })
const count = Number(records)
const length = Number(bytes)
const codec = values.codec as Compression // Told by run.ts.
const TOPIC = name === 'end' ? 'bench-end' : 'bench'
const BATCH = 64 * 1024
const IN_FLIGHT = 64

const letters = Buffer.alloc(1 << 20)
for (let at = 0, seed = 1; at < letters.length; at++) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  letters[at] = 65 + Math.floor((seed / 2 ** 32) * 26)
}
/** Where the value of a record begins in the letters. */
const startOf = (record: number): number => (record * 7919) % (letters.length - length)

async function append(log: Log): Promise<object> {
  const producer = log.producer()
  const writer = new BatchWriter({ bytes: BATCH * 2, spare: IN_FLIGHT })
  const waiting = new Set<Promise<unknown>>()
  const begun = performance.now()
  for (let sent = 0; sent < count;) {
    const now = Date.now()
    for (; writer.bytes < BATCH && sent < count; sent++) {
      const start = startOf(sent)
      writer.addSlice(letters, start, start + length, now)
    }
    const batch = writer.finish()
    const packed = codec === 'none' ? batch : await compressBatch(batch, codec)
    const ack = producer.append(TOPIC, 0, packed).finally(() => {
      waiting.delete(ack)
      writer.reuse(batch)
    })
    waiting.add(ack)
    if (waiting.size >= IN_FLIGHT) await Promise.race(waiting)
  }
  await Promise.all(waiting)
  return { seconds: (performance.now() - begun) / 1000 }
}

async function send(log: Log): Promise<object> {
  const producer = log.producer({ batchBytes: BATCH, compression: codec })
  const begun = performance.now()
  let waiting: Promise<unknown>[] = []
  for (let sent = 0; sent < count; sent++) {
    const start = startOf(sent)
    waiting.push(producer.send({ topic: TOPIC, partition: 0, value: letters.subarray(start, start + length) }))
    if (waiting.length < 20_000) continue
    await Promise.all(waiting)
    waiting = []
  }
  await Promise.all(waiting)
  return { seconds: (performance.now() - begun) / 1000 }
}

async function read(log: Log): Promise<object> {
  const at = { topic: TOPIC, partition: 0 }
  const consumer = log.consumer({ maxBytes: 1 << 20 })
  await consumer.assign([{ ...at, start: 'earliest' }])
  const [end] = await log.admin.offsets([{ ...at, start: 'latest' }])
  const cursor = new RecordCursor({ check: false })
  const begun = performance.now()
  let found = 0
  let sum = 0
  while ((consumer.position(at) ?? 0n) < (end?.offset ?? 0n)) {
    for (const { bytes: part } of await consumer.fetch()) for (cursor.open(part); cursor.next(); found++) sum += cursor.valueEnd - cursor.valueStart
  }
  if (sum !== found * length) throw new Error(`${found} records have ${sum} bytes`)
  return { seconds: (performance.now() - begun) / 1000, records: found }
}

/** Sends at 50,000 records a second. `taken` hears of each before it is sent. */
async function pace(log: Log, taken: (record: number) => void, acked: (record: number) => void): Promise<void> {
  const producer = log.producer({ batchBytes: BATCH, compression: codec })
  const begun = performance.now()
  const waiting: Promise<unknown>[] = []
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor((performance.now() - begun) * 50))
    for (; sent < due; sent++) {
      const record = sent
      const start = startOf(record)
      taken(record)
      waiting.push(producer.send({ topic: TOPIC, partition: 0, value: letters.subarray(start, start + length) }).then(() => acked(record)))
    }
    await sleep(1)
  }
  await Promise.all(waiting)
}

function percentiles(times: Float64Array): object {
  times.sort()
  const at = (share: number): number => times[Math.min(count - 1, Math.floor(count * share))] ?? 0
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

async function paced(log: Log): Promise<object> {
  const times = new Float64Array(count)
  const begun = performance.now()
  await pace(log, record => (times[record] = performance.now()), record => (times[record] = performance.now() - (times[record] ?? 0)))
  return { seconds: (performance.now() - begun) / 1000, ...percentiles(times) }
}

async function end(log: Log): Promise<object> {
  const times = new Float64Array(count)
  const at = { topic: TOPIC, partition: 0 }
  const consumer = log.consumer({ maxBytes: 1 << 20 })
  await consumer.assign([{ ...at, start: 'earliest' }])
  const cursor = new RecordCursor({ check: false })
  const begun = performance.now()
  const reading = (async () => {
    for (let found = 0; found < count;) {
      const parts = await consumer.fetch({ wait: 1000 })
      const now = performance.now()
      for (const { bytes: part } of parts) for (cursor.open(part); cursor.next(); found++) times[found] = now - (times[found] ?? 0)
    }
  })()
  await pace(log, record => (times[record] = performance.now()), () => undefined)
  await reading
  return { seconds: (performance.now() - begun) / 1000, ...percentiles(times) }
}

async function first(log: Log): Promise<object> {
  await log.producer().send({ topic: TOPIC, partition: 0, value: letters.subarray(0, length) })
  // Since the process began.
  const first_ack = performance.now() / 1000
  await sleep(10_000)
  return { seconds: first_ack, first_ack, idle_rss_bytes: process.memoryUsage.rss() }
}

const CASES: Readonly<Record<string, (log: Log) => Promise<object>>> = { append, send, read, paced, end, first }
const isKafka = place.startsWith('kafka:')
const log = await openLog(place, { warn: message => console.error(message), ...(isKafka ? {} : { durability: values.durability === 'os' ? 'os' : 'fsync' }) })
if (name !== 'read' && !(await log.admin.listTopics()).includes(TOPIC)) await log.admin.createTopics([{ name: TOPIC, partitions: 1 }])
const measured = await CASES[name]?.(log)
const { user, system } = process.cpuUsage()
await log.close()
console.log(JSON.stringify({ ...measured, cpu_seconds: (user + system) / 1e6, peak_rss_bytes: processFigures().peak_rss_bytes }))
