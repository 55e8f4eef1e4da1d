/** The records of `__consumer_offsets`, in Kafka's format (key version 1, value version 3). docs/formats/log-internal-topics.md. */
import { SluiceError } from '../../base/index.ts'
import type { TopicPartition } from '../log.ts'
import type { Entry } from './internal-topic.ts'
import { WireReader, WireWriter } from './wire.ts'

export interface CommittedOffset {
  readonly offset: bigint
  readonly metadata: string
  /** Milliseconds since 1970. */
  readonly time: number
}

export interface OffsetKey extends TopicPartition {
  readonly group: string
}

export function encodeOffset(key: OffsetKey, committed: CommittedOffset | undefined): Entry {
  const value = committed === undefined
    ? null
    : new WireWriter().int16(3).int64(committed.offset).int32(-1).text(committed.metadata).int64(BigInt(committed.time)).bytes()
  return { key: new WireWriter().int16(1).text(key.group).text(key.topic).int32(key.partition).bytes(), value }
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
  if (version !== 3) throw new SluiceError('LOG_FORMAT', `A committed offset has version ${version}; this program knows 3.`)
  const offset = value.int64()
  value.int32()
  return { offset, metadata: value.text(), time: Number(value.int64()) }
}
