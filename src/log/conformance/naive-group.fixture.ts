/** Groups of the naive log: one list of members, shared out anew in one row whenever it changes. */
import { SluiceError } from '../../base/index.ts'
import type { GroupDescription } from '../admin.ts'
import type { Call, GroupConsumer, GroupOptions, GroupReference, OffsetToCommit, TopicPartition } from '../log.ts'
import { NaiveConsumer, checkCall } from './naive.fixture.ts'
import type { NaiveStore } from './naive.fixture.ts'

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

export class NaiveGroup {
  readonly name: string
  readonly log: NaiveStore
  readonly #offsets = new Map<string, OffsetToCommit>()
  readonly #members = new Set<NaiveMember>()
  generation = 0
  #row: Promise<void> = Promise.resolve()
  #ids = 0

  constructor(name: string, store: NaiveStore) {
    this.name = name
    this.log = store
  }

  member(options: GroupOptions): NaiveMember {
    return new NaiveMember(this, this.log, options, `member-${++this.#ids}`)
  }

  committed(at: TopicPartition): bigint | undefined {
    return this.#offsets.get(nameOf(at))?.offset
  }

  store(offsets: readonly OffsetToCommit[]): void {
    for (const offset of offsets) this.#offsets.set(nameOf(offset), offset)
  }

  /** Refuses offsets of a member that does not have the partitions. */
  check({ member }: GroupReference, offsets: readonly OffsetToCommit[]): void {
    for (const at of offsets) this.log.partition(at)
    if (member === undefined) return
    const owner = [...this.#members].find(({ id }) => id === member.id)
    if (owner === undefined || offsets.some(at => !owner.owns(at))) throw new SluiceError('LOG_FENCED', 'The partitions belong to another member.')
  }

  checkEmpty(): void {
    if (this.#members.size > 0) throw new SluiceError('LOG_GROUP_BUSY', `The group "${this.name}" has members.`)
  }

  reset(offsets: readonly OffsetToCommit[]): void {
    this.checkEmpty()
    for (const at of offsets) this.log.partition(at)
    this.store(offsets)
  }

  async join(member: NaiveMember): Promise<void> {
    this.#members.add(member)
    await this.#rebalance()
    this.#watch(member)
  }

  has(member: NaiveMember): boolean {
    return this.#members.has(member)
  }

  /** Drops a member that did not fetch for the length of its session. */
  #watch(member: NaiveMember): void {
    const { sessionTimeout = 10_000 } = member.options
    member.isSeen = false
    this.log.clock.timer(sessionTimeout, () => {
      if (!this.#members.has(member)) return
      if (member.isSeen) return this.#watch(member)
      this.#members.delete(member)
      void member.drop().then(() => this.#rebalance())
    })
  }

  async dropAll(): Promise<number> {
    const members = [...this.#members]
    this.#members.clear()
    for (const member of members) await member.drop()
    return members.length
  }

  leave(member: NaiveMember): Promise<void> {
    this.#row = this.#row.then(async () => {
      if (!this.#members.has(member)) return
      await member.revoke(() => true)
      this.#members.delete(member)
    })
    return this.#rebalance()
  }

  topicsChanged(): void {
    if (this.#members.size > 0) void this.#rebalance()
  }

  #rebalance(): Promise<void> {
    this.#row = this.#row.then(async () => {
      const plan = this.#plan()
      await Promise.all([...this.#members].map(member => this.#revokeInTime(member, at => plan.get(nameOf(at)) !== member)))
      this.generation++
      const final = this.#plan()
      for (const member of this.#members) {
        const partitions = [...this.#topics(member)].filter(at => final.get(nameOf(at)) === member)
        await member.take(partitions)
      }
      this.log.changed()
    })
    return this.#row
  }

  /** A member that does not give back what it should in its time is dropped. */
  async #revokeInTime(member: NaiveMember, goes: (at: TopicPartition) => boolean): Promise<void> {
    let inTime = false
    await new Promise<void>(resolve => {
      const cancel = this.log.clock.timer(member.options.rebalanceTimeout ?? 60_000, resolve)
      void member.revoke(goes).then(() => {
        inTime = true
        cancel()
        resolve()
      })
    })
    if (inTime) return
    this.#members.delete(member)
    await member.drop()
  }

  #topics(member: NaiveMember): TopicPartition[] {
    const { topics } = member.options
    return [...this.log.topics.values()].filter(({ name }) => (topics instanceof RegExp ? new RegExp(`^(?:${topics.source})$`, topics.flags).test(name) : topics.includes(name)))
      .flatMap(({ name, partitions }) => partitions.map((_, partition) => ({ topic: name, partition })))
  }

  #plan(): Map<string, NaiveMember> {
    const plan = new Map<string, NaiveMember>()
    const seen = [...this.#members]
    for (const { name, partitions } of this.log.topics.values()) {
      const takers = seen.filter(member => this.#topics(member).some(({ topic }) => topic === name))
      partitions.forEach((_, partition) => {
        const taker = takers[Math.floor(partition * takers.length / partitions.length)]
        if (taker !== undefined) plan.set(nameOf({ topic: name, partition }), taker)
      })
    }
    return plan
  }

  describe(): GroupDescription {
    return {
      group: this.name,
      state: this.#members.size > 0 ? 'stable' : 'empty',
      generation: this.generation,
      assignor: 'range',
      members: [...this.#members].map(({ id, assigned }) => ({ id, client: id, partitions: assigned })),
      offsets: [...this.#offsets.values()].map(committed => {
        const { start, end } = this.log.partition(committed)
        return { ...committed, lag: end - (committed.offset < start ? start : committed.offset) }
      }),
    }
  }
}

export class NaiveMember implements GroupConsumer {
  readonly id: string
  readonly options: GroupOptions
  readonly #group: NaiveGroup
  readonly #consumer: NaiveConsumer
  /** Fetched since the group looked last. */
  isSeen = false
  #joined = false

  constructor(group: NaiveGroup, store: NaiveStore, options: GroupOptions, id: string) {
    this.#group = group
    this.options = options
    this.id = id
    this.#consumer = new NaiveConsumer(store, options)
  }

  get assigned(): TopicPartition[] {
    return this.#consumer.assigned
  }

  get reference(): GroupReference {
    return { group: this.#group.name, member: { id: this.id, generation: this.#group.generation } }
  }

  owns(at: TopicPartition): boolean {
    return this.assigned.some(own => nameOf(own) === nameOf(at))
  }

  async join(call?: Call): Promise<void> {
    this.#consumer.check(call)
    this.#joined = true
    const late = new SluiceError(call?.signal === undefined ? 'TIMED_OUT' : 'ABORTED', 'Joining took too long.')
    await new Promise<void>((resolve, reject) => {
      const cancel = this.#consumer.store.clock.timer(call?.timeout ?? 30_000, () => reject(late))
      call?.signal?.addEventListener('abort', () => reject(late), { once: true })
      void this.#group.join(this).then(resolve).finally(cancel)
    })
  }

  /** The partitions were given to others without its consent. */
  async drop(): Promise<void> {
    const { assigned } = this
    await this.#consumer.assign([])
    this.options.onLost?.(assigned)
  }

  async revoke(goes: (at: TopicPartition) => boolean): Promise<void> {
    const gone = this.assigned.filter(goes)
    if (gone.length === 0) return
    await this.options.onRevoked?.(gone)
    await this.#consumer.assign(this.assigned.filter(at => !goes(at)))
  }

  async take(partitions: readonly TopicPartition[]): Promise<void> {
    const fresh = partitions.filter(at => !this.owns(at))
    await this.#consumer.assign(partitions.map(at => (this.owns(at) ? at : { ...at, start: this.#group.committed(at) ?? this.options.start ?? 'earliest' })))
    if (fresh.length > 0) this.options.onAssigned?.(fresh)
  }

  async commit(offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    checkCall(call)
    this.#group.check(this.reference, offsets)
    this.#group.store(offsets)
  }

  position(at: TopicPartition): bigint | undefined {
    return this.#consumer.position(at)
  }

  seek(at: TopicPartition, start: Parameters<NaiveConsumer['seek']>[1], call?: Call): Promise<void> {
    return this.#consumer.seek(at, start, call)
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#consumer.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#consumer.resume(partitions)
  }

  async fetch(options?: Parameters<NaiveConsumer['fetch']>[0]) {
    this.isSeen = true
    if (this.#joined && !this.#group.has(this)) await this.#group.join(this)
    return this.#consumer.fetch(options)
  }

  async close(): Promise<void> {
    if (this.#joined) await this.#group.leave(this)
    this.#joined = false
    await this.#consumer.close()
  }
}
