/**
 * The Produce request with whole record batches: the client's own call makes an object and a batch per record, and repeats all partitions where one failed.
 *
 * Versions 9 to 11 have one form. Every partition answers for itself.
 */
import { Writer } from '@platformatic/kafka'
import type { Reader } from '@platformatic/kafka'
import type { TopicPartition } from '../log.ts'
import type { RawRequest } from './link.ts'

export const PRODUCE = { key: 0, least: 9, most: 11 }

export interface BatchToWrite extends TopicPartition {
  readonly batch: Uint8Array
}

export interface Produced extends TopicPartition {
  readonly error: number
  readonly message: string | null
  readonly offset: bigint
}

/** All replicas in step must have the batches before the broker answers. Batches of one partition: one at most. */
export function produceRequest(version: number, transactionalId: string | undefined, timeout: number, batches: readonly BatchToWrite[]): RawRequest<Produced[]> {
  const topics = new Map<string, BatchToWrite[]>()
  for (const batch of batches) {
    const list = topics.get(batch.topic)
    if (list === undefined) topics.set(batch.topic, [batch])
    else list.push(batch)
  }
  const write = (): Writer =>
    Writer.create()
      .appendString(transactionalId ?? null)
      .appendInt16(-1)
      .appendInt32(timeout)
      .appendArray([...topics], (writer, [topic, parts]) => {
        writer.appendString(topic).appendArray(parts, (each, { partition, batch }) => {
          each.appendInt32(partition).appendUnsignedVarInt(batch.length + 1).append(asBuffer(batch))
        })
      })
      .appendTaggedFields()
  return { key: PRODUCE.key, version, name: 'Produce', write, parse: parseProduced }
}

export const asBuffer = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))

function parseProduced(reader: Reader): Produced[] {
  return reader
    .readArray(topicReader => {
      const topic = topicReader.readString()
      return topicReader.readArray((part): Produced => {
        const partition = part.readInt32()
        const error = part.readInt16()
        const offset = part.readInt64()
        part.readInt64() // The time that the log gave, where it gives times.
        part.readInt64() // The first offset that is kept.
        part.readArray(each => [each.readInt32(), each.readNullableString()])
        return { topic, partition, error, offset, message: part.readNullableString() }
      })
    })
    .flat()
}
