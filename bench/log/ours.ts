/**
 * One measurement of the embedded log in a process of its own, printed as JSON.
 *
 *     node bench/log/ours.ts CASE FOLDER RECORDS BYTES        CASE: append | send | read | paced | first
 */
import { openLog } from '../../src/log/index.ts'
import { BatchWriter, RecordCursor } from '../../src/log/batch/index.ts'
import type { Log } from '../../src/log/index.ts'

const [name = '', folder = '', records = '0', bytes = '0'] = process.argv.slice(2)
const count = Number(records)
const value = Buffer.alloc(Number(bytes), 'x')
const TOPIC = 'bench'
const BATCH = 64 * 1024
/** Batches that wait for their acks at most. */
const IN_FLIGHT = 64

async function append(log: Log): Promise<object> {
  const producer = log.producer()
  const writer = new BatchWriter({ bytes: BATCH * 2 })
  const waiting = new Set<Promise<unknown>>()
  const begun = performance.now()
  for (let sent = 0; sent < count;) {
    const now = Date.now()
    for (; writer.bytes < BATCH && sent < count; sent++) writer.addSlice(value, 0, value.length, now)
    const ack = producer.append(TOPIC, 0, writer.finish()).finally(() => waiting.delete(ack))
    waiting.add(ack)
    if (waiting.size >= IN_FLIGHT) await Promise.race(waiting)
  }
  await Promise.all(waiting)
  return { seconds: (performance.now() - begun) / 1000 }
}

async function send(log: Log): Promise<object> {
  const producer = log.producer({ batchBytes: BATCH })
  const begun = performance.now()
  let waiting: Promise<unknown>[] = []
  for (let sent = 0; sent < count; sent++) {
    waiting.push(producer.send({ topic: TOPIC, partition: 0, value }))
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
  let length = 0
  while ((consumer.position(at) ?? 0n) < (end?.offset ?? 0n)) {
    for (const { bytes: part } of await consumer.fetch()) for (cursor.open(part); cursor.next(); found++) length += cursor.valueEnd - cursor.valueStart
  }
  if (length !== found * value.length) throw new Error(`${found} records have ${length} bytes`)
  return { seconds: (performance.now() - begun) / 1000, records: found }
}

/** 50,000 records a second, one by one; the time from the call to the ack of each. */
async function paced(log: Log): Promise<object> {
  const producer = log.producer({ batchBytes: BATCH })
  const times = new Float64Array(count)
  const begun = performance.now()
  const waiting: Promise<unknown>[] = []
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor((performance.now() - begun) * 50))
    for (; sent < due; sent++) {
      const index = sent
      const at = performance.now()
      waiting.push(producer.send({ topic: TOPIC, partition: 0, value }).then(() => (times[index] = performance.now() - at)))
    }
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  await Promise.all(waiting)
  times.sort()
  const at = (share: number): number => times[Math.min(count - 1, Math.floor(count * share))] ?? 0
  return { seconds: (performance.now() - begun) / 1000, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

const CASES: Readonly<Record<string, (log: Log) => Promise<object>>> = { append, send, read, paced, first: log => send(log) }
const log = await openLog(folder, { warn: message => console.error(message) })
if (name !== 'read' && !(await log.admin.listTopics()).includes(TOPIC)) await log.admin.createTopics([{ name: TOPIC, partitions: 1 }])
const measured = await CASES[name]?.(log)
// Since the process began.
const first_ack = performance.now() / 1000
const { user, system } = process.cpuUsage()
await log.close()
console.log(JSON.stringify({ ...measured, first_ack, cpu_seconds: (user + system) / 1e6, peak_rss_bytes: process.resourceUsage().maxRSS * 1024 }))
