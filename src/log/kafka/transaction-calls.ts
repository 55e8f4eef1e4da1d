/**
 * What a transactional producer asks of coordinators: one request after the other.
 *
 * A coordinator still ending the transaction before says so, and is asked again. The identity is asked for with -1 and -1 the first time: then whoever had the
 * name before is fenced, and what it left open is aborted. Later with the identity that one has: then a newer owner of the name is not robbed of it.
 */
import { addOffsetsToTxnV3, addPartitionsToTxnV3, describeTransactionsV0, endTxnV3, initProducerIdV4, txnOffsetCommitV3 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import { Serial } from '../embedded/calls.ts'
import type { Call, GroupReference, OffsetToCommit, TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { BROKER, brokerError, check } from './errors.ts'
import type { Identity } from './lane.ts'
import type { Link } from './link.ts'

const METADATA_BYTES_MAX = 4096
/** States in which a coordinator still tells the partitions how a transaction ended. */
const ENDING: ReadonlySet<string> = new Set(['PrepareCommit', 'PrepareAbort'])

export class TransactionCalls {
  readonly #cluster: Cluster
  readonly #name: string
  readonly #timeout: number
  readonly #serial = new Serial()

  constructor(cluster: Cluster, name: string, timeout: number) {
    this.#cluster = cluster
    this.#name = name
    this.#timeout = timeout
  }

  /** The identity under which the name is used from now on; LOG_FENCED where a newer producer took it since `before`. */
  init(before: Identity | undefined, call: Call | undefined): Promise<Identity> {
    return this.#ask(call, 'The beginning', async link => {
      const answer = await link.request(initProducerIdV4.api, this.#name, this.#timeout, before?.producerId ?? -1n, before?.epoch ?? -1)
      check(answer.errorCode, `The producer "${this.#name}"`)
      return { producerId: answer.producerId, epoch: answer.producerEpoch }
    })
  }

  async add({ producerId, epoch }: Identity, partitions: readonly TopicPartition[], call?: Call): Promise<void> {
    const topics = groupByTopic(partitions, ({ partition }) => partition)
    await this.#ask(call, 'Adding partitions', async link => {
      const { resultsByTransaction } = await link.request(addPartitionsToTxnV3.api, [
        { transactionalId: this.#name, producerId, producerEpoch: epoch, verifyOnly: false, topics: topics.map(({ topic: name, parts }) => ({ name, partitions: parts })) },
      ])
      const results = resultsByTransaction.flatMap(({ topicResults }) => topicResults).flatMap(({ name, resultsByPartition }) => resultsByPartition.map(result => ({ ...result, name })))
      // One that is refused keeps all others out ("not attempted", 55): it is the one to tell.
      const failed = results.find(({ partitionErrorCode: code }) => code !== 0 && code !== 55) ?? results.find(({ partitionErrorCode: code }) => code !== 0)
      if (failed !== undefined) check(failed.partitionErrorCode, `"${failed.name}" partition ${failed.partitionIndex} in the transaction of "${this.#name}"`)
    })
  }

  /** Throws LOG_UNSUPPORTED for a member whose offsets no transaction takes. */
  checkMember({ group, member }: GroupReference): void {
    if (member !== undefined && this.#cluster.options.groupProtocol === 'consumer') throw noTransactions(group)
  }

  /** Stages offsets: they count when the transaction is committed. */
  async commitOffsets({ producerId, epoch }: Identity, { group, member }: GroupReference, offsets: readonly OffsetToCommit[], call: Call | undefined): Promise<void> {
    const topics = offsetTopics(offsets)
    const what = `The offsets of the group "${group}"`
    await this.#ask(call, 'Adding offsets', async link => {
      check((await link.request(addOffsetsToTxnV3.api, this.#name, producerId, epoch, group)).errorCode, what)
    })
    await this.#serial.run(() => this.#cluster.persist(call, 'The commit of offsets', () => this.#cluster.atCoordinator('group', group, async link => {
      const answer = await link.request(txnOffsetCommitV3.api, this.#name, group, producerId, epoch, member?.generation ?? -1, member?.id ?? '', null, topics)
      for (const { name, partitions } of answer.topics) {
        for (const { errorCode, partitionIndex } of partitions) check(errorCode, `${what}, "${name}" partition ${partitionIndex}`)
      }
    })))
  }

  /**
   * A repeated end of the same kind is no error: the answer to the first one may have got lost.
   *
   * The coordinator answers once the end is decided and durable, and only then tells the partitions. Who reads right after this must find the outcome, so it is
   * waited for; where that can't be (a connection is lost, the right to look is missing) the outcome holds all the same, and readers find it later.
   */
  async end({ producerId, epoch }: Identity, commit: boolean, call: Call | undefined): Promise<void> {
    const what = `${commit ? 'The commit' : 'The abort'} of "${this.#name}"`
    await this.#ask(call, what, async link => {
      check((await link.request(endTxnV3.api, this.#name, producerId, epoch, commit)).errorCode, what)
    })
    await this.#ask(call, what, async link => {
      const { transactionStates: [state] } = await link.request(describeTransactionsV0.api, [this.#name])
      if (state !== undefined && ENDING.has(state.transactionState)) throw brokerError(BROKER.CONCURRENT_TRANSACTIONS, what)
    }).catch(() => undefined)
  }

  #ask<T>(call: Call | undefined, what: string, work: (link: Link) => Promise<T>): Promise<T> {
    return this.#serial.run(() => this.#cluster.persist(call, what, () => this.#cluster.atCoordinator('transaction', this.#name, work)))
  }
}

export interface TopicParts<T> {
  readonly topic: string
  readonly parts: T[]
}

export function groupByTopic<P extends TopicPartition, T>(all: readonly P[], part: (each: P) => T): TopicParts<T>[] {
  const topics = new Map<string, T[]>()
  for (const each of all) {
    const parts = topics.get(each.topic)
    if (parts === undefined) topics.set(each.topic, [part(each)])
    else parts.push(part(each))
  }
  return [...topics].map(([topic, parts]) => ({ topic, parts }))
}

/** Offsets in the form in which coordinators take them. */
export function offsetTopics(offsets: readonly OffsetToCommit[]): { name: string; partitions: { partitionIndex: number; committedOffset: bigint; committedLeaderEpoch: number; committedMetadata: string }[] }[] {
  for (const { topic, partition, offset, metadata = '' } of offsets) {
    if (offset < 0n) throw new SluiceError('LOG_OFFSET_OUT_OF_RANGE', `The offset ${offset} of "${topic}" partition ${partition} is below 0.`)
    const bytes = Buffer.byteLength(metadata)
    if (bytes > METADATA_BYTES_MAX) throw new SluiceError('LOG_SETTING', `The metadata of an offset has ${bytes} bytes; ${METADATA_BYTES_MAX} are the most.`)
  }
  return groupByTopic(offsets, ({ partition, offset, metadata }) => ({ partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: metadata ?? '' }))
    .map(({ topic, parts }) => ({ name: topic, partitions: parts }))
}

/** Why a transaction can't take the offsets of a member along. */
const noTransactions = (group: string): SluiceError =>
  new SluiceError('LOG_UNSUPPORTED', `The members of the group "${group}" use the "consumer" protocol, in which brokers take no offsets in transactions: exactly once needs the classic one.`)
