/** What the leader of a group gives to each member. Pure functions. */
import { range, sticky } from '../embedded/assignors.ts'
import type { Claimant } from '../embedded/assignors.ts'
import type { TopicPartition } from '../log.ts'
import type { Assignment, Subscription } from './group-wire.ts'

export interface Member extends Subscription {
  readonly id: string
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`

/**
 * The shares of all members. `counts` are the partitions of the topics that are there.
 *
 * `sticky`: what a member still owns and another one is to have stays out of both shares: the owner gives it up when it sees that it is missing, and the round
 * that follows hands it over. What a member says it owned in an older generation than others may long be somebody else's, and does not count.
 */
export function share(assignor: 'range' | 'sticky', members: readonly Member[], counts: ReadonlyMap<string, number>): Map<string, Assignment> {
  const newest = Math.max(...members.map(({ generation }) => generation))
  // Java's order for `range`, which two clients that lead in turn must agree on.
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
  const claimants = sorted.map(({ id, topics, owned, generation }): Claimant => ({
    id, topics: new Set(topics.filter(topic => counts.has(topic))), owned: assignor === 'sticky' && generation === newest ? owned : [],
  }))
  const shares = (assignor === 'sticky' ? sticky : range)(claimants, counts)
  const owners = new Map<string, string>()
  for (const { id, owned } of claimants) for (const at of owned) if (!owners.has(keyOf(at))) owners.set(keyOf(at), id)
  return new Map([...shares].map(([id, wanted]) => {
    const partitions = wanted.filter(at => (owners.get(keyOf(at)) ?? id) === id)
    return [id, { partitions, hasMoreToCome: partitions.length < wanted.length }]
  }))
}
