/**
 * The Fetch request with whole record batches: the client's own call makes an object per record.
 *
 * Without fetch sessions: every request names all it wants. Version 12 names topics; from 13 on they are called by their ids, so that a topic that was made anew
 * is not taken for the old one.
 */
import { Writer } from '@platformatic/kafka'
import type { Reader } from '@platformatic/kafka'
import type { Isolation } from '../log.ts'
import type { RawRequest } from './link.ts'

export const FETCH = { key: 1, least: 12, most: 13 }

export interface Wanted {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: bigint
}

export interface AbortedFrom {
  readonly producerId: bigint
  /** Of the first record of that transaction in this partition. */
  readonly first: bigint
}

export interface FetchedPart {
  /** Name or id of the topic, as the version has it. */
  readonly topic: string
  readonly partition: number
  readonly error: number
  readonly highWatermark: bigint
  readonly lastStable: bigint
  readonly start: bigint
  readonly aborted: readonly AbortedFrom[]
  readonly bytes: Uint8Array
}

export interface FetchNeeds {
  /** Memory for the batches of one partition. */
  readonly take: (length: number) => Uint8Array
  readonly isolation: Isolation
  /** Milliseconds that the broker may wait for the first byte. */
  readonly wait: number
  readonly maxBytes: number
}

const NOTHING = new Uint8Array(0)

export function fetchRequest(version: number, { isolation, wait, maxBytes, take }: FetchNeeds, wanted: readonly Wanted[]): RawRequest<FetchedPart[]> {
  const topics = new Map<string, Wanted[]>()
  for (const each of wanted) {
    const name = version >= 13 ? each.topicId : each.topic
    const list = topics.get(name)
    if (list === undefined) topics.set(name, [each])
    else list.push(each)
  }
  const write = (): Writer =>
    Writer.create()
      .appendInt32(-1)
      .appendInt32(wait)
      .appendInt32(1)
      .appendInt32(maxBytes)
      .appendInt8(isolation === 'read_committed' ? 1 : 0)
      // No session: id 0, and an epoch that says so.
      .appendInt32(0)
      .appendInt32(-1)
      .appendArray([...topics], (writer, [name, parts]) => {
        if (version >= 13) writer.appendUUID(name)
        else writer.appendString(name)
        writer.appendArray(parts, (each, { partition, offset }) => {
          each.appendInt32(partition).appendInt32(-1).appendInt64(offset).appendInt32(-1).appendInt64(-1n).appendInt32(maxBytes)
        })
      })
      .appendArray([], () => undefined)
      .appendString('')
      .appendTaggedFields()
  return { key: FETCH.key, version, name: 'Fetch', write, parse: reader => parseFetched(reader, version, take) }
}

/** An error of the whole answer comes as one part without a topic. */
function parseFetched(reader: Reader, version: number, take: FetchNeeds['take']): FetchedPart[] {
  reader.readInt32() // How long the broker held us back.
  const error = reader.readInt16()
  reader.readInt32() // The session.
  if (error !== 0) return [{ topic: '', partition: -1, error, highWatermark: -1n, lastStable: -1n, start: -1n, aborted: [], bytes: NOTHING }]
  return reader
    .readArray(topicReader => {
      const topic = version >= 13 ? topicReader.readUUID() : topicReader.readString()
      return topicReader.readArray(part => parsePart(part, topic, take))
    })
    .flat()
}

function parsePart(reader: Reader, topic: string, take: FetchNeeds['take']): FetchedPart {
  const partition = reader.readInt32()
  const error = reader.readInt16()
  const highWatermark = reader.readInt64()
  const lastStable = reader.readInt64()
  const start = reader.readInt64()
  const aborted = reader.readNullableArray(each => ({ producerId: each.readInt64(), first: each.readInt64() })) ?? []
  reader.readInt32() // A replica that would be nearer.
  const length = Math.max(0, reader.readUnsignedVarInt() - 1)
  const bytes = length === 0 ? NOTHING : copied(reader, take(length))
  reader.skip(length)
  return { topic, partition, error, highWatermark, lastStable, start, aborted, bytes }
}

/** The bytes behind the reader's place, out of the pieces that the socket gave. */
function copied(reader: Reader, into: Uint8Array): Uint8Array {
  let skip = reader.position
  let done = 0
  for (const piece of reader.buffer.buffers) {
    if (done === into.length) break
    const part = piece.subarray(Math.min(skip, piece.length), skip + into.length - done)
    into.set(part, done)
    done += part.length
    skip = Math.max(0, skip - piece.length)
  }
  if (done < into.length) throw new RangeError('the answer is shorter than it says')
  return into
}
