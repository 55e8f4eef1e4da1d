/**
 * Fills a topic with rows, each partition in its order, as a producer of uncompressed batches of 64 KiB does. Prints their number and bytes.
 *
 *     node bench/kafka-to-s3/load.ts BOOTSTRAP TOPIC PARTITIONS ROWS
 */
import { BatchWriter, openLog } from '../../src/log/index.ts'
import { rowOf } from './rows.ts'

const [bootstrap = '', topic = '', parts = '1', rows = '0'] = process.argv.slice(2)
const BATCH = 64 * 1024
const partitions = Number(parts)
const log = await openLog(`kafka://${bootstrap}`)
await log.admin.createTopics([{ name: topic, partitions }])
const producer = log.producer()
const writers = Array.from({ length: partitions }, () => new BatchWriter({ bytes: BATCH * 2 }))
const start = Date.UTC(2026, 0, 1)
let bytes = 0
for (let number = 0; number < Number(rows); number++) {
  const partition = number % partitions
  const writer = writers[partition]
  const value = Buffer.from(rowOf(number))
  bytes += value.length
  writer?.add(Buffer.from(`customer-${number % 1000}`), value, [], start + number)
  if (writer !== undefined && writer.bytes >= BATCH) await producer.append(topic, partition, writer.finish())
}
for (const [partition, writer] of writers.entries()) if (writer.count > 0) await producer.append(topic, partition, writer.finish())
await producer.close()
await log.close()
console.log(JSON.stringify({ rows: Number(rows), bytes }))
