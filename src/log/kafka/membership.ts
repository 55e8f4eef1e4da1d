/**
 * A member of a group in the classic protocol: joins, shares out where it leads, gives signs of life.
 *
 *     outside --join--> joining --> member --leave--> outside
 *                          ^          |
 *                          +----------+  the group is shared out anew, or topics changed
 *                                     |
 *                                     +--> lost: no sign of life reached the coordinator for `sessionTimeout`, or it went on without this member
 *
 * `range` is Java's eager way: everybody gives everything back before each round. `sticky` is Java's cooperative way: everybody keeps what they have; the leader
 * keeps back what another still owns, whoever must give something up does so and asks for another round.
 *
 * Two connections: a join is answered when all members are there, and no sign of life gets past it.
 *
 * Stall: signs of life are sent by a timer of this process. Where it stood still (a long computation, a suspended machine), the group went on long ago and nobody
 * told. So before anything is handed out or committed, the age of the last answered sign is looked at.
 */
import { heartbeatV4, joinGroupV7, leaveGroupV4, offsetCommitV8, syncGroupV5 } from '@platformatic/kafka'
import { SluiceError } from '../../base/index.ts'
import type { GroupOptions, GroupReference, TopicPartition } from '../log.ts'
import { share } from './assignment.ts'
import type { Member } from './assignment.ts'
import type { Cluster } from './cluster.ts'
import { BROKER, brokerCodeOf, check, mayRetry } from './errors.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './group-wire.ts'
import type { Assignment } from './group-wire.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'

const PROTOCOL = 'consumer'
const PROTOCOLS = { range: 'range', sticky: 'cooperative-sticky' } as const
const BEAT_MAX = 3000
/** Milliseconds after which a sign of life that did not get through is tried again. */
const BEAT_AGAIN = 50
const LOOK_DEFAULT = 10_000
/** Milliseconds without any call of the user after which a member leaves: it holds partitions that it does not read. */
export const IDLE_MAX = 300_000
const DROPPED: ReadonlySet<number> = new Set([BROKER.UNKNOWN_MEMBER_ID, BROKER.ILLEGAL_GENERATION])

export interface MembershipHooks {
  readonly owned: () => readonly TopicPartition[]
  /** With those that are being given back. */
  readonly held: () => readonly TopicPartition[]
  readonly isBusy: () => boolean
  /** Gives partitions back; resolves when their work is done. */
  readonly revoke: (partitions: readonly TopicPartition[]) => Promise<void>
  readonly assign: (partitions: readonly TopicPartition[]) => Promise<void>
  readonly lose: (partitions: readonly TopicPartition[]) => void
}

/** What a consumer asks of its membership, whatever the protocol. */
export interface GroupMembership {
  readonly links: Links
  /** How offsets are committed. */
  readonly commitApi: typeof offsetCommitV8.api
  failure: unknown
  /** True while a round is under way: the coordinator may be in it already. */
  readonly isJoining: boolean
  readonly id: string
  readonly generation: number
  readonly member: GroupReference['member']
  readonly isStale: boolean
  isMember(): boolean
  isLost(): boolean
  touch(): void
  join(): Promise<void>
  leave(): Promise<void>
  close(): Promise<void>
  expire(): void
  refused(code: number | undefined, generation: number): boolean
}

/** Throws LOG_SETTING for times that are none. */
export function checkTimes({ sessionTimeout = 10_000, rebalanceTimeout = 60_000 }: GroupOptions): { readonly sessionTimeout: number; readonly rebalanceTimeout: number } {
  for (const [name, value] of Object.entries({ sessionTimeout, rebalanceTimeout })) {
    if (!Number.isSafeInteger(value) || value < 1 || value >= 2 ** 31) throw new SluiceError('LOG_SETTING', `${name}: ${value} is not possible: 1 ms or more.`)
  }
  return { sessionTimeout, rebalanceTimeout }
}

/** Topics that a member wants; names that are not there yet may come. */
export async function wantedTopics(cluster: Cluster, { topics }: GroupOptions): Promise<readonly string[]> {
  if (!(topics instanceof RegExp)) return [...new Set(topics)].sort()
  const whole = new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, ''))
  const all = await cluster.look(null)
  return all.filter(({ name, isInternal }) => !isInternal && whole.test(name)).map(({ name }) => name).sort()
}

export class Membership implements GroupMembership {
  readonly commitApi = offsetCommitV8.api
  readonly #cluster: Cluster
  readonly #options: GroupOptions
  readonly #hooks: MembershipHooks
  readonly #sessionTimeout: number
  readonly #rebalanceTimeout: number
  readonly #isCooperative: boolean
  /** For joins, and for everything else. */
  readonly #joins: Links
  readonly links: Links
  #state: 'outside' | 'joining' | 'member' | 'lost' = 'outside'
  #id = ''
  #generation = -1
  /** In `clock.monotonic()`: when the last sign of life that was answered was sent. */
  #seenAt = 0
  #touchedAt = 0
  #lookedAt = 0
  /** What the last round was about: a change of it asks for another one. */
  #basis = ''
  #last: GroupReference['member']
  #isLeader = false
  #isLooking = false
  /** True while a round is under way: the coordinator may be in it already. */
  isJoining = false
  #life = new AbortController()
  #rebalancing: Promise<void> | undefined
  /** Why the member can't go on; told at the next call. */
  failure: unknown

  constructor(cluster: Cluster, options: GroupOptions, hooks: MembershipHooks) {
    const { assignor = 'range' } = options
    const { sessionTimeout, rebalanceTimeout } = checkTimes(options)
    this.#cluster = cluster
    this.#options = options
    this.#hooks = hooks
    this.#sessionTimeout = sessionTimeout
    this.#rebalanceTimeout = rebalanceTimeout
    this.#isCooperative = assignor === 'sticky'
    // A join may have to wait for longer than this, for members that give partitions back. It is sent again then: the coordinator takes it for the same one, and
    // whether it waits or a connection is stalled nobody can tell.
    this.#joins = cluster.links({ inFlight: 1 })
    // Where a connection is stalled a sign of life must get through on the next one before the session is over.
    this.links = cluster.links({ inFlight: 5, requestTimeout: Math.min(cluster.requestTimeout, Math.max(300, sessionTimeout / 3)) })
  }

  isMember(): boolean {
    return this.#state === 'member'
  }

  isLost(): boolean {
    return this.#state === 'lost'
  }

  get id(): string {
    return this.#id
  }

  /**
   * For whom offsets are committed in transactions; undefined before the first round. One that was lost stays who it was, so that the coordinator refuses it:
   * offsets without a member would be taken.
   */
  get member(): GroupReference['member'] {
    if (this.#id !== '' && this.#generation >= 0) this.#last = { id: this.#id, generation: this.#generation }
    return this.#last
  }

  get generation(): number {
    return this.#generation
  }

  /** False before the first round, and once the group has dropped this member. */
  get #isKnown(): boolean {
    return this.#generation >= 0
  }

  /** The user is alive. */
  touch(): void {
    this.#touchedAt = this.#cluster.clock.monotonic()
  }

  /** True where the group may have gone on without this member. */
  get isStale(): boolean {
    return this.#state === 'member' && this.#rebalancing === undefined && this.#cluster.clock.monotonic() - this.#seenAt > this.#sessionTimeout
  }

  /** Joins and gets the first assignment that is not only half of one. */
  async join(): Promise<void> {
    // Rounds of a life before this one come to their end first.
    await this.#rebalancing?.catch(() => undefined)
    this.#life = new AbortController()
    this.touch()
    this.failure = undefined
    this.#state = 'joining'
    try {
      await this.#rebalance()
    } catch (error) {
      if (this.#state === 'joining') this.#state = 'outside'
      throw error
    }
    void this.#live(this.#life.signal)
  }

  /** Leaves at once, also while it joins. What it has must have been given back before. */
  async leave(): Promise<void> {
    const id = this.#id
    this.#life.abort()
    this.#state = 'outside'
    this.#id = ''
    const said = id === '' ? undefined : this.#leave(id).catch(() => undefined)
    // The answer to a join may be a minute away.
    this.#joins.drop()
    await said
  }

  async close(): Promise<void> {
    await this.leave()
    await Promise.all([this.#joins.close(), this.links.close()])
  }

  /** The group went on without us, or must be taken to have. */
  expire(): void {
    if (this.#state !== 'member') return
    this.#life.abort()
    this.#state = 'lost'
    this.#forget()
  }

  /** What it had may be others' now, with what it was giving back: nobody need finish that. It can only join as somebody new. */
  #forget(): void {
    this.#last = this.member
    this.#id = ''
    this.#generation = -1
    this.#hooks.lose(this.#hooks.held())
  }

  async #leave(id: string): Promise<void> {
    const { group } = this.#options
    await this.#cluster.persist({ timeout: 2000 }, 'Leaving', () => this.#cluster.atCoordinator('group', group, link => link.request(leaveGroupV4.api, group, [{ memberId: id, groupInstanceId: null }]), this.links))
  }

  /** Signs of life, and looks at the topics, until the member leaves or is lost. */
  async #live(life: AbortSignal): Promise<void> {
    const { clock } = this.#cluster
    const pause = Math.max(50, Math.min(BEAT_MAX, this.#sessionTimeout / 3))
    const lookEvery = this.#cluster.options.lookEvery ?? LOOK_DEFAULT
    let wait = Math.min(pause, lookEvery)
    while (!life.aborted) {
      await clock.sleep(wait, life).catch(() => undefined)
      if (life.aborted) return
      if (this.isStale) return this.expire()
      const now = clock.monotonic()
      if (now - this.#touchedAt > IDLE_MAX && !this.#hooks.isBusy() && this.#rebalancing === undefined) return this.#leaveIdle()
      // One that did not get through took a third of the session; there may be time for two more.
      wait = (await this.#beat(life)) ? Math.min(pause, lookEvery) : BEAT_AGAIN
      if (life.aborted || now - this.#lookedAt < lookEvery) continue
      this.#lookedAt = now
      if (this.#rebalancing === undefined && !this.#isLooking) void this.#look(life)
    }
  }

  /** Beside the signs of life, not between them: it may wait for a connection of others. */
  async #look(life: AbortSignal): Promise<void> {
    this.#isLooking = true
    const hasChanged = await this.#hasChanged()
    this.#isLooking = false
    if (hasChanged && !life.aborted && this.#rebalancing === undefined) this.#rebalanceInBackground(life)
  }

  #leaveIdle(): void {
    const id = this.#id
    this.#cluster.warn(`A member of the group "${this.#options.group}" was not asked for records for ${IDLE_MAX / 1000} s and leaves, so that others get its partitions.`)
    this.expire()
    void this.#leave(id).catch(() => undefined)
  }

  /** False where the coordinator did not answer. */
  async #beat(life: AbortSignal): Promise<boolean> {
    // Between two lives of a rebalance there is nobody to be alive.
    if (this.#state !== 'member' || !this.#isKnown) return true
    const { group } = this.#options
    const sentAt = this.#cluster.clock.monotonic()
    const generation = this.#generation
    try {
      await this.#cluster.atCoordinator('group', group, async link => {
        check((await link.request(heartbeatV4.api, group, generation, this.#id, null)).errorCode, `The group "${group}"`)
      }, this.links)
      this.#seenAt = Math.max(this.#seenAt, sentAt)
      return true
    } catch (error) {
      if (life.aborted) return true
      const code = brokerCodeOf(error)
      if (code === BROKER.REBALANCE_IN_PROGRESS) {
        this.#seenAt = Math.max(this.#seenAt, sentAt)
        this.#rebalanceInBackground(life)
        return true
      }
      if (this.refused(code, generation) || (code !== undefined && DROPPED.has(code))) return true
      if (mayRetry(error) || code === undefined) return false
      this.#fail(error)
      return true
    }
  }

  /** What the coordinator's answer to a member of that generation means: true where the group went on without it. */
  refused(code: number | undefined, generation: number): boolean {
    if (code === undefined || !DROPPED.has(code) || generation !== this.#generation) return false
    if (this.#rebalancing === undefined) this.expire()
    else if (code === BROKER.UNKNOWN_MEMBER_ID) {
      this.#forget()
      // Nor does the group wait for this join any more, if it ever came there: it is begun anew. (An old generation means only that the answer to it is on the way.)
      this.#joins.drop()
    }
    return true
  }

  #rebalanceInBackground(life: AbortSignal): void {
    if (this.#rebalancing !== undefined) return
    this.#rebalance().catch((error: unknown) => {
      if (!life.aborted) this.#fail(error)
    })
  }

  #fail(error: unknown): void {
    this.failure = error
    this.expire()
  }

  #rebalance(): Promise<void> {
    this.#rebalancing ??= this.#rounds(this.#life.signal).finally(() => {
      this.#rebalancing = undefined
    })
    return this.#rebalancing
  }

  /** Rounds until nothing has to be given up or waited for any more. */
  async #rounds(life: AbortSignal): Promise<void> {
    const { revoke, assign, owned } = this.#hooks
    for (;;) {
      if (!this.#isCooperative) await revoke(owned())
      if (life.aborted) throw left()
      this.isJoining = true
      const { partitions, hasMoreToCome } = await this.#round(life).finally(() => (this.isJoining = false))
      const isWanted = (at: TopicPartition): boolean => partitions.some(({ topic, partition }) => partition === at.partition && topic === at.topic)
      const given = owned().filter(at => !isWanted(at))
      const before = new Set(owned().map(({ topic, partition }) => `${topic} ${partition}`))
      const added = partitions.filter(({ topic, partition }) => !before.has(`${topic} ${partition}`))
      if (given.length > 0) await revoke(given)
      if (life.aborted) throw left()
      if (this.#isKnown) await assign(added)
      if (life.aborted) throw left()
      // What was given up asks for another round, and so does a share that is void because the group dropped this member meanwhile.
      if (given.length > 0 || !this.#isKnown) continue
      // What is kept back comes with a round that its owner asks for; this one waits for it only as long as it is told to.
      if (!hasMoreToCome || this.#state === 'member') break
      await this.#nextRound(life)
    }
    this.#state = 'member'
  }

  /** Waits, giving signs of life, until the coordinator asks for another round. */
  async #nextRound(life: AbortSignal): Promise<void> {
    const { group } = this.#options
    for (;;) {
      await this.#cluster.clock.sleep(Math.min(100, this.#sessionTimeout / 3), life)
      try {
        const sentAt = this.#cluster.clock.monotonic()
        await this.#cluster.atCoordinator('group', group, async link => check((await link.request(heartbeatV4.api, group, this.#generation, this.#id, null)).errorCode, 'The group'), this.links)
        this.#seenAt = sentAt
      } catch (error) {
        if (life.aborted || !mayRetry(error) || brokerCodeOf(error) === BROKER.REBALANCE_IN_PROGRESS) return
      }
    }
  }

  /** One round: join, share out where this member leads, get the share. */
  async #round(life: AbortSignal): Promise<Assignment> {
    const { group } = this.#options
    for (let pause = 20; ; pause = Math.min(1000, pause * 2)) {
      if (life.aborted) throw left()
      try {
        return await this.#cluster.atCoordinator('group', group, link => this.#joinAndSync(link), this.#joins)
      } catch (error) {
        if (life.aborted) throw left()
        const code = brokerCodeOf(error)
        if (code !== undefined && DROPPED.has(code)) {
          this.#forget()
        } else if (code !== BROKER.MEMBER_ID_REQUIRED && code !== BROKER.REBALANCE_IN_PROGRESS) {
          if (!mayRetry(error)) throw error
          await this.#cluster.clock.sleep(pause, life)
        }
      }
    }
  }

  async #joinAndSync(link: Link): Promise<Assignment> {
    const { group, assignor = 'range' } = this.#options
    const { clock } = this.#cluster
    const topics = await wantedTopics(this.#cluster, this.#options)
    const what = `Joining the group "${group}"`
    const metadata = encodeSubscription({ topics, owned: this.#isCooperative ? this.#hooks.owned() : [], generation: this.#generation })
    const joined = await link.request(joinGroupV7.api, group, this.#sessionTimeout, this.#rebalanceTimeout, this.#id, null, PROTOCOL, [{ name: PROTOCOLS[assignor], metadata }])
    if (joined.errorCode === BROKER.MEMBER_ID_REQUIRED) this.#id = joined.memberId
    check(joined.errorCode, what)
    this.#id = joined.memberId
    this.#generation = joined.generationId
    this.#isLeader = joined.leader === joined.memberId
    const members = joined.members.map(({ memberId, metadata: bytes }): Member => ({ id: memberId, ...decodeSubscription(bytes) }))
    const all = this.#isLeader ? [...new Set(members.flatMap(member => member.topics))] : topics
    const counts = await this.#counts(all)
    this.#basis = basisOf(this.#isLeader ? counts : undefined, topics)
    this.#lookedAt = clock.monotonic()
    const shares = this.#isLeader ? [...share(assignor, members, counts)] : []
    const sentAt = clock.monotonic()
    const assignments = shares.map(([memberId, assignment]) => ({ memberId, assignment: encodeAssignment(assignment) }))
    const synced = await link.request(syncGroupV5.api, group, this.#generation, this.#id, null, PROTOCOL, joined.protocolName ?? PROTOCOLS[assignor], assignments)
    check(synced.errorCode, what)
    this.#seenAt = sentAt
    return decodeAssignment(synced.assignment)
  }

  async #counts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (topics.length === 0) return new Map()
    return new Map((await this.#cluster.look(topics)).map(({ name, leaders }) => [name, leaders.length]))
  }

  /** Whether topics came or went, or their partitions, so that the shares must change. */
  async #hasChanged(): Promise<boolean> {
    try {
      const topics = await wantedTopics(this.#cluster, this.#options)
      const counts = this.#isLeader ? await this.#counts(this.#leadTopics(topics)) : undefined
      return this.#state === 'member' && basisOf(counts, topics) !== this.#basis
    } catch {
      // The next look, or the next sign of life, tells.
      return false
    }
  }

  #leadTopics(topics: readonly string[]): string[] {
    const { led } = JSON.parse(this.#basis === '' ? '{}' : this.#basis) as { led?: [string, number][] } // Written by `basisOf`.
    return [...new Set([...topics, ...(led ?? []).map(([name]) => name)])]
  }
}

function basisOf(counts: ReadonlyMap<string, number> | undefined, topics: readonly string[]): string {
  return JSON.stringify({ topics, ...(counts === undefined ? {} : { led: [...counts].sort(([a], [b]) => (a < b ? -1 : 1)) }) })
}

const left = (): SluiceError => new SluiceError('ABORTED', 'The member left the group.')
