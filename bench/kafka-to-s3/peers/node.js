/**
 * The same job as a straightforward program: the client's records as objects, JSON.parse, JSON.stringify, zlib and the SDK.
 *
 *     node peers/node.js BOOTSTRAP TOPIC ROWS ENDPOINT BUCKET PREFIX gzip|zstd [LEVEL]
 *
 * Nothing is done slowly on purpose: answers of 1 MiB and a thousand records in the stream (what the client was found to be fastest with), objects of 32 MiB before
 * compression, compressed by the pool of threads and uploaded while more is read; offsets are committed behind the uploads.
 */
import { promisify } from 'node:util'
import { constants, gzip, zstdCompress } from 'node:zlib'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Consumer, stringDeserializers } from '@platformatic/kafka'

const [bootstrap, topic, rows, endpoint, bucket, prefix, compression, level] = process.argv.slice(2)
const OBJECT_BYTES = 32 * 1024 * 1024
const UPLOADS = 2

const compress = compression === 'gzip'
  ? lines => promisify(gzip)(lines, level === undefined ? {} : { level: Number(level) })
  : lines => promisify(zstdCompress)(lines, level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: Number(level) } })

const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: process.env.S3_KEY, secretAccessKey: process.env.S3_SECRET } })
const consumer = new Consumer({ clientId: 'peer', groupId: prefix, bootstrapBrokers: [bootstrap], deserializers: stringDeserializers, autocommit: false, maxWaitTime: 100, minBytes: 1, maxBytes: 1 << 20, highWaterMark: 1024 })
const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })

let lines = []
let bytes = 0
let objects = 0
let found = 0
let last = new Map()
const uploads = new Set()

async function upload(body, key, offsets) {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: await compress(body), ContentType: 'application/x-ndjson' }))
  await consumer.commit({ offsets })
}

async function finish() {
  const offsets = [...last].map(([partition, { offset, epoch }]) => ({ topic, partition, offset, leaderEpoch: epoch }))
  const key = `${prefix}/${String(objects++).padStart(6, '0')}.ndjson.${compression === 'gzip' ? 'gz' : 'zst'}`
  const body = Buffer.from(lines.join(''))
  lines = []
  bytes = 0
  last = new Map()
  if (uploads.size >= UPLOADS) await Promise.race(uploads)
  const done = upload(body, key, offsets).finally(() => uploads.delete(done))
  uploads.add(done)
}

for await (const message of stream) {
  const row = JSON.parse(message.value)
  last.set(message.partition, { offset: message.offset + 1n, epoch: 0 })
  if (row.status !== 'test') {
    const line = `${JSON.stringify(row)}\n`
    lines.push(line)
    bytes += line.length
  }
  if (bytes >= OBJECT_BYTES) await finish()
  if (++found === Number(rows)) break
}
if (lines.length > 0) await finish()
await Promise.all(uploads)
await consumer.close(true)
console.log(JSON.stringify({ rows: found, objects }))
process.exit(0)
