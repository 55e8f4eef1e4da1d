/** The records of `__consumer_offsets`, in Kafka's format (key version 1, value version 4). docs/formats/log-internal-topics.md. */
import { SluiceError } from '../../base/index.ts'
import type { TopicPartition } from '../log.ts'
import type { Entry } from './internal-topic.ts'
import { WireReader, WireWriter } from './wire.ts'

/** The tag of the field that holds the topic's id, 16 bytes. */
const TOPIC_ID = 0

export interface CommittedOffset {
  readonly offset: bigint
  readonly metadata: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** Of the topic it was committed for: one of the same name that is made later has another. Undefined in records of version 3. */
  readonly topicId: number | undefined
}

export interface OffsetKey extends TopicPartition {
  readonly group: string
}

export function encodeOffset(key: OffsetKey, committed: CommittedOffset | undefined): Entry {
  return {
    key: new WireWriter().int16(1).text(key.group).text(key.topic).int32(key.partition).bytes(),
    value: committed === undefined ? null : encodeValue(committed),
  }
}

function encodeValue({ offset, metadata, time, topicId }: CommittedOffset): Uint8Array {
  const value = new WireWriter().int16(4).int64(offset).int32(-1).compactText(metadata).int64(BigInt(time))
  if (topicId === undefined) return value.unsigned(0).bytes()
  return value.unsigned(1).unsigned(TOPIC_ID).unsigned(16).int64(0n).int64(BigInt(topicId)).bytes()
}

/** Undefined for keys of another kind. A tombstone has nothing committed. */
export function decodeOffset({ key, value }: Entry): { readonly key: OffsetKey; readonly committed: CommittedOffset | undefined } | undefined {
  const reader = new WireReader(key)
  const version = reader.int16()
  if (version !== 0 && version !== 1) return undefined
  const decoded: OffsetKey = { group: reader.text(), topic: reader.text(), partition: reader.int32() }
  return { key: decoded, committed: value === null ? undefined : decodeValue(new WireReader(value)) }
}

function decodeValue(value: WireReader): CommittedOffset {
  const version = value.int16()
  if (version !== 3 && version !== 4) throw new SluiceError('LOG_FORMAT', `A committed offset has version ${version}; this program knows 3 and 4.`)
  const offset = value.int64()
  value.int32()
  const metadata = version === 3 ? value.text() : value.compactText()
  const time = Number(value.int64())
  return { offset, metadata, time, topicId: version === 3 ? undefined : topicIdOf(value) }
}

/** Looks for the topic's id among the tagged fields. */
function topicIdOf(value: WireReader): number | undefined {
  let topicId: number | undefined
  for (let fields = value.unsigned(); fields > 0; fields--) {
    const tag = value.unsigned()
    const length = value.unsigned()
    if (tag === TOPIC_ID && length === 16) {
      value.int64()
      topicId = Number(value.int64())
    } else value.skip(length)
  }
  return topicId
}
