/**
 * A member of a group in the newer protocol, `consumer` (KIP-848): the coordinator shares out, and tells each member what it is to have in the answer to a sign of life.
 *
 *     outside --join--> member --leave--> outside
 *                         |
 *                         +--> lost: the coordinator does not know it any more, or no sign of life reached it for `sessionTimeout`
 *
 * What the member is told to have and has not, it takes; what it has and is not told to have, it gives back first. It always says what it has: only then others get what it
 * gave back. Signs of life go on meanwhile.
 *
 * Offsets are committed in transactions in the classic protocol alone: brokers refuse it here.
 */
import { consumerGroupHeartbeatV0, offsetCommitV9 } from '@platformatic/kafka'
import type { GroupOptions, GroupReference, TopicPartition } from '../log.ts'
import type { Cluster } from './cluster.ts'
import { BROKER, brokerCodeOf, check, mayRetry } from './errors.ts'
import type { Links } from './links.ts'
import { IDLE_MAX, checkTimes, wantedTopics } from './membership.ts'
import type { GroupMembership, MembershipHooks } from './membership.ts'
import { groupByTopic } from './transaction-calls.ts'

/** The coordinator's names of Java's two ways. */
const ASSIGNORS = { range: 'range', sticky: 'uniform' } as const
/** Milliseconds until the next sign of life where the coordinator has not said. */
const BEAT_DEFAULT = 3000
const BEAT_AGAIN = 100
const LEAVING = -1
const GONE: ReadonlySet<number> = new Set([BROKER.UNKNOWN_MEMBER_ID, BROKER.FENCED_MEMBER_EPOCH])

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`

export class HeartbeatMembership implements GroupMembership {
  readonly commitApi = offsetCommitV9.api
  readonly isJoining = false
  readonly links: Links
  /** Why the member can't go on; told at the next call. */
  failure: unknown
  readonly #cluster: Cluster
  readonly #options: GroupOptions
  readonly #hooks: MembershipHooks
  readonly #sessionTimeout: number
  readonly #rebalanceTimeout: number
  #state: 'outside' | 'joining' | 'member' | 'lost' = 'outside'
  #id = ''
  #epoch = 0
  #last: GroupReference['member']
  #pause = BEAT_DEFAULT
  #seenAt = 0
  #touchedAt = 0
  /** What the coordinator is told that this member has. */
  #held: readonly TopicPartition[] = []
  /** What it is to have; undefined before that is known. */
  #target: readonly TopicPartition[] | undefined
  #settling: Promise<void> | undefined
  #life = new AbortController()

  constructor(cluster: Cluster, options: GroupOptions, hooks: MembershipHooks) {
    const { sessionTimeout, rebalanceTimeout } = checkTimes(options)
    this.#cluster = cluster
    this.#options = options
    this.#hooks = hooks
    this.#sessionTimeout = sessionTimeout
    this.#rebalanceTimeout = rebalanceTimeout
    this.links = cluster.links({ inFlight: 5 })
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

  get generation(): number {
    return this.#epoch
  }

  get member(): GroupReference['member'] {
    if (this.#id !== '' && this.#epoch > 0) this.#last = { id: this.#id, generation: this.#epoch }
    return this.#last
  }

  touch(): void {
    this.#touchedAt = this.#cluster.clock.monotonic()
  }

  /** The broker has the session's length; a process that stood still for much longer than a sign of life takes may be out of it. */
  get isStale(): boolean {
    return this.#state === 'member' && this.#cluster.clock.monotonic() - this.#seenAt > Math.max(this.#sessionTimeout, this.#pause * 4)
  }

  /** Joins; resolves when the first share has been taken. */
  async join(): Promise<void> {
    this.#life.abort()
    this.#life = new AbortController()
    const life = this.#life.signal
    this.touch()
    this.failure = undefined
    this.#state = 'joining'
    this.#epoch = 0
    this.#held = []
    this.#target = undefined
    try {
      for (let isFirst = true; this.#target === undefined || this.#settling !== undefined; isFirst = false) {
        if (!isFirst) await this.#cluster.clock.sleep(BEAT_AGAIN, life)
        await this.#beat(life)
        await this.#settling
      }
    } catch (error) {
      if (this.#state === 'joining') this.#state = 'outside'
      throw error
    }
    this.#state = 'member'
    void this.#live(life)
  }

  async leave(): Promise<void> {
    const id = this.#id
    this.#life.abort()
    this.#state = 'outside'
    this.#id = ''
    if (id !== '') await this.#leave(id).catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.leave()
    await this.links.close()
  }

  expire(): void {
    if (this.#state !== 'member') return
    this.#life.abort()
    this.#state = 'lost'
    this.#forget()
  }

  /** What it had may be others' now. */
  #forget(): void {
    this.#last = this.member
    this.#id = ''
    this.#epoch = 0
    this.#held = []
    this.#target = undefined
    this.#hooks.lose(this.#hooks.held())
  }

  refused(code: number | undefined, generation: number): boolean {
    if (code === undefined || !GONE.has(code) || generation !== this.#epoch) return false
    this.expire()
    return true
  }

  async #leave(id: string): Promise<void> {
    const { group } = this.#options
    await this.#cluster.persist({ timeout: 2000 }, 'Leaving', () => this.#cluster.atCoordinator('group', group, link => link.request(consumerGroupHeartbeatV0.api, group, id, LEAVING, null, null, -1, null, null, null, null), this.links))
  }

  async #live(life: AbortSignal): Promise<void> {
    const { clock } = this.#cluster
    let wait = 0
    while (!life.aborted) {
      await clock.sleep(wait, life).catch(() => undefined)
      if (life.aborted) return
      if (this.isStale) return this.expire()
      if (clock.monotonic() - this.#touchedAt > IDLE_MAX && !this.#hooks.isBusy()) return this.#leaveIdle()
      try {
        wait = (await this.#beat(life)) ? this.#pause : BEAT_AGAIN
        // What was taken or given back is said at once: others wait for it. Where it takes long, signs of life go on.
        if (this.#settling === undefined) continue
        await Promise.race([this.#settling, clock.sleep(this.#pause, life)])
        wait = 0
      } catch (error) {
        if (life.aborted) return
        this.failure = error
        return this.expire()
      }
    }
  }

  #leaveIdle(): void {
    const id = this.#id
    this.#cluster.warn(`A member of the group "${this.#options.group}" was not asked for records for ${IDLE_MAX / 1000} s and leaves, so that others get its partitions.`)
    this.expire()
    void this.#leave(id).catch(() => undefined)
  }

  /** One sign of life; false where it should be sent again soon. Throws what no repetition mends. */
  async #beat(life: AbortSignal): Promise<boolean> {
    const { group, assignor = 'range' } = this.#options
    const sentAt = this.#cluster.clock.monotonic()
    try {
      const topics = await wantedTopics(this.#cluster, this.#options)
      const held = await this.#withIds(this.#held)
      const answer = await this.#cluster.atCoordinator('group', group, async link => {
        const told = await link.request(consumerGroupHeartbeatV0.api, group, this.#id, this.#epoch, null, null, this.#rebalanceTimeout, [...topics], null, ASSIGNORS[assignor], held)
        check(told.errorCode, `The group "${group}"`, told.errorMessage)
        return told
      }, this.links)
      if (life.aborted) return true
      this.#seenAt = sentAt
      this.#id = answer.memberId ?? this.#id
      this.#epoch = answer.memberEpoch
      this.#pause = Math.max(50, Math.min(answer.heartbeatIntervalMs, this.#sessionTimeout / 3))
      if (answer.assignment !== null) this.#target = await this.#withNames(answer.assignment.topicPartitions, topics)
      this.#settle(life)
      return true
    } catch (error) {
      if (life.aborted) throw error
      const code = brokerCodeOf(error)
      if (code !== undefined && GONE.has(code)) {
        if (this.#state === 'member') this.expire()
        else this.#forget()
        return true
      }
      if (!mayRetry(error)) throw error
      return false
    }
  }

  /** Begins to give back and take what is asked for. */
  #settle(life: AbortSignal): void {
    const target = this.#target
    if (target === undefined || this.#settling !== undefined) return
    const [wanted, had] = [new Set(target.map(keyOf)), new Set(this.#held.map(keyOf))]
    const given = this.#held.filter(at => !wanted.has(keyOf(at)))
    const added = target.filter(at => !had.has(keyOf(at)))
    if (given.length === 0 && added.length === 0) return
    this.#settling = this.#exchange(given, added, life).finally(() => (this.#settling = undefined))
  }

  async #exchange(given: readonly TopicPartition[], added: readonly TopicPartition[], life: AbortSignal): Promise<void> {
    if (given.length > 0) await this.#hooks.revoke(given)
    if (life.aborted) return
    const gone = new Set(given.map(keyOf))
    this.#held = [...this.#held.filter(at => !gone.has(keyOf(at))), ...added]
    await this.#hooks.assign(added)
  }

  async #withIds(partitions: readonly TopicPartition[]): Promise<{ readonly topicId: string; readonly partitions: number[] }[]> {
    const topics = groupByTopic(partitions, ({ partition }) => partition)
    return Promise.all(topics.map(async ({ topic, parts }) => ({ topicId: (await this.#cluster.topic(topic)).id, partitions: parts })))
  }

  /** Topics that are not known, because they were made anew or went meanwhile, come with a later sign of life. */
  async #withNames(told: readonly { readonly topicId: string; readonly partitions: readonly number[] }[], topics: readonly string[]): Promise<TopicPartition[]> {
    if (told.length === 0) return []
    const names = new Map((await this.#cluster.look(topics)).map(({ id, name }) => [id, name]))
    return told.flatMap(({ topicId, partitions }) => {
      const topic = names.get(topicId)
      return topic === undefined ? [] : partitions.map(partition => ({ topic, partition }))
    })
  }
}
