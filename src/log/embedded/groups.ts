/**
 * Consumer groups: who has which partitions. All members live in this process, so the coordinator works the shares out by itself and asks each member to give
 * back what goes to another.
 *
 *     empty --join--> preparing --all gave back, or were too slow--> completing --> stable
 *       ^                ^   members keep what stays theirs             generation + 1     |
 *       |                +---------- a member or topic came or went, a session expired ----+
 *       +---- the last member left
 *
 * A partition has at most one owner at any time: it is handed out only after the owner before gave it back, left, or had `rebalanceTimeout` for it. Offsets are
 * taken only from the owner, in its present generation.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { GroupDescription } from '../admin.ts'
import type { GroupReference, OffsetToCommit, TopicPartition } from '../log.ts'
import { range, sticky } from './assignors.ts'
import type { Claimant } from './assignors.ts'
import type { Catalog, Topic } from './catalog.ts'
import { checkGroupName, partitionKey } from './offset-store.ts'
import type { OffsetStore } from './offset-store.ts'

const MEMBERS_MAX = 1000

/** A consumer of this process, as the group sees it. */
export interface GroupMember {
  readonly id: string
  readonly client: string
  readonly topics: readonly string[] | RegExp
  readonly assignor: 'range' | 'sticky'
  readonly sessionTimeout: number
  readonly rebalanceTimeout: number
  /** True while the member is waiting for records: a sign of life. */
  readonly isPolling: boolean
  /** Asks for partitions back; resolves when their work is finished. */
  revoke(partitions: readonly TopicPartition[]): Promise<void>
  /** Takes partitions away without asking. */
  lose(partitions: readonly TopicPartition[]): void
  /** Gives partitions, maybe none, for a new generation. */
  assign(partitions: readonly TopicPartition[], generation: number): void
}

interface Seat {
  readonly member: GroupMember
  readonly owned: Map<string, TopicPartition>
  lastSeen: number
  /** True until its first share: it waits for others, and can't ask for records. */
  isJoining: boolean
  /** True while it finishes the work on partitions that were asked back; `rebalanceTimeout` bounds that. */
  isGivingBack: boolean
  cancelSession: () => void
}

class Group {
  readonly name: string
  readonly seats = new Map<string, Seat>()
  state: 'empty' | 'preparing' | 'completing' | 'stable' = 'empty'
  generation = 0
  /** True when something changed that the shares do not reflect yet. */
  isStale = false
  balancing: Promise<void> | undefined

  constructor(name: string) {
    this.name = name
  }
}

export interface GroupsParts {
  readonly catalog: Catalog
  readonly clock: Clock
  readonly offsets: OffsetStore
  readonly warn: (message: string) => void
}

export class Groups {
  readonly #parts: GroupsParts
  readonly #groups = new Map<string, Group>()
  readonly #stopListening: () => void
  #isClosed = false

  constructor(parts: GroupsParts) {
    this.#parts = parts
    this.#stopListening = parts.catalog.onChange(() => this.#topicsChanged())
  }

  /** Names of groups that have members or offsets. */
  get names(): string[] {
    return [...new Set([...this.#groups.keys(), ...this.#parts.offsets.groups])].sort()
  }

  /** Takes a member in; resolves when the shares that include it are handed out. */
  async join(name: string, member: GroupMember): Promise<void> {
    checkGroupName(name)
    const group = this.#groups.get(name) ?? new Group(name)
    const [first] = group.seats.values()
    if (first !== undefined && first.member.assignor !== member.assignor) {
      throw new SluiceError('LOG_SETTING', `The members of group "${name}" share by "${first.member.assignor}", this one wants "${member.assignor}".`)
    }
    if (group.seats.size >= MEMBERS_MAX) throw new SluiceError('LOG_SETTING', `The group "${name}" has ${MEMBERS_MAX} members, and that is the limit.`)
    this.#groups.set(name, group)
    const seat: Seat = { member, owned: new Map(), lastSeen: this.#parts.clock.monotonic(), isJoining: true, isGivingBack: false, cancelSession: () => undefined }
    group.seats.set(member.id, seat)
    this.#watch(group, seat)
    await this.#rebalance(group)
  }

  /** Lets a member go, which has finished its work. */
  async leave(name: string, id: string): Promise<void> {
    const group = this.#groups.get(name)
    if (group === undefined || !this.#remove(group, id)) return
    // Not waited for: the others may take long, and that is not the leaver's concern.
    void this.#rebalance(group)
  }

  /** Takes all members out; answers how many there were. */
  dropAll(name: string): number {
    const group = this.#groups.get(name)
    const seats = [...(group?.seats.values() ?? [])]
    if (group !== undefined) for (const seat of seats) this.#drop(group, seat, 'was taken out')
    return seats.length
  }

  /** A sign of life; false where the member is none any more. */
  touch(name: string, id: string): boolean {
    const seat = this.#groups.get(name)?.seats.get(id)
    if (seat === undefined) return false
    seat.lastSeen = this.#parts.clock.monotonic()
    return true
  }

  has(name: string, id: string): boolean {
    return this.#groups.get(name)?.seats.has(id) === true
  }

  /** Partitions that a member has now. */
  owned(name: string, id: string): TopicPartition[] {
    return [...(this.#groups.get(name)?.seats.get(id)?.owned.values() ?? [])]
  }

  /** Throws LOG_FENCED unless the offsets are the member's to commit; LOG_UNKNOWN_TOPIC where a partition is not there. */
  check({ group: name, member }: GroupReference, offsets: readonly OffsetToCommit[]): void {
    for (const offset of offsets) this.#parts.catalog.partition(offset)
    const group = this.#groups.get(name)
    if (member === undefined) {
      if (group === undefined || group.seats.size === 0) return
      throw new SluiceError('LOG_FENCED', `The group "${name}" has members: only they commit its offsets.`)
    }
    const seat = group?.seats.get(member.id)
    if (group === undefined || seat === undefined) throw new SluiceError('LOG_FENCED', `The member "${member.id}" is not in the group "${name}" any more.`)
    if (member.generation !== group.generation) {
      throw new SluiceError('LOG_FENCED', `The group "${name}" is in generation ${group.generation}; the offsets are of generation ${member.generation}.`)
    }
    this.#checkOwned(group, seat, offsets)
  }

  /** The same without the generation, for a member that speaks for itself. */
  checkMember(name: string, id: string, offsets: readonly OffsetToCommit[]): void {
    const group = this.#groups.get(name)
    const seat = group?.seats.get(id)
    if (group === undefined || seat === undefined) throw new SluiceError('LOG_FENCED', `The member "${id}" is not in the group "${name}" any more.`)
    this.#checkOwned(group, seat, offsets)
  }

  /** Throws LOG_GROUP_BUSY while the group has members, or offsets in an open transaction. */
  checkIdle(name: string): void {
    const count = this.#groups.get(name)?.seats.size ?? 0
    if (count > 0) throw new SluiceError('LOG_GROUP_BUSY', `The group "${name}" has ${count} member${count === 1 ? '' : 's'}.`)
    if (this.#parts.offsets.hasStaged(name)) throw new SluiceError('LOG_GROUP_BUSY', `An open transaction has offsets of the group "${name}".`)
  }

  /** The group was deleted. */
  forget(name: string): void {
    this.checkIdle(name)
    this.#groups.delete(name)
  }

  describe(name: string): Omit<GroupDescription, 'offsets'> {
    const group = this.#groups.get(name)
    if (group === undefined) {
      const state = this.#parts.offsets.groups.includes(name) ? 'empty' : 'dead'
      return { group: name, state, generation: 0, assignor: undefined, members: [] }
    }
    const seats = [...group.seats.values()]
    return {
      group: name,
      state: group.state,
      generation: group.generation,
      assignor: seats[0]?.member.assignor,
      members: seats.map(({ member, owned }) => ({ id: member.id, client: member.client, partitions: [...owned.values()] })),
    }
  }

  close(): void {
    this.#isClosed = true
    this.#stopListening()
    for (const { seats } of this.#groups.values()) for (const { cancelSession } of seats.values()) cancelSession()
  }

  #checkOwned(group: Group, { member, owned }: Seat, offsets: readonly OffsetToCommit[]): void {
    const foreign = offsets.find(offset => !owned.has(partitionKey(offset)))
    if (foreign === undefined) return
    throw new SluiceError('LOG_FENCED', `"${foreign.topic}" partition ${foreign.partition} does not belong to the member "${member.id}" of the group "${group.name}" now.`)
  }

  #remove(group: Group, id: string): Seat | undefined {
    const seat = group.seats.get(id)
    seat?.cancelSession()
    group.seats.delete(id)
    return seat
  }

  #watch(group: Group, seat: Seat): void {
    const { member } = seat
    const { clock } = this.#parts
    const isBusy = member.isPolling || seat.isJoining || seat.isGivingBack
    const left = isBusy ? member.sessionTimeout : seat.lastSeen + member.sessionTimeout - clock.monotonic()
    seat.cancelSession = clock.timer(Math.max(1, left), () => {
      const isAlive = member.isPolling || seat.isJoining || seat.isGivingBack || clock.monotonic() - seat.lastSeen <= member.sessionTimeout
      if (isAlive) return this.#watch(group, seat)
      this.#drop(group, seat, `did not ask for records within ${member.sessionTimeout} ms`)
      void this.#rebalance(group)
    })
  }

  /** Takes everything from a member without asking. */
  #drop(group: Group, { member, owned }: Seat, why: string): void {
    this.#remove(group, member.id)
    this.#parts.warn(`A member of the group "${group.name}" ${why}: others take its partitions.`)
    member.lose([...owned.values()])
  }

  #topicsChanged(): void {
    for (const group of this.#groups.values()) {
      for (const { member, owned } of group.seats.values()) {
        const lost = [...owned.values()].filter(({ topic, partition }) => this.#parts.catalog.find(topic)?.partitions[partition] === undefined)
        for (const partition of lost) owned.delete(partitionKey(partition))
        if (lost.length > 0) member.lose(lost)
      }
      if (group.seats.size > 0 && this.#sharesChanged(group)) void this.#rebalance(group)
    }
  }

  #sharesChanged(group: Group): boolean {
    const shares = this.#shares(group)
    return [...group.seats.values()].some(({ member, owned }) => {
      const share = shares.get(member.id) ?? []
      return share.length !== owned.size || share.some(partition => !owned.has(partitionKey(partition)))
    })
  }

  #shares(group: Group): Map<string, TopicPartition[]> {
    const topics = this.#parts.catalog.topics.filter(({ internal }) => !internal)
    const claimants = [...group.seats.values()].map(({ member, owned }): Claimant => ({ id: member.id, topics: wanted(member.topics, topics), owned: [...owned.values()] }))
    const partitions = new Map(topics.filter(({ name }) => claimants.some(claimant => claimant.topics.has(name))).map(topic => [topic.name, topic.partitions.length]))
    const [first] = group.seats.values()
    return (first?.member.assignor === 'sticky' ? sticky : range)(claimants, partitions)
  }

  /** Shares out anew, and again while something changes meanwhile; one at a time per group. */
  #rebalance(group: Group): Promise<void> {
    group.isStale = true
    group.balancing ??= this.#balance(group)
    return group.balancing
  }

  async #balance(group: Group): Promise<void> {
    // Members that join in one go are shared out in one go.
    await Promise.resolve()
    while (group.isStale && !this.#isClosed) {
      group.isStale = false
      if (group.seats.size === 0) {
        group.state = 'empty'
        if (!this.#parts.offsets.groups.includes(group.name)) this.#groups.delete(group.name)
        continue
      }
      group.state = 'preparing'
      const shares = this.#shares(group)
      await Promise.all([...group.seats.values()].map(seat => this.#takeBack(group, seat, shares.get(seat.member.id) ?? [])))
      if (group.isStale) continue
      group.state = 'completing'
      group.generation++
      this.#handOut(group, shares)
      group.state = 'stable'
    }
    // In the same turn as the last look at `isStale`, so that no change falls between.
    group.balancing = undefined
  }

  async #takeBack(group: Group, seat: Seat, share: readonly TopicPartition[]): Promise<void> {
    const { member, owned } = seat
    const stays = new Set(share.map(partitionKey))
    const given = [...owned.values()].filter(partition => !stays.has(partitionKey(partition)))
    if (given.length === 0) return
    const { promise: late, resolve } = Promise.withResolvers<boolean>()
    const cancel = this.#parts.clock.timer(member.rebalanceTimeout, () => resolve(true))
    seat.isGivingBack = true
    const finished = member.revoke(given).then(() => false, (error: unknown) => {
      this.#parts.warn(`A member of the group "${group.name}" failed while it gave partitions back: ${String(error)}`)
      return false
    })
    const isLate = await Promise.race([finished, late])
    cancel()
    seat.isGivingBack = false
    seat.lastSeen = this.#parts.clock.monotonic()
    if (isLate && group.seats.get(member.id) === seat) {
      this.#drop(group, seat, `did not give back its partitions within ${member.rebalanceTimeout} ms`)
      group.isStale = true
    }
    for (const partition of given) owned.delete(partitionKey(partition))
  }

  #handOut(group: Group, shares: ReadonlyMap<string, readonly TopicPartition[]>): void {
    for (const seat of group.seats.values()) {
      const { member, owned } = seat
      const added = (shares.get(member.id) ?? []).filter(partition => !owned.has(partitionKey(partition)))
      for (const partition of added) owned.set(partitionKey(partition), partition)
      if (seat.isJoining) seat.lastSeen = this.#parts.clock.monotonic()
      seat.isJoining = false
      member.assign(added, group.generation)
    }
  }
}

function wanted(topics: readonly string[] | RegExp, existing: readonly Topic[]): Set<string> {
  if (!(topics instanceof RegExp)) return new Set(existing.filter(({ name }) => topics.includes(name)).map(({ name }) => name))
  const whole = new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, ''))
  return new Set(existing.filter(({ name }) => whole.test(name)).map(({ name }) => name))
}
