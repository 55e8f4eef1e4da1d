/**
 * Committed offsets of all groups: a map in memory over the internal topic `__consumer_offsets`.
 *
 * Offsets of a transaction are staged under its producer id from the moment they are handed over until its marker is written, and count from then on, or never.
 * Whoever starts to read a partition waits while offsets of it are staged: the transaction may yet move the place where reading goes on.
 */
import { SluiceError } from '../../base/index.ts'
import type { Clock } from '../../platform/index.ts'
import type { OffsetToCommit, TopicPartition } from '../log.ts'
import { InternalTopic } from './internal-topic.ts'
import type { Entry } from './internal-topic.ts'
import type { Catalog } from './catalog.ts'
import { decodeOffset, encodeOffset } from './offset-records.ts'
import type { CommittedOffset, OffsetKey } from './offset-records.ts'
import { OFFSETS_TOPIC } from './topic-settings.ts'

const METADATA_BYTES_MAX = 4096
const GROUP_NAME_MAX = 249

interface Staged {
  readonly key: OffsetKey
  readonly committed: CommittedOffset | undefined
}

export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

export class OffsetStore {
  readonly topic: InternalTopic
  readonly #catalog: Catalog
  readonly #clock: Clock
  readonly #groups = new Map<string, Map<string, Staged>>()
  readonly #staged = new Map<bigint, Staged[]>()
  #waiting: (() => void)[] = []

  private constructor(catalog: Catalog, clock: Clock) {
    this.topic = new InternalTopic(OFFSETS_TOPIC, catalog, clock)
    this.#catalog = catalog
    this.#clock = clock
  }

  static async open(catalog: Catalog, clock: Clock): Promise<OffsetStore> {
    const store = new OffsetStore(catalog, clock)
    await store.topic.replay({
      entry(entry, producerId) {
        const staged = decodeOffset(entry)
        if (staged === undefined) return
        if (producerId === undefined) store.#apply(staged)
        else store.#stage(producerId, [staged])
      },
      end: (producerId, commit) => store.finish(producerId, commit),
    })
    return store
  }

  get groups(): string[] {
    return [...this.#groups.keys()]
  }

  committed(group: string): { readonly key: OffsetKey; readonly committed: CommittedOffset }[] {
    const found = []
    for (const { key, committed } of this.#groups.get(group)?.values() ?? []) if (committed !== undefined) found.push({ key, committed })
    return found.sort((a, b) => (a.key.topic === b.key.topic ? a.key.partition - b.key.partition : a.key.topic < b.key.topic ? -1 : 1))
  }

  /** The offset of a partition; `staged` while a transaction may still change it. */
  offsetOf(group: string, partition: TopicPartition): bigint | 'staged' | undefined {
    if (this.#isStaged(group, partition)) return 'staged'
    return this.#groups.get(group)?.get(partitionKey(partition))?.committed?.offset
  }

  /** Calls back once after the next end of a transaction with offsets; the answer cancels. */
  onFinish(callback: () => void): () => void {
    this.#waiting.push(callback)
    return () => {
      this.#waiting = this.#waiting.filter(other => other !== callback)
    }
  }

  hasStaged(group: string): boolean {
    return [...this.#staged.values()].some(list => list.some(({ key }) => key.group === group))
  }

  /** Writes offsets outside of any transaction; they count when this resolves. */
  async commit(group: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    const staged = this.#check(group, offsets)
    await this.topic.append(staged.map(({ key, committed }) => encodeOffset(key, committed)))
    for (const each of staged) this.#apply(each)
  }

  /** Puts offsets into the transaction of a producer. The entries are still to be written, under its producer id. */
  stage(producerId: bigint, group: string, offsets: readonly OffsetToCommit[]): readonly Entry[] {
    const staged = this.#check(group, offsets)
    this.#stage(producerId, staged)
    return staged.map(({ key, committed }) => encodeOffset(key, committed))
  }

  /** The end of a transaction, after its marker was written. */
  finish(producerId: bigint, commit: boolean): void {
    const staged = this.#staged.get(producerId)
    if (staged === undefined) return
    this.#staged.delete(producerId)
    if (commit) for (const each of staged) this.#apply(each)
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#forget([...(this.#groups.get(group)?.values() ?? [])])
    this.#groups.delete(group)
  }

  /** Forgets what all groups committed for a topic: one of the same name that is made later begins anew. */
  async forgetTopic(topic: string): Promise<void> {
    const doomed = [...this.#groups.values()].flatMap(group => [...group.values()].filter(({ key }) => key.topic === topic))
    for (const [producerId, list] of this.#staged) this.#staged.set(producerId, list.filter(({ key }) => key.topic !== topic))
    await this.#forget(doomed)
  }

  async #forget(doomed: readonly Staged[]): Promise<void> {
    await this.topic.append(doomed.map(({ key }) => encodeOffset(key, undefined)))
    for (const { key } of doomed) this.#apply({ key, committed: undefined })
  }

  #stage(producerId: bigint, staged: readonly Staged[]): void {
    const list = this.#staged.get(producerId)
    if (list === undefined) this.#staged.set(producerId, [...staged])
    else list.push(...staged)
  }

  #isStaged(group: string, { topic, partition }: TopicPartition): boolean {
    for (const list of this.#staged.values()) {
      if (list.some(({ key }) => key.partition === partition && key.topic === topic && key.group === group)) return true
    }
    return false
  }

  #apply(staged: Staged): void {
    const { group } = staged.key
    let offsets = this.#groups.get(group)
    if (staged.committed === undefined || !this.#isPresent(staged.key.topic, staged.committed.topicId)) {
      offsets?.delete(partitionKey(staged.key))
      if (offsets?.size === 0) this.#groups.delete(group)
      return
    }
    if (offsets === undefined) this.#groups.set(group, (offsets = new Map()))
    offsets.set(partitionKey(staged.key), staged)
  }

  /** False for a topic that was deleted, also where one of its name was made since: what comes late must not move the new one. */
  #isPresent(topic: string, id: number | undefined): boolean {
    const present = this.#catalog.find(topic)
    return present !== undefined && (id === undefined || id === present.id)
  }

  #check(group: string, offsets: readonly OffsetToCommit[]): Staged[] {
    checkGroupName(group)
    const time = this.#clock.now()
    return offsets.map(({ topic, partition, offset, metadata = '' }) => {
      if (offset < 0n) throw new SluiceError('LOG_OFFSET_OUT_OF_RANGE', `The offset ${offset} of "${topic}" partition ${partition} is below 0.`)
      const bytes = Buffer.byteLength(metadata)
      if (bytes > METADATA_BYTES_MAX) throw new SluiceError('LOG_SETTING', `The metadata of an offset has ${bytes} bytes; ${METADATA_BYTES_MAX} are the most.`)
      return { key: { group, topic, partition }, committed: { offset, metadata, time, topicId: this.#catalog.topic(topic).id } }
    })
  }
}

/** Throws LOG_SETTING for what can't be the name of a group. */
export function checkGroupName(group: string): void {
  if (group === '' || Buffer.byteLength(group) > GROUP_NAME_MAX) throw new SluiceError('LOG_SETTING', `"${group.slice(0, 260)}" is no name for a group: 1 to ${GROUP_NAME_MAX} bytes.`)
}
