/**
 * One measurement against a broker in a process of its own, printed as JSON: our adapter, or the objects interface of the client that it stands on.
 *
 *     node bench/log/kafka-client-case.ts SYSTEM CASE BOOTSTRAP TOPIC RECORDS BYTES        SYSTEM: ours | client, CASE: append | send | read
 *
 * Producers: acks=all, idempotent, one partition. The client has the settings that it was found to be fastest with: a thousand records a call, five calls at a
 * time; answers of 1 MiB (with its own 50 MiB it reads a fifth of that).
 */
import { Consumer, Producer } from '@platformatic/kafka'
import { BatchWriter, RecordCursor, openLog } from '../../src/log/index.ts'

const [system = '', name = '', bootstrap = '', topic = '', records = '0', bytes = '0'] = process.argv.slice(2)
const count = Number(records)
const value = Buffer.alloc(Number(bytes), 'x')
const BATCH = 64 * 1024
/** Batches of ours that wait for their acks at most. */
const IN_FLIGHT = 16
const CALL = 1000
const CALLS = 5

/** What is to be timed, after the connection stands and before it is closed. */
interface Case {
  readonly run: () => Promise<number>
  readonly close: () => Promise<void>
}

async function ourAppend(): Promise<Case> {
  const log = await openLog(`kafka://${bootstrap}`)
  const producer = log.producer()
  const run = async (): Promise<number> => {
    const writer = new BatchWriter({ bytes: BATCH * 2 })
    const waiting = new Set<Promise<unknown>>()
    for (let sent = 0; sent < count;) {
      const now = Date.now()
      for (; writer.bytes < BATCH && sent < count; sent++) writer.addSlice(value, 0, value.length, now)
      const ack = producer.append(topic, 0, writer.finish()).finally(() => waiting.delete(ack))
      waiting.add(ack)
      if (waiting.size >= IN_FLIGHT) await Promise.race(waiting)
    }
    await Promise.all(waiting)
    return count
  }
  return { run, close: () => log.close() }
}

async function ourSend(): Promise<Case> {
  const log = await openLog(`kafka://${bootstrap}`)
  const producer = log.producer({ batchBytes: BATCH * 2 })
  const worker = async (from: number): Promise<void> => {
    for (let base = from; base < count; base += CALLS * CALL) {
      const waiting: Promise<unknown>[] = []
      for (let n = base; n < Math.min(base + CALL, count); n++) waiting.push(producer.send({ topic, partition: 0, value }))
      await Promise.all(waiting)
    }
  }
  const run = async (): Promise<number> => {
    await Promise.all(Array.from({ length: CALLS }, (_, index) => worker(index * CALL)))
    return count
  }
  return { run, close: () => log.close() }
}

async function ourRead(): Promise<Case> {
  const log = await openLog(`kafka://${bootstrap}`)
  const at = { topic, partition: 0 }
  const consumer = log.consumer()
  await consumer.assign([{ ...at, start: 'earliest' }])
  const run = async (): Promise<number> => {
    const cursor = new RecordCursor({ check: false })
    let found = 0
    let length = 0
    while (found < count) {
      for (const { bytes: part } of await consumer.fetch()) for (cursor.open(part); cursor.next(); found++) length += cursor.valueEnd - cursor.valueStart
    }
    if (length !== found * value.length) throw new Error(`${found} records have ${length} bytes`)
    return found
  }
  return { run, close: () => log.close() }
}

async function clientSend(): Promise<Case> {
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [bootstrap], idempotent: true })
  await producer.metadata({ topics: [topic] })
  const worker = async (from: number): Promise<void> => {
    for (let base = from; base < count; base += CALLS * CALL) {
      const messages = Array.from({ length: Math.min(CALL, count - base) }, () => ({ topic, value, partition: 0 }))
      await producer.send({ messages, acks: -1 })
    }
  }
  const run = async (): Promise<number> => {
    await Promise.all(Array.from({ length: CALLS }, (_, index) => worker(index * CALL)))
    return count
  }
  return { run, close: () => producer.close() }
}

async function clientRead(): Promise<Case> {
  const consumer = new Consumer({ clientId: 'bench', groupId: topic, bootstrapBrokers: [bootstrap], autocommit: false, maxWaitTime: 100, minBytes: 1, maxBytes: 1 << 20, highWaterMark: 1024 })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
  const run = (): Promise<number> => new Promise((resolve, reject) => {
    let found = 0
    let length = 0
    stream.on('error', reject)
    stream.on('data', message => {
      length += message.value?.length ?? 0
      if (++found !== count) return
      if (length === found * value.length) resolve(found)
      else reject(new Error(`${found} records have ${length} bytes`))
    })
  })
  return { run, close: () => consumer.close(true) }
}

const CASES: Readonly<Record<string, () => Promise<Case>>> = { 'ours append': ourAppend, 'ours send': ourSend, 'ours read': ourRead, 'client send': clientSend, 'client read': clientRead }
const made = await CASES[`${system} ${name}`]?.()
if (made === undefined) throw new Error(`There is no case "${system} ${name}".`)
const cpu = process.cpuUsage()
const begun = performance.now()
const found = await made.run()
const seconds = (performance.now() - begun) / 1000
const { user, system: kernel } = process.cpuUsage(cpu)
if (found !== count) throw new Error(`${found} records instead of ${count}`)
console.log(JSON.stringify({ seconds, cpu_seconds: (user + kernel) / 1e6, peak_rss_bytes: process.resourceUsage().maxRSS * 1024 }))
await made.close()
process.exit(0)
