/** Where the records of partitions begin and end, and which one was written at a time: asked of the brokers that lead them. */
import { listOffsetsV6 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import type { Call, Isolation, Start, TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { BROKER, brokerError } from './errors.ts'
import { groupByTopic } from './transaction-calls.ts'

const LATEST = -1n
const EARLIEST = -2n

export interface Place extends TopicPartition {
  readonly start: Start
}

const timeOf = (start: Exclude<Start, bigint>): bigint => (start === 'earliest' ? EARLIEST : start === 'latest' ? LATEST : BigInt(Math.max(0, Math.ceil(start.time))))

/**
 * The offsets that starts mean now, in their order. The end is that of what may be read: for committed readers it lies before the first open transaction.
 * LOG_UNKNOWN_TOPIC where there is no such partition.
 */
export async function resolveStarts(cluster: Cluster, places: readonly Place[], isolation: Isolation, call: Call | undefined): Promise<bigint[]> {
  const found = await cluster.persist(call, 'Looking for offsets', () => askAll(cluster, places, isolation))
  // A time behind the last record means the end.
  const behind = places.flatMap((place, index) => (found[index] === undefined ? [{ ...place, start: 'latest' as const, index }] : []))
  if (behind.length === 0) return found.map(offset => offset ?? 0n)
  const ends = await cluster.persist(call, 'Looking for offsets', () => askAll(cluster, behind, isolation))
  for (const [at, { index }] of behind.entries()) found[index] = ends[at]
  return found.map(offset => offset ?? 0n)
}

interface Asked extends TopicPartition {
  readonly index: number
  readonly time: bigint
}

async function askAll(cluster: Cluster, places: readonly Place[], isolation: Isolation): Promise<(bigint | undefined)[]> {
  const leaders = await Promise.all(places.map(place => cluster.leaderOf(place)))
  const found: (bigint | undefined)[] = places.map(({ start }) => (typeof start === 'bigint' ? start : undefined))
  const byLeader = new Map<number, Asked[]>()
  for (const [index, { topic, partition, start }] of places.entries()) {
    const leader = leaders[index] ?? -1
    if (typeof start === 'bigint') continue
    const asked: Asked = { topic, partition, index, time: timeOf(start) }
    const list = byLeader.get(leader)
    if (list === undefined) byLeader.set(leader, [asked])
    else list.push(asked)
  }
  await Promise.all([...byLeader].map(([leader, asked]) => askOne(cluster, leader, asked, isolation, found)))
  return found
}

async function askOne(cluster: Cluster, leader: number, all: readonly Asked[], isolation: Isolation, found: (bigint | undefined)[]): Promise<void> {
  // A request may name a partition once only: what is asked twice of one goes in another.
  const first = new Map<string, Asked>()
  const rest: Asked[] = []
  for (const asked of all) {
    const key = `${asked.topic} ${asked.partition}`
    if (first.has(key)) rest.push(asked)
    else first.set(key, asked)
  }
  const topics = groupByTopic([...first.values()], ({ partition, time }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp: time }))
  const answer = await cluster.link(leader).request(listOffsetsV6.api, -1, isolation === 'read_committed' ? 1 : 0, topics.map(({ topic: name, parts: partitions }) => ({ name, partitions })))
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, errorCode, offset } of partitions) {
      const asked = first.get(`${name} ${partitionIndex}`)
      if (errorCode !== BROKER.NONE) throw moved(cluster, errorCode, name, partitionIndex)
      if (asked !== undefined && offset >= 0n) found[asked.index] = offset
    }
  }
  if (rest.length > 0) await askOne(cluster, leader, rest, isolation, found)
}

const MOVED: ReadonlySet<number> = new Set([BROKER.UNKNOWN_TOPIC_OR_PARTITION, BROKER.NOT_LEADER, BROKER.LEADER_NOT_AVAILABLE, BROKER.FENCED_LEADER_EPOCH, BROKER.UNKNOWN_LEADER_EPOCH])

/** The error of a broker about a partition. The cluster is looked at again before the next attempt, where the broker is not the one to ask. */
export function moved(cluster: Cluster, errorCode: number, topic: string, partition: number): Error {
  const isMoved = MOVED.has(errorCode)
  if (isMoved) cluster.forget(topic)
  // A partition that this broker does not know may be with another, or be new: whether it is gone the cluster says.
  return brokerError(errorCode === BROKER.UNKNOWN_TOPIC_OR_PARTITION ? BROKER.NOT_LEADER : errorCode, `"${topic}" partition ${partition}`)
}

/** LOG_OFFSET_OUT_OF_RANGE for an offset that its partition does not have. */
export async function checkRanges(cluster: Cluster, places: readonly (TopicPartition & { readonly offset: bigint })[], call: Call | undefined): Promise<void> {
  const ask = (start: Start): Promise<bigint[]> => resolveStarts(cluster, places.map(({ topic, partition }) => ({ topic, partition, start })), 'read_uncommitted', call)
  const [starts, ends] = await Promise.all([ask('earliest'), ask('latest')])
  for (const [index, { topic, partition, offset }] of places.entries()) {
    const start = starts[index] ?? 0n
    const end = ends[index] ?? 0n
    if (offset < start || offset > end) throw new SluiceError('LOG_OFFSET_OUT_OF_RANGE', `"${topic}" partition ${partition} holds the offsets ${start} to ${end}, not ${offset}.`)
  }
}
