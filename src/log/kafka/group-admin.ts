/** Groups, for those who look after them: who is in them, how far they are, where they go on. */
import { consumerGroupDescribeV0, deleteGroupsV2, describeGroupsV5, leaveGroupV5, listGroupsV4, offsetCommitV8, offsetFetchV7 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import type { GroupDescription } from '../admin.ts'
import type { Call, OffsetToCommit } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { BROKER, brokerError, check } from './errors.ts'
import type { Link } from './link.ts'
import { decodeAssignment } from './group-wire.ts'
import { checkRanges, resolveStarts } from './offsets.ts'
import { offsetTopics } from './transaction-calls.ts'

const STATES: Readonly<Record<string, GroupDescription['state']>> = {
  Empty: 'empty', PreparingRebalance: 'preparing', CompletingRebalance: 'completing', Stable: 'stable', Dead: 'dead',
}

const NEWER_STATES: Readonly<Record<string, GroupDescription['state']>> = { Empty: 'empty', Assigning: 'preparing', Reconciling: 'completing', Stable: 'stable', Dead: 'dead' }

export class GroupAdmin {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Of all brokers, since each knows those that it coordinates. */
  async list(call: Call | undefined): Promise<string[]> {
    return this.#cluster.persist(call, 'The list of groups', async () => {
      await this.#cluster.look([])
      const answers = await Promise.all(this.#cluster.brokers.map(broker => this.#cluster.link(broker).request(listGroupsV4.api, [], [])))
      return answers.flatMap(({ errorCode, groups }) => {
        check(errorCode, 'The list of groups')
        return groups.map(({ groupId }) => groupId)
      }).sort()
    })
  }

  /** The generation is -1: brokers do not tell it. */
  async describe(group: string, call: Call | undefined): Promise<GroupDescription> {
    const found = await this.#cluster.persist(call, `The group "${group}"`, () => this.#cluster.atCoordinator('group', group, async link => {
      const { groups: [described] } = await link.request(describeGroupsV5.api, [group], false)
      if (described === undefined) throw brokerError(BROKER.COORDINATOR_NOT_AVAILABLE, `The group "${group}"`)
      check(described.errorCode, `The group "${group}"`)
      const newer = described.members.length === 0 && described.groupState === 'Dead' ? await this.#describeNewer(group, link) : undefined
      const { errorCode, topics } = await link.request(offsetFetchV7.api, [{ groupId: group, topics: null }], false)
      check(errorCode, `The offsets of the group "${group}"`)
      return { described, newer, topics }
    }))
    const { described: { groupState, protocolType, protocolData, members }, newer, topics } = found
    const offsets = topics.flatMap(({ name: topic, partitions }) => partitions.flatMap(({ partitionIndex: partition, committedOffset: offset, metadata, errorCode }) => {
      check(errorCode, `The offset of the group "${group}" in "${topic}" partition ${partition}`)
      return offset < 0n ? [] : [{ topic, partition, offset, metadata: metadata ?? '' }]
    }))
    if (newer !== undefined) return { group, ...newer, offsets: await this.#lags(offsets, call) }
    return {
      group,
      state: offsets.length > 0 && groupState === 'Dead' ? 'empty' : (STATES[groupState] ?? 'dead'),
      generation: -1,
      assignor: members.length > 0 && protocolData !== '' ? protocolData : undefined,
      members: members.map(({ memberId, clientId, clientHost, memberAssignment }) => ({
        id: memberId,
        client: `${clientId}${clientHost}`,
        partitions: protocolType === 'consumer' ? decodeAssignment(memberAssignment).partitions : [],
      })),
      offsets: await this.#lags(offsets, call),
    }
  }

  /** A group of the newer protocol, undefined where there is none of that name, or the broker knows no such groups. */
  async #describeNewer(group: string, link: Link): Promise<Omit<GroupDescription, 'group' | 'offsets'> | undefined> {
    try {
      const { groups: [found] } = await link.request(consumerGroupDescribeV0.api, [group], false)
      if (found === undefined || found.errorCode !== BROKER.NONE) return undefined
      const members = found.members.map(({ memberId, clientId, clientHost, assignment }) => ({
        id: memberId, client: `${clientId}${clientHost}`, partitions: assignment.topicPartitions.flatMap(({ topicName: topic, partitions }) => partitions.map(partition => ({ topic, partition }))),
      }))
      return { state: NEWER_STATES[found.groupState] ?? 'dead', generation: found.groupEpoch, assignor: members.length > 0 ? found.assignorName : undefined, members }
    } catch (error) {
      if (error instanceof SluiceError && (error.code === 'LOG_UNSUPPORTED' || error.code === 'LOG_BROKER')) return undefined
      throw error
    }
  }

  async reset(group: string, offsets: readonly OffsetToCommit[], call: Call | undefined): Promise<void> {
    await checkRanges(this.#cluster, offsets, call)
    const topics = offsetTopics(offsets)
    await this.#cluster.persist(call, `The reset of the group "${group}"`, () => this.#cluster.atCoordinator('group', group, async link => {
      const answer = await link.request(offsetCommitV8.api, group, -1, '', null, topics)
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, errorCode } of partitions) {
          // Whoever is no member may commit only while there are none.
          const isBusy = errorCode === BROKER.UNKNOWN_MEMBER_ID || errorCode === BROKER.ILLEGAL_GENERATION || errorCode === BROKER.REBALANCE_IN_PROGRESS
          check(isBusy ? BROKER.NON_EMPTY_GROUP : errorCode, `The offset of the group "${group}" in "${name}" partition ${partitionIndex}`)
        }
      }
    }))
  }

  async removeMembers(group: string, call: Call | undefined): Promise<number> {
    return this.#cluster.persist(call, `Taking out the members of the group "${group}"`, () => this.#cluster.atCoordinator('group', group, async link => {
      const { groups: [described] } = await link.request(describeGroupsV5.api, [group], false)
      const members = described?.members ?? []
      if (members.length === 0) return 0
      const answer = await link.request(leaveGroupV5.api, group, members.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId, reason: 'taken out by an administrator' })))
      check(answer.errorCode, `Taking out the members of the group "${group}"`)
      // One that has left meanwhile is out.
      for (const { memberId, errorCode } of answer.members) if (errorCode !== BROKER.UNKNOWN_MEMBER_ID) check(errorCode, `Taking out the member "${memberId}" of the group "${group}"`)
      return members.length
    }))
  }

  async delete(group: string, call: Call | undefined): Promise<void> {
    await this.#cluster.persist(call, `The deletion of the group "${group}"`, () => this.#cluster.atCoordinator('group', group, async link => {
      const { results } = await link.request(deleteGroupsV2.api, [group])
      // One that is not there is gone.
      for (const { errorCode } of results) if (errorCode !== BROKER.GROUP_ID_NOT_FOUND) check(errorCode, `The deletion of the group "${group}"`)
    }))
  }

  /** With the lags; offsets of topics that are gone are left out. */
  async #lags(offsets: readonly OffsetToCommit[], call: Call | undefined): Promise<(OffsetToCommit & { readonly lag: bigint })[]> {
    const names = [...new Set(offsets.map(({ topic }) => topic))]
    if (names.length === 0) return []
    const there = new Map((await this.#cluster.persist(call, 'Looking for topics', () => this.#cluster.look(names))).map(({ name, leaders }) => [name, leaders.length]))
    const live = offsets.filter(({ topic, partition }) => partition < (there.get(topic) ?? 0))
    const [starts, ends] = await Promise.all((['earliest', 'latest'] as const).map(start => resolveStarts(this.#cluster, live.map(({ topic, partition }) => ({ topic, partition, start })), 'read_uncommitted', call)))
    return live.map((each, index) => {
      const start = starts?.[index] ?? 0n
      const end = ends?.[index] ?? 0n
      const from = each.offset > start ? each.offset : start
      return { ...each, lag: from < end ? end - from : 0n }
    })
  }
}
