/**
 * What the members of a group tell each other through the coordinator, in the form of Java's clients, so that members of both may share a group.
 *
 *     subscription  version int16 = 2, topics, user data bytes, owned partitions, generation int32
 *     assignment    version int16 = 0, partitions, user data bytes
 *
 * Newer versions only add fields at the end.
 */
import { WireReader, WireWriter } from '../embedded/wire.ts'
import type { TopicPartition } from '../log.ts'
import { groupByTopic } from './transaction-calls.ts'

const SUBSCRIPTION_VERSION = 2
const ASSIGNMENT_VERSION = 0

export interface Subscription {
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  /** In which the partitions were owned; -1 where the member does not tell. */
  readonly generation: number
}

export interface Assignment {
  readonly partitions: readonly TopicPartition[]
  /** True where the leader keeps partitions back that their owners must give up first: another round follows. */
  readonly hasMoreToCome: boolean
}

export function encodeSubscription({ topics, owned, generation }: Subscription): Buffer {
  const writer = new WireWriter().int16(SUBSCRIPTION_VERSION).int32(topics.length)
  for (const topic of topics) writer.text(topic)
  writer.int32(-1)
  writePartitions(writer, owned)
  return Buffer.from(writer.int32(generation).bytes())
}

export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new WireReader(bytes)
  const version = reader.int16()
  const topics = Array.from({ length: countIn(reader, bytes) }, () => reader.text())
  const userData = reader.int32()
  if (userData > 0) reader.skip(userData)
  const owned = version >= 1 ? readPartitions(reader, bytes) : []
  return { topics, owned, generation: version >= 2 ? reader.int32() : -1 }
}

export function encodeAssignment({ partitions, hasMoreToCome }: Assignment): Buffer {
  const writer = new WireWriter().int16(ASSIGNMENT_VERSION)
  writePartitions(writer, partitions)
  return Buffer.from(hasMoreToCome ? writer.int32(1).int8(1).bytes() : writer.int32(-1).bytes())
}

/** A member that gets nothing may get no bytes at all. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { partitions: [], hasMoreToCome: false }
  const reader = new WireReader(bytes)
  reader.int16()
  const partitions = readPartitions(reader, bytes)
  return { partitions, hasMoreToCome: reader.int32() === 1 && reader.int8() === 1 }
}

function writePartitions(writer: WireWriter, partitions: readonly TopicPartition[]): void {
  const topics = groupByTopic(partitions, ({ partition }) => partition)
  writer.int32(topics.length)
  for (const { topic, parts } of topics) {
    writer.text(topic).int32(parts.length)
    for (const partition of parts) writer.int32(partition)
  }
}

function readPartitions(reader: WireReader, bytes: Uint8Array): TopicPartition[] {
  const found: TopicPartition[] = []
  for (let topics = countIn(reader, bytes); topics > 0; topics--) {
    const topic = reader.text()
    for (let left = countIn(reader, bytes); left > 0; left--) found.push({ topic, partition: reader.int32() })
  }
  return found
}

/** A number of things, each of which takes two bytes and more: one that can't be is read as none, and what follows is then refused. */
function countIn(reader: WireReader, bytes: Uint8Array): number {
  const count = reader.int32()
  return count * 2 > bytes.length ? 0 : Math.max(0, count)
}
