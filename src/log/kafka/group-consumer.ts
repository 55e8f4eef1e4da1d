/**
 * A member of a consumer group: reads the partitions that the group gives it, from the committed offsets on.
 *
 * A partition that is asked back is not read from at once; its work is finished by `onRevoked`. A new one is read from as soon as its offset is sure: while a
 * transaction may still move it, its records wait. A member that is lost joins again by itself at the next fetch.
 */
import { offsetFetchV7 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import { Serial, within } from '../embedded/calls.ts'
import { checkGroupName } from '../embedded/offset-store.ts'
import type { Call, Fetched, GroupConsumer, GroupOptions, GroupReference, OffsetToCommit, Start, TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { seek } from './consumer.ts'
import { BROKER, brokerCodeOf, check, mayRetry } from './errors.ts'
import { Fetcher } from './fetcher.ts'
import type { Cursor, FetchOptions } from './fetcher.ts'
import { HeartbeatMembership } from './heartbeat-membership.ts'
import { Membership } from './membership.ts'
import type { GroupMembership } from './membership.ts'
import { resolveStarts } from './offsets.ts'
import { groupByTopic, offsetTopics } from './transaction-calls.ts'

const PLACE_PAUSE = 100

export class KafkaGroupConsumer implements GroupConsumer {
  readonly #cluster: Cluster
  readonly #options: GroupOptions
  readonly #fetcher: Fetcher
  readonly #membership: GroupMembership
  readonly #revoking = new Serial()
  readonly #onClose: (consumer: KafkaGroupConsumer) => void
  #isFetching = false
  /** Once it has been a member it joins again by itself. */
  #hasJoined = false
  #isClosed = false

  constructor(cluster: Cluster, options: GroupOptions, onClose: (consumer: KafkaGroupConsumer) => void) {
    checkGroupName(options.group)
    this.#cluster = cluster
    this.#options = options
    this.#fetcher = new Fetcher(cluster, options.isolation, options.maxBytes)
    const Chosen = cluster.options.groupProtocol === 'consumer' ? HeartbeatMembership : Membership
    this.#membership = new Chosen(cluster, options, {
      owned: () => this.#fetcher.cursors.filter(({ isRevoked }) => !isRevoked).map(({ topic, partition }) => ({ topic, partition })),
      held: () => this.#fetcher.assigned,
      isBusy: () => this.#isFetching,
      revoke: partitions => this.#revoke(partitions),
      assign: partitions => this.#assign(partitions),
      lose: partitions => this.#lose(partitions),
    })
    this.#onClose = onClose
  }

  get reference(): GroupReference {
    const { member } = this.#membership
    const { group } = this.#options
    return member === undefined ? { group } : { group, member }
  }

  get assigned(): readonly TopicPartition[] {
    return this.#fetcher.assigned
  }

  async join(call?: Call): Promise<void> {
    this.#fetcher.checkOpen()
    if (this.#membership.isMember()) return
    try {
      await within(this.#cluster.clock, call, `Joining the group "${this.#options.group}"`, () => this.#membership.join())
      this.#hasJoined = true
    } catch (error) {
      // Whoever gave up must not hold the others up.
      if (!this.#isClosed && !this.#membership.isMember()) {
        this.#lose(this.assigned)
        await this.#membership.leave()
      }
      throw error
    }
  }

  position(partition: TopicPartition): bigint | undefined {
    return this.#fetcher.find(partition)?.position
  }

  seek(partition: TopicPartition, start: Start, call?: Call): Promise<void> {
    return seek(this.#cluster, this.#fetcher, partition, start, call)
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions, false)
  }

  giveBack(bytes: Uint8Array): void {
    this.#fetcher.giveBack(bytes)
  }

  async fetch(options: FetchOptions = {}): Promise<Fetched[]> {
    this.#fetcher.checkOpen()
    const membership = this.#membership
    if (!membership.isMember() && !this.#hasJoined) throw new SluiceError('LOG_GROUP_REBALANCE', `Join the group "${this.#options.group}" before fetching.`, { retry: false })
    if (membership.isStale) membership.expire()
    const { failure } = membership
    membership.failure = undefined
    if (failure !== undefined) throw failure
    // It was lost, and an attempt to join again may have been in vain.
    if (!membership.isMember()) await this.join(options)
    membership.touch()
    this.#isFetching = true
    try {
      const found = await this.#fetcher.fetch(options)
      if (!membership.isStale) return found
      // The process stood still: others may have read on from the offsets that were committed.
      membership.expire()
      return []
    } finally {
      this.#isFetching = false
      membership.touch()
    }
  }

  async commit(offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    this.#fetcher.checkOpen()
    const membership = this.#membership
    const { group } = this.#options
    membership.touch()
    const topics = offsetTopics(offsets)
    await this.#cluster.persist(call, 'The commit of offsets', async () => {
      if (membership.isStale) membership.expire()
      const foreign = offsets.find(at => this.#fetcher.find(at) === undefined)
      if (foreign !== undefined) throw new SluiceError('LOG_FENCED', `"${foreign.topic}" partition ${foreign.partition} does not belong to this member of the group "${group}" now.`)
      if (offsets.length === 0) return
      const { generation } = membership
      await this.#cluster.atCoordinator('group', group, async link => {
        const answer = await link.request(membership.commitApi, group, generation, membership.id, null, topics)
        for (const { name, partitions } of answer.topics) {
          for (const { errorCode, partitionIndex } of partitions) check(errorCode, `The offset of the group "${group}" in "${name}" partition ${partitionIndex}`)
        }
      }, membership.links).catch((error: unknown) => {
        const code = brokerCodeOf(error)
        // The group is in its next round, and the answer that says so is on its way: what is still this member's then is committed in that one.
        if (code === BROKER.ILLEGAL_GENERATION && membership.isJoining) throw new SluiceError('LOG_GROUP_REBALANCE', `The group "${group}" is being shared out anew.`, { cause: error })
        membership.refused(code, generation)
        throw error
      })
    })
  }

  async close(call?: Call): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      const owned = this.#fetcher.cursors
      if (this.#membership.isMember() && owned.length > 0) await within(this.#cluster.clock, call, 'Giving partitions back', () => this.#revoke(owned))
    } finally {
      await this.#fetcher.close()
      await this.#membership.close()
      this.#onClose(this)
    }
  }

  /** Once per partition, one call at a time: the group may ask while the member leaves. */
  #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    const cursors = partitions.flatMap(partition => this.#fetcher.find(partition) ?? []).filter(({ isRevoked }) => !isRevoked)
    for (const cursor of cursors) this.#fetcher.revoke(cursor)
    return this.#revoking.run(async () => {
      try {
        // Whom a fetch has just answered must know what was handed out before being asked to finish it: everything that is ready runs first.
        if (cursors.length > 0) await this.#cluster.clock.sleep(0)
        if (cursors.length > 0) await this.#options.onRevoked?.(cursors.map(({ topic, partition }) => ({ topic, partition })))
      } catch (error) {
        // The partitions go all the same: what was not committed is read again by the next one.
        this.#cluster.warn(`A member of the group "${this.#options.group}" failed while it gave partitions back: ${String(error)}`)
      } finally {
        // Unless it was taken away meanwhile, and maybe given again.
        for (const cursor of cursors) if (this.#fetcher.find(cursor) === cursor) this.#fetcher.remove(cursor)
      }
    })
  }

  #lose(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#fetcher.remove(partition)
    if (partitions.length > 0) this.#tell(this.#options.onLost, partitions)
  }

  /** Resolves when their places are known, or a transaction has yet to say where they are. */
  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#isClosed || partitions.length === 0) return
    const cursors = partitions.map(at => this.#fetcher.add(at, '', undefined))
    this.#tell(this.#options.onAssigned, partitions)
    if (await this.#place(cursors)) return
    void this.#placeLater(cursors)
  }

  async #placeLater(cursors: readonly Cursor[]): Promise<void> {
    do await this.#cluster.clock.sleep(PLACE_PAUSE)
    while (!this.#isClosed && !(await this.#place(cursors)))
  }

  /** Finds where reading goes on; false where some of it is not known yet. */
  async #place(cursors: readonly Cursor[]): Promise<boolean> {
    const waiting = cursors.filter(cursor => this.#fetcher.find(cursor) === cursor && cursor.position === undefined && cursor.failure === undefined)
    if (waiting.length === 0) return true
    try {
      const committed = await this.#committed(waiting)
      const fresh = waiting.filter(cursor => !committed.has(cursor))
      const starts = await resolveStarts(this.#cluster, fresh.map(({ topic, partition }) => ({ topic, partition, start: this.#options.start ?? ('earliest' as const) })), this.#fetcher.isolation, undefined)
      for (const cursor of waiting) cursor.topicId = (await this.#cluster.topic(cursor.topic)).id
      for (const cursor of waiting) {
        // Not where it was sought elsewhere or taken away meanwhile.
        if (this.#fetcher.find(cursor) === cursor && cursor.position === undefined) this.#fetcher.moveTo(cursor, committed.get(cursor) ?? starts[fresh.indexOf(cursor)])
      }
      return true
    } catch (error) {
      if (brokerCodeOf(error) === BROKER.UNSTABLE_OFFSET_COMMIT || mayRetry(error)) return false
      for (const cursor of waiting) cursor.failure = error
      this.#fetcher.wake()
      return true
    }
  }

  async #committed(cursors: readonly Cursor[]): Promise<Map<Cursor, bigint>> {
    const { group } = this.#options
    const topics = groupByTopic(cursors, ({ partition }) => partition).map(({ topic: name, parts: partitionIndexes }) => ({ name, partitionIndexes }))
    return this.#cluster.atCoordinator('group', group, async link => {
      const answer = await link.request(offsetFetchV7.api, [{ groupId: group, topics }], true)
      check(answer.errorCode, `The offsets of the group "${group}"`)
      const found = new Map<Cursor, bigint>()
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, committedOffset, errorCode } of partitions) {
          check(errorCode, `The offset of the group "${group}" in "${name}" partition ${partitionIndex}`)
          const cursor = cursors.find(({ topic, partition }) => partition === partitionIndex && topic === name)
          if (cursor !== undefined && committedOffset >= 0n) found.set(cursor, committedOffset)
        }
      }
      return found
    }, this.#membership.links)
  }

  #tell(listener: ((partitions: readonly TopicPartition[]) => void) | undefined, partitions: readonly TopicPartition[]): void {
    try {
      listener?.(partitions)
    } catch (error) {
      this.#cluster.warn(`A member of the group "${this.#options.group}" failed while it was told about its partitions: ${String(error)}`)
    }
  }
}
