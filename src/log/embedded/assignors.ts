/**
 * Shares partitions out among the members of a group. Pure functions: the same members and partitions always give the same answer.
 *
 * `range`: per topic, consecutive partitions to each member, the first ones get one more. `sticky`: everybody keeps what they have as far as the shares stay
 * even, to one partition, among those who want the same topics.
 */
import type { TopicPartition } from '../log.ts'
import { partitionKey } from './offset-store.ts'

export interface Claimant {
  readonly id: string
  /** Topics that it wants, all of which exist. */
  readonly topics: ReadonlySet<string>
  readonly owned: readonly TopicPartition[]
}

/** What each member is to have, by its id. Members in the order in which they joined. */
export type Shares = Map<string, TopicPartition[]>

export type Assignor = (members: readonly Claimant[], partitions: ReadonlyMap<string, number>) => Shares

function emptyShares(members: readonly Claimant[]): Shares {
  return new Map(members.map(({ id }) => [id, []]))
}

export const range: Assignor = (members, partitions) => {
  const shares = emptyShares(members)
  for (const [topic, count] of partitions) {
    const takers = members.filter(({ topics }) => topics.has(topic))
    let next = 0
    for (const [index, { id }] of takers.entries()) {
      const size = Math.floor(count / takers.length) + (index < count % takers.length ? 1 : 0)
      for (let left = size; left > 0; left--) shares.get(id)?.push({ topic, partition: next++ })
    }
  }
  return shares
}

export const sticky: Assignor = (members, partitions) => {
  const shares = emptyShares(members)
  const owner = new Map<string, string>()
  for (const { id, topics, owned } of members) {
    for (const claim of owned) {
      const key = partitionKey(claim)
      if (!topics.has(claim.topic) || claim.partition >= (partitions.get(claim.topic) ?? 0) || owner.has(key)) continue
      owner.set(key, id)
      shares.get(id)?.push(claim)
    }
  }
  for (const [topic, count] of partitions) {
    for (let partition = 0; partition < count; partition++) {
      if (owner.has(partitionKey({ topic, partition }))) continue
      leastLoaded(members, shares, topic)?.push({ topic, partition })
    }
  }
  even(members, shares)
  return shares
}

function leastLoaded(members: readonly Claimant[], shares: Shares, topic: string): TopicPartition[] | undefined {
  let least: TopicPartition[] | undefined
  for (const { id, topics } of members) {
    const share = shares.get(id)
    if (topics.has(topic) && share !== undefined && (least === undefined || share.length < least.length)) least = share
  }
  return least
}

/** Moves one partition at a time from a longer share to one that is shorter by two or more. Each move makes the shares more even, so it ends. */
function even(members: readonly Claimant[], shares: Shares): void {
  for (let moved = true; moved; ) {
    moved = false
    const byLoad = [...members].sort((a, b) => (shares.get(b.id)?.length ?? 0) - (shares.get(a.id)?.length ?? 0))
    for (const giver of byLoad) {
      const share = shares.get(giver.id) ?? []
      // The newest first: what a member has had for long stays with it.
      for (let at = share.length - 1; at >= 0 && !moved; at--) {
        const candidate = share[at]
        if (candidate === undefined) continue
        const taker = leastLoaded(members, shares, candidate.topic)
        if (taker === undefined || taker.length + 1 >= share.length) continue
        share.splice(at, 1)
        taker.push(candidate)
        moved = true
      }
      if (moved) break
    }
  }
}
