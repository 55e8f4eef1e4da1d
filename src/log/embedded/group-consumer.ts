/**
 * A member of a consumer group: reads the partitions that the group gives it, from the committed offsets on.
 *
 *     outside --join--> member --close--> outside
 *                        |  ^
 *         session expired|  |joins again by itself at the next fetch
 *                        v  |
 *                        lost
 *
 * A partition that is asked back is not read from at once; its work is finished by `onRevoked`. A new one is read from as soon as its offset is sure: while a
 * transaction may still move it, its records wait.
 */
import { SluiceError } from '../../base/index.ts'
import type { Call, Fetched, GroupConsumer, GroupOptions, GroupReference, OffsetToCommit, Start, TopicPartition } from '../log.ts'
import { Serial, within } from './calls.ts'
import { Fetcher } from './fetcher.ts'
import type { Cursor, FetchOptions } from './fetcher.ts'
import type { GroupMember } from './groups.ts'
import { partitionKey } from './offset-store.ts'
import type { EmbeddedParts } from './parts.ts'

export class EmbeddedGroupConsumer implements GroupConsumer, GroupMember {
  readonly client: string
  readonly topics: readonly string[] | RegExp
  readonly assignor: 'range' | 'sticky'
  readonly sessionTimeout: number
  readonly rebalanceTimeout: number
  readonly #parts: EmbeddedParts
  readonly #options: GroupOptions
  readonly #fetcher: Fetcher
  readonly #onClose: (consumer: EmbeddedGroupConsumer) => void
  #state: 'outside' | 'member' | 'lost' | 'closed' = 'outside'
  #id = ''
  #generation = 0
  #stopWaiting: () => void = () => undefined
  readonly #revoking = new Serial()

  constructor(parts: EmbeddedParts, options: GroupOptions, onClose: (consumer: EmbeddedGroupConsumer) => void) {
    const { assignor = 'range', sessionTimeout = 10_000, rebalanceTimeout = 60_000, topics } = options
    for (const [name, value] of Object.entries({ sessionTimeout, rebalanceTimeout })) {
      if (!Number.isFinite(value) || value < 1) throw new SluiceError('LOG_SETTING', `${name}: ${value} is not possible: 1 ms or more.`)
    }
    this.client = 'sluice'
    this.topics = topics
    this.assignor = assignor
    this.sessionTimeout = sessionTimeout
    this.rebalanceTimeout = rebalanceTimeout
    this.#parts = parts
    this.#options = options
    this.#fetcher = new Fetcher(parts.clock, options.isolation, options.maxBytes)
    this.#onClose = onClose
  }

  get id(): string {
    return this.#id
  }

  get isPolling(): boolean {
    return this.#fetcher.isFetching
  }

  get reference(): GroupReference {
    const { group } = this.#options
    return this.#id === '' ? { group } : { group, member: { id: this.#id, generation: this.#generation } }
  }

  get assigned(): readonly TopicPartition[] {
    return this.#fetcher.cursors.map(({ partition: { topic, partition } }) => ({ topic, partition }))
  }

  async join(call?: Call): Promise<void> {
    this.#fetcher.checkOpen()
    if (this.#state === 'member') return
    await within(this.#parts.clock, call, `Joining the group "${this.#options.group}"`, () => this.#join())
  }

  position(partition: TopicPartition): bigint | undefined {
    return this.#fetcher.find(partition)?.position
  }

  async seek(partition: TopicPartition, start: Start, call?: Call): Promise<void> {
    const fetcher = this.#fetcher
    fetcher.checkOpen()
    await within(this.#parts.clock, call, 'The seek', async () => {
      const cursor = fetcher.cursor(partition)
      fetcher.moveTo(cursor, await fetcher.resolve(cursor.partition, start))
    })
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#fetcher.pause(partitions, false)
  }

  async fetch(options: FetchOptions = {}): Promise<Fetched[]> {
    this.#fetcher.checkOpen()
    if (this.#state === 'outside') throw new SluiceError('LOG_GROUP_REBALANCE', `Join the group "${this.#options.group}" before fetching.`, { retry: false })
    if (this.#state === 'lost') await within(this.#parts.clock, options, 'Joining again', () => this.#join())
    this.#touch()
    try {
      return await this.#fetcher.fetch(options)
    } finally {
      this.#touch()
    }
  }

  async commit(offsets: readonly OffsetToCommit[], call?: Call): Promise<void> {
    this.#fetcher.checkOpen()
    await within(this.#parts.clock, call, 'The commit of offsets', async () => {
      const { group } = this.#options
      for (const offset of offsets) this.#parts.catalog.partition(offset)
      this.#parts.groups.checkMember(group, this.#id, offsets)
      this.#touch()
      await this.#parts.offsets.commit(group, offsets)
    })
  }

  async close(call?: Call): Promise<void> {
    if (this.#state === 'closed') return
    const { group } = this.#options
    const wasMember = this.#state === 'member'
    this.#state = 'closed'
    const given = this.#parts.groups.owned(group, this.#id)
    try {
      if (wasMember && given.length > 0) await within(this.#parts.clock, call, 'Giving partitions back', () => this.revoke(given))
    } finally {
      this.#stopWaiting()
      this.#fetcher.close()
      await this.#parts.groups.leave(group, this.#id)
      this.#onClose(this)
    }
  }

  /** Once per partition, one call at a time: the group may ask while the member leaves. */
  revoke(partitions: readonly TopicPartition[]): Promise<void> {
    const cursors = partitions.flatMap(partition => this.#fetcher.find(partition) ?? []).filter(({ isRevoked }) => !isRevoked)
    for (const cursor of cursors) this.#fetcher.revoke(cursor)
    return this.#revoking.run(async () => {
      try {
        if (cursors.length > 0) await this.#options.onRevoked?.(cursors.map(({ partition: { topic, partition } }) => ({ topic, partition })))
      } finally {
        // Unless it was taken away meanwhile, and maybe given again.
        for (const cursor of cursors) if (this.#fetcher.find(cursor.partition) === cursor) this.#fetcher.remove(cursor.partition)
      }
    })
  }

  lose(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#fetcher.remove(partition)
    if (this.#state === 'member' && !this.#parts.groups.has(this.#options.group, this.#id)) this.#state = 'lost'
    this.#tell(this.#options.onLost, partitions)
  }

  assign(partitions: readonly TopicPartition[], generation: number): void {
    // Whoever is leaving gives back at once what it still gets.
    if (this.#state === 'closed') return
    this.#generation = generation
    for (const each of partitions) {
      const partition = this.#parts.catalog.find(each.topic)?.partitions[each.partition]
      if (partition !== undefined) this.#place(this.#fetcher.add(partition, undefined))
    }
    if (partitions.length > 0) this.#tell(this.#options.onAssigned, partitions)
  }

  async #join(): Promise<void> {
    this.#id = `${this.client}-${Array.from({ length: 4 }, () => Math.floor(this.#parts.random() * 0x1_0000_0000).toString(16).padStart(8, '0')).join('')}`
    this.#state = 'member'
    try {
      await this.#parts.groups.join(this.#options.group, this)
    } catch (error) {
      this.#state = 'outside'
      this.#id = ''
      throw error
    }
  }

  #touch(): void {
    this.#parts.groups.touch(this.#options.group, this.#id)
  }

  /** Finds the place where reading goes on. */
  #place(cursor: Cursor): void {
    const { offsets } = this.#parts
    const committed = offsets.offsetOf(this.#options.group, cursor.partition)
    if (committed === 'staged') return this.#placeLater()
    const { storage } = cursor.partition
    const { start = 'earliest' } = this.#options
    if (committed !== undefined) this.#fetcher.moveTo(cursor, committed)
    else if (start === 'earliest') this.#fetcher.moveTo(cursor, storage.start)
    else void this.#placeAt(cursor, start)
  }

  async #placeAt(cursor: Cursor, start: Start): Promise<void> {
    const { turn } = cursor
    try {
      const position = await this.#fetcher.resolve(cursor.partition, start)
      if (cursor.turn === turn) this.#fetcher.moveTo(cursor, position)
    } catch (error) {
      cursor.failure = error
      this.#fetcher.wake()
    }
  }

  /** Looks again after the next end of a transaction. */
  #placeLater(): void {
    this.#stopWaiting()
    this.#stopWaiting = this.#parts.offsets.onFinish(() => {
      for (const cursor of this.#fetcher.cursors) if (cursor.position === undefined && cursor.failure === undefined) this.#place(cursor)
    })
  }

  #tell(listener: ((partitions: readonly TopicPartition[]) => void) | undefined, partitions: readonly TopicPartition[]): void {
    try {
      listener?.(partitions)
    } catch (error) {
      this.#parts.warn(`A member of the group "${this.#options.group}" failed while it was told about ${partitions.map(partitionKey).join(', ')}: ${String(error)}`)
    }
  }
}
